$SEQLAB train --results $T 7f3a9c01

$SEQLAB train --results

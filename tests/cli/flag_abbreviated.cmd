$SEQLAB train --thr 3

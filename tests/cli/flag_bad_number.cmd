$SEQLAB train --threads=0

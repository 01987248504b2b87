$SEQLAB train --treads 3

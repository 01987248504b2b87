$SEQLAB train --help

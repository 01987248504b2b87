$SEQLAB train --results tests/cli/none 7f3a9c01

[ "$($SEQLAB --version)" = "seqlab $(cat VERSION)" ]

$SEQLAB table tests/cli/table.yaml --results $T/r | sed "s|$T|T|g; s/seqlab [0-9.]*, shapes [0-9a-f]*/seqlab V, shapes S/"

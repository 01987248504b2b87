$SEQLAB report tests/cli/table.yaml tests/cli/small.yaml --results $T/r --json | sed "s|$T|T|g"

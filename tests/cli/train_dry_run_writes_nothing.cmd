$SEQLAB train --dry-run --results $T/results tests/cli/small.yaml >/dev/null; ls $T

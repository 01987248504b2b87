$SEQLAB train --dry-run -v tests/cli/small.yaml | sed -n "/^parameter /,\$p"

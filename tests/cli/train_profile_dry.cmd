$SEQLAB train --profile --dry-run tests/cli/small.yaml

$SEQLAB report tests/cli/absent.yaml

$SEQLAB list --dry-run

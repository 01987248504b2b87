$SEQLAB list --json optimizers adamw

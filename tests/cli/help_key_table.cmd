$SEQLAB help table.metrics.0.digits; $SEQLAB help claims

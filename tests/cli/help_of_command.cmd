$SEQLAB help eval | cmp - tests/cli/help_eval.out

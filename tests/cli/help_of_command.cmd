$SEQLAB help list | cmp - tests/cli/help_list.out

$SEQLAB bench --help

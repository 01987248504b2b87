$SEQLAB bench --isa v9

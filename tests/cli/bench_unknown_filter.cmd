$SEQLAB bench --filter gem_m

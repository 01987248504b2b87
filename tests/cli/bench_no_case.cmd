$SEQLAB bench --filter sixteen 2>&1 | sed 's/groups: gemm, .*/groups/'

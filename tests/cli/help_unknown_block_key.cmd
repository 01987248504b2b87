$SEQLAB help slurm.memm

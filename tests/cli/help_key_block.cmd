$SEQLAB help slurm.at_once

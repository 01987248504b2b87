$SEQLAB sweep - --launcher=slurm --results=$T <tests/cli/table.yaml

$SEQLAB prune -q --results $T/results tests/cli/prune_lottery.yaml | tail -n +3 | sed "s/^[0-9a-f]\{12\}/ID/"; ls $T/results/tests/lottery | wc -l

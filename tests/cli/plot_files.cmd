cp tests/cli/plots.yaml $T; cd $T; $SEQLAB sweep -q plots.yaml >/dev/null; $SEQLAB plot plots.yaml; ls results/tests/plots/plots

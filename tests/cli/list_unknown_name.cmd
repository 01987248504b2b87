$SEQLAB list models mpl

mkfifo $T/pipe; exec 3<>$T/pipe 4>$T/pipe 3>&-; $SEQLAB list --json >&4

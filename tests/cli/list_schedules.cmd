$SEQLAB list schedules

$SEQLAB tran

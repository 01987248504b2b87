/* prune -- what cmd/prune.c leaves to cmd/prune_*.c. */
#ifndef SEQLAB_CMD_PRUNE_H
#define SEQLAB_CMD_PRUNE_H

#include "cmd/json_write.h"
#include "cmd/target.h"
#include "methods/prune/account.h"
#include "run/network.h"

/* -- prune_table.c */

/* What is left of `n`, which has its first values, or a checkpoint's. */
bool prune_account(const Network *n, Arena *a, Account *out, Error *err) MUST_CHECK;
void prune_print_account(const Account *account);
void prune_json_account(const Account *account, Json *j);

/* -- prune_files.c */

/* The layer table of an experiment, as far as it can be known without training. */
bool prune_dry_run(const Invocation *in, Target *t, Error *err) MUST_CHECK;
/* Whether the word names weights. */
bool prune_is_weights(const char *word);
/* `seqlab prune X.safetensors`: writes smaller or masked weights and their architecture. */
bool prune_weights(const Invocation *in, Error *err) MUST_CHECK;

#endif

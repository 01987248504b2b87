/* init -- the parts of `seqlab init`. */
#ifndef SEQLAB_CMD_INIT_H
#define SEQLAB_CMD_INIT_H

#include "cmd/command.h"
#include "methods/peft/lora_start.h"
#include "methods/peft/peft_init_dir.h"
#include "run/datasets.h"

/* The choices of --method, in their order. */
typedef enum Starter {
    START_IMPORT,
    START_LORA,
    START_GAUSSIAN,
    START_PISSA,
    START_OLORA,
    START_STABLE_OUTPUT,
    START_LORA_GA,
    START_BONE,
    START_BAT,
    START_MINI,
    START_MERGE,
    START_UNMERGE
} Starter;

/* Words of key=value. */
typedef struct InitKeys {
    LoraStart start; /* but for first.kind */
    int64_t mini_rank, max_length;
} InitKeys;
extern const OptionTable init_key_table;

/* The examples that --data names, for the model in --model; datasets_close(sets) after it. */
bool init_open_data(const Invocation *in, const InitKeys *keys, Datasets *sets, const Dataset **out,
                    Error *err) MUST_CHECK;

#endif

/* data_tokenizer -- `seqlab data tokenizer train|encode|decode`. */
#ifndef SEQLAB_CMD_DATA_TOKENIZER_H
#define SEQLAB_CMD_DATA_TOKENIZER_H

#include "cmd/command.h"

bool data_tokenizer(const Invocation *in, Error *err) MUST_CHECK;

#endif

/* sweep -- what the parts of `seqlab sweep` share. */
#ifndef SEQLAB_CMD_SWEEP_H
#define SEQLAB_CMD_SWEEP_H

#include "cmd/command.h"
#include "cmd/json_write.h"
#include "sweep/sweep.h"

#endif

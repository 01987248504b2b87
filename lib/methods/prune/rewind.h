/* rewind -- a network remembers all its tensors at one step of its training, in buffers
 * `<name>_rewind` beside them, for runs that start from it and go back to that step. */
#ifndef SEQLAB_METHODS_REWIND_H
#define SEQLAB_METHODS_REWIND_H

#include "methods/method.h"

/* A mask, or a copy of another tensor. */
bool rewind_is_memory(const Param *p);
/* The copies, as zeros; for Method.buffers. */
void rewind_buffers(const MethodCall *c, Graph *g);
/* Tensors to their copies, and back. Those without a copy stay. */
void rewind_save(const Params *params);
void rewind_load(const Params *params);

#endif

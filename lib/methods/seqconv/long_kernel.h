/* long_kernel -- which parameters the methods for long convolutions act on. */
#ifndef SEQLAB_METHODS_LONG_KERNEL_H
#define SEQLAB_METHODS_LONG_KERNEL_H

#include "methods/method.h"

/* A kernel with its taps along the last axis: ROLE_KERNEL, and a name that ends in ".kernel". */
bool is_long_kernel(const Param *p);
/* A transform hook: fails when the model has no such parameter, since the method would do nothing.
 */
bool needs_long_kernel(const MethodCall *c, Error *err) MUST_CHECK;

#endif

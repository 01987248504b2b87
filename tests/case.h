/* case -- an experiment on generated data, and its network: for tests of methods. */
#ifndef SEQLAB_TESTS_CASE_H
#define SEQLAB_TESTS_CASE_H

#include "run/network.h"

typedef struct Case {
    Arena *arena;
    Error err;
    Experiment experiment;
    Dataset data;
    Network network; /* the test's to build */
} Case;

/* Reads the experiment, opens its data and sets its id; a failure fails the test. */
void case_load(Case *c, const char *text);
void case_free(Case *c);

#endif

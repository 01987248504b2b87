/* case -- see case.h. */
#include "tests/case.h"

#include "tests/test.h"

#include <string.h>

void case_load(Case *c, const char *text)
{
    *c = (Case){.arena = arena_new()};
    ASSERT_OK(experiment_parse(&c->experiment, c->arena, text, strlen(text), &c->err), &c->err);
    ASSERT_OK(dataset_open(&c->data, c->experiment.dataset, c->experiment.dataset_options, ".",
                           SPLITS_ALL, c->arena, &c->err),
              &c->err);
    experiment_identify(&c->experiment, c->arena, c->data.sha256);
}

void case_free(Case *c)
{
    network_free(&c->network);
    dataset_close(&c->data);
    arena_free(c->arena);
}

/* search -- see search.h. */
#include "sweep/search.h"

#include "run/metric_lines.h"

#include <string.h>

typedef struct SearchOptions {
    const char *by;
    int64_t eta, min_steps;
} SearchOptions;

// clang-format off
static const Option rows[] = {
    OPT_STRING(SearchOptions, by, "", "the metric that the best setting is chosen by; never a test metric; required"),
    OPT_TREE(over, "key or list of keys", "", "the keys of which the best setting is kept; required"),
    OPT_INT(SearchOptions, eta, 3, 2, 100, "with --asha, one setting in eta goes on from each round, eta times as far"),
    OPT_INT(SearchOptions, min_steps, 0, 0, 1000000000000, "with --asha, steps of the first round; 0: so that there are three rounds before the last"),
};
// clang-format on
const OptionTable search_options = OPTION_TABLE(SearchOptions, rows);

static bool read_over(Search *s, const Yaml *y, Error *err)
{
    if (y->kind == YAML_SCALAR) {
        s->n_over = 1;
        return yaml_string(y, &s->over[0], err);
    }
    if (y->kind != YAML_LIST || y->n == 0)
        return yaml_fail(y, err, "over: expected a key such as optimizer.lr, or a list of them");
    if (y->n > SEARCH_KEYS) return yaml_fail(y, err, "over: at most %d keys", SEARCH_KEYS);
    for (const Yaml *k = y->first; k; k = k->next) TRY(yaml_string(k, &s->over[s->n_over++], err));
    return true;
}

bool search_read(Search *search, const Yaml *y, Error *err)
{
    *search = (Search){.where = y};
    if (!y || y->kind == YAML_NULL) return true;
    if (y->kind != YAML_MAP)
        return yaml_fail(y, err, "search: expected a map such as {by: valid.top1, over: [...]}");
    const Yaml *by = yaml_get(y, "by"), *over = yaml_get(y, "over");
    SearchOptions o;
    bool ok = option_read(&search_options, y, NULL, "in search", &o, err);
    search->by = o.by;
    search->eta = o.eta;
    search->min_steps = o.min_steps;
    if (ok && !o.by)
        ok = yaml_fail(y, err, "search: 'by' is missing: a valid metric such as valid.top1");
    if (!over)
        return yaml_fail(y, err, "search: 'over' is missing: the keys of which the best is kept");
    if (!read_over(search, over, err)) ok = false;
    if (ok && metric_is_test(o.by))
        ok = yaml_fail(by, err,
                       "by = '%.60s': a setting is never chosen by a test metric; choose by a "
                       "valid metric, such as valid.top1",
                       o.by);
    return ok;
}

bool search_has(const Search *search, const char *key)
{
    for (int i = 0; i < search->n_over; i++)
        if (strcmp(search->over[i], key) == 0) return true;
    return false;
}

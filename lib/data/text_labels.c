/* text_labels -- see text_labels.h. */
#include "data/text_labels.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_LABEL = 200, MAX_DIGITS = 15, SHOWN = 8 };

static int compare(TextSpan a, TextSpan b)
{
    const int order = memcmp(a.at, b.at, (size_t)(a.n < b.n ? a.n : b.n));
    return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}

/* The place of a word, or where it would be. */
static int place_of(const TextLabels *l, TextSpan word)
{
    int low = 0, high = l->n;
    while (low < high) {
        const int middle = (low + high) / 2;
        if (compare(l->at[middle].word, word) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool has(const TextLabels *l, int place, TextSpan word)
{
    return place < l->n && compare(l->at[place].word, word) == 0;
}

static bool row_fails(const TextRows *rows, const TextRow *row, Error *err, const char *what)
{
    if (row->line > 0)
        return fail(err, FAIL_DATA, NULL, "%s:%lld: %s", rows->path, (long long)row->line, what);
    return fail(err, FAIL_DATA, NULL, "%s: %s", rows->path, what);
}

static bool collect_words(TextLabels *l, const TextRows *rows, Arena *a, Error *err)
{
    for (int64_t i = 0; i < rows->n; i++) {
        const TextSpan word = rows->row[i].label;
        const int place = place_of(l, word);
        if (has(l, place, word)) continue;
        if (word.n > MAX_LABEL)
            return row_fails(rows, &rows->row[i], err,
                             arena_printf(a, "a label of %lld bytes; at most %d: is it the text?",
                                          (long long)word.n, MAX_LABEL));
        if (l->n == TEXT_MAX_CLASSES)
            return row_fails(rows, &rows->row[i], err,
                             arena_printf(a, "more than %d different labels: are they the texts?",
                                          TEXT_MAX_CLASSES));
        memmove(l->at + place + 1, l->at + place, (size_t)(l->n - place) * sizeof *l->at);
        l->at[place] = (TextLabel){.word = word};
        l->n++;
    }
    return true;
}

/* A whole number of few digits. */
static bool number_of(TextSpan word, int64_t *out)
{
    const int sign = word.n > 0 && word.at[0] == '-';
    if (word.n == sign || word.n > sign + MAX_DIGITS) return false;
    *out = 0;
    for (int64_t i = sign; i < word.n; i++) {
        if (word.at[i] < '0' || word.at[i] > '9') return false;
        *out = 10 * *out + (word.at[i] - '0');
    }
    if (sign) *out = -*out;
    return true;
}

/* A label's class is how many come before it. */
static void number_classes(TextLabels *l, Arena *a)
{
    int64_t *value = arena_new_array(a, int64_t, l->n);
    bool numbers = true;
    for (int i = 0; i < l->n && numbers; i++) numbers = number_of(l->at[i].word, &value[i]);
    for (int i = 0; i < l->n; i++) {
        int before = i;
        if (numbers) {
            before = 0;
            for (int k = 0; k < l->n; k++)
                before += value[k] < value[i] || (k < i && value[k] == value[i]);
        }
        l->at[i].class = before;
        l->names[before] =
            arena_string_n(a, (const char *)l->at[i].word.at, (size_t)l->at[i].word.n);
    }
}

bool text_labels_collect(TextLabels *labels, const TextRows *rows, Arena *a, Error *err)
{
    *labels = (TextLabels){.at = arena_new_array(a, TextLabel, TEXT_MAX_CLASSES + 1)};
    TRY(collect_words(labels, rows, a, err));
    labels->names = arena_new_array(a, const char *, labels->n);
    number_classes(labels, a);
    if (labels->n > 1) return true;
    return fail(err, FAIL_DATA, NULL, "%s: all have the label '%s'", rows->path, labels->names[0]);
}

static bool unknown(const TextLabels *l, const TextRows *rows, const TextRow *row, Error *err)
{
    Text known = {0};
    text_addf(&known, "label '%.*s' is not among those to train on: ",
              (int)(row->label.n < MAX_LABEL ? row->label.n : MAX_LABEL),
              (const char *)row->label.at);
    for (int i = 0; i < l->n && i < SHOWN; i++)
        text_addf(&known, "%s%s", i > 0 ? ", " : "", l->names[i]);
    if (l->n > SHOWN) text_addf(&known, " and %d more", l->n - SHOWN);
    (void)row_fails(rows, row, err, known.data);
    text_free(&known);
    return false;
}

bool text_labels_apply(const TextLabels *labels, const TextRows *rows, int32_t *class, Error *err)
{
    for (int64_t i = 0; i < rows->n; i++) {
        const int place = place_of(labels, rows->row[i].label);
        if (!has(labels, place, rows->row[i].label))
            return unknown(labels, rows, &rows->row[i], err);
        class[i] = labels->at[place].class;
    }
    return true;
}

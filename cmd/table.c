/* table -- `seqlab table`: the results of a sweep beside the paper's, and which claims hold. */
#include "cmd/command.h"

#include "base/progress.h"
#include "io/file.h"
#include "table/tables.h"

#include <string.h>

static const Place place = {.file = "command line"};

static bool check_words(const Invocation *in, Error *err)
{
    if (in->n_words == 0) return fail(err, FAIL_USAGE, &place, "FILE.yaml is missing");
    for (int i = 1; i < in->n_words; i++)
        if (!strchr(in->words[i], '='))
            return fail(err, FAIL_USAGE, &place, "'%.60s' is no key=value", in->words[i]);
    return true;
}

static TableFormat format_of(const Flags *flags)
{
    enum { TEX = FORMAT_HTML + 1 }; /* another name of latex */
    if (flags->json) return FORMAT_JSON;
    return flags->format == TEX ? FORMAT_LATEX : (TableFormat)flags->format;
}

/* A page of its own around the fragment. */
static void add_page(const TableSet *t, const TableStyle *style, Text *out)
{
    text_add(out,
             "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
             "<meta name=\"color-scheme\" content=\"light dark\">\n<title>seqlab table</title>\n"
             "<style>\nbody{font-family:sans-serif;margin:2em}\n");
    text_add(out, tables_css);
    text_add(out, "</style>\n");
    tables_write(t, FORMAT_HTML, style, out);
    text_add(out, "</html>\n");
}

static bool print(const TableSet *t, const Invocation *in, Error *err)
{
    const Flags *flags = &in->flags;
    TableFormat format = format_of(flags);
    const bool to_file = flags->output && strcmp(flags->output, "-") != 0;
    TableStyle style = {.interval = flags->interval,
                        .runs = flags->runs,
                        .settings = flags->verbose,
                        .bold = !to_file && color_wanted((ColorMode)flags->color, stdout)};
    Text out = {0};
    bool ok = true;
    if (format == FORMAT_HTML)
        add_page(t, &style, &out);
    else
        tables_write(t, format, &style, &out);
    if (to_file)
        ok = file_replace(flags->output, out.data, out.n, err);
    else
        (void)fputs(out.data, stdout);
    text_free(&out);
    return ok;
}

/* A claim without runs is not shown to hold, so --check does not pass it either. */
static bool check_claims(const TableSet *t, Error *err)
{
    int n_fail = tables_count(t, CLAIM_FAILS), n_not_run = tables_count(t, CLAIM_NOT_RUN);
    if (n_fail + n_not_run == 0) return true;
    if (n_fail == 0)
        return fail(err, FAIL_CLAIM, NULL, "%s: %d of %d claims not run", t->path, n_not_run,
                    t->n_claims);
    return fail(err, FAIL_CLAIM, NULL, "%s: %d of %d claims failed%s", t->path, n_fail, t->n_claims,
                n_not_run > 0 ? ", others are not run" : "");
}

static bool table(const Invocation *in, Error *err)
{
    TableSet t;
    TRY(check_words(in, err));
    TRY(tables_open(&t, in->arena, in->words[0], in->words + 1, in->n_words - 1, in->flags.results,
                    err));
    if (t.n == 0)
        return fail(err, FAIL_CONFIG, NULL,
                    "%s: 'table' is missing: {rows: KEY, metric: {name: test.top1}}", t.path);
    TRY(print(&t, in, err));
    return !in->flags.check || check_claims(&t, err);
}

const Command command_table = {
    .name = "table",
    .summary = "Print a sweep's results beside the paper's, and which claims hold",
    .usage = "FILE.yaml [key=value ...]",
    .flags = "format interval runs check output results json",
    .help =
        "A cell is the mean over the seeds of the runs that are done; nothing is computed. The\n"
        "blocks `table:`, `claims:` and `search:` of the file say what is shown. A claim 'holds'\n"
        "when it is true of the means and p < 0.05 over the seeds, 'holds weakly' when it is\n"
        "true of the means only. With --check the exit code is 6 when a claim fails or its runs\n"
        "are missing. With -v, what a search chose for each cell.\n",
    .run = table,
};

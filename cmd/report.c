/* report -- `seqlab report`: a paper's experiments on one page of HTML. */
#include "cmd/command.h"

#include "cmd/json_write.h"
#include "io/file.h"
#include "report/report.h"

#include <string.h>
#include <sys/stat.h>

static const Place place = {.file = "command line"};

/* Folders and files first, then key=value; a path may have a = in it. */
static bool read_words(ReportRequest *q, const Invocation *in, Error *err)
{
    struct stat st;
    *q = (ReportRequest){.paths = in->words, .results = in->flags.results};
    while (q->n_paths < in->n_words &&
           (!strchr(in->words[q->n_paths], '=') || stat(in->words[q->n_paths], &st) == 0))
        q->n_paths++;
    q->words = in->words + q->n_paths;
    q->n_words = in->n_words - q->n_paths;
    if (q->n_paths == 0) return fail(err, FAIL_USAGE, &place, "FOLDER or FILE.yaml is missing");
    for (int i = 0; i < q->n_words; i++)
        if (!strchr(q->words[i], '='))
            return fail(err, FAIL_USAGE, &place, "'%.60s' is no key=value", q->words[i]);
    return true;
}

static void print_json(const Report *r, const char *path)
{
    Json j = {0};
    json_begin(&j, NULL, '{');
    json_add_text(&j, "file", path);
    json_add_text(&j, "title", r->title);
    json_add_int(&j, "experiments", r->n);
    json_begin(&j, "runs", '{');
    json_add_int(&j, "all", r->n_runs);
    for (int i = 0; i < N_RUN_STATUSES; i++) json_add_int(&j, run_status_name[i], r->n_status[i]);
    json_end(&j, '}');
    json_begin(&j, "claims", '{');
    for (int i = 0; i < N_VERDICTS; i++) json_add_int(&j, verdict_name[i], r->n_claims[i]);
    json_end(&j, '}');
    json_add_real(&j, "cpu_s", r->cost.cpu_s);
    json_add_real(&j, "wall_s", r->cost.wall_s);
    json_add_real(&j, "energy_wh", r->cost.energy_wh);
    json_add_real(&j, "carbon_g", r->cost.carbon_g);
    json_add_int(&j, "peak_bytes", r->cost.peak_bytes);
    json_end(&j, '}');
    json_print(&j);
}

/* Into --output, `-` being stdout; else beside the folders of the runs, and says where. */
static bool write_page(const Report *r, const Invocation *in, Error *err)
{
    const char *folder = arena_printf(in->arena, "%s/%s", in->flags.results, r->folder);
    const char *path = in->flags.output;
    Text page = {0};
    if (!path) {
        TRY(folder_make(folder, err));
        path = arena_printf(in->arena, "%s%sreport.html", folder, *r->folder ? "/" : "");
    }
    report_html(r, &page);
    bool ok = true;
    if (strcmp(path, "-") == 0)
        (void)fputs(page.data, stdout);
    else if ((ok = file_replace(path, page.data, page.n, err))) {
        if (in->flags.json)
            print_json(r, path);
        else if (!in->flags.output)
            (void)puts(path);
    }
    text_free(&page);
    return ok;
}

static bool report(const Invocation *in, Error *err)
{
    ReportRequest q;
    Report r;
    TRY(read_words(&q, in, err));
    TRY(report_open(&r, in->arena, &q, err));
    return write_page(&r, in, err);
}

const Command command_report = {
    .name = "report",
    .summary = "Write a paper's experiments as one page of HTML: tables, claims, plots, cost",
    .usage = "FOLDER|FILE.yaml ... [key=value ...]",
    .flags = "output results json",
    .help =
        "Nothing is computed: what is there of the runs is read. A folder stands for its\n"
        "experiment files. The page has what was run, the tables with the paper's values and the\n"
        "claims' verdicts, plots, configurations and where they differ, machines, cost, and the\n"
        "commands that repeat it. It needs no network and no other file, follows the reader's\n"
        "light or dark scheme, and can be printed. Without -o it is written to\n"
        "<results>/<what the experiments' names begin with>/report.html, whose name is printed;\n"
        "-o - writes to stdout.\n",
    .computes = true,
    .run = report,
};

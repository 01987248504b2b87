/* report -- see report.h: which files, their titles, and the sums over them. */
#include "report/report.h"

#include "io/file.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { README_MAX_BYTES = 1 << 20 };

static const Place place = {.file = "command line"};

/* -- Files */

typedef struct FileList {
    const char **at;
    int n, n_allocated;
    Arena *arena;
} FileList;

static void add_file(FileList *l, const char *path)
{
    if (l->n == l->n_allocated) {
        l->n_allocated = l->n_allocated ? 2 * l->n_allocated : 16;
        const char **more = arena_new_array(l->arena, const char *, l->n_allocated);
        if (l->n > 0) memcpy(more, l->at, sizeof(char *) * (size_t)l->n);
        l->at = more;
    }
    l->at[l->n++] = path;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_yaml(const char *name)
{
    const char *dot = strrchr(name, '.');
    return *name != '.' && dot && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0);
}

/* A part that others name in `extends:` lacks what every experiment must have. What cannot be read
 * is no part: its mistakes are to be reported. */
static bool is_part(const char *path, Arena *a)
{
    static const char *const required[] = {"data", "model", "train"};
    Yaml *y;
    if (!yaml_load_experiment(a, path, &y, NULL)) return false;
    for (int i = 0; i < 3; i++)
        if (!yaml_get(y, required[i])) return true;
    return false;
}

static bool add_folder(FileList *files, FileList *parts, const char *folder, Error *err)
{
    Arena *a = files->arena;
    const int first = files->n;
    size_t length = strlen(folder);
    DIR *dir = opendir(folder);
    if (!dir) return fail_errno(err, FAIL_USAGE, &place, "%s: cannot be read", folder);
    while (length > 1 && folder[length - 1] == '/') length--;
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (!is_yaml(entry->d_name)) continue;
        const char *path = arena_printf(a, "%.*s/%s", (int)length, folder, entry->d_name);
        add_file(is_part(path, a) ? parts : files, path);
    }
    (void)closedir(dir);
    if (files->n == first)
        return fail(err, FAIL_USAGE, &place, "%s: has no experiment file", folder);
    qsort(files->at + first, (size_t)(files->n - first), sizeof(char *), by_text);
    return true;
}

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool find_files(FileList *files, FileList *parts, const ReportRequest *q, Error *err)
{
    for (int i = 0; i < q->n_paths; i++) {
        if (is_folder(q->paths[i]))
            TRY(add_folder(files, parts, q->paths[i], err));
        else
            add_file(files, q->paths[i]);
    }
    if (files->n == 0) return fail(err, FAIL_USAGE, &place, "no experiment file is named");
    if (parts->n > 0) qsort(parts->at, (size_t)parts->n, sizeof(char *), by_text);
    return true;
}

/* -- Titles and commands */

/* The first heading of the folder's README.md, or NULL. */
static const char *readme_title(const char *folder, Arena *a)
{
    char *text;
    size_t n;
    const char *title = NULL;
    if (!file_read(arena_printf(a, "%s/README.md", folder), README_MAX_BYTES, &text, &n, FAIL_RUN,
                   NULL))
        return NULL;
    for (const char *line = text; line && !title; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, "# ", 2) == 0)
            title = arena_string_n(a, line + 2, strcspn(line + 2, "\r\n"));
    }
    free(text);
    return title && *title && yaml_is_text(title) ? title : NULL;
}

/* What a folder or file is called, also where the path is "." or ends in "..". */
static const char *last_part(const char *path, Arena *a)
{
    char *whole = realpath(path, NULL);
    const char *slash = strrchr(whole ? whole : path, '/');
    const char *part = arena_string(a, slash && slash[1] ? slash + 1 : path);
    free(whole);
    return part;
}

static const char *title_of(const Report *r, const ReportRequest *q, Arena *a)
{
    const char *title = NULL;
    if (q->n_paths == 1 && is_folder(q->paths[0])) {
        title = readme_title(q->paths[0], a);
        return title ? title : last_part(q->paths[0], a);
    }
    if (r->n == 1) return r->at[0].name;
    for (int i = 0; i < q->n_paths; i++) {
        const char *part = last_part(q->paths[i], a);
        title = title ? arena_printf(a, "%s, %s", title, part) : part;
    }
    return title;
}

/* What the names of all experiments begin with, in whole parts: "longconv" of longconv/listops and
 * longconv/image. */
static const char *common_folder(const Report *r, Arena *a)
{
    const char *first = r->at[0].name;
    const size_t length = strlen(first);
    size_t n = length;
    for (int i = 1; i < r->n; i++) {
        size_t same = 0, end = 0;
        const char *name = r->at[i].name;
        for (; same <= n; same++) {
            const char c = first[same < n ? same : length];
            if ((c == '\0' || c == '/') && (name[same] == '\0' || name[same] == '/')) end = same;
            if (c != name[same] || c == '\0') break;
        }
        n = end;
    }
    return arena_string_n(a, first, n);
}

/* "seqlab report" with what tables_command puts behind one file's name. */
static const char *command_of(const ReportRequest *q, Arena *a)
{
    const char **words = arena_new_array(a, const char *, q->n_paths + q->n_words);
    int n = 0;
    for (int i = 1; i < q->n_paths; i++) words[n++] = q->paths[i];
    for (int i = 0; i < q->n_words; i++) words[n++] = q->words[i];
    const char *sweep = tables_command(a, q->paths[0], words, n, q->results);
    return arena_printf(a, "seqlab report%s", sweep + strlen("seqlab sweep"));
}

/* -- Sums */

static int by_folder(const void *a, const void *b)
{
    return strcmp((*(const ReportRun *const *)a)->folder, (*(const ReportRun *const *)b)->folder);
}

/* The texts of an experiment's facts, each with its runs; a run of two files counts in both. */
static void add_facts(FactList *to, const FactList *from)
{
    to->n_more += from->n_more;
    for (int k = 0; k < from->n; k++) {
        int i = 0;
        while (i < to->n && strcmp(to->text[i], from->text[k]) != 0) i++;
        if (i == FACTS_MAX) {
            to->n_more += from->count[k];
            continue;
        }
        if (i == to->n) to->text[to->n++] = from->text[k];
        to->count[i] += from->count[k];
    }
}

static void add_up(Report *r, Arena *a)
{
    int n = 0, most = 0;
    FactList unused[N_FACTS] = {{.n = 0}};
    for (int i = 0; i < r->n; i++) most += r->at[i].n_runs;
    const ReportRun **runs = arena_new_array(a, const ReportRun *, most + 1);
    for (int i = 0; i < r->n; i++) {
        const ReportExperiment *e = &r->at[i];
        for (int k = 0; k < e->n_runs; k++) runs[n++] = &e->runs[k];
        for (int k = 0; k < e->tables.n_claims; k++) r->n_claims[e->tables.claims[k].verdict]++;
        for (int k = 0; k < N_FACTS; k++) add_facts(&r->facts[k], &e->facts[k]);
    }
    if (n > 0) qsort(runs, (size_t)n, sizeof(void *), by_folder);
    for (int i = 0; i < n; i++) {
        if (i > 0 && strcmp(runs[i]->folder, runs[i - 1]->folder) == 0) continue;
        r->n_runs++;
        r->n_status[runs[i]->status]++;
        report_count(&r->cost, unused, runs[i], NULL, a);
    }
}

/* -- All of it */

static void merge_errors(const Error *from, Error *into)
{
    for (int i = 0; i < from->n_items; i++) {
        (void)fail(into, from->kind, NULL, "%s", from->items[i].text);
        if (into->n_items > 0 && into->n_dropped == 0)
            into->items[into->n_items - 1] = from->items[i];
    }
}

bool report_open(Report *r, Arena *a, const ReportRequest *q, Error *err)
{
    FileList files = {.arena = a}, parts = {.arena = a};
    *r = (Report){0};
    TRY(find_files(&files, &parts, q, err));
    r->at = arena_new_array(a, ReportExperiment, files.n);
    bool ok = true;
    for (; r->n < files.n; r->n++) {
        Error own = {0};
        if (report_experiment(&r->at[r->n], a, files.at[r->n], q, &own)) continue;
        merge_errors(&own, err);
        ok = false;
    }
    if (!ok) return false;
    r->parts = parts.at;
    r->n_parts = parts.n;
    r->title = title_of(r, q, a);
    r->command = command_of(q, a);
    r->folder = common_folder(r, a);
    add_up(r, a);
    return true;
}

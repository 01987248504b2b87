/* run_record -- see run_record.h. */
#include "run/run_record.h"

#include "base/clock.h"
#include "base/text.h"
#include "cpu/cpu.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *const run_status_name[N_RUN_STATUSES] = {"absent", "queued", "running",
                                                     "done",   "failed", "stopped"};

/* -- The fields that are numbers, one row each: written and read by the same rows */

typedef struct NumberField {
    const char *name;
    size_t offset;
    bool is_real; /* double, else int64_t */
} NumberField;

#define WHOLE(member, name)                                                                        \
    {                                                                                              \
        name, offsetof(RunRecord, member), false                                                   \
    }
#define REAL(member, name)                                                                         \
    {                                                                                              \
        name, offsetof(RunRecord, member), true                                                    \
    }
// clang-format off
static const NumberField fields[] = {
    WHOLE(step, "step"),
    WHOLE(total_steps, "total_steps"),
    WHOLE(restarts, "restarts"),
    REAL(wall_s, "wall_s"),
    REAL(cpu_s, "cpu_s"),
    REAL(first_step_s, "first_step_s"),
    REAL(step_ms, "step_ms"),
    REAL(checkpoint_s, "checkpoint_s"),
    WHOLE(peak_bytes, "peak_bytes"),
    WHOLE(plan_bytes, "plan_bytes"),
    WHOLE(n_parameters, "parameters"),
    REAL(energy_wh, "energy_wh"),
    REAL(carbon_g, "carbon_g"),
    REAL(carbon_g_per_kwh, "carbon_g_per_kwh"),
};
// clang-format on
enum { N_FIELDS = sizeof fields / sizeof fields[0] };

RunRecord run_record_unknown(void)
{
    RunRecord r = {.status = RUN_ABSENT, .exit_code = -1, .threads = -1};
    for (int i = 0; i < N_FIELDS; i++) {
        void *value = (char *)&r + fields[i].offset;
        if (fields[i].is_real)
            *(double *)value = (double)NAN;
        else
            *(int64_t *)value = -1;
    }
    r.restarts = 0;
    return r;
}

const char *run_record_name(int i)
{
    return i < N_FIELDS ? fields[i].name : NULL;
}

bool run_record_number(const RunRecord *r, const char *name, double *out)
{
    for (int i = 0; i < N_FIELDS; i++) {
        const void *value = (const char *)r + fields[i].offset;
        if (strcmp(fields[i].name, name) != 0) continue;
        *out = fields[i].is_real ? *(const double *)value : (double)*(const int64_t *)value;
        if (*out < 0) *out = (double)NAN;
        return true;
    }
    return false;
}

/* -- Writing */

/* How many bytes of well-formed UTF-8 start here; 0: none. */
static size_t utf8_length(const unsigned char *p)
{
    size_t n = *p < 0x80 ? 1 : *p >= 0xc2 && *p < 0xe0 ? 2 : *p >= 0xe0 && *p < 0xf0 ? 3 : 4;
    if ((*p >= 0x80 && *p < 0xc2) || *p > 0xf4) return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) || (*p == 0xf0 && p[1] < 0x90) ||
        (*p == 0xf4 && p[1] > 0x8f))
        return 0;
    return n;
}

static void add_string(Text *out, const char *s, Arena *a)
{
    if (!s || !*s) {
        text_add(out, "null");
        return;
    }
    char *clean = arena_string(a, s);
    for (char *p = clean; *p;) {
        size_t n = utf8_length((const unsigned char *)p);
        if (n == 0) *p = '?';
        p += n ? n : 1;
    }
    text_add_json(out, clean);
}

static void add_pair(Text *out, const char *name, const char *value, Arena *a)
{
    text_addf(out, ",\n  \"%s\": ", name);
    add_string(out, value, a);
}

static void add_number(Text *out, const NumberField *f, const RunRecord *r)
{
    const void *value = (const char *)r + f->offset;
    char text[32] = "null";
    if (f->is_real && isfinite(*(const double *)value) && *(const double *)value >= 0)
        text_real(text, *(const double *)value);
    else if (!f->is_real && *(const int64_t *)value >= 0)
        (void)snprintf(text, sizeof text, "%lld", (long long)*(const int64_t *)value);
    text_addf(out, ",\n  \"%s\": %s", f->name, text);
}

void run_host(char out[256])
{
    if (gethostname(out, 256) != 0) (void)snprintf(out, 256, "unknown");
    out[255] = '\0';
}

/* "model name" of /proc/cpuinfo; aarch64 kernels give none. */
static const char *cpu_model(Arena *a)
{
    char line[512];
    const char *found = NULL;
    FILE *f = fopen("/proc/cpuinfo", "re");
    if (!f) return NULL;
    while (!found && fgets(line, sizeof line, f)) {
        char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !colon) continue;
        colon[1 + strcspn(colon + 1, "\n")] = '\0';
        found = arena_string(a, colon + 1 + strspn(colon + 1, " "));
    }
    (void)fclose(f);
    return found;
}

static void add_slurm(Text *out, Arena *a)
{
    static const char *const variables[][2] = {
        {"job_id",        "SLURM_JOB_ID"       },
        {"array_job_id",  "SLURM_ARRAY_JOB_ID" },
        {"array_task_id", "SLURM_ARRAY_TASK_ID"},
        {"restart_count", "SLURM_RESTART_COUNT"}
    };
    if (!getenv("SLURM_JOB_ID")) {
        text_add(out, ",\n  \"slurm\": null");
        return;
    }
    text_add(out, ",\n  \"slurm\": {");
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++) {
        text_addf(out, "%s\"%s\": ", i ? ", " : "", variables[i][0]);
        add_string(out, getenv(variables[i][1]), a);
    }
    text_add(out, "}");
}

char *run_record_text(const RunFolder *r, Arena *a)
{
    const RunRecord *record = &r->record;
    char host[256], ended[32] = "";
    Text out = {0};
    run_host(host);
    if (record->status != RUN_RUNNING && record->status != RUN_QUEUED) clock_iso(ended);
    text_addf(&out, "{\n  \"id\": \"%s\"", r->experiment->id);
    add_pair(&out, "name", r->experiment->name, a);
    add_pair(&out, "status", run_status_name[record->status], a);
    if (record->exit_code >= 0)
        text_addf(&out, ",\n  \"exit_code\": %d", record->exit_code);
    else
        text_add(&out, ",\n  \"exit_code\": null");
    add_pair(&out, "error", record->error, a);
    for (int i = 0; i < N_FIELDS; i++) add_number(&out, &fields[i], record);
    add_pair(&out, "energy_source", record->energy_source, a);
    add_pair(&out, "data_sha256", record->data_sha256, a);
    text_addf(&out, ",\n  \"metrics\": %s",
              *record->final_metrics ? record->final_metrics : "null");
    add_pair(&out, "started", r->started, a);
    add_pair(&out, "ended", ended, a);
    add_pair(&out, "seqlab", SEQLAB_VERSION, a);
    add_pair(&out, "isa", cpu ? cpu->isa : NULL, a);
    text_addf(&out, record->threads > 0 ? ",\n  \"threads\": %d" : ",\n  \"threads\": null",
              record->threads);
    add_pair(&out, "host", host, a);
    add_pair(&out, "cpu", cpu_model(a), a);
    add_slurm(&out, a);
    text_addf(&out, ",\n  \"pid\": %d\n}\n", (int)getpid());
    char *text = arena_string(a, out.data);
    text_free(&out);
    return text;
}

/* -- Reading */

static void read_number(const json_t *j, const NumberField *f, RunRecord *r)
{
    void *out = (char *)r + f->offset;
    if (f->is_real && json_is_number(j)) *(double *)out = json_number_value(j);
    if (!f->is_real && json_is_integer(j)) *(int64_t *)out = json_integer_value(j);
}

static const char *read_string(const json_t *j, const char *name, Arena *a)
{
    const char *text = json_string_value(json_object_get(j, name));
    return text ? arena_string(a, text) : NULL;
}

static int read_int(const json_t *j, int absent)
{
    json_int_t value = json_is_integer(j) ? json_integer_value(j) : absent;
    return value >= 0 && value <= 1000000 ? (int)value : absent;
}

/* The object of metrics as metric_json wrote it: jansson's own doubles have 17 digits always. */
static void read_metrics(const json_t *j, char out[2048])
{
    const char *key;
    json_t *value;
    Text text = {0};
    if (!json_is_object(j)) return;
    json_object_foreach((json_t *)(uintptr_t)j, key, value)
    {
        char number[32];
        text_add(&text, text.n ? "," : "{");
        text_add_json(&text, key);
        text_add(&text, ":");
        if (json_is_integer(value)) {
            text_addf(&text, "%lld", (long long)json_integer_value(value));
        } else if (json_is_real(value)) {
            text_real(number, json_real_value(value));
            text_add(&text, number);
        } else {
            text_add_json(&text, json_is_string(value) ? json_string_value(value) : "");
        }
    }
    text_add(&text, text.n ? "}" : "{}");
    if (text.n < 2048) memcpy(out, text.data, text.n + 1);
    text_free(&text);
}

static bool read_object(const json_t *j, RunRecord *out, Arena *a)
{
    const char *status = json_string_value(json_object_get(j, "status"));
    const char *sha = json_string_value(json_object_get(j, "data_sha256"));
    for (int i = RUN_QUEUED; status && i < N_RUN_STATUSES; i++)
        if (strcmp(status, run_status_name[i]) == 0) out->status = (RunStatus)i;
    for (int i = 0; i < N_FIELDS; i++)
        read_number(json_object_get(j, fields[i].name), &fields[i], out);
    out->exit_code = read_int(json_object_get(j, "exit_code"), -1);
    out->threads = read_int(json_object_get(j, "threads"), -1);
    out->error = read_string(j, "error", a);
    out->energy_source = read_string(j, "energy_source", a);
    out->host = read_string(j, "host", a);
    out->version = read_string(j, "seqlab", a);
    out->isa = read_string(j, "isa", a);
    out->cpu = read_string(j, "cpu", a);
    if (sha && strlen(sha) == HASH_HEX - 1) memcpy(out->data_sha256, sha, HASH_HEX);
    read_metrics(json_object_get(j, "metrics"), out->final_metrics);
    return out->status != RUN_ABSENT;
}

bool run_record_parse(const char *text, size_t n, RunRecord *out, Arena *a)
{
    *out = run_record_unknown();
    json_t *j = json_loadb(text, n, 0, NULL);
    bool ok = json_is_object(j) && read_object(j, out, a);
    json_decref(j);
    return ok;
}

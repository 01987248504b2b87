/* profile_trace -- the events of a profile as trace.json.
 *
 * The JSON object format of the "Trace Event Format" (Google; the document that chrome://tracing
 * and Perfetto name as theirs): complete events (ph X) with ts and dur in microseconds, and
 * metadata events (ph M) that name the process and its rows. One row ("thread") a part of the run,
 * since its parts follow each other in one thread: the rows are not threads of the machine. */
#include "run/profile.h"

#include "base/text.h"
#include "io/file.h"

#include <inttypes.h>

static void add_metadata(Text *t, const char *what, int row, const char *name)
{
    text_addf(t, "{\"name\":\"%s\",\"ph\":\"M\",\"pid\":1,\"tid\":%d,\"args\":{\"name\":\"%s\"}}",
              what, row, name);
}

/* Rows are shown in the order of their sort_index. */
static void add_rows(Text *t)
{
    add_metadata(t, "process_name", 0, "seqlab train");
    for (int part = 0; part < PROFILE_REST; part++) {
        text_add(t, ",\n");
        add_metadata(t, "thread_name", part, profile_part_name[part]);
        text_addf(t,
                  ",\n{\"name\":\"thread_sort_index\",\"ph\":\"M\",\"pid\":1,\"tid\":%d,"
                  "\"args\":{\"sort_index\":%d}}",
                  part, part);
    }
}

static void add_event(Text *t, const Profile *p, const ProfileEvent *e)
{
    const ProfileKernel *k = e->kernel >= 0 ? &p->kernels[e->kernel] : NULL;
    text_addf(t,
              ",\n{\"name\":\"%s\",\"cat\":\"%s\",\"ph\":\"X\",\"ts\":%.3f,\"dur\":%.3f,\"pid\":1,"
              "\"tid\":%d,\"args\":{\"step\":%" PRId64,
              k ? k->name : profile_part_name[e->part], profile_part_name[e->part],
              (e->start_s - p->start_s) * 1e6, (e->end_s - e->start_s) * 1e6, (int)e->part,
              e->step + 1);
    if (k) {
        text_addf(t, ",\"flops\":%.0f,\"bytes\":%.0f,\"what\":", k->flops / (double)k->calls,
                  k->bytes / (double)k->calls);
        text_add_json(t, k->text);
    }
    text_add(t, "}}");
}

bool profile_write_trace(const Profile *p, const char *folder, Error *err)
{
    char path[4128];
    Text t = {0};
    if (!p || p->n_steps == 0) return true;
    (void)snprintf(path, sizeof path, "%s/trace.json", folder);
    text_add(&t, "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n");
    add_rows(&t);
    for (int i = 0; i < p->n_events; i++) add_event(&t, p, &p->events[i]);
    text_add(&t, "\n]}\n");
    const bool ok = file_replace(path, t.data, t.n, err);
    text_free(&t);
    return ok;
}

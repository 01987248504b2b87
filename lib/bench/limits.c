/* limits -- see limits.h. */
#include "bench/limits.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/threads.h"
#include "cpu/cpu.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const stream_name[N_STREAMS] = {"copy", "triad", "update"};

/* -- The machine */

/* The first line of a small file, without its end; false when there is none. */
static bool read_line(const char *path, char *out, int room)
{
    FILE *f = fopen(path, "re");
    if (!f) return false;
    bool ok = fgets(out, room, f) != NULL;
    (void)fclose(f);
    if (ok) out[strcspn(out, "\n")] = '\0';
    return ok;
}

void limits_cpu_name(char out[96])
{
    char line[256];
    (void)snprintf(out, 96, "unknown CPU");
    FILE *f = fopen("/proc/cpuinfo", "re");
    if (!f) return;
    while (fgets(line, sizeof line, f)) {
        const char *value = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !value) continue;
        line[strcspn(line, "\n")] = '\0';
        (void)snprintf(out, 96, "%.95s", value + 1 + strspn(value + 1, " "));
        break;
    }
    (void)fclose(f);
}

/* Capacity of one cache of that level in bytes, 0 when Linux does not say (sysconf is no help: in
 * virtual machines it was seen to say ten times the truth). */
static int64_t cache_bytes(int level)
{
    for (int i = 0; i < 8; i++) {
        char path[96], text[32];
        (void)snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/level", i);
        if (!read_line(path, text, sizeof text)) return 0;
        if (atoi(text) != level) continue;
        (void)snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/type", i);
        if (!read_line(path, text, sizeof text) || strcmp(text, "Instruction") == 0) continue;
        (void)snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/size", i);
        if (!read_line(path, text, sizeof text)) return 0;
        return INT64_C(1024) * atoi(text);
    }
    return 0;
}

static void add_level(Limits *l, const char *name, int64_t bytes)
{
    MemoryLevel *m = &l->level[l->n_levels++];
    (void)snprintf(m->name, sizeof m->name, "%s", name);
    m->bytes = bytes;
}

/* Each thread has an L2 of its own; the L3 is taken as one, whatever else lives in it. The L1 is
 * left out: a kernel's call alone takes longer than to read it. */
static void list_levels(Limits *l)
{
    const int64_t l2 = cache_bytes(2) * l->threads, l3 = cache_bytes(3);
    if (l2 > 0) add_level(l, "L2", l2);
    if (l3 > l2) add_level(l, "L3", l3);
    add_level(l, "memory", INT64_MAX);
}

/* Bytes of the set that is moved to measure a level. */
static int64_t set_bytes(const Limits *l, int level)
{
    const int64_t mib = INT64_C(1) << 20;
    if (l->level[level].bytes < INT64_MAX) return l->level[level].bytes / 2;
    int64_t bytes = level > 0 ? 4 * l->level[level - 1].bytes : 0;
    if (bytes < 128 * mib) bytes = 128 * mib;
    return bytes < 512 * mib ? bytes : 512 * mib;
}

/* -- Measuring */

/* Samples grow, so that a late thread counts for little in the longest ones. */
static double measure_fma(int threads, double seconds, float *out)
{
    const double start = clock_s();
    int64_t rounds = 100000;
    double best = 0;
    do {
        const double before = clock_s();
        cpu->fma_chains(rounds, out);
        const double took = clock_s() - before;
        best = fmax(best, 2.0 * FMA_CHAINS * (double)rounds * threads / took);
        if (took < seconds / 8) rounds += rounds / 2;
    } while (clock_s() - start < seconds);
    return best;
}

enum { SAMPLE_BYTES = 32 << 20 }; /* moved at least: long beside the threads' start */

/* Three places of the most bytes that a level's set has, one after the other. */
typedef struct Sets {
    float *x, *y, *z;
} Sets;

static double time_stream(const Sets *s, Stream stream, int64_t n, bool past_cache, int64_t repeats)
{
    const double before = clock_s();
    if (stream == STREAM_COPY) cpu->stream_copy(n, s->x, s->z, past_cache, repeats);
    if (stream == STREAM_TRIAD) cpu->stream_triad(n, 0.5f, s->x, s->y, s->z, past_cache, repeats);
    for (int64_t i = 0; stream == STREAM_UPDATE && i < repeats; i++)
        cpu->axpby(n, 0.5f, s->x, 0.5f, s->z);
    return (clock_s() - before) / (double)repeats;
}

/* Bytes a second, for arrays of so many bytes together. */
static double measure_stream(const Sets *s, Stream stream, int64_t bytes, double seconds)
{
    const int arrays = stream == STREAM_TRIAD ? 3 : 2, moves = stream == STREAM_COPY ? 2 : 3;
    const int64_t n = bytes / arrays / (16 * (int64_t)sizeof(float)) * 16;
    const int64_t repeats = bytes < SAMPLE_BYTES ? SAMPLE_BYTES / bytes : 1;
    double best = INFINITY;
    for (int past_cache = 0; past_cache < 2; past_cache++) {
        const double start = clock_s();
        do {
            best = fmin(best, time_stream(s, stream, n, past_cache, repeats));
        } while (clock_s() - start < seconds / 2);
    }
    return (double)(n * moves) * sizeof(float) / best;
}

static void measure_levels(Limits *l, const Sets *s, double seconds)
{
    const double each = seconds / (N_STREAMS * l->n_levels);
    for (int i = 0; i < l->n_levels; i++) {
        MemoryLevel *m = &l->level[i];
        for (int k = 0; k < N_STREAMS; k++) {
            m->rate[k] = measure_stream(s, (Stream)k, set_bytes(l, i), each);
            m->bytes_per_s = fmax(m->bytes_per_s, m->rate[k]);
        }
    }
}

bool limits_measure(Limits *out, double seconds, Error *err)
{
    *out = (Limits){.threads = threads_count()};
    list_levels(out);
    const int64_t most = set_bytes(out, out->n_levels - 1);
    const size_t half = (size_t)most / 2 + 4096, third = (size_t)most / 3 + 4096;
    const size_t chains = sizeof(float) * FMA_CHAINS * (size_t)out->threads;
    void *x = NULL, *y = NULL, *z = NULL, *fma = NULL;
    bool ok = memory_map(&x, half, err) && memory_map(&y, third, err) &&
              memory_map(&z, half, err) && memory_map(&fma, chains, err);
    if (ok) {
        const Sets sets = {x, y, z};
        /* written by the threads that will read them: an untouched page has no memory of its own */
        cpu->stream_copy((int64_t)(half / sizeof(float)), z, x, false, 1);
        cpu->stream_copy((int64_t)(third / sizeof(float)), z, y, false, 1);
        out->flops_per_s = measure_fma(out->threads, seconds / 4, fma);
        measure_levels(out, &sets, 3 * seconds / 4);
    }
    memory_unmap(x, half);
    memory_unmap(y, third);
    memory_unmap(z, half);
    memory_unmap(fma, chains);
    return ok;
}

/* -- Asking */

/* Each level gives what it holds, at best; *slowest is the one that takes most of the time. */
static double memory_seconds(const Limits *l, double bytes, const char **slowest)
{
    double total = 0, most = 0;
    *slowest = l->level[0].name;
    for (int i = 0; i < l->n_levels && bytes > 0; i++) {
        const MemoryLevel *m = &l->level[i];
        const double here = fmin(bytes, (double)m->bytes), seconds = here / m->bytes_per_s;
        bytes -= here;
        total += seconds;
        if (seconds > most) {
            most = seconds;
            *slowest = m->name;
        }
    }
    return total;
}

double limits_seconds(const Limits *l, double flops, double bytes, const char **roof)
{
    const char *level;
    const double compute_s = flops / l->flops_per_s, memory_s = memory_seconds(l, bytes, &level);
    if (roof) *roof = compute_s > memory_s ? "fma" : level;
    return fmax(compute_s, memory_s);
}

/* peers -- the cases of `seqlab bench` beside other libraries, in one process and taking turns, so
 * that all see the same clock and the same neighbours. Figures are medians; a ratio is the peer's
 * time over ours: above 1 we are faster.
 *
 * Usage: bench_peers [SECONDS of each case [THREADS [FILTER]]]; 0 threads: one, then all. Before a
 * turn, another library's worker threads get time to fall asleep: they spin after a call. */
#include "tests/bench/peer.h"

#include "base/clock.h"
#include "base/threads.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PEER(name) extern const Peer peer_##name;
#include "tests/bench/peers.def"
#undef PEER

static const Peer *const peers[] = {
#define PEER(name) &peer_##name,
#include "tests/bench/peers.def"
#undef PEER
};
enum { N_PEERS = sizeof peers / sizeof peers[0], MAX_PLAYERS = 4, TURNS = 5, SLEEP_US = 50000 };

/* Ours (peer NULL) or a peer in one case. */
typedef struct Player {
    const Peer *peer;
    void *state;
    int n;
    double sample[BENCH_SAMPLES];
} Player;

/* Of one group: over its cases, the logarithms of the best peer's ratio. */
typedef struct Summary {
    int n;
    double sum, lowest;
    char lowest_name[96];
} Summary;

static double sample(Player *p, BenchWork *w)
{
    if (!p->peer) return bench_sample(w);
    const double before = clock_s();
    for (int64_t i = 0; i < w->repeat; i++) p->peer->run(p->state, w);
    return (clock_s() - before) / (double)w->repeat;
}

static void take_turn(Player *p, BenchWork *w, double seconds)
{
    (void)sample(p, w); /* brings its data to the caches and its threads to life */
    const double start = clock_s();
    int i = 0;
    do {
        p->sample[p->n++] = sample(p, w);
    } while (p->n < BENCH_SAMPLES && ++i < BENCH_SAMPLES / TURNS && clock_s() - start < seconds);
}

static int join(Player players[MAX_PLAYERS], const BenchWork *w, int threads, bool *sleepy)
{
    int n = 1;
    players[0] = (Player){.peer = NULL};
    *sleepy = false;
    for (int i = 0; i < N_PEERS && n < MAX_PLAYERS; i++) {
        if (strcmp(peers[i]->group, w->group->name) != 0) continue;
        void *state = peers[i]->open(w, threads);
        if (!state) continue;
        *sleepy |= peers[i]->has_own_threads && threads > 1;
        players[n++] = (Player){.peer = peers[i], .state = state};
    }
    return n;
}

static void print_case(const BenchWork *w, Player players[], int n, Summary *sum)
{
    const double ours = bench_median_of(players[0].sample, players[0].n);
    double best = INFINITY;
    (void)printf("%-18s %-16s %-26s %9.1f us %7.1f GFLOP/s %6.1f GB/s", w->group->name,
                 w->of->label, w->shape, ours * 1e6, w->flops / ours / 1e9, w->bytes / ours / 1e9);
    for (int i = 1; i < n; i++) {
        const double theirs = bench_median_of(players[i].sample, players[i].n);
        (void)printf("   %s x%.2f", players[i].peer->library, theirs / ours);
        best = fmin(best, theirs);
    }
    (void)printf("\n");
    (void)fflush(stdout);
    if (n < 2) return;
    const double ratio = best / ours;
    if (sum->n == 0 || ratio < sum->lowest) {
        sum->lowest = ratio;
        (void)snprintf(sum->lowest_name, sizeof sum->lowest_name, "%s %s", w->of->label, w->shape);
    }
    sum->sum += log(ratio);
    sum->n++;
}

static bool run_case(BenchWork *w, double seconds, int threads, Summary *sum)
{
    static Player players[MAX_PLAYERS];
    Error err = {0};
    bool sleepy;
    if (!bench_open(w, &err)) {
        error_print(&err, stderr, false);
        return false;
    }
    const int n = join(players, w, threads, &sleepy);
    for (int turn = 0; turn < TURNS; turn++)
        for (int i = 0; i < n; i++) {
            if (sleepy) usleep(SLEEP_US);
            take_turn(&players[i], w, seconds / (TURNS * n));
        }
    print_case(w, players, n, sum);
    for (int i = 1; i < n; i++) players[i].peer->close(players[i].state);
    bench_close(w);
    return true;
}

static bool run_all(double seconds, int threads, const char *filter)
{
    Limits limits;
    Error err = {0};
    threads_set(threads);
    if (!limits_measure(&limits, 0.4, &err)) {
        error_print(&err, stderr, false);
        return false;
    }
    (void)printf("\n%d thread%s: fma %.1f GFLOP/s", threads, threads == 1 ? "" : "s",
                 limits.flops_per_s / 1e9);
    for (int i = 0; i < limits.n_levels; i++)
        (void)printf(", %s %.1f GB/s", limits.level[i].name, limits.level[i].bytes_per_s / 1e9);
    (void)printf("\n");
    for (int g = 0; bench_groups[g]; g++) {
        Summary sum = {0};
        for (int i = 0; i < bench_groups[g]->n_cases; i++) {
            BenchWork w;
            bench_prepare(&w, bench_groups[g], i);
            if (bench_matches(&w, filter) && !run_case(&w, seconds, threads, &sum)) return false;
        }
        if (sum.n > 0)
            (void)printf("%-18s geometric mean over the best peer x%.2f, lowest x%.2f (%s)\n",
                         bench_groups[g]->name, exp(sum.sum / sum.n), sum.lowest, sum.lowest_name);
    }
    return true;
}

int main(int argc, char **argv)
{
    const double seconds = argc > 1 ? atof(argv[1]) : 0.3;
    const int threads = argc > 2 ? atoi(argv[2]) : 0;
    const char *filter = argc > 3 ? argv[3] : NULL;
    char cpu_name[96], now[32];
    Error err = {0};
    if (!cpu_select(NULL, &err)) {
        error_print(&err, stderr, false);
        return 2;
    }
    limits_cpu_name(cpu_name);
    clock_iso(now);
    (void)printf("%s, %s, %s, seqlab %s\n", now, cpu_name, cpu->isa, SEQLAB_VERSION);
    if (threads > 0) return run_all(seconds, threads, filter) ? 0 : 1;
    threads_set(0);
    const int all = threads_count();
    if (!run_all(seconds, 1, filter)) return 1;
    return all == 1 || run_all(seconds, all, filter) ? 0 : 1;
}

/* unigram_train -- expectation maximisation over all segmentations of the words, and pruning of the
 * tokens whose loss costs least, until few enough are left (Kudo, arXiv:1804.10959, section 3.2;
 * the M-step with digamma is that of a Dirichlet prior, as SentencePiece has it). Sums run over
 * words in their order. */
#include "base/realmath.h"
#include "tokenizer/train_parts.h"
#include "tokenizer/unicode.h"

#include <stdlib.h>

enum { EM_STEPS = 2, SEED_FACTOR = 10, SEED_LEAST = 20000, MAX_WORD = 1 << 12 };
static const double FEWEST = 0.5;      /* expected uses below which a token goes */
static const double KEPT = 0.75;       /* share that a round of pruning leaves */
static const double FINAL_SPARE = 1.1; /* pruning ends at this many times what is wanted */
static const double IMPOSSIBLE = -1e300;

typedef struct Edge {
    uint32_t from, token;
} Edge;

typedef struct Em {
    Arena *arena; /* of this set of tokens */
    const WordCounts *w;
    Scored *token;
    size_t n;
    Trie trie;
    double *expected;
    /* of one word */
    Edge *edge;
    uint32_t *first_edge; /* by the byte where the edges end; MAX_WORD + 2 of them */
    double *alpha, *beta;
    uint32_t *best; /* by the byte where a path ends: its last edge */
    size_t edges;
} Em;

/* log(exp(a) + exp(b)) */
static double log_add(double a, double b)
{
    const double high = a > b ? a : b, low = a > b ? b : a;
    return low < high - 40 ? high : high + real_log(1 + real_exp(low - high));
}

/* The derivative of log Gamma, by its recurrence to x >= 10 and then its asymptotic series
 * (Abramowitz and Stegun 6.3.18). */
static double digamma(double x)
{
    double sum = 0;
    while (x < 10) {
        sum -= 1 / x;
        x += 1;
    }
    const double r = 1 / (x * x);
    const double tail = 1.0 / 252 - r * (1.0 / 240 - r / 132); /* the next is 2e-14 at x = 10 */
    return sum + real_log(x) - 0.5 / x - r * (1.0 / 12 - r * (1.0 / 120 - r * tail));
}

static void em_open(Em *em, const WordCounts *w, Scored *token, size_t n)
{
    Arena *a = arena_new();
    *em = (Em){.arena = a, .w = w, .token = token, .n = n, .trie.edge.arena = a};
    for (size_t i = 0; i < n; i++)
        trie_add(&em->trie, token[i].token.at, token[i].token.n, (uint32_t)i);
    em->expected = arena_new_array(a, double, n);
    em->first_edge = arena_new_array(a, uint32_t, MAX_WORD + 2);
    em->alpha = arena_new_array(a, double, MAX_WORD + 1);
    em->beta = arena_new_array(a, double, MAX_WORD + 1);
    em->best = arena_new_array(a, uint32_t, MAX_WORD + 1);
}

/* All tokens in the word but `without`, as edges sorted by their end. A character that is no token
 * has an edge that belongs to none (token n). */
static size_t lattice(Em *em, Word word, size_t without)
{
    size_t n_edges = 0;
    uint32_t *at_end = em->first_edge; /* counts first, then places */
    memset(at_end, 0, (word.n + 2) * sizeof *at_end);
    for (int pass = 0; pass < 2; pass++) {
        for (size_t at = 0, length; at < word.n; at += length) {
            (void)unicode_at(word.at + at, word.n - at, &length);
            bool single = false;
            uint32_t node = 0;
            for (size_t i = at; i < word.n; i++) {
                node = trie_step(&em->trie, node, word.at[i]);
                if (!node) break;
                const uint32_t value = trie_value(&em->trie, node), token = value - 1;
                if (value == 0 || token == without) continue;
                single = single || i + 1 - at == length;
                if (pass == 0)
                    at_end[i + 2]++;
                else
                    em->edge[at_end[i + 1]++] = (Edge){(uint32_t)at, token};
            }
            if (single) continue;
            if (pass == 0)
                at_end[at + length + 1]++;
            else
                em->edge[at_end[at + length]++] = (Edge){(uint32_t)at, (uint32_t)em->n};
        }
        if (pass == 1) break;
        for (size_t i = 1; i < word.n + 2; i++) at_end[i] += at_end[i - 1];
        n_edges = at_end[word.n + 1];
        ARRAY_ROOM(em->arena, em->edge, 0, em->edges, n_edges);
    }
    return n_edges;
}

/* After lattice's second pass the edges that end at byte i are [first_edge[i - 1], first_edge[i]).
 */
static double edge_score(const Em *em, const Edge *e, double unknown)
{
    return e->token < em->n ? em->token[e->token].score : unknown;
}

static const double UNKNOWN_SCORE = -30;

/* Adds the expected number of uses of every token in the word, times its count. */
static void expect(Em *em, Word word, double count)
{
    (void)lattice(em, word, SIZE_MAX);
    double *alpha = em->alpha, *beta = em->beta;
    for (size_t i = 0; i <= word.n; i++) alpha[i] = beta[i] = IMPOSSIBLE;
    alpha[0] = beta[word.n] = 0;
    for (size_t i = 1; i <= word.n; i++)
        for (uint32_t k = em->first_edge[i - 1]; k < em->first_edge[i]; k++) {
            const Edge *e = &em->edge[k];
            alpha[i] = log_add(alpha[i], alpha[e->from] + edge_score(em, e, UNKNOWN_SCORE));
        }
    const double all = alpha[word.n];
    for (size_t i = word.n; i > 0; i--)
        for (uint32_t k = em->first_edge[i - 1]; k < em->first_edge[i] && beta[i] > IMPOSSIBLE;
             k++) {
            const Edge *e = &em->edge[k];
            const double score = edge_score(em, e, UNKNOWN_SCORE);
            beta[e->from] = log_add(beta[e->from], beta[i] + score);
            if (e->token < em->n)
                em->expected[e->token] += count * real_exp(alpha[e->from] + score + beta[i] - all);
        }
}

/* One step of expectation and maximisation; leaves out the tokens that are hardly used. */
static void em_step(Em *em)
{
    memset(em->expected, 0, em->n * sizeof *em->expected);
    for (size_t i = 0; i < em->w->words.n; i++) {
        const Word word = em->w->words.token[i];
        if (word.n <= MAX_WORD) expect(em, word, (double)em->w->count[i]);
    }
    double sum = 0;
    for (size_t i = 0; i < em->n; i++) sum += em->expected[i] >= FEWEST ? em->expected[i] : 0;
    const double log_sum = digamma(sum > FEWEST ? sum : FEWEST);
    for (size_t i = 0; i < em->n; i++)
        em->token[i].score =
            em->expected[i] >= FEWEST ? digamma(em->expected[i]) - log_sum : IMPOSSIBLE;
}

/* The best segmentation of the word without one token; its tokens, last first. */
static size_t best_path(Em *em, Word word, size_t without, uint32_t *out, size_t most)
{
    (void)lattice(em, word, without);
    uint32_t *by = em->best;
    em->alpha[0] = 0;
    for (size_t i = 1; i <= word.n; i++) {
        em->alpha[i] = IMPOSSIBLE;
        for (uint32_t k = em->first_edge[i - 1]; k < em->first_edge[i]; k++) {
            const double score =
                em->alpha[em->edge[k].from] + edge_score(em, &em->edge[k], UNKNOWN_SCORE);
            if (score <= em->alpha[i]) continue;
            em->alpha[i] = score;
            by[i] = k;
        }
    }
    size_t n = 0;
    for (size_t at = word.n; at > 0 && n < most; at = em->edge[by[at]].from)
        out[n++] = em->edge[by[at]].token;
    return n;
}

static int by_score(const void *x, const void *y)
{
    const Scored *a = x, *b = y;
    if (a->score != b->score) return a->score > b->score ? -1 : 1;
    const size_t n = a->token.n < b->token.n ? a->token.n : b->token.n;
    const int order = memcmp(a->token.at, b->token.at, n);
    return order ? order : a->token.n < b->token.n ? -1 : a->token.n > b->token.n;
}

/* How often the best segmentations of all words use each token. */
static double count_uses(Em *em, double *uses)
{
    uint32_t *path = arena_new_array(em->arena, uint32_t, MAX_WORD);
    double sum = 0;
    for (size_t i = 0; i < em->w->words.n; i++) {
        const Word word = em->w->words.token[i];
        if (word.n > MAX_WORD) continue;
        const size_t n = best_path(em, word, SIZE_MAX, path, MAX_WORD);
        for (size_t k = 0; k < n; k++) {
            if (path[k] == em->n) continue;
            uses[path[k]] += (double)em->w->count[i];
            sum += (double)em->w->count[i];
        }
    }
    return sum;
}

/* What the log-likelihood loses when token i is written with the others: single characters cannot
 * go.
 */
static double loss_of(Em *em, size_t i, const double *uses, double sum)
{
    uint32_t path[MAX_WORD];
    const Word token = em->token[i].token;
    if (unicode_count(token.at, token.n) == 1) return 1e300;
    if (uses[i] == 0) return -1;
    const size_t n = best_path(em, token, i, path, MAX_WORD);
    const double log_sum = real_log(sum + uses[i] * (double)(n - 1));
    double others = 0;
    for (size_t k = 0; k < n; k++) {
        if (path[k] == em->n) return 1e300;
        others += real_log(uses[path[k]] + uses[i]) - log_sum;
    }
    return uses[i] * (real_log(uses[i]) - real_log(sum) - others);
}

typedef struct Loss {
    double loss;
    uint32_t token;
} Loss;

static int by_loss(const void *x, const void *y)
{
    const Loss *a = x, *b = y;
    if (a->loss != b->loss) return a->loss > b->loss ? -1 : 1;
    return a->token < b->token ? -1 : a->token > b->token;
}

/* Keeps the `keep` tokens that cost most to lose, in their order. */
static void prune(Em *em, size_t keep)
{
    double *uses = arena_new_array(em->arena, double, em->n);
    const double sum = count_uses(em, uses);
    Loss *loss = arena_new_array(em->arena, Loss, em->n);
    for (size_t i = 0; i < em->n; i++) loss[i] = (Loss){loss_of(em, i, uses, sum), (uint32_t)i};
    qsort(loss, em->n, sizeof *loss, by_loss);
    uint8_t *kept = arena_new_array(em->arena, uint8_t, em->n);
    for (size_t i = 0; i < keep && i < em->n; i++) kept[loss[i].token] = 1;
    size_t n = 0;
    for (size_t i = 0; i < em->n; i++)
        if (kept[i]) em->token[n++] = em->token[i];
    em->n = n;
}

/* Drops what em_step called impossible. */
static size_t drop_unused(Scored *token, size_t n)
{
    size_t to = 0;
    for (size_t i = 0; i < n; i++)
        if (token[i].score > IMPOSSIBLE) token[to++] = token[i];
    return to;
}

/* The characters as tokens, then the seeds; scores are logarithms of shares. */
static size_t first_tokens(const WordCounts *w, size_t most, const int32_t *required,
                           size_t n_required, Arena *a, Scored **out)
{
    Scored *seed;
    const size_t n_seeds = unigram_seed(w, most, a, &seed);
    Scored *token = arena_new_array(a, Scored, n_seeds + n_required);
    for (size_t i = 0; i < n_required; i++) {
        char s[UNICODE_MAX_BYTES];
        const size_t n = unicode_put(s, required[i]);
        token[i] = (Scored){
            {arena_string_n(a, s, n), n},
            1
        };
    }
    if (n_seeds > 0) memcpy(token + n_required, seed, n_seeds * sizeof *seed);
    const size_t n = n_seeds + n_required;
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += token[i].score;
    for (size_t i = 0; i < n; i++) token[i].score = real_log(token[i].score / sum);
    *out = token;
    return n;
}

/* Required characters that were lost come back, each a little worse than the worst token. */
static size_t finish(Scored *token, size_t n, size_t n_wanted, const int32_t *required,
                     size_t n_required, Arena *a)
{
    Vocabulary have = {.arena = a};
    double worst = 0;
    for (size_t i = 0; i < n; i++) {
        (void)vocabulary_add(&have, token[i].token.at, token[i].token.n, (uint32_t)i);
        if (token[i].score < worst) worst = token[i].score;
    }
    Scored *all = arena_new_array(a, Scored, n + n_required);
    size_t n_all = 0;
    for (size_t i = 0; i < n_required; i++) {
        char s[UNICODE_MAX_BYTES];
        const size_t length = unicode_put(s, required[i]);
        const int32_t id = vocabulary_find(&have, s, length);
        all[n_all++] = id >= 0 ? token[id]
                               : (Scored){
                                     {arena_string_n(a, s, length), length},
                                     worst -= 1e-4
        };
    }
    qsort(token, n, sizeof *token, by_score);
    for (size_t i = 0; i < n && n_all < n_wanted; i++)
        if (unicode_count(token[i].token.at, token[i].token.n) > 1) all[n_all++] = token[i];
    qsort(all, n_all, sizeof *all, by_score);
    memcpy(token, all, n_all * sizeof *all);
    return n_all;
}

size_t unigram_train(const WordCounts *w, size_t n_wanted, const int32_t *required,
                     size_t n_required, Arena *a, Scored **out)
{
    const size_t most = SEED_FACTOR * n_wanted > SEED_LEAST ? SEED_FACTOR * n_wanted : SEED_LEAST;
    const size_t enough = (size_t)(FINAL_SPARE * (double)n_wanted);
    size_t n = first_tokens(w, most, required, n_required, a, out);
    for (;;) {
        Em em;
        for (int step = 0; step < EM_STEPS; step++) {
            em_open(&em, w, *out, n);
            em_step(&em);
            n = drop_unused(*out, n);
            arena_free(em.arena);
        }
        if (n <= enough) break;
        em_open(&em, w, *out, n);
        const size_t next = (size_t)(KEPT * (double)n);
        prune(&em, next > enough ? next : enough);
        n = em.n;
        arena_free(em.arena);
    }
    Scored *all = arena_new_array(a, Scored, n + n_required);
    if (n > 0) memcpy(all, *out, n * sizeof *all);
    *out = all;
    return finish(all, n, n_wanted, required, n_required, a);
}

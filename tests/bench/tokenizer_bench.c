/* tokenizer_bench -- MB of text a second, one thread: each family is trained on the text, then the
 * text is encoded by a new encoder (every word is met for the first time once) and decoded. Times
 * are the thread's own. Usage: tokenizer_bench [text or text.gz [ids]] */
#include "io/file.h"
#include "tokenizer/tokenizer_train.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char DEFAULT_TEXT[] = "../shared/data/german_text/laws.txt.gz";
enum { DEFAULT_IDS = 8000, ROUNDS = 3, MAX_TEXT = 1 << 28 };

static double now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The best of a few rounds; false after a failure. */
static bool encode_and_decode(const Tokenizer *t, const char *text, size_t n, double best_s[2],
                              int64_t *n_ids, Error *err)
{
    for (int round = 0; round < ROUNDS; round++) {
        TokenEncoder *e = token_encoder_new(t);
        Arena *a = arena_new();
        TokenIds ids;
        size_t length;
        double begin = now(), s[2];
        const bool ok = token_encode(e, text, n, false, &ids, err);
        s[0] = now() - begin;
        begin = now();
        if (ok) (void)token_decode(t, a, ids.ids, ids.n, false, &length);
        s[1] = now() - begin;
        for (int k = 0; k < 2; k++)
            if (round == 0 || s[k] < best_s[k]) best_s[k] = s[k];
        *n_ids = ok ? ids.n : 0;
        arena_free(a);
        token_encoder_free(e);
        TRY(ok);
    }
    return true;
}

static bool measure(const char *name, const TokenTraining *how, const char *text, size_t n,
                    Error *err)
{
    Tokenizer *t;
    double begin = now(), best_s[2];
    int64_t n_ids;
    TRY(tokenizer_train(&t, how, text, n, err));
    const double train_s = now() - begin, mb = (double)n * 1e-6;
    const bool ok = encode_and_decode(t, text, n, best_s, &n_ids, err);
    tokenizer_free(t);
    if (ok)
        printf("%-26s trained in %5.2f s   %4.2f bytes an id   encode %5.1f MB/s   decode %5.1f "
               "MB/s\n",
               name, train_s, (double)n / (double)n_ids, mb / best_s[0], mb / best_s[1]);
    return ok;
}

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : DEFAULT_TEXT;
    const int32_t n_ids = argc > 2 ? (int32_t)strtol(argv[2], NULL, 10) : DEFAULT_IDS;
    unsigned char *data;
    size_t n, n_mapped;
    Error err = {0};
    if (argc <= 1 && !file_exists(path)) {
        printf("%s is not there: tokenizer_bench TEXT\n", path);
        return 0;
    }
    bool ok = gzip_read(path, MAX_TEXT, &data, &n, &n_mapped, &err);
    if (ok) {
        const char *text = (const char *)data;
        printf("%s: %.1f MB, %d ids\n", path, (double)n * 1e-6, (int)n_ids);
        ok = measure("byte BPE, GPT-2's words", &(TokenTraining){.n_ids = n_ids}, text, n, &err) &&
             measure("byte BPE, Llama 3's words",
                     &(TokenTraining){.n_ids = n_ids, .split = "Llama 3"}, text, n, &err) &&
             measure("metaspace BPE",
                     &(TokenTraining){.family = TOKENS_METASPACE_BPE, .n_ids = n_ids}, text, n,
                     &err) &&
             measure("Unigram", &(TokenTraining){.family = TOKENS_UNIGRAM, .n_ids = n_ids}, text, n,
                     &err);
        memory_unmap(data, n_mapped);
    }
    if (!ok) error_print(&err, stderr, false);
    return ok ? 0 : 1;
}

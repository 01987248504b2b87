/* text_tokens -- see text_tokens.h. */
#include "data/text_tokens.h"

#include "data/text_units.h"

enum { N_BYTES = 256, N_CODE_POINTS = 0x110000, INVALID = -1 };
enum { PAD, UNKNOWN, AFTER };

void text_tokens_of_bytes(TextTokens *t, bool eos)
{
    *t = (TextTokens){.n_tokens = 1 + N_BYTES + eos, .end = eos ? 1 + N_BYTES : 0};
}

/* Takes a code point off the front; INVALID for a byte that begins none. */
static int32_t next_code_point(TextSpan *rest)
{
    size_t bytes;
    const int32_t c = text_code_point(rest->at, (size_t)rest->n, &bytes);
    rest->at += bytes;
    rest->n -= (int64_t)bytes;
    return c;
}

bool text_tokens_of_characters(TextTokens *t, Dataset *d, const TextRows *rows, int64_t min_count,
                               bool eos, Error *err)
{
    void *ids_;
    TRY(dataset_memory(d, &ids_, N_CODE_POINTS * sizeof(int32_t), err));
    int32_t *ids = ids_;
    for (int64_t i = 0; i < rows->n; i++)
        for (int k = 0; k < TEXT_PAIR; k++)
            for (TextSpan rest = rows->row[i].text[k]; rest.n > 0;) {
                const int32_t c = next_code_point(&rest);
                if (c != INVALID && ids[c] < INT32_MAX) ids[c]++;
            }
    *t = (TextTokens){.n_tokens = AFTER + eos, .end = eos ? AFTER : 0, .ids = ids};
    for (int32_t c = 0; c < N_CODE_POINTS; c++)
        ids[c] = ids[c] > 0 && ids[c] >= min_count ? (int32_t)t->n_tokens++ : UNKNOWN;
    return true;
}

void text_tokens_write(const TextTokens *t, TextSpan text, int64_t length, int32_t *out)
{
    const int64_t most = t->end ? length - 1 : length;
    int64_t n = 0;
    while (n < most && text.n > 0) {
        if (t->ids) {
            const int32_t c = next_code_point(&text);
            out[n++] = c == INVALID ? UNKNOWN : t->ids[c];
        } else {
            out[n++] = *text.at++ + 1;
            text.n--;
        }
    }
    if (t->end) out[n++] = t->end;
    while (n < length) out[n++] = PAD;
}

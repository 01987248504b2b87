/* text_tokens -- see text_tokens.h. */
#include "data/text_tokens.h"

enum { N_BYTES = 256, N_CODE_POINTS = 0x110000, INVALID = -1 };
enum { PAD, UNKNOWN, AFTER };

void text_tokens_of_bytes(TextTokens *t, bool eos)
{
    *t = (TextTokens){.n_tokens = 1 + N_BYTES + eos, .end = eos ? 1 + N_BYTES : 0};
}

/* Takes a code point off the front by RFC 3629; INVALID for a byte that begins none: too short,
 * overlong, a surrogate, or above 0x10ffff. */
static int32_t next_code_point(TextSpan *rest)
{
    static const int32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    const uint8_t *at = rest->at, first = *at;
    const int n = first < 0x80 ? 1 : first < 0xc0 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    int32_t c = n == 1 ? first : first & (0x7f >> n);
    bool ok = n > 0 && first < 0xf8 && n <= rest->n;
    for (int i = 1; i < n && ok; i++) {
        ok = (at[i] & 0xc0) == 0x80;
        c = c << 6 | (at[i] & 0x3f);
    }
    ok = ok && c >= smallest[n] && c < N_CODE_POINTS && (c < 0xd800 || c > 0xdfff);
    rest->at += ok ? n : 1;
    rest->n -= ok ? n : 1;
    return ok ? c : INVALID;
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

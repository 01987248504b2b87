/* tfevents -- see tfevents.h. A record is: u64 length, masked CRC of it, the bytes, masked CRC of
 * them. The protobuf fields used: Event {1: double wall_time, 2: int64 step, 3: string
 * file_version, 5: Summary}, Summary {1: Value}, Value {1: string tag, 2: float simple_value, 4:
 * Image, 5: Histogram}, Image {1: height, 2: width, 3: colorspace, 4: the encoded file}, Histogram
 * {1: min, 2: max, 3: num, 4: sum, 5: sum_squares, 6: bucket_limit, 7: bucket}. */
#include "io/tfevents.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* CRC-32C (Castagnoli), reflected polynomial 0x82f63b78, four bits at a time. */
uint32_t crc32c(const void *data, size_t n)
{
    const unsigned char *p = data;
    uint32_t crc = ~0u, table[16];
    for (uint32_t k = 0; k < 16; k++) {
        table[k] = k;
        for (int b = 0; b < 4; b++)
            table[k] = table[k] >> 1 ^ (0x82f63b78u & (0u - (table[k] & 1)));
    }
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

static uint32_t masked_crc(const void *data, size_t n)
{
    uint32_t crc = crc32c(data, n);
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

enum { TAG_MAX = 200 };

/* Scalars fit into `own`; what is larger is malloc'ed. */
typedef struct Bytes {
    unsigned char own[512], *more;
    size_t n, capacity; /* of more */
    bool failed;
} Bytes;

static const unsigned char *bytes_of(const Bytes *b)
{
    return b->more ? b->more : b->own;
}

static void put(Bytes *b, const void *data, size_t n)
{
    const size_t room = b->more ? b->capacity : sizeof b->own;
    if (b->n + n > room) {
        const size_t capacity = 2 * (b->n + n);
        unsigned char *more = realloc(b->more, capacity);
        if (!more) {
            b->failed = true;
            return;
        }
        if (!b->more) memcpy(more, b->own, b->n);
        b->more = more;
        b->capacity = capacity;
    }
    memcpy((b->more ? b->more : b->own) + b->n, data, n);
    b->n += n;
}

static void put_varint(Bytes *b, uint64_t value)
{
    do {
        unsigned char byte = (unsigned char)((value & 127) | (value > 127 ? 128 : 0));
        put(b, &byte, 1);
        value >>= 7;
    } while (value);
}

static void put_text(Bytes *b, int field, const void *text, size_t n)
{
    put_varint(b, (uint64_t)field << 3 | 2);
    put_varint(b, n);
    put(b, text, n);
}

static void put_wall_time(Bytes *b, double wall_s)
{
    put_varint(b, 1 << 3 | 1);
    put(b, &wall_s, 8); /* little-endian machines only, as all of safetensors and npy here */
}

static bool write_record(TfEvents *t, const Bytes *event, Error *err)
{
    const unsigned char *data = bytes_of(event);
    uint64_t length = event->n;
    uint32_t crc_length = masked_crc(&length, 8), crc_data = masked_crc(data, event->n);
    bool ok = !event->failed && fwrite(&length, 8, 1, t->file) == 1 &&
              fwrite(&crc_length, 4, 1, t->file) == 1 &&
              fwrite(data, 1, event->n, t->file) == event->n &&
              fwrite(&crc_data, 4, 1, t->file) == 1 && fflush(t->file) == 0;
    return ok || fail_errno(err, FAIL_RUN, NULL, "TensorBoard events cannot be written");
}

/* An event with one value: its tag, and a field that `value` holds already. Frees `value`. */
static bool write_value(TfEvents *t, const char *tag, int64_t step, double wall_s, Bytes *value,
                        Error *err)
{
    Bytes whole = {.n = 0}, summary = {.n = 0}, event = {.n = 0};
    size_t n = strnlen(tag, TAG_MAX);
    while (n > 0 && ((unsigned char)tag[n] & 0xc0) == 0x80) n--; /* protobuf wants whole UTF-8 */
    put_text(&whole, 1, tag, n);
    put(&whole, bytes_of(value), value->n);
    put_text(&summary, 1, bytes_of(&whole), whole.n);
    put_wall_time(&event, wall_s);
    put_varint(&event, 2 << 3 | 0);
    put_varint(&event, (uint64_t)step);
    put_text(&event, 5, bytes_of(&summary), summary.n);
    event.failed |= value->failed || whole.failed || summary.failed;
    const bool ok = write_record(t, &event, err);
    free(value->more);
    free(whole.more);
    free(summary.more);
    free(event.more);
    return ok;
}

bool tfevents_open(TfEvents *t, const char *folder, double wall_s, Error *err)
{
    char path[4096], host[128] = "host";
    (void)gethostname(host, sizeof host - 1);
    if (snprintf(path, sizeof path, "%s/events.out.tfevents.%010lld.%s", folder, (long long)wall_s,
                 host) >= (int)sizeof path)
        return fail(err, FAIL_RUN, NULL, "path too long");
    t->file = fopen(path, "abe");
    if (!t->file) return fail_errno(err, FAIL_RUN, NULL, "%s: cannot be written", path);
    Bytes event = {.n = 0};
    put_wall_time(&event, wall_s);
    put_text(&event, 3, "brain.Event:2", 13);
    if (write_record(t, &event, err)) return true;
    tfevents_close(t);
    return false;
}

bool tfevents_scalar(TfEvents *t, const char *tag, int64_t step, double wall_s, float value,
                     Error *err)
{
    Bytes scalar = {.n = 0};
    put_varint(&scalar, 2 << 3 | 5);
    put(&scalar, &value, 4);
    return write_value(t, tag, step, wall_s, &scalar, err);
}

bool tfevents_image(TfEvents *t, const char *tag, int64_t step, double wall_s, const TfImage *image,
                    Error *err)
{
    Bytes inner = {.n = 0}, value = {.n = 0};
    const int fields[] = {image->height, image->width, image->channels};
    for (int i = 0; i < 3; i++) {
        put_varint(&inner, (uint64_t)(i + 1) << 3 | 0);
        put_varint(&inner, (uint64_t)fields[i]);
    }
    put_text(&inner, 4, image->png, image->n);
    put_text(&value, 4, bytes_of(&inner), inner.n);
    value.failed |= inner.failed;
    free(inner.more);
    return write_value(t, tag, step, wall_s, &value, err);
}

static void put_double(Bytes *b, int field, double value)
{
    put_varint(b, (uint64_t)field << 3 | 1);
    put(b, &value, 8);
}

bool tfevents_histogram(TfEvents *t, const char *tag, int64_t step, double wall_s, const float *x,
                        int64_t n, Error *err)
{
    enum { BUCKETS = 64 };
    double limit[BUCKETS], count[BUCKETS] = {0}, sum = 0, squares = 0, low = 0, high = 0, num = 0;
    Bytes inner = {.n = 0}, value = {.n = 0};
    for (int64_t i = 0; i < n; i++) {
        const double v = (double)x[i];
        if (!isfinite(v)) continue;
        low = num == 0 || v < low ? v : low;
        high = num == 0 || v > high ? v : high;
        sum += v;
        squares += v * v;
        num++;
    }
    const double width = high > low ? (high - low) / BUCKETS : 1;
    for (int b = 0; b < BUCKETS; b++) limit[b] = low + (b + 1) * width;
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(x[i])) continue;
        const int b = (int)(((double)x[i] - low) / width);
        count[b < BUCKETS ? b : BUCKETS - 1]++;
    }
    const double numbers[] = {low, high, num, sum, squares};
    for (int i = 0; i < 5; i++) put_double(&inner, i + 1, numbers[i]);
    put_text(&inner, 6, limit, sizeof limit);
    put_text(&inner, 7, count, sizeof count);
    put_text(&value, 5, bytes_of(&inner), inner.n);
    value.failed |= inner.failed;
    free(inner.more);
    return write_value(t, tag, step, wall_s, &value, err);
}

void tfevents_close(TfEvents *t)
{
    if (t->file) (void)fclose(t->file);
    t->file = NULL;
}

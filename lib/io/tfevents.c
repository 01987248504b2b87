/* tfevents -- see tfevents.h. A record is: u64 length, masked CRC of it, the bytes, masked CRC of
 * them. The protobuf fields used: Event {1: double wall_time, 2: int64 step, 3: string
 * file_version, 5: Summary}, Summary {1: Value}, Value {1: string tag, 2: float simple_value}. */
#include "io/tfevents.h"

#include <string.h>
#include <unistd.h>

/* CRC-32C (Castagnoli), reflected polynomial 0x82f63b78; bit by bit: records are short and rare. */
uint32_t crc32c(const void *data, size_t n)
{
    const unsigned char *p = data;
    uint32_t crc = ~0u;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int b = 0; b < 8; b++) crc = crc >> 1 ^ (0x82f63b78u & (0u - (crc & 1)));
    }
    return ~crc;
}

static uint32_t masked_crc(const void *data, size_t n)
{
    uint32_t crc = crc32c(data, n);
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

enum { TAG_MAX = 200 };

typedef struct Bytes {
    unsigned char data[512]; /* a scalar takes less than TAG_MAX + 60 */
    size_t n;
} Bytes;

static void put(Bytes *b, const void *data, size_t n)
{
    if (b->n + n > sizeof b->data) return;
    memcpy(b->data + b->n, data, n);
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
    uint64_t length = event->n;
    uint32_t crc_length = masked_crc(&length, 8), crc_data = masked_crc(event->data, event->n);
    bool ok = fwrite(&length, 8, 1, t->file) == 1 && fwrite(&crc_length, 4, 1, t->file) == 1 &&
              fwrite(event->data, 1, event->n, t->file) == event->n &&
              fwrite(&crc_data, 4, 1, t->file) == 1 && fflush(t->file) == 0;
    return ok || fail_errno(err, FAIL_RUN, NULL, "TensorBoard events cannot be written");
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
    Bytes scalar = {.n = 0}, summary = {.n = 0}, event = {.n = 0};
    size_t n = strnlen(tag, TAG_MAX);
    while (n > 0 && ((unsigned char)tag[n] & 0xc0) == 0x80) n--; /* protobuf wants whole UTF-8 */
    put_text(&scalar, 1, tag, n);
    put_varint(&scalar, 2 << 3 | 5);
    put(&scalar, &value, 4);
    put_text(&summary, 1, scalar.data, scalar.n);
    put_wall_time(&event, wall_s);
    put_varint(&event, 2 << 3 | 0);
    put_varint(&event, (uint64_t)step);
    put_text(&event, 5, summary.data, summary.n);
    return write_record(t, &event, err);
}

void tfevents_close(TfEvents *t)
{
    if (t->file) (void)fclose(t->file);
    t->file = NULL;
}

/* loader -- see loader.h.
 *
 * Two buffers: the batch that was handed out, and the next one. The thread that fills the second is
 * woken by a condition variable. With a kernel thread spinning on every core it takes its time from
 * one of them, so it pays only for batches that take much longer to make than the hand-off (tens of
 * microseconds): below PREFETCH_FLOATS the caller makes them itself, with the kernels' threads
 * where there are FLOATS_PER_THREAD for each. 60 x 784 floats take 10 us on two threads, 128 images
 * of CIFAR 50 us, which is below 0.1 % of a ResNet-20's step.
 * Examples made on the spot take longer (a list of 128 tokens 3 us, a Pathfinder picture of 32 x 32
 * pixels 400 us), so for these the thread starts at PREFETCH_MADE values. When the thread was not
 * given a core before the batch is asked for, the caller takes the work back. All ways give the
 * same batches.
 *
 * Only one of the two fills at a time: the caller waits until the other has finished before it
 * fills or asks for anything, so one permutation serves both. */
#include "data/loader.h"

#include "base/pcg.h"
#include "base/threads.h"
#include "data/image_draw.h"
#include "data/jobs.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { PREFETCH_FLOATS = 1 << 20, PREFETCH_MADE = 1 << 12, FLOATS_PER_THREAD = 1 << 14 };
/* Images, a memory's latency before they are needed. */
enum { AHEAD = 4 };

typedef struct Slot {
    int64_t step; /* -1: nothing */
    Batch batch;
    float *x;
    int32_t *label;
} Slot;

struct Loader {
    LoaderOptions o;
    const Dataset *data;
    ImageDraw draw; /* of an image set */
    int64_t n, steps_per_epoch, sample_floats, n_labels;
    int64_t *order; /* permutation of `order_epoch` */
    int64_t order_epoch;
    Slot slot[2];
    int current; /* the slot handed out last */
    void *memory;
    size_t memory_bytes;

    bool has_thread, quit;
    bool wanted, filling; /* by the thread, of the slot that is not current */
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
};

static void order_of_epoch(Loader *l, int64_t epoch)
{
    if (l->order_epoch == epoch) return;
    Pcg rng = pcg_stream(l->o.seed, "shuffle", (uint64_t)epoch, 0);
    pcg_permutation(&rng, l->order, l->n);
    l->order_epoch = epoch;
}

typedef struct Corrupting {
    Loader *loader;
    Slot *slot;
    int64_t first;
} Corrupting;

static void corrupt_one(void *corrupting, int i)
{
    const Corrupting *c = corrupting;
    const Loader *l = c->loader;
    image_draw(&l->draw, l->o.split, c->first + i, false, 0, 0, c->slot->x + i * l->sample_floats,
               &c->slot->label[i]);
}

/* One when the loader's own thread is at it: kernels have the cores then. */
static int image_threads(const Loader *l, int64_t n)
{
    const int64_t useful = l->has_thread ? 1 : n * l->sample_floats / FLOATS_PER_THREAD;
    const int64_t threads = useful < threads_count() ? useful : threads_count();
    return threads > 1 ? (int)threads : 1;
}

static void fill_images(const Loader *l, Slot *s, const int64_t *order, int64_t first, int64_t n)
{
    const int64_t epoch = s->step / l->steps_per_epoch;
#pragma omp parallel for num_threads(image_threads(l, n)) schedule(static)
    for (int64_t i = 0; i < n; i++) {
        if (order && i + AHEAD < n) image_draw_fetch(&l->draw, l->o.split, order[i + AHEAD]);
        image_draw(&l->draw, l->o.split, order ? order[i] : first + i, l->o.augment, l->o.seed,
                   epoch, s->x + i * l->sample_floats, &s->label[i]);
    }
}

static void fill(Loader *l, Slot *s)
{
    const int64_t size = l->o.batch_size, epoch = s->step / l->steps_per_epoch;
    const int64_t first = s->step % l->steps_per_epoch * size;
    int64_t n = l->n - first < size ? l->n - first : size;
    if (l->o.shuffle) order_of_epoch(l, epoch);
    const int64_t *order = l->o.shuffle ? l->order + first : NULL;
    Corrupting corrupting = {l, s, first};
    if (l->o.corruption.severity > 0)
        jobs_run((int)n, corrupt_one, &corrupting);
    else if (!l->data->kind->draw)
        fill_images(l, s, order, first, n);
    for (int64_t i = 0; i < n && l->data->kind->draw; i++)
        dataset_example(l->data, l->o.split, order ? order[i] : first + i, l->o.augment, l->o.seed,
                        epoch, s->x + i * l->sample_floats, s->label + i * l->n_labels);
    if (n < size)
        memset(s->x + n * l->sample_floats, 0,
               (size_t)((size - n) * l->sample_floats) * sizeof *s->x);
    for (int64_t i = n * l->n_labels; i < size * l->n_labels; i++) s->label[i] = -1;
    s->batch = (Batch){.x = s->x, .label = s->label, .n = n, .epoch = epoch};
}

static void *fill_ahead(void *loader)
{
    Loader *l = loader;
    (void)pthread_mutex_lock(&l->mutex);
    while (!l->quit) {
        if (!l->wanted) {
            (void)pthread_cond_wait(&l->changed, &l->mutex);
            continue;
        }
        Slot *s = &l->slot[!l->current];
        l->wanted = false;
        l->filling = true;
        (void)pthread_mutex_unlock(&l->mutex);
        fill(l, s);
        (void)pthread_mutex_lock(&l->mutex);
        l->filling = false;
        (void)pthread_cond_broadcast(&l->changed);
    }
    (void)pthread_mutex_unlock(&l->mutex);
    return NULL;
}

static void start_thread(Loader *l)
{
    sigset_t all, before;
    if (pthread_mutex_init(&l->mutex, NULL) != 0) return;
    if (pthread_cond_init(&l->changed, NULL) != 0) {
        (void)pthread_mutex_destroy(&l->mutex);
        return;
    }
    /* signals go to the thread that started the run */
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    l->has_thread = pthread_create(&l->thread, NULL, fill_ahead, l) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (l->has_thread) return;
    (void)pthread_cond_destroy(&l->changed);
    (void)pthread_mutex_destroy(&l->mutex);
}

static size_t rounded(size_t bytes)
{
    return (bytes + 63) & ~(size_t)63;
}

static bool take_memory(Loader *l, Error *err)
{
    const size_t size = (size_t)l->o.batch_size;
    const size_t x_bytes = rounded(size * (size_t)l->sample_floats * sizeof(float));
    const size_t label_bytes = rounded(size * (size_t)l->n_labels * sizeof(int32_t));
    const size_t order_bytes = l->o.shuffle ? (size_t)l->n * sizeof(int64_t) : 0;
    l->memory_bytes = 2 * (x_bytes + label_bytes) + order_bytes;
    TRY(memory_map(&l->memory, l->memory_bytes, err));
    char *at = l->memory;
    for (int i = 0; i < 2; i++) {
        l->slot[i].step = -1;
        l->slot[i].x = (void *)at;
        l->slot[i].label = (void *)(at + x_bytes);
        at += x_bytes + label_bytes;
    }
    l->order = (void *)at;
    l->order_epoch = -1;
    return true;
}

static bool check_images(const Dataset *d, const LoaderOptions *o, Error *err)
{
    enum { LAYOUT_PERMUTED = 2 };
    if (o->corruption.severity == 0 && !o->unit) return true;
    if (d->kind->draw) return fail(err, FAIL_CONFIG, NULL, "%s is no set of images", d->kind->name);
    if (o->corruption.severity == 0) return true;
    if (((const ImageOptions *)d->options)->layout == LAYOUT_PERMUTED)
        return fail(err, FAIL_CONFIG, NULL,
                    "corruptions change images, and layout = permuted leaves none");
    char text[96];
    return corrupt_takes(&d->image) || fail(err, FAIL_CONFIG, NULL,
                                            "images of %s are %s; corruptions take 1 or 3 "
                                            "channels, %d pixels a side and %d values",
                                            d->kind->name, shape_text(&d->image, text),
                                            (int)CORRUPT_MAX_SIDE, (int)CORRUPT_MAX_FLOATS);
}

Loader *loader_new(const Dataset *d, const LoaderOptions *o, Error *err)
{
    int64_t n = d->split[o->split].n;
    if (n == 0) {
        (void)fail(err, FAIL_CONFIG, NULL, "%s has no %s examples%s", d->kind->name,
                   split_name[o->split],
                   o->split == SPLIT_VALID ? "; set data.valid to take some from train" : "");
        return NULL;
    }
    if (o->batch_size < 1 || (o->shuffle && o->batch_size > n)) {
        (void)fail(err, FAIL_CONFIG, NULL,
                   "batch_size = %lld; %s has %lld %s examples, expected 1 to %lld",
                   (long long)o->batch_size, d->kind->name, (long long)n, split_name[o->split],
                   (long long)n);
        return NULL;
    }
    if (!check_images(d, o, err)) return NULL;
    if (!o->shuffle && o->limit > 0 && o->limit < n) n = o->limit;
    Loader *l = calloc(1, sizeof *l);
    if (!l) {
        (void)fail(err, FAIL_RUN, NULL, "out of memory");
        return NULL;
    }
    l->o = *o;
    l->n = n;
    l->sample_floats = shape_count(&d->task.sample);
    l->n_labels = task_n_labels(&d->task);
    l->steps_per_epoch = o->shuffle ? n / o->batch_size : (n + o->batch_size - 1) / o->batch_size;
    l->data = d;
    if (!d->kind->draw) image_draw_prepare(&l->draw, d);
    l->draw.corruption = o->corruption;
    l->draw.unit = o->unit;
    if (!take_memory(l, err)) {
        free(l);
        return NULL;
    }
    const bool dear = d->kind->draw || o->corruption.severity > 0;
    const int64_t worth = dear ? PREFETCH_MADE : PREFETCH_FLOATS;
    if (o->prefetch && o->batch_size * l->sample_floats >= worth) start_thread(l);
    return l;
}

int64_t loader_steps_per_epoch(const Loader *l)
{
    return l->steps_per_epoch;
}

int64_t loader_bytes(const Loader *l)
{
    return (int64_t)l->memory_bytes;
}

int64_t loader_text_bytes(const Loader *l)
{
    return l->data->split[l->o.split].text_bytes;
}

Batch loader_batch(Loader *l, int64_t step)
{
    if (l->has_thread) {
        (void)pthread_mutex_lock(&l->mutex);
        while (l->filling) (void)pthread_cond_wait(&l->changed, &l->mutex);
    }
    Slot *next = &l->slot[!l->current];
    if (next->step != step || l->wanted) {
        l->wanted = false;
        next->step = step;
        fill(l, next);
    }
    l->current = !l->current;
    if (l->has_thread) {
        l->slot[!l->current].step = step + 1;
        l->wanted = true;
        (void)pthread_cond_broadcast(&l->changed);
        (void)pthread_mutex_unlock(&l->mutex);
    }
    return next->batch;
}

void loader_free(Loader *l)
{
    if (!l) return;
    if (l->has_thread) {
        (void)pthread_mutex_lock(&l->mutex);
        l->quit = true;
        (void)pthread_cond_broadcast(&l->changed);
        (void)pthread_mutex_unlock(&l->mutex);
        (void)pthread_join(l->thread, NULL);
        (void)pthread_cond_destroy(&l->changed);
        (void)pthread_mutex_destroy(&l->mutex);
    }
    memory_unmap(l->memory, l->memory_bytes);
    free(l);
}

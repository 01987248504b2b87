#!/bin/sh
# Training steps allocate nothing: a run of many steps calls malloc and mmap exactly as often as one of few. A library
# in front of libc counts the calls, those of libc and of OpenMP's library too. Environment: SEQLAB, CC.
cd "$(dirname "$0")/../.." || exit 2
. tests/integration/common

if [ $slow -ne 1 ]; then
    echo "skip steps allocate nothing: the sanitizer's own malloc is in the way"
    exit 0
fi
cat >"$work/count.c" <<'C'
#define _GNU_SOURCE
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t),
    *__libc_memalign(size_t, size_t);
static atomic_long calls;
#define NOTE calls++
void *malloc(size_t n) { NOTE; return __libc_malloc(n); }
void *calloc(size_t n, size_t size) { NOTE; return __libc_calloc(n, size); }
void *realloc(void *p, size_t n) { NOTE; return __libc_realloc(p, n); }
void *memalign(size_t align, size_t n) { NOTE; return __libc_memalign(align, n); }
void *aligned_alloc(size_t align, size_t n) { NOTE; return __libc_memalign(align, n); }
int posix_memalign(void **p, size_t align, size_t n) { NOTE; return (*p = __libc_memalign(align, n)) ? 0 : 12; }
void *mmap(void *at, size_t n, int prot, int flags, int fd, off_t offset)
{
    NOTE;
    return (void *)syscall(SYS_mmap, at, n, prot, flags, fd, offset);
}
__attribute__((destructor)) static void report(void)
{
    FILE *out = fopen(getenv("COUNT_FILE"), "w");
    if (out) fprintf(out, "%ld\n", (long)calls), fclose(out);
}
C
if ! ${CC:-cc} -O1 -w -shared -fPIC -o "$work/count.so" "$work/count.c" 2>"$work/err"; then
    echo "skip steps allocate nothing: the counting library cannot be built: $(head -n 1 "$work/err")"
    exit 0
fi

# count STEPS FILE WORDS...: the calls of a run of so many steps, or nothing when it fails.
count() {
    steps=$1
    shift
    rm -rf "$work/results" "$work/count"
    COUNT_FILE=$work/count LD_PRELOAD=$work/count.so "$SEQLAB" train -q --results "$work/results" "$@" \
        train.steps="$steps" >"$work/out" 2>"$work/err" && cat "$work/count"
}
# same_count LABEL FEW MANY WORDS...; in both the steps span epochs, and have times that the median's qsort takes memory
# for or does not (1 kB)
same_count() {
    name="steps allocate nothing, $1"
    few=$2 many=$3
    shift 3
    a=$(count "$few" "$@") b=$(count "$many" "$@")
    if [ -z "$a" ] || [ -z "$b" ]; then
        not_ok "$(head -n 1 "$work/err")"
    elif [ "$a" -lt 100 ]; then
        not_ok "only $a calls were counted: the library was not in front"
    elif [ "$a" -ne "$b" ]; then
        not_ok "$a calls in $few steps, $b in $many"
    else
        ok
    fi
}

write_shapes_mlp "$work/mlp.yaml"
for OMP_NUM_THREADS in 1 2; do
    export OMP_NUM_THREADS # what users of clusters set; --threads below overrides it
    same_count "mlp, OMP_NUM_THREADS=$OMP_NUM_THREADS" 310 910 "$work/mlp.yaml" train.eval_every=0 train.checkpoint_every=0
done
cat >"$work/resnet8.yaml" <<YAML
run: train
name: tests/resnet8
data: {name: shapes, size: 16, channels: 3, n_train: 200, n_test: 20, augment: [crop, flip]}
model: {name: resnet8}
optimizer: {name: sgd, lr: 0.1, momentum: 0.9}
train: {batch_size: 20, eval_every: 0}
YAML
for threads in 1 2; do
    same_count "resnet8, $threads threads" 12 48 --threads $threads "$work/resnet8.yaml"
done
same_count 'conv4' 12 36 --threads 2 "$work/resnet8.yaml" 'model={name: conv4}'
# batches so large that a thread of the loader makes them
same_count 'prefetched batches' 12 48 --threads 2 "$work/resnet8.yaml" 'model={name: mlp, hidden: [4]}' \
    data.size=72 data.n_train=300 train.batch_size=80

/* peer_openblas -- OpenBLAS's matrix product. */
#include "tests/bench/peer.h"

#if __has_include(<cblas.h>)
#include <cblas.h>
#include <string.h>

void openblas_set_num_threads(int n);

static void *open_gemm(const BenchWork *w, int threads)
{
    openblas_set_num_threads(threads);
    return (void *)(uintptr_t)w; /* anything but NULL: there is no state */
}

static void run_gemm(void *state, BenchWork *w)
{
    (void)state;
    const Gemm *g = &w->call.gemm;
    const bool adds = w->n_floats[3] > 0;
    if (adds) memcpy(w->at[2], w->at[3], sizeof(float) * (size_t)w->n_floats[3]);
    cblas_sgemm(CblasRowMajor, g->trans_a ? CblasTrans : CblasNoTrans,
                g->trans_b ? CblasTrans : CblasNoTrans, (int)g->m, (int)g->n, (int)g->k, 1,
                w->at[0], (int)g->lda, w->at[1], (int)g->ldb, adds ? 1 : 0, w->at[2], (int)g->ldc);
}

#else

static void *open_gemm(const BenchWork *w, int threads)
{
    (void)w, (void)threads;
    return NULL;
}

static void run_gemm(void *state, BenchWork *w)
{
    (void)state, (void)w;
}

#endif

static void close_gemm(void *state)
{
    (void)state;
}

const Peer peer_openblas_gemm = {"OpenBLAS", "gemm", true, open_gemm, run_gemm, close_gemm};

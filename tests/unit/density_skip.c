/* density_skip -- densities of networks with shortcuts, against a search over a grid and the limits
 * that the formula has. */
#include "tests/test.h"

#include "methods/prune/density.h"
#include "methods/prune/density_skip.h"

#include <math.h>

enum { MAX_LAYERS = 8 };
static const double PI_ = 3.14159265358979323846;

static double objective(const SkipLayer layers[], int n, int n_blocks, const double p[])
{
    double sum = 0;
    for (int b = 0; b < n_blocks; b++) {
        double branch = 1;
        for (int l = 0; l < n; l++)
            if (layers[l].block == b) branch *= p[l] * sqrt(4 * layers[l].fan_in / PI_);
        sum += log(1 + branch);
    }
    for (int l = 0; l < n; l++)
        if (layers[l].block < 0) sum += log(p[l]);
    return sum;
}

static double weights(const SkipLayer layers[], int n, const double p[])
{
    double sum = 0;
    for (int l = 0; l < n; l++) sum += layers[l].weights * p[l];
    return sum;
}

/* A block of two, between two that are in none: two densities on a grid, the third by it, the last
 * of the budget. */
TEST(density_skip, nothing_on_a_grid_is_better)
{
    static const SkipLayer layers[] = {
        {100, 9,  0.01, -1},
        {400, 16, 0.01, 0 },
        {900, 4,  0.01, 0 },
        {50,  2,  0.01, -1}
    };
    static const double densities[] = {0.06, 0.3, 0.7};
    enum { GRID = 60 };
    for (int d = 0; d < 3; d++) {
        double p[4], scratch[1], q[4];
        density_skips(densities[d], layers, 4, 1, scratch, p);
        const double best = objective(layers, 4, 1, p);
        assert_true(fabs(weights(layers, 4, p) - densities[d] * 1450) < 1e-6);
        for (int i = 1; i <= GRID; i++)
            for (int j = 1; j <= GRID; j++)
                for (int k = 1; k <= GRID; k++) {
                    q[0] = (double)i / GRID;
                    q[1] = (double)j / GRID;
                    q[2] = (double)k / GRID;
                    q[3] = (densities[d] * 1450 - 100 * q[0] - 400 * q[1] - 900 * q[2]) / 50;
                    if (q[3] >= 0.01 && q[3] <= 1) assert_true(objective(layers, 4, 1, q) <= best);
                }
    }
}

/* Where the derivatives to the weights that are spent agree, over all layers that are not whole. */
TEST(density_skip, a_weight_more_brings_as_much_in_every_layer)
{
    static const SkipLayer layers[] = {
        {432,  27,  0.01, -1},
        {2304, 144, 0.01, 0 },
        {2304, 144, 0.01, 0 },
        {9216, 288, 0.01, 1 },
        {9216, 288, 0.01, 1 },
        {640,  64,  0.01, -1}
    };
    double p[6], scratch[2], marginal[6];
    int n = 0;
    density_skips(0.1, layers, 6, 2, scratch, p);
    for (int l = 0; l < 6; l++) {
        if (p[l] > 0.999 || p[l] < 0.0101) continue;
        double q[6];
        for (int k = 0; k < 6; k++) q[k] = p[k];
        q[l] *= 1 + 1e-6;
        marginal[n++] = (objective(layers, 6, 2, q) - objective(layers, 6, 2, p)) /
                        (1e-6 * layers[l].weights * p[l]);
    }
    assert_true(n >= 3);
    for (int i = 1; i < n; i++) assert_true(fabs(marginal[i] / marginal[0] - 1) < 1e-4);
}

TEST(density_skip, without_blocks_it_is_synexp)
{
    static const SkipLayer layers[] = {
        {235200, 784, 0.01, -1},
        {30000,  300, 0.01, -1},
        {1000,   100, 0.01, -1}
    };
    double p[3], scratch[1];
    density_skips(0.1, layers, 3, 0, scratch, p);
    assert_true(fabs(p[0] - 12810.0 / 235200) < 1e-9);
    assert_true(fabs(p[1] - 0.427) < 1e-9);
    assert_true(p[2] == 1);
}

/* With fan-ins that make the branch outweigh the shortcut by far. */
TEST(density_skip, a_strong_branch_hides_its_shortcut)
{
    static const SkipLayer layers[] = {
        {144,   1e8, 0.01, -1},
        {2304,  1e8, 0.01, 0 },
        {9216,  1e8, 0.01, 0 },
        {36864, 1e8, 0.01, -1}
    };
    double p[4], scratch[1];
    const double sizes[] = {144, 2304, 9216, 36864};
    const double level = density_water_level(0.2, sizes, 4);
    density_skips(0.2, layers, 4, 1, scratch, p);
    for (int l = 0; l < 4; l++) assert_true(fabs(p[l] - fmin(1, level / sizes[l])) < 1e-6);
}

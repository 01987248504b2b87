/* energy -- see energy.h. */
#include "run/energy.h"

#include "base/clock.h"

#include <stdbool.h>
#include <stdio.h>

#define TEXT_OF_(x) #x
#define TEXT_OF(x)  TEXT_OF_(x)

static bool read_number(int package, const char *file, int64_t *out)
{
    char path[96];
    long long value;
    (void)snprintf(path, sizeof path, "/sys/class/powercap/intel-rapl:%d/%s", package, file);
    FILE *f = fopen(path, "re");
    if (!f) return false;
    bool ok = fscanf(f, "%lld", &value) == 1;
    (void)fclose(f);
    *out = ok ? (int64_t)value : 0;
    return ok;
}

void energy_start(Energy *e)
{
    *e = (Energy){.cpu_start_s = clock_cpu_s()};
    while (e->n_packages < ENERGY_MAX_PACKAGES &&
           read_number(e->n_packages, "energy_uj", &e->last_uj[e->n_packages]) &&
           read_number(e->n_packages, "max_energy_range_uj", &e->range_uj[e->n_packages]))
        e->n_packages++;
}

double energy_wh(Energy *e, const char **source)
{
    const double joule_per_wh = 3600;
    if (e->n_packages == 0) {
        *source = "estimate: " TEXT_OF(ENERGY_CORE_W) " W times CPU seconds";
        return ENERGY_CORE_W * (clock_cpu_s() - e->cpu_start_s) / joule_per_wh;
    }
    for (int i = 0; i < e->n_packages; i++) {
        int64_t now;
        if (!read_number(i, "energy_uj", &now)) continue;
        int64_t used = now - e->last_uj[i];
        if (used < 0) used += e->range_uj[i];
        e->joule += 1e-6 * (double)used;
        e->last_uj[i] = now;
    }
    *source = "RAPL, whole packages";
    return e->joule / joule_per_wh;
}

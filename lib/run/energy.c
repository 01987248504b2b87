/* energy -- see energy.h. */
#include "run/energy.h"

#include "base/clock.h"

#include <stdbool.h>
#include <stdio.h>

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

void energy_start(Energy *e, double core_power_w)
{
    *e = (Energy){.cpu_start_s = clock_cpu_s(), .core_power_w = core_power_w};
    while (e->n_packages < ENERGY_MAX_PACKAGES &&
           read_number(e->n_packages, "energy_uj", &e->last_uj[e->n_packages]) &&
           read_number(e->n_packages, "max_energy_range_uj", &e->range_uj[e->n_packages]))
        e->n_packages++;
    if (e->n_packages > 0)
        (void)snprintf(e->source, sizeof e->source, "RAPL, whole packages");
    else
        (void)snprintf(e->source, sizeof e->source, "estimate: %g W times CPU seconds",
                       core_power_w);
}

double energy_wh(Energy *e)
{
    const double joule_per_wh = 3600;
    if (e->n_packages == 0)
        return e->core_power_w * (clock_cpu_s() - e->cpu_start_s) / joule_per_wh;
    for (int i = 0; i < e->n_packages; i++) {
        int64_t now;
        if (!read_number(i, "energy_uj", &now)) continue;
        int64_t used = now - e->last_uj[i];
        if (used < 0) used += e->range_uj[i];
        e->joule += 1e-6 * (double)used;
        e->last_uj[i] = now;
    }
    return e->joule / joule_per_wh;
}

double energy_carbon_g(double wh, double g_per_kwh)
{
    return wh / 1000 * g_per_kwh;
}

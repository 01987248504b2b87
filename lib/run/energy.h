/* energy -- what this process used so far, in watt-hours, and what that is in carbon.
 *
 * Where the kernel lets us read RAPL (/sys/class/powercap/intel-rapl:N, one zone a package): what
 * the whole packages drew while the process ran, other processes included; a counter that goes
 * round more than once between two readings (some 40 minutes at 100 W) counts too little. Elsewhere
 * CPU seconds times the power of a busy core, an assumption about the machine and no measurement.
 * Carbon is energy times the intensity of the grid, an assumption about the place. Both assumptions
 * are the `energy:` block's (eval_options.h). */
#ifndef SEQLAB_RUN_ENERGY_H
#define SEQLAB_RUN_ENERGY_H

#include <stdint.h>

enum { ENERGY_MAX_PACKAGES = 16 };

typedef struct Energy {
    int n_packages; /* 0: no RAPL here */
    int64_t last_uj[ENERGY_MAX_PACKAGES], range_uj[ENERGY_MAX_PACKAGES];
    double joule; /* since energy_start */
    double cpu_start_s, core_power_w;
    char source[64]; /* "estimate: 10 W times CPU seconds", "RAPL, whole packages" */
} Energy;

void energy_start(Energy *e, double core_power_w);
/* Watt-hours since energy_start; e->source says where they come from. */
double energy_wh(Energy *e);
/* Grams of CO2 equivalent. */
double energy_carbon_g(double wh, double g_per_kwh);

#endif

/* energy -- what this process used so far, in watt-hours.
 *
 * Where the kernel lets us read RAPL (/sys/class/powercap/intel-rapl:N, one zone a package): what
 * the whole packages drew while the process ran, other processes included; a counter that goes
 * round more than once between two readings (some 40 minutes at 100 W) counts too little. Elsewhere
 * CPU seconds times ENERGY_CORE_W, an assumption about the machine and no measurement. */
#ifndef SEQLAB_RUN_ENERGY_H
#define SEQLAB_RUN_ENERGY_H

#include <stdint.h>

enum { ENERGY_MAX_PACKAGES = 16 };
#define ENERGY_CORE_W 10

typedef struct Energy {
    int n_packages; /* 0: no RAPL here */
    int64_t last_uj[ENERGY_MAX_PACKAGES], range_uj[ENERGY_MAX_PACKAGES];
    double joule; /* since energy_start */
    double cpu_start_s;
} Energy;

void energy_start(Energy *e);
/* Watt-hours since energy_start; *source says where they come from. */
double energy_wh(Energy *e, const char **source);

#endif

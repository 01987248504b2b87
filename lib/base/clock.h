/* clock -- monotonic and wall time. No number that a run reports in metrics.jsonl may come from
 * here. */
#ifndef SEQLAB_BASE_CLOCK_H
#define SEQLAB_BASE_CLOCK_H

#include <stdint.h>

double clock_s(void);           /* monotonic seconds, arbitrary origin */
double clock_cpu_s(void);       /* CPU seconds of this process, all threads */
double clock_process_s(void);   /* seconds since this process was started (Linux: /proc), or 0 */
void clock_iso(char out[32]);   /* "2026-02-01T12:34:56Z", now */
int64_t clock_peak_bytes(void); /* peak resident set of this process */
int64_t clock_resident_bytes(void); /* resident set now (Linux: /proc), or 0 */

#endif

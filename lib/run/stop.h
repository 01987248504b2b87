/* stop -- signals as flags that the trainer looks at between steps.
 *
 * INT, TERM, USR1: finish the step, write a checkpoint, status `stopped`, exit 75. A second INT
 * ends the process at once with 130. USR2: checkpoint and go on. CONT and PIPE are ignored; so is
 * XFSZ, so that a file size limit is an error of write() as a full disk is. */
#ifndef SEQLAB_RUN_STOP_H
#define SEQLAB_RUN_STOP_H

#include <stdbool.h>

void stop_install(void);
int stop_signal(void);           /* the first of INT, TERM, USR1 that came, or 0 */
bool stop_take_checkpoint(void); /* USR2 came since the last call */

#endif

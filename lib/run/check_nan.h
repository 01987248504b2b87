/* check_nan -- which value of a failed run was the first that is not finite.
 *
 * Repeats the steps from the run's checkpoint (from the first where there is none) on a plan that
 * fuses nothing and keeps every value, so that each can be looked at; the bits are those of the
 * run. Writes no file. */
#ifndef SEQLAB_RUN_CHECK_NAN_H
#define SEQLAB_RUN_CHECK_NAN_H

#include "run/experiment.h"

/* `report` gets one line with the step, the node, its shape, the element, and the sources' largest
 * magnitudes; or says that all values stay finite to the run's end. Fails as a run can fail to
 * start; FAIL_STOPPED after a signal. */
bool check_nan(const Experiment *e, const Dataset *data, const char *run_folder, char report[1024],
               Error *err) MUST_CHECK;

#endif

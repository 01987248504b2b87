/* run_lock -- one owner a run folder: the file `lock` in it, held by fcntl and naming the owner.
 *
 * The lock is one of an open file description (F_OFD_SETLK). The older kind, of the process, is
 * dropped as soon as the process closes any descriptor of the file, so that only asking whether a
 * run is alive would unlock it; this kind ends when the last descriptor that came from our open()
 * is closed, by us or by our death. A fork would share it until exec: the descriptor is
 * close-on-exec. On file systems without locks the file's text decides: an owner on this host lives
 * if its process does, one on another host does unless it was our own Slurm job before a requeue.
 */
#ifndef SEQLAB_RUN_RUN_LOCK_H
#define SEQLAB_RUN_RUN_LOCK_H

#include "base/error.h"

/* FAIL_RUN, naming host, pid and job, when another lives. *fd is kept open while the lock is held.
 */
bool run_lock_take(const char *folder, int *fd, Error *err) MUST_CHECK;
void run_lock_release(int fd);
/* Someone, maybe this process, holds the folder. */
bool run_lock_held(const char *folder);

#endif

/* run_lock -- see run_lock.h. */
#include "run/run_lock.h"

#include "run/run_record.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct Owner {
    char host[256], job[64]; /* job "-": not under Slurm */
    int pid;                 /* 0: none */
} Owner;

static void own_name(Owner *o)
{
    const char *job = getenv("SLURM_JOB_ID");
    run_host(o->host);
    (void)snprintf(o->job, sizeof o->job, "%s", job && *job ? job : "-");
    o->pid = (int)getpid();
}

static Owner read_owner(int fd)
{
    char text[512];
    Owner o = {.host = "unknown", .job = "-"};
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    char *pid = strchr(text, ' '), *job = pid ? strchr(pid + 1, ' ') : NULL;
    if (!job) return o;
    *pid = *job = '\0';
    job[1 + strcspn(job + 1, "\n")] = '\0';
    (void)snprintf(o.host, sizeof o.host, "%.255s", text);
    (void)snprintf(o.job, sizeof o.job, "%.63s", job + 1);
    long number = strtol(pid + 1, NULL, 10);
    o.pid = number > 0 && number < 1 << 30 ? (int)number : 0;
    return o;
}

static bool write_owner(int fd)
{
    Owner own;
    char text[512];
    own_name(&own);
    int n = snprintf(text, sizeof text, "%s %d %s\n", own.host, own.pid, own.job);
    return ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)n, 0) == n;
}

static bool lives_by_text(const Owner *o)
{
    Owner own;
    own_name(&own);
    if (o->pid == 0) return false;
    if (strcmp(o->host, own.host) == 0) return kill(o->pid, 0) == 0 || errno == EPERM;
    return strcmp(o->job, "-") == 0 || strcmp(o->job, own.job) != 0;
}

static int open_lock(const char *folder, int flags)
{
    char path[4096 + 8];
    if (snprintf(path, sizeof path, "%s/lock", folder) >= (int)sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return open(path, flags | O_CLOEXEC, 0666);
}

/* l_pid must be 0 for locks of a description. */
static const struct flock whole_file = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

bool run_lock_take(const char *folder, int *fd, Error *err)
{
    struct flock lock = whole_file;
    *fd = open_lock(folder, O_RDWR | O_CREAT);
    if (*fd < 0) return fail_errno(err, FAIL_RUN, NULL, "%s/lock: cannot be written", folder);
    bool taken = fcntl(*fd, F_OFD_SETLK, &lock) == 0;
    bool no_locks = !taken && errno != EAGAIN && errno != EACCES;
    Owner o = read_owner(*fd);
    if (no_locks) taken = !lives_by_text(&o);
    if (taken && write_owner(*fd)) return true;
    if (taken)
        (void)fail_errno(err, FAIL_RUN, NULL, "%s/lock: cannot be written", folder);
    else
        (void)fail(err, FAIL_RUN, NULL, "%s: is being run on host %s by process %d%s%s%s", folder,
                   o.host, o.pid, *o.job == '-' ? "" : " (Slurm job ", *o.job == '-' ? "" : o.job,
                   *o.job == '-' ? "" : ")");
    if (!taken && no_locks)
        error_note(err, "this file system has no locks: if that process is gone, remove %s/lock",
                   folder);
    (void)close(*fd);
    *fd = -1;
    return false;
}

void run_lock_release(int fd)
{
    if (fd < 0) return;
    if (ftruncate(fd, 0) != 0) errno = 0; /* the text only informs where there are locks */
    (void)close(fd);
}

bool run_lock_held(const char *folder)
{
    struct flock lock = whole_file;
    int fd = open_lock(folder, O_RDONLY);
    if (fd < 0) return false;
    Owner o = read_owner(fd);
    bool held = fcntl(fd, F_OFD_GETLK, &lock) == 0 ? lock.l_type != F_UNLCK : lives_by_text(&o);
    (void)close(fd);
    return held;
}

/* process -- see process.h. */
#include "io/process.h"

#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { OUTPUT_MAX = 16 << 20, NOT_FOUND = 127, BY_SIGNAL = 128 };

typedef struct Pipe {
    int fd[2]; /* read end, write end */
    Text text;
} Pipe;

/* What is past the bound is read, so that the writer does not wait, and dropped. */
static bool take(Pipe *p)
{
    char block[4097];
    const ssize_t n = read(p->fd[0], block, sizeof block - 1);
    if (n < 0) return errno == EINTR;
    if (n == 0) return false;
    block[n] = '\0';
    if (p->text.n + (size_t)n <= OUTPUT_MAX) text_add(&p->text, block);
    return true;
}

static void collect(Pipe pipes[2])
{
    struct pollfd wait[2] = {
        {.fd = pipes[0].fd[0], .events = POLLIN},
        {.fd = pipes[1].fd[0], .events = POLLIN},
    };
    while (wait[0].fd >= 0 || wait[1].fd >= 0) {
        if (poll(wait, 2, -1) < 0 && errno != EINTR) return;
        for (int i = 0; i < 2; i++)
            if (wait[i].fd >= 0 && wait[i].revents && !take(&pipes[i])) wait[i].fd = -1;
    }
}

static int start(const char *const argv[], const Pipe pipes[2], pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    int code = posix_spawn_file_actions_init(&actions);
    if (code) return code;
    (void)posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    (void)posix_spawn_file_actions_adddup2(&actions, pipes[0].fd[1], STDOUT_FILENO);
    (void)posix_spawn_file_actions_adddup2(&actions, pipes[1].fd[1], STDERR_FILENO);
    code = posix_spawnp(pid, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    return code;
}

static int wait_for(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return NOT_FOUND;
    return WIFEXITED(status) ? WEXITSTATUS(status) : BY_SIGNAL + WTERMSIG(status);
}

static void close_end(Pipe pipes[2], int end)
{
    for (int i = 0; i < 2; i++) {
        if (pipes[i].fd[end] >= 0) (void)close(pipes[i].fd[end]);
        pipes[i].fd[end] = -1;
    }
}

bool process_run(const char *const argv[], Arena *a, char **out, char **complaint, int *code,
                 Error *err)
{
    Pipe pipes[2] = {{.fd = {-1, -1}}, {.fd = {-1, -1}}};
    pid_t pid = 0;
    bool ok = pipe2(pipes[0].fd, O_CLOEXEC) == 0 && pipe2(pipes[1].fd, O_CLOEXEC) == 0;
    const int failed = ok ? start(argv, pipes, &pid) : errno;
    close_end(pipes, 1);
    *code = NOT_FOUND;
    if (ok && failed == 0) {
        collect(pipes);
        *code = wait_for(pid);
    } else if (failed != ENOENT) {
        errno = failed;
        ok = fail_errno(err, FAIL_RUN, NULL, "%s: cannot be started", argv[0]);
    }
    close_end(pipes, 0);
    *out = arena_string(a, pipes[0].text.data ? pipes[0].text.data : "");
    if (complaint) *complaint = arena_string(a, pipes[1].text.data ? pipes[1].text.data : "");
    text_free(&pipes[0].text);
    text_free(&pipes[1].text);
    return ok;
}

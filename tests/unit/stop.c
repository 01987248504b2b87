/* stop -- signals become flags. In child processes: flags are the process's, and are never taken
 * back. */
#include "tests/test.h"

#include "run/stop.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* How a child ends that installs the handlers and then runs `body`: its exit code, or 1000 + the
 * signal that killed it. */
static int ends(int (*body)(void))
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        stop_install();
        _exit(body());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static int each_is_seen(void)
{
    return stop_signal() == 0 && raise(SIGTERM) == 0 && stop_signal() == SIGTERM ? 0 : 1;
}

static int first_wins(void)
{
    (void)raise(SIGUSR1);
    (void)raise(SIGTERM);
    (void)raise(SIGINT);
    return stop_signal() == SIGUSR1 ? 0 : 1;
}

static int two_interrupts(void)
{
    (void)raise(SIGINT);
    if (stop_signal() != SIGINT) return 1;
    (void)raise(SIGINT);
    return 2;
}

static int checkpoint_once(void)
{
    if (stop_take_checkpoint()) return 1;
    (void)raise(SIGUSR2);
    (void)raise(SIGUSR2);
    if (!stop_take_checkpoint()) return 2;
    if (stop_take_checkpoint()) return 3;
    return stop_signal() == 0 ? 0 : 4;
}

static int harmless(void)
{
    (void)raise(SIGCONT);
    (void)raise(SIGPIPE);
    (void)raise(SIGXFSZ);
    return stop_signal();
}

TEST(stop, a_signal_is_a_flag)
{
    assert_int_equal(ends(each_is_seen), 0);
}

TEST(stop, the_first_signal_is_kept)
{
    assert_int_equal(ends(first_wins), 0);
}

TEST(stop, a_second_interrupt_ends_at_once)
{
    assert_int_equal(ends(two_interrupts), 130);
}

TEST(stop, usr2_asks_for_one_checkpoint)
{
    assert_int_equal(ends(checkpoint_once), 0);
}

TEST(stop, cont_pipe_and_xfsz_do_nothing)
{
    assert_int_equal(ends(harmless), 0);
}

TEST(stop, an_ignored_interrupt_is_taken)
{
    (void)signal(SIGINT, SIG_IGN); /* as sh does for what it puts into the background */
    int code = ends(two_interrupts);
    (void)signal(SIGINT, SIG_DFL);
    assert_int_equal(code, 130);
}

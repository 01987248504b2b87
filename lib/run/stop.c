/* stop -- see stop.h. A handler may run on any thread of the pool: hence atomics, which are free of
 * locks for int and so safe in handlers. An INT that the parent had set to be ignored (a job that
 * sh put into the background) is taken all the same: a sweep stops its children by it. */
#include "run/stop.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

_Static_assert(ATOMIC_INT_LOCK_FREE == 2, "signal handlers need atomics without locks");

enum { EXIT_AT_ONCE = 130 };

static atomic_int first_signal, n_interrupts, checkpoint_wanted;

static void on_stop(int signal_number)
{
    int none = 0;
    if (signal_number == SIGINT && atomic_fetch_add(&n_interrupts, 1) > 0) _exit(EXIT_AT_ONCE);
    (void)atomic_compare_exchange_strong(&first_signal, &none, signal_number);
}

static void on_checkpoint(int signal_number)
{
    (void)signal_number;
    atomic_store(&checkpoint_wanted, 1);
}

void stop_install(void)
{
    static const int stopping[] = {SIGINT, SIGTERM, SIGUSR1};
    static const int ignored[] = {SIGCONT, SIGPIPE, SIGXFSZ};
    struct sigaction action = {.sa_flags = SA_RESTART}; /* no write is cut short by a signal */
    (void)sigemptyset(&action.sa_mask);
    action.sa_handler = on_stop;
    for (size_t i = 0; i < sizeof stopping / sizeof stopping[0]; i++)
        (void)sigaction(stopping[i], &action, NULL);
    action.sa_handler = on_checkpoint;
    (void)sigaction(SIGUSR2, &action, NULL);
    action.sa_handler = SIG_IGN;
    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
        (void)sigaction(ignored[i], &action, NULL);
}

int stop_signal(void)
{
    return atomic_load(&first_signal);
}

bool stop_take_checkpoint(void)
{
    return atomic_exchange(&checkpoint_wanted, 0) != 0;
}

/* main -- finds the command, reads its flags, runs it, prints what failed; exits with the failure's
 * kind.
 *
 * The only file that ends the process. Standard output that nobody reads any more (`| head`) is
 * found by the write's EPIPE, not by a signal: a run must not die of it in the middle of a
 * checkpoint. */
#include "cmd/command.h"

#include "base/progress.h"
#include "base/text.h"
#include "base/threads.h"
#include "cpu/cpu.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_STDOUT_CLOSED = 141 };

static const Command *const commands[] = {
    &command_train, &command_prune,  &command_init, &command_sweep, &command_table,
    &command_plot,  &command_report, &command_runs, &command_eval,  &command_generate,
    &command_data,  &command_bench,  &command_list, &command_help,
};
enum { N_COMMANDS = sizeof commands / sizeof commands[0] };

const Command *command_at(int i)
{
    return i < N_COMMANDS ? commands[i] : NULL;
}

const Command *command_find(const char *name)
{
    for (int i = 0; i < N_COMMANDS; i++)
        if (strcmp(commands[i]->name, name) == 0) return commands[i];
    return NULL;
}

static void print_program_help(void)
{
    (void)puts("usage: seqlab COMMAND [flags] [words]\n\n"
               "Trains and evaluates networks from YAML files; the same bits for any number of "
               "threads.\n");
    for (int i = 0; i < N_COMMANDS; i++)
        (void)printf("  %-9s %s\n", commands[i]->name, commands[i]->summary);
    (void)puts(
        "\n'seqlab COMMAND --help' says more; 'seqlab --version' prints the version.\n"
        "Exit codes: 0 done, 1 the run failed, 2 usage, 3 configuration, 4 data, 5 runs of a\n"
        "sweep failed, 6 a claim does not hold, 75 stopped with a checkpoint, 130 and 143\n"
        "killed, 141 stdout was closed.");
}

static void print_options(const OptionTable *t)
{
    enum { COLUMN = 32 };
    (void)puts("\nkeys:");
    for (int i = 0; i < t->n; i++) {
        const Option *o = &t->options[i];
        char left[96];
        (void)snprintf(left, sizeof left, "%s=%s", o->name, *o->value ? o->value : "...");
        (void)printf("  %-*s %s\n", COLUMN, left, o->help);
    }
}

void command_print_help(const Command *c)
{
    if (!c) {
        print_program_help();
        return;
    }
    (void)printf("usage: seqlab %s [flags]%s%s\n\n%s.\n", c->name, *c->usage ? " " : "", c->usage,
                 c->summary);
    if (c->help) (void)printf("\n%s", c->help);
    if (c->options) print_options(c->options);
    (void)puts("\nflags:");
    flags_help(c->flags, stdout);
}

bool command_word_count(const Invocation *in, int low, int high, Error *err)
{
    static const Place place = {.file = "command line"};
    if (in->n_words < low) return fail(err, FAIL_USAGE, &place, "a word is missing");
    if (in->n_words > high)
        return fail(err, FAIL_USAGE, &place, "'%.60s' is one word too many", in->words[high]);
    return true;
}

/* A closed descriptor 0, 1 or 2 would be given to the next file that is opened, and messages would
 * end up in it. Opened the wrong way round, a write still fails. */
static void hold_standard_files(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0) (void)open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
}

/* The exit code: the failure's if there was one, else 0 when all of stdout was written. */
static int finish(FailKind kind)
{
    bool written = fflush(stdout) == 0 && !ferror(stdout);
    if (kind != FAIL_NONE || written) return (int)kind;
    /* an earlier write may have failed, whose errno is gone: ask the descriptor itself */
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
    int flags = fcntl(STDOUT_FILENO, F_GETFL);
    if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY) return EXIT_STDOUT_CLOSED;
    if (poll(&out, 1, 0) > 0 && (out.revents & (POLLERR | POLLHUP))) return EXIT_STDOUT_CLOSED;
    (void)fputs("stdout: not everything could be written\n", stderr);
    return FAIL_RUN;
}

static char *join(Arena *a, int argc, char *const argv[])
{
    Text line = {0};
    text_add(&line, "seqlab");
    for (int i = 1; i < argc; i++) text_addf(&line, " %s", argv[i]);
    char *copy = arena_string(a, line.data ? line.data : "seqlab");
    text_free(&line);
    return copy;
}

/* gcc's OpenMP lets a thread that waits for another spin for a long time, which is fine on idle
 * cores; on shared ones the other thread may have to wait for that very core, and a step takes a
 * hundred times as long. How long it spins is read from the environment before main, so the program
 * starts itself once more (about a millisecond). What the user has set stays; where it cannot be
 * done, results are the same. */
static void spin_briefly(char *const argv[])
{
    if (getenv("GOMP_SPINCOUNT") || getenv("OMP_WAIT_POLICY")) return;
    if (setenv("GOMP_SPINCOUNT", "20000", 1) == 0) (void)execv("/proc/self/exe", argv);
}

static bool prepare(const Command *c, const Flags *flags, char *const argv[], Error *err)
{
    if (!c->computes) return true;
    spin_briefly(argv);
    threads_set((int)flags->threads);
    return cpu_select(flags->isa, err);
}

static int run(const Command *c, int argc, char *const argv[])
{
    Error err = {0};
    Invocation in = {.arena = arena_new()};
    in.words = arena_new_array(in.arena, const char *, argc);
    in.line = join(in.arena, argc, argv);
    if (flags_parse(c->flags, argc - 2, argv + 2, &in.flags, in.words, &in.n_words, &err)) {
        if (in.flags.help)
            command_print_help(c);
        else if (prepare(c, &in.flags, argv, &err))
            (void)c->run(&in, &err);
    }
    /* what was computed before the failure comes before its message */
    int code = finish(err.kind);
    error_print(&err, stderr, color_wanted((ColorMode)in.flags.color, stderr));
    if (err.kind == FAIL_USAGE)
        (void)fprintf(stderr, "usage: seqlab %s [flags]%s%s; 'seqlab %s --help' says more\n",
                      c->name, *c->usage ? " " : "", c->usage, c->name);
    arena_free(in.arena);
    return code;
}

static int unknown_command(const char *word)
{
    const char *names[N_COMMANDS];
    for (int i = 0; i < N_COMMANDS; i++) names[i] = commands[i]->name;
    const char *near = text_nearest(word, names, N_COMMANDS);
    if (near)
        (void)fprintf(stderr, "unknown command '%.60s'; did you mean '%s'?\n", word, near);
    else
        (void)fprintf(stderr, "unknown command '%.60s'\n", word);
    (void)fputs("usage: seqlab COMMAND [flags] [words]; 'seqlab --help' lists the commands\n",
                stderr);
    return FAIL_USAGE;
}

int main(int argc, char **argv)
{
    hold_standard_files();
    (void)signal(SIGPIPE, SIG_IGN);
    if (argc < 2) {
        (void)fputs("a command is missing\n"
                    "usage: seqlab COMMAND [flags] [words]; 'seqlab --help' lists the commands\n",
                    stderr);
        return FAIL_USAGE;
    }
    const char *word = argv[1];
    if (strcmp(word, "--version") == 0) {
        (void)puts("seqlab " SEQLAB_VERSION);
        return finish(FAIL_NONE);
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        print_program_help();
        return finish(FAIL_NONE);
    }
    const Command *c = command_find(word);
    return c ? run(c, argc, argv) : unknown_command(word);
}

/* progress -- see progress.h. */
#include "base/progress.h"

#include "base/clock.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

bool color_wanted(ColorMode mode, FILE *out)
{
    if (mode != COLOR_AUTO) return mode == COLOR_ALWAYS;
    const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");
    if (no_color && *no_color) return false;
    return isatty(fileno(out)) && term && strcmp(term, "dumb") != 0;
}

Progress progress_start(FILE *out, bool quiet)
{
    const char *term = getenv("TERM");
    return (Progress){.out = out,
                      .terminal = isatty(fileno(out)) && !(term && strcmp(term, "dumb") == 0),
                      .quiet = quiet,
                      .start_s = clock_s(),
                      .last_draw_s = -1};
}

static int terminal_width(FILE *out)
{
    struct winsize size;
    if (ioctl(fileno(out), TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
    return size.ws_col;
}

void progress_draw(Progress *p, const char *label, int64_t first, int64_t done, int64_t total,
                   const char *extra)
{
    enum { BAR = 20, MIN_INTERVAL_MS = 100 };
    if (p->quiet || !p->terminal || total <= 0) return;
    double now = clock_s();
    if (now - p->last_draw_s < MIN_INTERVAL_MS * 1e-3 && done < total) return;
    p->last_draw_s = now;
    char bar[BAR + 1], eta[24] = "", line[512];
    int filled = (int)(BAR * done / total);
    for (int i = 0; i < BAR; i++) bar[i] = i < filled ? '#' : '.';
    bar[BAR] = '\0';
    if (done > first)
        text_duration(eta, (now - p->start_s) * (double)(total - done) / (double)(done - first));
    int n = snprintf(line, sizeof line, "%s [%s] %3d%%  %s%s%s", label, bar,
                     (int)(100 * done / total), extra, *eta ? "  ETA " : "", eta);
    int width = terminal_width(p->out) - 1;
    if (n > width) n = width;
    int blanks = p->width_drawn > n ? p->width_drawn - n : 0;
    (void)fprintf(p->out, "\r%.*s%*s", n, line, blanks, "");
    (void)fflush(p->out);
    p->width_drawn = n;
}

void progress_clear(Progress *p)
{
    if (p->width_drawn > 0) (void)fprintf(p->out, "\r%*s\r", p->width_drawn, "");
    p->width_drawn = 0;
}

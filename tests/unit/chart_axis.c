/* Ticks and limits of axes (lib/plot/chart_axis): expected values are by hand. */
#include "tests/test.h"

#include "plot/chart_axis.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *ticks_text(double low, double high, bool is_log, int about, TickFormat format)
{
    static char text[1024];
    Ticks t;
    axis_ticks(&t, (AxisRange){low, high}, is_log, about, format);
    text[0] = '\0';
    for (int i = 0; i < t.n; i++) {
        if (!t.at[i].text[0]) continue;
        size_t n = strlen(text);
        (void)snprintf(text + n, sizeof text - n, n ? " %s" : "%s", t.at[i].text);
    }
    return text;
}

TEST(chart_axis, ticks_are_round_numbers)
{
    assert_string_equal(ticks_text(0, 1, false, 5, TICKS_AUTO), "0 0.2 0.4 0.6 0.8 1.0");
    assert_string_equal(ticks_text(-3, 7, false, 5, TICKS_AUTO), "-2 0 2 4 6");
    assert_string_equal(ticks_text(0.51, 0.58, false, 4, TICKS_AUTO), "0.52 0.54 0.56 0.58");
}

TEST(chart_axis, ticks_share_suffix_and_decimals)
{
    assert_string_equal(ticks_text(0, 20000, false, 4, TICKS_AUTO), "0 5k 10k 15k 20k");
    assert_string_equal(ticks_text(0, 2500000, false, 5, TICKS_AUTO), "0 0.5M 1.0M 1.5M 2.0M 2.5M");
    assert_string_equal(ticks_text(0, 800, false, 4, TICKS_AUTO), "0 200 400 600 800");
}

TEST(chart_axis, small_ticks_have_exponents)
{
    assert_string_equal(ticks_text(0, 6e-5, false, 3, TICKS_AUTO), "0 2e-5 4e-5 6e-5");
}

TEST(chart_axis, percent_ticks)
{
    assert_string_equal(ticks_text(0.9, 0.93, false, 3, TICKS_PERCENT), "90% 91% 92% 93%");
    assert_string_equal(ticks_text(0.99, 0.992, false, 2, TICKS_PERCENT), "99.0% 99.1% 99.2%");
}

TEST(chart_axis, log_ticks_are_decades)
{
    assert_string_equal(ticks_text(1e-5, 0.1, true, 6, TICKS_AUTO), "1e-5 0.0001 0.001 0.01 0.1");
    assert_string_equal(ticks_text(1, 1e6, true, 7, TICKS_AUTO), "1 10 100 1000 10k 100k 1M");
}

TEST(chart_axis, log_ticks_of_a_short_range_are_1_2_5)
{
    assert_string_equal(ticks_text(15, 600, true, 6, TICKS_AUTO), "20 50 100 200 500");
}

TEST(chart_axis, log_ticks_within_a_decade_fall_back_to_round_numbers)
{
    assert_string_equal(ticks_text(2.1, 4.1, true, 4, TICKS_AUTO), "2.5 3.0 3.5 4.0");
}

TEST(chart_axis, long_log_range_leaves_decades_out)
{
    Ticks t;
    axis_ticks(&t, (AxisRange){1e-40, 1e40}, true, 5, TICKS_AUTO);
    assert_in_range(t.n, 2, 5);
}

/* Whatever the limits: rising, within them, at most a few more than asked for, at least two. */
TEST(chart_axis, ticks_stay_within_any_limits)
{
    const double lows[] = {-1e300, -123.456, -1e-9, 0, 1e-300, 3, 99999, 1e15};
    const double lengths[] = {1e-12, 1e-3, 1, 7.77, 1e6, 1e200};
    for (int i = 0; i < 8; i++) {
        for (int k = 0; k < 6; k++) {
            double low = lows[i], high = low + lengths[k];
            Ticks t;
            if (high - low < fabs(low) * 1e-12) continue;
            axis_ticks(&t, (AxisRange){low, high}, false, 6, TICKS_AUTO);
            assert_in_range(t.n, 2, 8);
            for (int j = 0; j < t.n; j++) {
                double slack = (high - low) * 1e-6;
                assert_true(t.at[j].value >= low - slack && t.at[j].value <= high + slack);
                if (j > 0) assert_true(t.at[j].value > t.at[j - 1].value);
            }
        }
    }
}

TEST(chart_axis, no_data_gives_limits_all_the_same)
{
    ChartAxis axis = {0}, log_axis = {.is_log = true};
    AxisRange nothing = {(double)INFINITY, -(double)INFINITY}, r = axis_limits(&axis, nothing, 0.1);
    assert_true(r.low == 0 && r.high == 1);
    r = axis_limits(&log_axis, nothing, 0.1);
    assert_true(r.low == 1 && r.high == 10);
}

TEST(chart_axis, one_value_gives_a_range_around_it)
{
    ChartAxis axis = {0}, log_axis = {.is_log = true};
    AxisRange r = axis_limits(&axis, (AxisRange){5, 5}, 0.1);
    assert_true(r.low < 5 && r.high > 5);
    r = axis_limits(&log_axis, (AxisRange){5, 5}, 0.1);
    assert_true(r.low > 0 && r.low < 5 && r.high > 5);
}

TEST(chart_axis, own_limits_win_over_the_data)
{
    ChartAxis axis = {.has_low = true, .low = 0};
    AxisRange r = axis_limits(&axis, (AxisRange){3, 5}, 0);
    assert_true(r.low == 0 && r.high == 5);
    axis = (ChartAxis){.has_low = true, .low = 0, .has_high = true, .high = 1};
    r = axis_limits(&axis, (AxisRange){3, 5}, 0.1);
    assert_true(r.low == 0 && r.high == 1);
}

TEST(chart_axis, what_cannot_be_drawn_is_not_seen)
{
    AxisRange r = {(double)INFINITY, -(double)INFINITY};
    axis_see(&r, true, 0);
    axis_see(&r, true, -1);
    axis_see(&r, true, (double)NAN);
    axis_see(&r, true, (double)INFINITY);
    axis_see(&r, true, 2);
    assert_true(r.low == 2 && r.high == 2);
}

TEST(chart_axis, log_positions_are_even_by_decade)
{
    AxisMap m = {.is_log = true, .low = 1, .high = 1000, .from = 0, .to = 300};
    assert_true(fabs(axis_position(&m, 10) - 100) < 1e-9);
    assert_true(fabs(axis_position(&m, 100) - 200) < 1e-9);
}

TEST(chart_axis, value_texts)
{
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0,     "0"    },
        {0.25,  "0.25" },
        {1e-5,  "1e-5" },
        {12345, "12.3k"},
        {2.5e6, "2.5M" }
    };
    char text[TICK_TEXT];
    for (int i = 0; i < 5; i++) {
        axis_value_text(text, cases[i].value, TICKS_AUTO);
        assert_string_equal(text, cases[i].text);
    }
    axis_value_text(text, 0.934, TICKS_PERCENT);
    assert_string_equal(text, "93.4%");
}

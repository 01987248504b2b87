/* text -- nearest names, quantities as people read them, numbers that read back. */
#include "tests/test.h"

#include "base/pcg.h"
#include "base/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

TEST(text, nearest_finds_likely_slips)
{
    static const char *const names[] = {"layers", "lambda", "sparsity", "lr", "width"};
    static const char *const slips[][2] = {
        {"lyers",     "layers"  }, /* one left out */
        {"layerss",   "layers"  }, /* one too many */
        {"sparcity",  "sparsity"}, /* one changed */
        {"widht",     "width"   }, /* two swapped count as one */
        {"lamdba",    "lambda"  },
        {"spasrsiti", "sparsity"},
        {"lt",        "lr"      },
    };
    for (size_t i = 0; i < sizeof slips / sizeof slips[0]; i++)
        assert_string_equal(text_nearest(slips[i][0], names, 5), slips[i][1]);
}

TEST(text, nearest_leaves_strangers_alone)
{
    static const char *const names[] = {"layers", "lambda", "lr"};
    assert_null(text_nearest("optimizer", names, 3));
    assert_null(text_nearest("laxxxs", names, 3)); /* three edits */
    assert_null(text_nearest("k", names, 3));
    assert_null(text_nearest("layers", names, 0));
    char word[200];
    memset(word, 'l', sizeof word - 1);
    word[sizeof word - 1] = '\0';
    assert_null(text_nearest(word, names, 3));
}

TEST(text, nearest_prefers_the_closest)
{
    static const char *const names[] = {"beta22", "beta2", "beta1"};
    assert_string_equal(text_nearest("beta3", names, 3), "beta2");
}

TEST(text, si_has_three_digits)
{
    // clang-format off
    static const struct { double value; const char *text; } rows[] = {
        {0, "0"}, {7, "7"}, {512, "512"}, {0.5, "0.5"}, {12.345, "12.3"}, {999.4, "999"},
        {999.5, "1k"}, {1234, "1.23k"}, {61706, "61.7k"}, {11689512, "11.7M"},
        {999499, "999k"}, {999500, "1M"}, {2.5e12, "2.5T"}, {-1500, "-1.5k"}, {INFINITY, "inf"},
    };
    // clang-format on
    char out[16];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        text_si(out, rows[i].value);
        assert_string_equal(out, rows[i].text);
    }
}

TEST(text, bytes_use_binary_units)
{
    // clang-format off
    static const struct { double value; const char *text; } rows[] = {
        {0, "0 B"}, {999, "999 B"}, {1024, "1.0 KiB"}, {1536, "1.5 KiB"},
        {12.3 * 1048576, "12.3 MiB"}, {3e9, "2.8 GiB"}, {5.5e12, "5.0 TiB"},
    };
    // clang-format on
    char out[16];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        text_bytes(out, rows[i].value);
        assert_string_equal(out, rows[i].text);
    }
}

TEST(text, durations_read_as_spoken)
{
    // clang-format off
    static const struct { double value; const char *text; } rows[] = {
        {0, "0.0 s"}, {4, "4.0 s"}, {42.4, "42 s"}, {99, "99 s"}, {200, "3 min 20 s"},
        {3599, "59 min 59 s"}, {7500, "2 h 05 min"}, {360000, "100 h 00 min"}, {-1, "0.0 s"},
        {NAN, "0.0 s"}, {INFINITY, "years"},
    };
    // clang-format on
    char out[24];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        text_duration(out, rows[i].value);
        assert_string_equal(out, rows[i].text);
    }
}

TEST(text, real_is_short)
{
    // clang-format off
    static const struct { double value; const char *text; } rows[] = {
        {0, "0"}, {-0.0, "-0"}, {1, "1"}, {20, "20"}, {300, "300"}, {-45, "-45"}, {1000000, "1000000"},
        {0.1, "0.1"}, {0.003, "0.003"}, {1e-8, "1e-08"}, {1234.5, "1234.5"}, {1e300, "1e+300"},
        {0.1 + 0.2, "0.30000000000000004"}, {NAN, "NaN"}, {INFINITY, "Infinity"},
        {-INFINITY, "-Infinity"},
    };
    // clang-format on
    char out[32];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        text_real(out, rows[i].value);
        assert_string_equal(out, rows[i].text);
    }
}

TEST(text, real_reads_back_bit_for_bit)
{
    Pcg rng = pcg_seed(1, 2);
    for (int i = 0; i < 5000; i++) {
        uint64_t bits = (uint64_t)pcg_next(&rng) << 32 | pcg_next(&rng);
        double value, back;
        char out[32];
        memcpy(&value, &bits, sizeof value);
        if (isnan(value) || isinf(value)) continue;
        text_real(out, value);
        back = strtod(out, NULL);
        assert_memory_equal(&back, &value, sizeof value);
    }
}

TEST(text, grows_as_it_is_added_to)
{
    Text t = {0};
    for (int i = 0; i < 1000; i++) text_addf(&t, "%d,", i % 10);
    text_add(&t, "end");
    assert_int_equal(t.n, 2003);
    assert_int_equal(strlen(t.data), 2003);
    assert_string_equal(t.data + 1996, "8,9,end");
    text_free(&t);
    assert_null(t.data);
}

TEST(text, json_is_escaped)
{
    Text t = {0};
    text_add_json(&t, "a\"b\\c\nd\te\x01 caf\xc3\xa9");
    assert_string_equal(t.data, "\"a\\\"b\\\\c\\nd\\u0009e\\u0001 caf\xc3\xa9\"");
    text_free(&t);
}

TEST(text, a_shell_word_is_quoted_where_it_has_to_be)
{
    static const char *const words[][2] = {
        {"train.seed=1",     "train.seed=1"          },
        {"",                 "''"                    },
        {"model.dims=[1]",   "'model.dims=[1]'"      },
        {"name=it's; rm -r", "'name=it'\\''s; rm -r'"},
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        Text t = {0};
        text_add_shell(&t, words[i][0]);
        assert_string_equal(t.data, words[i][1]);
        text_free(&t);
    }
}

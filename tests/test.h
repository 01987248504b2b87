/* test -- TEST(group, claim) { ... } registers a cmocka test; tests/main.c runs them all.
 *
 * `build/release/unit 'group.*'` runs those that match. One claim a test; no network, no downloaded
 * file; a test that needs data under ../shared calls test_shared() and skips, saying so, when it is
 * absent. */
#ifndef SEQLAB_TEST_H
#define SEQLAB_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

#include <cmocka.h>

#undef fail /* cmocka's macro; the name is base/error.h's */

#define TEST(group, name)                                                                          \
    static void test_##group##_##name(void **state);                                               \
    __attribute__((constructor)) static void register_##group##_##name(void)                       \
    {                                                                                              \
        test_register(#group "." #name, test_##group##_##name);                                    \
    }                                                                                              \
    static void test_##group##_##name(void **state __attribute__((unused)))

void test_register(const char *name, CMUnitTestFunction function);

/* Fails the test with the error's text when `ok` is false. */
void test_ok(bool ok, const Error *err, const char *file, int line);
#define ASSERT_OK(call, err) test_ok((call), (err), __FILE__, __LINE__)

/* The call failed, with this kind, and its first message contains `text`. */
void test_fails(bool ok, const Error *err, FailKind kind, const char *text, const char *file,
                int line);
#define ASSERT_FAILS(call, err, kind, text)                                                        \
    test_fails((call), (err), (kind), (text), __FILE__, __LINE__)

/* Path of a file under $SEQLAB_SHARED (default ../shared), or NULL after printing that the test is
 * skipped; then call skip(). */
const char *test_shared(const char *relative);

/* A fresh folder under $TMPDIR, removed at exit. */
const char *test_folder(void);

#endif

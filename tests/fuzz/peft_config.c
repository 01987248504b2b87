/* fuzz/peft_config -- any bytes as adapter_config.json: refused with a message, or settings whose
 * own text reads back to the same text. */
#include "methods/peft/peft_config.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void demand(bool holds)
{
    if (!holds) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    Arena *a = arena_new();
    Error err = {0};
    PeftConfig first, second;
    const bool ok =
        peft_config_parse((const char *)data, n, "adapter_config.json", a, &first, &err);
    demand(ok == (err.n_items == 0) && (ok || err.kind == FAIL_DATA));
    if (ok) {
        const char *text = peft_config_text(&first, a);
        demand(peft_config_parse(text, strlen(text), "written", a, &second, &err));
        demand(strcmp(text, peft_config_text(&second, a)) == 0);
    }
    arena_free(a);
    return 0;
}

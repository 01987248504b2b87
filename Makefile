# seqlab -- `make help` lists the targets.

PREFIX ?= /usr/local
MODE ?= release
ifeq ($(origin CC),default)
CC := gcc
endif
BUILD := build/$(MODE)

WARN := -std=c11 -Wall -Wextra -Werror -Wshadow -Wconversion -Wstrict-prototypes -Wvla -Wundef \
        -Wdouble-promotion -Wfloat-conversion -Wimplicit-fallthrough -Wformat=2
GCC_ONLY := $(if $(findstring gcc,$(shell $(CC) --version | head -n 1) $(CC)),-Wlogical-op -Wduplicated-cond)
# The determinism contract: no contraction, no fast-math; fmaf is written where it is meant.
MATH := -fno-math-errno -fno-trapping-math -ffp-contract=off
VERSION := $(shell cat VERSION)
FREETYPE := -isystem /usr/include/freetype2
CPPFLAGS += -Ilib -I. $(FREETYPE) -D_GNU_SOURCE -DSEQLAB_VERSION='"$(VERSION)"'
LIBS := -lyaml -ljansson -lutf8proc -lfreetype -lpng -lz -ldeflate -lnettle -lm -lpthread

ifeq ($(MODE),asan)
OPT := -O1 -g -fsanitize=address,undefined,float-cast-overflow -fno-sanitize-recover=all -fno-omit-frame-pointer
else ifeq ($(MODE),fuzz)
OPT := -O1 -g -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all -w # gcc warns for both
KERNEL_OPT := -fno-sanitize=all # no parsers there, and clang is not done with one instrumented kernel in six minutes
else
OPT := -O3 -g -D_FORTIFY_SOURCE=2
endif
CFLAGS_ALL := $(WARN) $(GCC_ONLY) $(OPT) $(MATH) -fopenmp $(CFLAGS)
LDFLAGS_ALL := $(OPT) -fopenmp -Wl,--wrap=GOMP_parallel $(LDFLAGS) # the wrapper: lib/base/threads.c

# Kernels are compiled once an instruction set, from one source.
MACHINE := $(shell $(CC) -dumpmachine)
ifneq ($(findstring x86_64,$(MACHINE)),)
ISAS := v3 v4
else
ISAS := neon
endif
ISA_FLAGS_v3 := -march=x86-64-v3 -mprefer-vector-width=256
ISA_FLAGS_v4 := -march=x86-64-v4 -mprefer-vector-width=512
ISA_FLAGS_neon :=

ONCE_SRC := lib/cpu/isa.c lib/cpu/map_program.c
KERNEL_SRC := $(filter-out $(ONCE_SRC),$(wildcard lib/cpu/*.c))
LIB_SRC := $(filter-out $(KERNEL_SRC),$(wildcard lib/*/*.c lib/methods/*/*.c))
KERNEL_OBJ := $(foreach isa,$(ISAS),$(KERNEL_SRC:%.c=$(BUILD)/$(isa)/%.o))
LIB_OBJ := $(LIB_SRC:%.c=$(BUILD)/%.o) $(KERNEL_OBJ)
CMD_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(wildcard cmd/*.c))
TEST_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/*.c tests/unit/*.c))
FUZZ_SRC := $(filter-out tests/fuzz/replay.c,$(wildcard tests/fuzz/*.c))

# the default rules of make would shadow ours
MAKEFLAGS += --no-builtin-rules

.PHONY: all test asan lint bench install uninstall clean help unit format accept keys fuzz size
all: seqlab ## build ./seqlab (release)

seqlab: $(BUILD)/seqlab
	@cp -f $< $@

$(BUILD)/seqlab: $(CMD_OBJ) $(BUILD)/libseqlab.a
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

$(BUILD)/libseqlab.a: $(LIB_OBJ)
	@rm -f $@
	@ar rcs $@ $^

# an oracle of lib/linalg; without it those tests are skipped
TEST_LIBS := -lcmocka $(if $(wildcard /usr/include/lapacke.h),-llapacke)
$(BUILD)/unit: $(TEST_OBJ) $(BUILD)/libseqlab.a
	@$(CC) $(LDFLAGS_ALL) -Wl,--as-needed -o $@ $^ $(LIBS) $(TEST_LIBS)

unit: $(BUILD)/unit ## build the unit tests: build/release/unit [filter]

define kernel_rule
$(BUILD)/$(1)/%.o: %.c Makefile
	@mkdir -p $$(@D)
	@echo '  CC $$@'
	@$(CC) $(CPPFLAGS) -DISA=$(1) $(CFLAGS_ALL) $(KERNEL_OPT) $(ISA_FLAGS_$(1)) -MMD -MP -c $$< -o $$@
endef
$(foreach isa,$(ISAS),$(eval $(call kernel_rule,$(isa))))

$(BUILD)/%.o: %.c Makefile VERSION
	@mkdir -p $(@D)
	@echo '  CC $@'
	@$(CC) $(CPPFLAGS) $(CFLAGS_ALL) -MMD -MP -c $< -o $@

# -- Tests -----------------------------------------------------------------------------------------------------------

FUZZ_REPLAY := $(FUZZ_SRC:tests/fuzz/%.c=$(BUILD)/fuzz_%)
.SECONDARY: $(FUZZ_SRC:%.c=$(BUILD)/%.o) $(BUILD)/tests/fuzz/replay.o

$(BUILD)/fuzz_%: $(BUILD)/tests/fuzz/%.o $(BUILD)/tests/fuzz/replay.o $(BUILD)/libseqlab.a
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

# Kernels alone, so that it cross-compiles without other libraries.
BITS_OBJ := $(KERNEL_OBJ) $(ONCE_SRC:%.c=$(BUILD)/%.o) $(patsubst %,$(BUILD)/lib/base/%.o,error threads arena realmath) \
            $(BUILD)/tests/bits/bits.o
$(BUILD)/bits: $(BITS_OBJ)
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ -lm

test: $(BUILD)/seqlab $(BUILD)/unit $(BUILD)/bits $(FUZZ_REPLAY) ## build and run every test
	SEQLAB=$(BUILD)/seqlab UNIT=$(BUILD)/unit REPLAY=$(BUILD)/fuzz_ tests/run.sh

asan: ## run every test under address and undefined-behaviour sanitizers
	$(MAKE) MODE=asan test

accept: $(BUILD)/seqlab keys ## rewrite the expected output of tests/cli and experiments/KEYS.md from what the program prints
	SEQLAB=$(BUILD)/seqlab tests/integration/cli.sh --accept

keys: $(BUILD)/seqlab ## rewrite experiments/KEYS.md
	$(BUILD)/seqlab help --format=keys >experiments/KEYS.md

fuzz: ## build the libFuzzer targets with clang: build/fuzz/NAME tests/fuzz/corpus/NAME
	$(MAKE) MODE=fuzz CC=clang fuzz_targets

.PHONY: fuzz_targets
fuzz_targets: $(FUZZ_SRC:tests/fuzz/%.c=$(BUILD)/%)
ifeq ($(MODE),fuzz)
$(BUILD)/%: tests/fuzz/%.c $(BUILD)/libseqlab.a
	@echo '  LD $@'
	@$(CC) $(CPPFLAGS) $(CFLAGS_ALL) -fsanitize=fuzzer $< $(BUILD)/libseqlab.a -o $@ $(LDFLAGS_ALL) $(LIBS)
endif

# -- Checks ----------------------------------------------------------------------------------------------------------

SOURCES := $(wildcard cmd/*.[ch] lib/*/*.[ch] lib/methods/*/*.[ch] tests/*.[ch] tests/*/*.[ch])
C_FILES := $(filter %.c,$(filter-out tests/%,$(SOURCES)))

lint: format-check cppcheck tidy ## clang-format --dry-run, cppcheck and clang-tidy
	@echo "lint: clean"

.PHONY: format-check cppcheck tidy
format-check:
	@clang-format --dry-run -Werror $(SOURCES)

cppcheck:
	@cppcheck --quiet --error-exitcode=1 --enable=warning,performance,portability --inline-suppr \
	    --std=c11 -j $(shell nproc) --suppress=missingIncludeSystem -Ilib -I. -D_GNU_SOURCE -DISA=v3 -D__x86_64__ -D__AVX2__ \
	    -DSEQLAB_VERSION='"lint"' $(C_FILES)

tidy:
	@printf '%s\n' $(C_FILES) | xargs -P $(shell nproc) -n 1 sh -c 'clang-tidy --quiet "$$@" -- -std=c11 -Ilib -I. $(FREETYPE) -D_GNU_SOURCE \
	    -DISA=v3 -march=x86-64-v3 -fopenmp -DSEQLAB_VERSION=\"lint\" 2>/dev/null' tidy

format: ## rewrite the sources by .clang-format
	clang-format -i $(SOURCES)

size: ## lines by room
	@for d in cmd lib/*/ tests; do printf '%8d  %s\n' $$(find $$d -name '*.[ch]' | xargs cat | wc -l) $$d; done

# -- Benchmarks (peers are linked by these alone) ------------------------------------------------------------------------

PEER_SRC := $(wildcard tests/bench/peer*.c)
PEER_LIBS := $(if $(wildcard /usr/include/dnnl.h),-ldnnl) $(if $(wildcard /usr/include/fftw3.h),-lfftw3f)
$(BUILD)/bench_peers: $(PEER_SRC:%.c=$(BUILD)/%.o) $(BUILD)/libseqlab.a
	@$(CC) $(LDFLAGS_ALL) -Wl,--as-needed -o $@ $^ $(LIBS) -lopenblas $(PEER_LIBS)

BENCH_BIN := $(patsubst tests/bench/%.c,$(BUILD)/%,$(wildcard tests/bench/*_bench.c))
$(BUILD)/%_bench: $(BUILD)/tests/bench/%_bench.o $(BUILD)/libseqlab.a
	@$(CC) $(LDFLAGS_ALL) -Wl,--as-needed -o $@ $^ $(LIBS) -lopenblas $(PEER_LIBS)

bench: $(BUILD)/seqlab $(BUILD)/bench_peers $(BENCH_BIN) ## kernels beside the limits and other libraries; training steps beside torch
	$(BUILD)/bench_peers
	@for b in $(BENCH_BIN); do echo "== $$b"; $$b || exit 1; done
	@python3 tests/bench/attention_torch.py $(BUILD)/attention_bench
	@STEP_BENCH=$(BUILD)/step_bench tests/bench/train_step.sh $(BUILD)/seqlab

# -- Installation ----------------------------------------------------------------------------------------------------

SHARE := $(DESTDIR)$(PREFIX)/share/seqlab
# what `seqlab help --format=` writes, and where it goes
GENERATED := man=share/man/man1/seqlab.1 man5=share/man/man5/seqlab-experiment.5 \
             bash=share/bash-completion/completions/seqlab zsh=share/zsh/site-functions/_seqlab \
             schema=share/seqlab/experiment.schema.json
install: $(BUILD)/seqlab ## install into PREFIX (default /usr/local): program, manual, completion, schema, recipes, experiments
	install -D -m 755 $(BUILD)/seqlab $(DESTDIR)$(PREFIX)/bin/seqlab
	install -d $(SHARE)/data
	install -m 644 data/*.yaml $(SHARE)/data
	cp -r experiments $(SHARE)
	@set -e; for pair in $(GENERATED); do \
	    to=$(DESTDIR)$(PREFIX)/$${pair#*=}; echo "generate $$to"; install -d $$(dirname $$to); \
	    $(BUILD)/seqlab help --format=$${pair%%=*} >$$to; chmod 644 $$to; done

uninstall: ## remove what install put there
	rm -f $(DESTDIR)$(PREFIX)/bin/seqlab
	@for pair in $(GENERATED); do rm -f $(DESTDIR)$(PREFIX)/$${pair#*=}; done
	rm -rf $(SHARE)

clean: ## remove what was built
	rm -rf build seqlab

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' Makefile | sed 's/:.*##/\t/' | expand -t 12

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

# seqlab -- `make help` lists the targets.

PREFIX ?= /usr/local
MODE ?= release
CC ?= gcc
BUILD := build/$(MODE)

WARN := -std=c11 -Wall -Wextra -Werror -Wshadow -Wconversion -Wstrict-prototypes -Wvla -Wundef \
        -Wdouble-promotion -Wfloat-conversion -Wimplicit-fallthrough -Wformat=2
GCC_ONLY := $(if $(findstring gcc,$(shell $(CC) --version | head -n 1) $(CC)),-Wlogical-op -Wduplicated-cond)
# The determinism contract: no contraction, no fast-math; fmaf is written where it is meant.
MATH := -fno-math-errno -ffp-contract=off
VERSION := $(shell cat VERSION)
CPPFLAGS += -Ilib -I. -D_GNU_SOURCE -DSEQLAB_VERSION='"$(VERSION)"'
LIBS := -lyaml -ljansson -lpng -lz -lnettle -lm -lpthread

ifeq ($(MODE),asan)
OPT := -O1 -g -fsanitize=address,undefined,float-cast-overflow -fno-sanitize-recover=all -fno-omit-frame-pointer
else
OPT := -O3 -g -D_FORTIFY_SOURCE=2
endif
CFLAGS_ALL := $(WARN) $(GCC_ONLY) $(OPT) $(MATH) -fopenmp $(CFLAGS)
LDFLAGS_ALL := $(OPT) -fopenmp $(LDFLAGS)

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

ONCE_SRC := lib/cpu/isa.c
KERNEL_SRC := $(filter-out $(ONCE_SRC),$(wildcard lib/cpu/*.c))
LIB_SRC := $(filter-out $(KERNEL_SRC),$(wildcard lib/*/*.c lib/methods/*/*.c))
KERNEL_OBJ := $(foreach isa,$(ISAS),$(KERNEL_SRC:%.c=$(BUILD)/$(isa)/%.o))
LIB_OBJ := $(LIB_SRC:%.c=$(BUILD)/%.o) $(KERNEL_OBJ)
CMD_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(wildcard cmd/*.c))
TEST_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/*.c tests/unit/*.c))
FUZZ_SRC := $(filter-out tests/fuzz/replay.c,$(wildcard tests/fuzz/*.c))

.PHONY: all test asan lint bench install uninstall clean help unit format accept fuzz size
all: seqlab ## build ./seqlab (release)

seqlab: $(BUILD)/seqlab
	@cp -f $< $@

$(BUILD)/seqlab: $(CMD_OBJ) $(BUILD)/libseqlab.a
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

$(BUILD)/libseqlab.a: $(LIB_OBJ)
	@rm -f $@
	@ar rcs $@ $^

$(BUILD)/unit: $(TEST_OBJ) $(BUILD)/libseqlab.a
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS) -lcmocka

unit: $(BUILD)/unit ## build the unit tests: build/release/unit [filter]

define kernel_rule
$(BUILD)/$(1)/%.o: %.c Makefile
	@mkdir -p $$(@D)
	$(CC) $(CPPFLAGS) -DISA=$(1) $(CFLAGS_ALL) $(ISA_FLAGS_$(1)) -MMD -MP -c $$< -o $$@
endef
$(foreach isa,$(ISAS),$(eval $(call kernel_rule,$(isa))))

$(BUILD)/%.o: %.c Makefile VERSION
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS_ALL) -MMD -MP -c $< -o $@

clean: ## remove what was built
	rm -rf build seqlab

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' Makefile | sed 's/:.*##/\t/' | expand -t 12

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

# stepdump - gdb for checkpoints.  `make help` lists the targets.
SHELL := /bin/bash
V ?= 0
Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),,@printf '  %-8s%s\n' '$(1)' '$(2)')

B ?= build
PREFIX ?= /usr/local
DESTDIR ?=
CC ?= gcc
OPT ?= -O2 -g
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wvla \
	-Wno-unused-parameter $(WERROR)
CPPFLAGS += -D_GNU_SOURCE -I. -I$(B) -isystem engine/parasite/shim -isystem /usr/include/compel
CFLAGS += -std=gnu11 $(OPT) $(WARN) $(SAN)
# compel: the static library, as --wrap puts our own function into it (engine/keeper_infect.c).
LDLIBS := -l:libcompel.a -Wl,--wrap=compel_execute_syscall -lprotobuf-c -ljson-c -lreadline -lncursesw -ltinfo
LDFLAGS += $(SAN)

PROTOS := $(wildcard proto/*.proto)
PROTO_C := $(PROTOS:%.proto=$(B)/%.pb-c.c)
PROTO_H := $(PROTO_C:.c=.h)
BLOB := $(B)/engine/parasite/blob.h

ENGINE := $(wildcard engine/*.c)
LIB_SRC := $(ENGINE) $(wildcard proto/*.c) $(wildcard views/*.c) $(filter-out shell/main.c,$(wildcard shell/*.c))
LIB_OBJ := $(LIB_SRC:%.c=$(B)/%.o) $(PROTO_C:.c=.o)
LIB := $(B)/libstepdump.a
BIN := $(B)/stepdump

UNIT_SRC := $(wildcard tests/unit/*.c)
UNIT := $(UNIT_SRC:tests/unit/%.c=$(B)/tests/unit/%)
TARGET_SRC := $(wildcard tests/targets/*.c)
TARGETS := $(TARGET_SRC:tests/targets/%.c=$(B)/tests/targets/%)
BENCH_SRC := $(wildcard tests/bench/*.c)
BENCH := $(BENCH_SRC:tests/bench/%.c=$(B)/tests/bench/%)

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all
all: $(BIN) ## build build/stepdump (the default)

$(BIN): $(B)/shell/main.o $(LIB)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(LIB): $(LIB_OBJ)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

$(B)/%.o: %.c | $(PROTO_H) $(BLOB)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(B)/%.pb-c.o: $(B)/%.pb-c.c
	$(call say,CC,$<)
	$(Q)$(CC) -I$(B) -std=gnu11 $(OPT) $(SAN) -MMD -MP -c -o $@ $<

$(B)/proto/%.pb-c.c $(B)/proto/%.pb-c.h: proto/%.proto
	$(call say,PROTOC,$<)
	$(Q)mkdir -p $(@D) && protoc-c --c_out=$(B) $<

# The parasite: position-independent code that compel packs into a header.
# The base flags are compel's own; a stack protector or CET notes would not survive in the target.
PARASITE_CFLAGS := $(shell compel cflags 2>/dev/null) -O2 -fno-stack-protector -fcf-protection=none \
	-fno-builtin -ffreestanding -fno-tree-loop-distribute-patterns -Wall -Wextra -Wno-unused-parameter
$(BLOB): engine/parasite/parasite.c $(wildcard engine/parasite/*.h)
	$(call say,PARASITE,$<)
	$(Q)mkdir -p $(@D) && \
	$(CC) -D_GNU_SOURCE -I. -isystem engine/parasite/shim -isystem /usr/include/compel $(PARASITE_CFLAGS) \
		-c -o $(B)/engine/parasite/parasite.o $< && \
	ld $$(compel ldflags) -o $(B)/engine/parasite/parasite.po $(B)/engine/parasite/parasite.o \
		$$(compel plugins) && \
	compel -f $(B)/engine/parasite/parasite.po -o $@ -p parasite hgen

$(B)/tests/unit/%: tests/unit/%.c $(LIB)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP $(LDFLAGS) -o $@ $< $(LIB) -lcmocka $(LDLIBS)

# Targets are ordinary programs, never sanitized: they are what gets dumped.
$(B)/tests/targets/%: tests/targets/%.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) -D_GNU_SOURCE -std=gnu11 -O1 -g -Wall -Wextra -Wno-unused-parameter -MMD -MP -o $@ $< -lpthread

$(B)/tests/bench/%: tests/bench/%.c $(LIB)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP $(LDFLAGS) -o $@ $< $(LIB) $(LDLIBS)

-include $(shell find $(B) -name '*.d' 2>/dev/null)

-include tests/tests.mk

# stepdump - gdb for checkpoints.  `make help` lists the targets.
SHELL := /bin/bash
V ?= 0
Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),,@printf '  %-8s%s\n' '$(1)' '$(2)')

B ?= build
PREFIX ?= /usr/local
DESTDIR ?=
LIBEXECDIR ?= $(PREFIX)/libexec
ZSH_COMPLETIONS ?= $(PREFIX)/share/zsh/site-functions
CC ?= gcc
OPT ?= -O2 -g
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wvla \
	-Wno-unused-parameter $(WERROR)
# libcompel: the distribution's, or one that is installed below COMPEL=PREFIX.
COMPEL ?=
COMPEL_BIN := $(if $(COMPEL),$(COMPEL)/bin/compel,compel)
COMPEL_INC := -isystem engine/parasite/shim -isystem $(or $(COMPEL),/usr)/include/compel \
	$(if $(COMPEL),-isystem $(COMPEL)/include)
# CPPFLAGS, CFLAGS and LDFLAGS are the caller's, from the environment or the command line; ours come first.
OUR_CPPFLAGS = -D_GNU_SOURCE -I. -I$(B) $(COMPEL_INC) $(CPPFLAGS)
OUR_CFLAGS = -std=gnu11 $(OPT) $(WARN) $(SAN) $(CFLAGS)
OUR_LDFLAGS = $(OPT) $(SAN) $(CFLAGS) $(LDFLAGS)
# compel: the static library, as --wrap puts our own function into it (engine/keeper/keeper_infect.c).
LDLIBS := $(if $(COMPEL),$(firstword $(wildcard $(COMPEL)/lib*/libcompel.a $(COMPEL)/lib/*/libcompel.a)),-l:libcompel.a) -Wl,--wrap=compel_execute_syscall -lprotobuf-c -ljson-c -lreadline -lncursesw -ltinfo -lzstd -larchive -llz4 -lcapstone -ldw -lelf

PROTOS := $(wildcard proto/*.proto)
# protoc-c is deprecated where protoc itself is installed.
PROTOC := $(if $(shell command -v protoc),protoc,protoc-c)
PROTO_C := $(PROTOS:%.proto=$(B)/%.pb-c.c)
PROTO_H := $(PROTO_C:.c=.h)
BLOB := $(B)/engine/parasite/blob.h
COMPEL_CONFIG := $(B)/engine/keeper/compel_config.h

ARCH := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine)))
ENGINE := $(wildcard engine/*.c engine/*/*.c engine/arch/$(ARCH)/*.c)
ENGINE := $(filter-out engine/parasite/%,$(ENGINE))
LIB_SRC := $(wildcard base/*.c) $(ENGINE) $(wildcard proto/*.c) $(wildcard views/*.c) $(filter-out shell/main.c,$(wildcard shell/*.c))
LIB_OBJ := $(LIB_SRC:%.c=$(B)/%.o) $(PROTO_C:.c=.o)
LIB := $(B)/libstepdump.a
BIN := $(B)/stepdump

# Test programs: unit/ is pure, integration/ drives the engine on real processes.
UNIT_SRC := $(wildcard tests/unit/*.c tests/integration/*.c)
UNIT := $(UNIT_SRC:%.c=$(B)/%)
TESTLIB := $(B)/tests/lib/libtest.a
TARGET_SRC := $(wildcard tests/targets/*.c)
TARGETS := $(TARGET_SRC:tests/targets/%.c=$(B)/tests/targets/%)

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all
all: $(BIN) $(B)/tests/targets/demo ## build build/stepdump and the demo target (the default)

$(BIN): $(B)/shell/main.o $(LIB)
	$(call say,LINK,$@)
	$(Q)$(CC) $(OUR_LDFLAGS) -o $@ $^ $(LDLIBS)

$(LIB): $(LIB_OBJ)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(COMPEL_CONFIG): engine/keeper/probe-compel
	$(call say,PROBE,libcompel)
	$(Q)mkdir -p $(@D) && CC='$(CC)' $< $(COMPEL_INC) > $@

$(B)/%.o: %.c | $(PROTO_H) $(BLOB) $(COMPEL_CONFIG)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(OUR_CPPFLAGS) $(OUR_CFLAGS) -MMD -MP -c -o $@ $<

# Its symbols are the assembler's, which link-time optimisation does not see.
$(B)/engine/arch/$(ARCH)/stub.o: OUR_CFLAGS += -fno-lto

$(B)/%.pb-c.o: $(B)/%.pb-c.c
	$(call say,CC,$<)
	$(Q)$(CC) -I$(B) $(CPPFLAGS) -std=gnu11 $(OPT) $(SAN) $(CFLAGS) -MMD -MP -c -o $@ $<

$(B)/proto/%.pb-c.c $(B)/proto/%.pb-c.h: proto/%.proto
	$(call say,PROTOC,$<)
	$(Q)mkdir -p $(@D) && $(PROTOC) --c_out=$(B) $<

# The parasite: position-independent code that compel packs into a header.
# The base flags are compel's own; a stack protector or CET notes would not survive in the target.
cc-option = $(shell $(CC) -Werror $(1) -c -x c -o /dev/null /dev/null 2>/dev/null && echo '$(1)')
PARASITE_CFLAGS := $(shell $(COMPEL_BIN) cflags 2>/dev/null) -O2 -fno-stack-protector -U_FORTIFY_SOURCE \
	$(call cc-option,-fcf-protection=none) $(call cc-option,-fno-tree-loop-distribute-patterns) \
	-fno-builtin -ffreestanding -Wall -Wextra -Wno-unused-parameter
PARASITE := $(B)/engine/parasite/parasite
$(PARASITE).o: engine/parasite/parasite.c $(wildcard engine/parasite/*.h engine/arch/*.h)
	$(call say,PARASITE,$<)
	$(Q)mkdir -p $(@D) && \
	$(CC) -D_GNU_SOURCE -I. $(COMPEL_INC) $(PARASITE_CFLAGS) -c -o $@ $<

$(BLOB): $(PARASITE).o
	$(Q)ld $$($(COMPEL_BIN) ldflags) -o $(PARASITE).po $< $$($(COMPEL_BIN) plugins) && \
	$(COMPEL_BIN) -f $(PARASITE).po -o $@ -p parasite hgen

$(TESTLIB): $(patsubst %.c,$(B)/%.o,$(wildcard tests/lib/*.c))
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(UNIT): $(B)/%: %.c $(TESTLIB) $(LIB)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(OUR_CPPFLAGS) $(OUR_CFLAGS) -MMD -MP $(LDFLAGS) -o $@ $< $(TESTLIB) $(LIB) -lcmocka $(LDLIBS)

# Targets are ordinary programs, never sanitized: they are what gets dumped.
$(B)/tests/targets/%: tests/targets/%.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) -D_GNU_SOURCE -std=gnu11 -O1 -g -Wall -Wextra -Wno-unused-parameter -MMD -MP -o $@ $< -lpthread

$(B)/tests/bench/%: tests/bench/%.c $(LIB)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(OUR_CPPFLAGS) $(OUR_CFLAGS) -MMD -MP $(LDFLAGS) -o $@ $< $(LIB) $(LDLIBS)

# ---- other builds ------------------------------------------------------------------------

.PHONY: debug asan ubsan
debug: ## build/debug: no optimisation, warnings are errors
	$(Q)$(MAKE) --no-print-directory B=build/debug OPT='-Og -g3' WERROR=-Werror

asan: ## build/asan: AddressSanitizer and UndefinedBehaviorSanitizer
	$(Q)$(MAKE) --no-print-directory B=build/asan OPT='-O1 -g -fno-omit-frame-pointer' \
		SAN='-fsanitize=address,undefined -fno-sanitize-recover=undefined'

ubsan: ## build/ubsan: UndefinedBehaviorSanitizer alone
	$(Q)$(MAKE) --no-print-directory B=build/ubsan OPT='-O1 -g' \
		SAN='-fsanitize=undefined -fno-sanitize-recover=undefined'

.PHONY: demo
demo: ## install what is missing, build, and drop into the shell on the demo target
	$(Q).ci/deps
	$(Q)$(MAKE) -s --no-print-directory $(BIN) $(B)/tests/targets/demo
	$(Q)B=$(B) tests/demo

# ---- checks ------------------------------------------------------------------------------

OURS := $(wildcard base/*.[ch] engine/*.[ch] engine/*/*.[ch] engine/arch/*/*.[ch] views/*.[ch] shell/*.[ch] proto/*.[ch] \
	tests/*/*.[ch] tests/*/*/*.[ch])

# arm64: everything is compiled that can be without that processor's libraries and its compel, which
# makes the blob.  The headers of the libraries are the same for all processors.
CROSS ?= aarch64-linux-gnu-gcc
.PHONY: arm64 cross-objects
arm64: $(BLOB) ## everything compiles for arm64 (needs aarch64-linux-gnu-gcc and its libc)
	$(Q)if ! command -v $(CROSS) >/dev/null; then \
		echo 'arm64: $(CROSS) is not installed, skipped'; \
	elif ! why=$$(tests/cross-compel $(B)/arm64/compel); then echo "arm64: $$why, skipped"; \
	else mkdir -p $(B)/arm64/engine/parasite && cp -u $(BLOB) $(B)/arm64/engine/parasite/ && \
		$(MAKE) -s --no-print-directory CC=$(CROSS) B=$(B)/arm64 WERROR=-Werror \
			COMPEL=$(B)/arm64/compel/usr COMPEL_BIN=$(COMPEL_BIN) BLOB= \
			CPPFLAGS='-idirafter /usr/include' cross-objects; \
	fi

cross-objects: $(LIB_OBJ) $(B)/shell/main.o $(PARASITE).o $(TARGETS) \
	$(patsubst %.c,$(B)/%.o,$(UNIT_SRC) $(wildcard tests/lib/*.c tests/fuzz/*.c tests/screen/*.c))

.PHONY: lint circles format format-check
# cppcheck does not know the cleanup attribute, so it takes every AUTO_FCLOSE for a leak.
lint: $(PROTO_H) $(BLOB) circles arm64 ## folder rules, cppcheck (if installed), arm64, format
	$(Q)tests/lint
	$(Q)if command -v cppcheck >/dev/null; then mkdir -p $(B)/cppcheck; \
		cppcheck --cppcheck-build-dir=$(B)/cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 --enable=warning,portability \
			--suppress=missingIncludeSystem --suppress=nullPointerArithmetic \
			--suppress=resourceLeak \
			-I. -I$(B) -j2 base engine views shell proto; \
	else echo 'lint: cppcheck is not installed, skipped'; fi
	$(Q)$(MAKE) --no-print-directory format-check

circles: $(BIN) ## files that call each other in a circle, by the symbols of the objects
	$(Q)tests/circles $(B)

format: ## rewrite the sources in the house style
	$(Q)clang-format -i $(OURS)

format-check: ## are the sources in the house style?
	$(Q)if command -v clang-format >/dev/null; then clang-format --dry-run --Werror $(OURS); \
	else echo 'lint: clang-format is not installed, skipped'; fi

compile_commands.json: Makefile $(wildcard */*.c) ## for clangd and clang-tidy
	$(call say,GEN,$@)
	$(Q){ sep='['; for f in $(LIB_SRC) shell/main.c; do \
		printf '%s\n {"directory": "%s", "file": "%s", "command": "%s"}' "$$sep" '$(CURDIR)' "$$f" \
			'$(CC) $(OUR_CPPFLAGS) $(OUR_CFLAGS) -c '"$$f"; sep=','; \
	done; echo ' ]'; } > $@

.PHONY: docs
docs: $(BIN) $(TARGETS) ## docs/commands.md, docs/failures.md, the sessions in README.md and docs/class.md: what the program says (needs tmux)
	$(Q)$(BIN) --markdown > docs/commands.md
	$(Q)$(BIN) --failures > docs/failures.md
	$(Q)B=$(abspath $(B)) STEPDUMP=$(abspath $(BIN)) tests/pictures/session
	$(Q)B=$(abspath $(B)) STEPDUMP=$(abspath $(BIN)) tests/pictures/class

# ---- installing ----------------------------------------------------------------------------

.PHONY: install uninstall
install: $(BIN) $(B)/tests/targets/demo ## to $(DESTDIR)$(PREFIX): program, demo target, lessons, manual page, completion
	install -D -m 755 $(BIN) $(DESTDIR)$(PREFIX)/bin/stepdump
	install -D -m 755 $(B)/tests/targets/demo $(DESTDIR)$(LIBEXECDIR)/stepdump/demo
	install -d $(DESTDIR)$(PREFIX)/share/stepdump/lessons
	install -m 644 $(wildcard lessons/*.tour lessons/*.exercise) $(DESTDIR)$(PREFIX)/share/stepdump/lessons
	install -d $(DESTDIR)$(PREFIX)/share/man/man1
	$(BIN) --man > $(DESTDIR)$(PREFIX)/share/man/man1/stepdump.1
	install -D -m 644 completions/stepdump.bash \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/stepdump
	install -D -m 644 completions/_stepdump $(DESTDIR)$(ZSH_COMPLETIONS)/_stepdump
	install -D -m 644 completions/stepdump.fish \
		$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/stepdump.fish

uninstall: ## what install put there
	rm -f $(DESTDIR)$(PREFIX)/bin/stepdump $(DESTDIR)$(PREFIX)/share/man/man1/stepdump.1 \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/stepdump \
		$(DESTDIR)$(ZSH_COMPLETIONS)/_stepdump \
		$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/stepdump.fish
	rm -rf $(DESTDIR)$(LIBEXECDIR)/stepdump $(DESTDIR)$(PREFIX)/share/stepdump

VERSION := $(shell sed -n 's/.*STEPDUMP_VERSION "\(.*\)"/\1/p' shell/version.h)
.PHONY: dist
dist: ## stepdump-VERSION.tar.gz of the last commit, the same bytes whenever it is made
	git archive --prefix=stepdump-$(VERSION)/ HEAD | gzip -9n > stepdump-$(VERSION).tar.gz

.PHONY: deb rpm test-packages
deb rpm: dist ## packages of the last commit, in build/packages (needs debhelper, or rpmbuild)
	$(Q)packaging/build $@ stepdump-$(VERSION).tar.gz $(B)/packages

test-packages: ## builds the packages twice, compares, and has lintian and rpmlint read them
	$(Q)tests/packages/run || [ $$? = 77 ]

.PHONY: clean help
clean: ## remove build/
	rm -rf build compile_commands.json

help: ## this list
	@echo 'stepdump: make TARGET [V=1] [B=build] [PREFIX=/usr/local]'
	@grep -hE '^[a-z_. -]+:.*## ' Makefile tests/tests.mk tests/bench/bench.mk 2>/dev/null | \
		sed -E 's/^([a-z_.-]+)[^:]*:.*## /\1\t/' | awk -F'\t' '{ printf "  %-23s%s\n", $$1, $$2 }'

-include $(shell find $(B) -type f -name '*.d' 2>/dev/null)
-include tests/tests.mk
-include tests/bench/bench.mk

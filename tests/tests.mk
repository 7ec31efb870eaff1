# What tests need beyond the pattern rules of the Makefile, and how they are run.

# The demo target has several files.
$(B)/tests/targets/demo: tests/targets/demo.c $(wildcard tests/targets/demo/*.c) $(wildcard tests/targets/demo/*.h)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) -D_GNU_SOURCE -std=gnu11 -O2 -g -Wall -Wextra -Wno-unused-parameter \
		$(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.c,$^) -lpthread

.PHONY: test test-only test-programs
test: ## install what is missing, build, run all tests (T='live/*' selects)
	$(Q).ci/deps
	$(Q)$(MAKE) --no-print-directory vm-programs
	$(Q)$(MAKE) --no-print-directory test-only

# In a make of its own, since .ci/deps may have brought the compiler that this one looked for.
test-only: test-programs ## run tests without looking for missing packages
	$(Q)B=$(B) STEPDUMP=$(BIN) tests/run $(T)

test-programs: $(BIN) $(UNIT) $(TARGETS) $(B)/tests/bench/keeper_kills

# A sanitized stepdump, which tests/vm runs in its guest.
.PHONY: vm-programs
vm-programs:
	$(Q)$(MAKE) --no-print-directory B=$(B)/asan OPT='-O1 -g -fno-omit-frame-pointer' \
		SAN='-fsanitize=address,undefined -fno-sanitize-recover=undefined'
test-vm: vm-programs

test-unit test-integration test-live test-transcript test-screen test-vm test-fuzz: test-%: test-programs ## one kind of tests
	$(Q)B=$(B) STEPDUMP=$(BIN) tests/run '$*/*'

.PHONY: stress
stress: test-programs ## random and live tests, three times as long, from random seeds (SEED=N repeats one)
	$(Q)seed=$${SEED:-$$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}; echo "SEED=$$seed"; \
		SEED=$$seed STRESS=$${STRESS:-3} B=$(B) STEPDUMP=$(BIN) tests/run \
		$(or $(T),'unit/*' 'integration/*' 'fuzz/*' 'live/*')

# The program that draws a pane, and the fuzz entry points as plain programs.
DRIVERS := $(patsubst %.c,$(B)/%,tests/screen/render.c $(wildcard tests/fuzz/*.c))
$(DRIVERS): $(B)/%: %.c $(TESTLIB) $(LIB)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(OUR_CPPFLAGS) $(OUR_CFLAGS) -MMD -MP $(LDFLAGS) -o $@ $< $(TESTLIB) $(LIB) -lcmocka $(LDLIBS)

test-programs: $(DRIVERS)

.PHONY: pictures
pictures: test-programs ## docs/*.svg: the views, taken from the real program (needs tmux)
	$(Q)B=$(abspath $(B)) STEPDUMP=$(abspath $(BIN)) tests/pictures/take docs

.PHONY: test-distro
test-distro: ## a newer Debian in a chroot: packages, build, demo, unit, transcript and screen tests
	$(Q)tests/distro/run || [ $$? = 77 ]

# Everything that reads bytes from outside, under libFuzzer, which needs clang.  What it finds worth keeping
# is in build/fuzz/corpus; a small part of that is in the tree, tests/fuzz/corpus.
FUZZERS := $(patsubst tests/fuzz/%.c,$(B)/tests/fuzz/%.libfuzzer,$(shell grep -l LLVMFuzzerTestOneInput tests/fuzz/*.c))
$(FUZZERS): $(B)/%.libfuzzer: %.c $(TESTLIB) $(LIB)
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(OUR_CPPFLAGS) -DLIBFUZZER $(OUR_CFLAGS) -fsanitize=fuzzer -MMD -MP $(LDFLAGS) \
		-o $@ $< $(TESTLIB) $(LIB) -lcmocka $(LDLIBS)

.PHONY: fuzz fuzz-programs
fuzz-programs: $(FUZZERS)

fuzz: ## libFuzzer on every parser of outside bytes (needs clang; FUZZ_SECONDS=60 for each, T=NAME for one)
	$(Q)$(MAKE) --no-print-directory B=build/fuzz CC=clang OPT='-O1 -g' \
		SAN='-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined' fuzz-programs
	$(Q)B=build/fuzz tests/fuzz/long $(T)

.PHONY: coverage-faults
coverage-faults: test-programs ## fault points that no test fires, or that are nowhere in the code
	$(Q)bad=0; for p in $$(sed -n 's/^ *FAULT_POINT(\([A-Z_]*\),.*/\1/p' base/fault_points.h); do \
		grep -qrwE "$$p|FP_$$p" engine --include=*.c || { echo "nowhere: $$p"; bad=1; }; done; \
	B=$(B) STEPDUMP=$(BIN) TMPDIR=$$(mktemp -d) tests/live/faults every-point-once > $(B)/coverage-faults.log || bad=1; \
	grep -E 'points fired|never fired' $(B)/coverage-faults.log; exit $$bad

.PHONY: test-compilers
test-compilers: ## gcc and clang, -O0 to -O3, LTO, hardening: no warnings, and the tests that infect
	$(Q)tests/compilers

# Distances of colours.
$(B)/tests/unit/theme_safe: LDLIBS += -lm

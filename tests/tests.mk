# What tests need beyond the pattern rules of the Makefile, and how they are run.

# The demo target has several files.
$(B)/tests/targets/demo: tests/targets/demo.c $(wildcard tests/targets/demo/*.c) $(wildcard tests/targets/demo/*.h)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) -D_GNU_SOURCE -std=gnu11 -O2 -g -Wall -Wextra -Wno-unused-parameter \
		-o $@ $(filter %.c,$^) -lpthread

.PHONY: test test-only test-programs
test: ## install what is missing, build, run all tests (T='live/*' selects)
	$(Q).ci/deps
	$(Q)$(MAKE) --no-print-directory vm-programs
	$(Q)$(MAKE) --no-print-directory test-only

# In a make of its own, since .ci/deps may have brought the compiler that this one looked for.
test-only: test-programs ## run tests without looking for missing packages
	$(Q)B=$(B) STEPDUMP=$(BIN) tests/run $(T)

test-programs: $(BIN) $(UNIT) $(TARGETS)

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

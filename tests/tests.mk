# What tests need beyond the pattern rules of the Makefile, and how they are run.

# The demo target has several files.
$(B)/tests/targets/demo: tests/targets/demo.c $(wildcard tests/targets/demo/*.c) $(wildcard tests/targets/demo/*.h)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) -D_GNU_SOURCE -std=gnu11 -O2 -g -Wall -Wextra -Wno-unused-parameter \
		-o $@ $(filter %.c,$^) -lpthread

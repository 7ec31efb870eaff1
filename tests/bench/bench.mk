# The benchmark has several files, so it needs a rule of its own.
BENCH_PARTS := $(wildcard tests/bench/bench/*.c)

$(B)/tests/bench/bench: tests/bench/bench.c $(BENCH_PARTS) tests/bench/bench/bench.h $(LIB)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ tests/bench/bench.c \
		$(BENCH_PARTS) $(LIB) $(LDLIBS)

BENCH_ARGS ?=

.PHONY: bench
bench: $(B)/tests/bench/bench $(B)/tests/bench/redraw ## speed and size against a bare loop of CRIU's sequence (BENCH_ARGS=--quick)
	$(Q)$(B)/tests/bench/redraw
	$(Q)$< --disk $(B) $(BENCH_ARGS)

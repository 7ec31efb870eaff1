# The benchmarks have several files, so they need rules of their own.
BENCH_PARTS := $(wildcard tests/bench/bench/*.c)

$(B)/tests/bench/bench: tests/bench/bench.c $(BENCH_PARTS) $(wildcard tests/bench/bench/*.h) $(LIB)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(OUR_CPPFLAGS) $(OUR_CFLAGS) $(LDFLAGS) -o $@ tests/bench/bench.c \
		$(BENCH_PARTS) $(LIB) $(LDLIBS)

INCREMENTAL_SHARED := tests/bench/bench/util.c tests/bench/bench/options.c
INCREMENTAL_PARTS := $(wildcard tests/bench/incremental/*.c)

$(B)/tests/bench/incremental: tests/bench/incremental.c $(INCREMENTAL_PARTS) $(INCREMENTAL_SHARED) \
		tests/bench/incremental/incremental.h $(wildcard tests/bench/bench/*.h) $(LIB)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(OUR_CPPFLAGS) $(OUR_CFLAGS) $(LDFLAGS) -o $@ tests/bench/incremental.c \
		$(INCREMENTAL_PARTS) $(INCREMENTAL_SHARED) $(LIB) $(LDLIBS)

BENCH_ARGS ?=

.PHONY: bench
bench: $(B)/tests/bench/bench $(B)/tests/bench/redraw $(B)/tests/bench/incremental $(B)/tests/bench/page_server \
		$(BIN) $(B)/tests/targets/burden $(B)/tests/targets/fx ## speed and size against a bare loop, and CRIU=PATH if given (BENCH_ARGS=--quick)
	$(Q)$(B)/tests/bench/redraw
	$(Q)$(B)/tests/bench/incremental $(BENCH_ARGS)
	$(Q)$(B)/tests/bench/page_server $(BENCH_ARGS)
	$(Q)B=$(B) tests/bench/watch $(BENCH_ARGS)
	$(Q)$< --disk $(B) $(BENCH_ARGS)
	$(Q)$(MAKE) --no-print-directory heartbeat

# Other options: HEARTBEAT_ARGS='--only dense --set "reserved=set reserve on"'.
HEARTBEAT_ARGS ?= $(filter --quick,$(BENCH_ARGS))
.PHONY: heartbeat
heartbeat: $(BIN) $(B)/tests/bench/bench $(B)/tests/targets/burden ## whole dumps, as the target feels them, against the same two (part of bench)
	$(Q)B=$(abspath $(B)) STEPDUMP=$(abspath $(BIN)) tests/bench/heartbeat $(HEARTBEAT_ARGS)

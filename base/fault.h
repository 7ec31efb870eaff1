/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Faults on purpose: a step that can fail is made to fail, to see what is undone.  The points are in
 * base/fault_points.h; in the code each is one line around the call that it stands for:
 *
 *     int fd = FAULT(XFER_PAGES, create_private(dirfd, name, flags));       -1 and errno
 *     int err = FAULT_NEG(SEIZE, pt_seize(tid));                            -errno
 *     TRY(FAULT_ERR(TASK_INFO, task_info_collect(pid, &ti)));               struct err *
 *     n = splice(..., FAULT_LEN(XFER_SPLICE, len), ...);                    fewer bytes
 *
 * The state is memory that stepdump and its keeper share, so each sees what the other does, and what
 * one did is known after its death.  With no fault armed a point costs one comparison.
 *
 * Mirrors: criu/include/fault-injection.h.
 */
#ifndef STEPDUMP_FAULT_H
#define STEPDUMP_FAULT_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

enum fault_point {
#define FAULT_POINT(id, name, phase, what) FP_##id,
#include "base/fault_points.h"
#undef FAULT_POINT
	NR_FAULT_POINTS
};

enum fault_action {
	FAULT_ERRNO,       /* the step fails; arg: errno */
	FAULT_SHORT,       /* it moves at most arg bytes, or elements */
	FAULT_DELAY,       /* arg milliseconds go by before it */
	FAULT_KILL,        /* stepdump gets SIGKILL */
	FAULT_KILL_KEEPER, /* the keeper gets it */
};

struct fault {
	enum fault_point point;
	enum fault_action action;
	uint32_t arg;
	uint32_t after; /* so many passes go by first */
	uint32_t passed;
	bool waits; /* for a condition that does not hold now */
	bool fired; /* it does so once */
	pid_t fired_in;
};

#define NR_FAULTS 16u

const char *fault_name(enum fault_point p);
const char *fault_phase(enum fault_point p); /* "" outside the pipeline */
const char *fault_what(enum fault_point p);
/* NR_FAULT_POINTS: none is called that. */
enum fault_point fault_find(const char *name);

/* Makes the shared state.  Before the keeper is started; without it every point is passed. */
struct err *fault_init(void);
void fault_set_keeper(pid_t keeper);
/* ERR_STATE: NR_FAULTS are armed already.  *index_ret: where fault_armed() has it. */
struct err *fault_arm(const struct fault *f, unsigned *index_ret);
void fault_disarm_all(void);
/* [0, fault_nr_armed()), also those that have fired; owned by the table. */
struct fault *fault_armed(unsigned index);
unsigned fault_nr_armed(void);

/* How often a point was passed, and has fired, since the first fault was armed. */
void fault_counts(enum fault_point p, uint32_t *passed_ret, uint32_t *fired_ret);

extern struct fault_state *fault_state;
extern const volatile uint32_t *fault_live; /* how many are armed and have not fired */

/* What is to happen at this point: 0, or the errno that the step fails with.  limit: NULL, or what a
 * short count is stored in.  Leaves errno alone. */
int fault_pass(enum fault_point p, size_t *limit);

static inline int fault_at(enum fault_point p)
{
	return __builtin_expect(*fault_live != 0, 0) ? fault_pass(p, NULL) : 0;
}

static inline size_t fault_len(enum fault_point p, size_t len)
{
	if (__builtin_expect(*fault_live != 0, 0))
		fault_pass(p, &len);
	return len;
}

struct err *fault_err(enum fault_point p, int sys_errno) __attribute__((warn_unused_result));

#define FAULT(id, call)                                                                            \
	({                                                                                         \
		int fault_why_ = fault_at(FP_##id);                                                \
		__typeof__(call) fault_ret_ = fault_why_ ? (__typeof__(call))-1 : (call);          \
		if (fault_why_)                                                                    \
			errno = fault_why_;                                                        \
		fault_ret_;                                                                        \
	})
#define FAULT_NEG(id, call)                                                                        \
	({                                                                                         \
		int fault_why_ = fault_at(FP_##id);                                                \
		fault_why_ ? -fault_why_ : (call);                                                 \
	})
#define FAULT_ERR(id, call)                                                                        \
	({                                                                                         \
		int fault_why_ = fault_at(FP_##id);                                                \
		fault_why_ ? fault_err(FP_##id, fault_why_) : (call);                              \
	})
/* `len`, or less.  An errno at such a point is up to a FAULT() of the same name. */
#define FAULT_LEN(id, len) fault_len(FP_##id, len)

#endif

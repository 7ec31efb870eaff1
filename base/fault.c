/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/fault.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static const struct {
	const char *name, *phase, *what;
} points[] = {
#define FAULT_POINT(id, name, phase, what) { name, phase, what },
#include "base/fault_points.h"
#undef FAULT_POINT
};

struct fault_state {
	uint32_t live; /* armed, not fired */
	pid_t stepdump, keeper;
	uint32_t nr;
	struct fault fault[NR_FAULTS];
	uint32_t passed[NR_FAULT_POINTS], fired[NR_FAULT_POINTS];
};

struct fault_state *fault_state;
static const uint32_t none;
const volatile uint32_t *fault_live = &none;

const char *fault_name(enum fault_point p)
{
	return points[p].name;
}

const char *fault_phase(enum fault_point p)
{
	return points[p].phase;
}

const char *fault_what(enum fault_point p)
{
	return points[p].what;
}

enum fault_point fault_find(const char *name)
{
	enum fault_point p = 0;

	while (p < NR_FAULT_POINTS && strcmp(points[p].name, name) != 0)
		p++;
	return p;
}

struct err *fault_init(void)
{
	if (fault_state)
		return NULL;
	void *map = mmap(NULL, sizeof(*fault_state), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED)
		return err_sys(errno, "make the memory that is shared with the keeper");
	fault_state = map;
	fault_state->stepdump = getpid();
	fault_live = &fault_state->live;
	return NULL;
}

void fault_set_keeper(pid_t keeper)
{
	if (fault_state)
		fault_state->keeper = keeper;
}

struct err *fault_arm(const struct fault *f, unsigned *index_ret)
{
	struct fault_state *s = fault_state;

	if (!s)
		return err_new(ERR_STATE, "there is no session to make fail");
	if (s->nr == NR_FAULTS)
		return err_hint(err_new(ERR_STATE, "%u faults are armed already", NR_FAULTS),
				"`fault off` disarms all");
	s->fault[s->nr] = *f;
	*index_ret = s->nr++;
	__atomic_add_fetch(&s->live, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

void fault_disarm_all(void)
{
	if (!fault_state)
		return;
	__atomic_store_n(&fault_state->live, 0, __ATOMIC_SEQ_CST);
	fault_state->nr = 0;
}

struct fault *fault_armed(unsigned index)
{
	return &fault_state->fault[index];
}

unsigned fault_nr_armed(void)
{
	return fault_state ? fault_state->nr : 0;
}

void fault_counts(enum fault_point p, uint32_t *passed_ret, uint32_t *fired_ret)
{
	*passed_ret = fault_state ? fault_state->passed[p] : 0;
	*fired_ret = fault_state ? fault_state->fired[p] : 0;
}

static int fault_fire(struct fault *f, size_t *limit)
{
	struct timespec pause = { f->arg / 1000, (long)(f->arg % 1000) * 1000000 };

	switch (f->action) {
	case FAULT_ERRNO:
		return (int)f->arg;
	case FAULT_SHORT:
		if (*limit > f->arg)
			*limit = f->arg;
		return 0;
	case FAULT_DELAY:
		while (nanosleep(&pause, &pause) && errno == EINTR)
			;
		return 0;
	case FAULT_KILL:
		kill(fault_state->stepdump, SIGKILL);
		return 0;
	case FAULT_KILL_KEEPER:
		if (fault_state->keeper > 0)
			kill(fault_state->keeper, SIGKILL);
		return 0;
	}
	return 0;
}

int fault_pass(enum fault_point p, size_t *limit)
{
	struct fault_state *s = fault_state;
	int why = errno, ret = 0;

	s->passed[p] += !limit;
	for (uint32_t i = 0; i < s->nr && !ret; i++) {
		struct fault *f = &s->fault[i];

		/* A short count is for a point's length, everything else for the point itself. */
		if (f->point != p || f->fired || f->waits ||
		    (f->action == FAULT_SHORT) != (limit != NULL) || f->passed++ < f->after ||
		    __atomic_exchange_n(&f->fired, true, __ATOMIC_SEQ_CST))
			continue;
		f->fired_in = getpid();
		s->fired[p]++;
		__atomic_sub_fetch(&s->live, 1, __ATOMIC_SEQ_CST);
		ret = fault_fire(f, limit);
	}
	errno = why;
	return ret;
}

struct err *fault_err(enum fault_point p, int sys_errno)
{
	return err_sys(sys_errno, "%s", points[p].what);
}

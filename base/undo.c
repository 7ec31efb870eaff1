/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/undo.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"

static struct undo_state {
	uint64_t last;
	struct undo_step step[UNDO_MAX];
} * undo;

struct err *undo_init(void)
{
	if (undo)
		return NULL;
	void *map = mmap(NULL, sizeof(*undo), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			 -1, 0);

	if (map == MAP_FAILED)
		return err_sys(errno, "make the memory that is shared with the keeper");
	undo = map;
	return NULL;
}

void undo_note(pid_t pid, const char *kind, const char *fmt, ...)
{
	va_list ap;

	if (!undo)
		return;
	uint64_t seq = __atomic_add_fetch(&undo->last, 1, __ATOMIC_SEQ_CST);
	struct undo_step *s = &undo->step[seq % UNDO_MAX];

	s->t_us = now_us();
	s->pid = pid;
	s->by = getpid();
	snprintf(s->kind, sizeof(s->kind), "%s", kind);
	va_start(ap, fmt);
	vsnprintf(s->text, sizeof(s->text), fmt, ap);
	va_end(ap);
	__atomic_store_n(&s->seq, seq, __ATOMIC_SEQ_CST);
}

uint64_t undo_last(void)
{
	return undo ? undo->last : 0;
}

const struct undo_step *undo_step(uint64_t seq)
{
	const struct undo_step *s = undo && seq ? &undo->step[seq % UNDO_MAX] : NULL;

	return s && s->seq == seq ? s : NULL;
}

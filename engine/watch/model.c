/* SPDX-License-Identifier: GPL-3.0-or-later */
/* criu's tasks, pipes and ppbs, as its calls make them. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/num.h"
#include "base/vec.h"
#include "engine/proc/proc.h"
#include "engine/watch/area.h"
#include "engine/watch/marker.h"
#include "engine/watch/watch_priv.h"

void model_init(struct watch *w)
{
	w->area_off = -1;
	w->new_pipe[0] = w->new_pipe[1] = -1;
	w->t0 = w->t_phase = now_us();
}

void model_deinit(struct watch *w)
{
	for (size_t i = 0; i < w->nr_ppbs; i++)
		ppb_deinit(&w->ppb[i]);
	for (size_t i = 0; i < w->nr_tasks; i++)
		free(w->task[i].run);
	free(w->ppb);
	free(w->task);
	free(w->pipe);
	free(w->fd);
	free(w->cmdline);
}

void watch_talk(struct watch *w, bool server, const char *fmt, ...)
{
	struct watch_line *l = &w->talk[w->nr_talk++ % WATCH_TALK];
	va_list ap;

	l->t_us = now_us() - w->t0;
	l->server = server;
	va_start(ap, fmt);
	vsnprintf(l->text, sizeof(l->text), fmt, ap);
	va_end(ap);
}

void watch_log(struct watch *w, const char *text, size_t len)
{
	struct watch_line *l = &w->log[w->nr_log++ % WATCH_LOG];

	while (len && (text[len - 1] == '\n' || text[len - 1] == ' '))
		len--;
	l->t_us = now_us() - w->t0;
	snprintf(l->text, sizeof(l->text), "%.*s", (int)len, text);
	for (char *p = l->text; *p; p++)
		if ((unsigned char)*p < ' ')
			*p = ' ';
}

bool watch_unit(struct watch *w, phase_t phase, const char *fmt, ...)
{
	struct watch_unit *u = &w->next;
	va_list ap;

	model_phase(w, phase);
	*u = (struct watch_unit){ .phase = phase, .ppb = -1, .chunk = w->chunk };
	if (w->cur < w->nr_tasks)
		u->pid = w->task[w->cur].pid;
	va_start(ap, fmt);
	vsnprintf(u->text, sizeof(u->text), fmt, ap);
	va_end(ap);
	return true;
}

/* criu also scans for guard regions as it collects the mappings.  What fails after that scan, before the
 * parasite is there, is not the pmc. */
static phase_t phase_of_fault(const struct watch *w, const char *what)
{
	const struct wtask *t = w->cur < w->nr_tasks ? &w->task[w->cur] : NULL;
	bool fill = strstr(what, "PAGEMAP_SCAN") || strstr(what, "pagemap");

	/* The head of a message to a page server: its send is not a unit, the splice behind it is. */
	if (strstr(what, "Can't send PSI"))
		return PH(XFER);
	return w->phase == PH(PMC_FILL) && t && !t->infected && !t->nr_ppbs && !fill ? PH(PREPARE) :
										       w->phase;
}

void watch_fault(struct watch *w, int sys_errno, const char *fmt, ...)
{
	va_list ap;

	w->fault = (struct watch_fault){
		.set = true,
		.seq = w->fault.seq + 1,
		.sys_errno = sys_errno,
		.pid = w->cur < w->nr_tasks ? w->task[w->cur].pid : 0,
		.cause = -1,
	};
	va_start(ap, fmt);
	vsnprintf(w->fault.what, sizeof(w->fault.what), fmt, ap);
	va_end(ap);
	w->fault.phase = phase_name(phase_of_fault(w, w->fault.what));
}

/* ---- tasks ---------------------------------------------------------------------------------------- */

size_t model_task(struct watch *w, pid_t pid)
{
	struct proc_stat st;

	for (size_t i = 0; i < w->nr_tasks; i++)
		if (w->task[i].kind == WTASK_PROCESS && w->task[i].pid == pid)
			return i;
	struct wtask *t = vec_push(w->task, w->nr_tasks);
	AUTO_ERR struct err *e = proc_read_stat(pid, &st);

	t->pid = pid;
	if (!e) {
		t->ppid = st.ppid;
		t->nr_threads = st.num_threads;
		snprintf(t->comm, sizeof(t->comm), "%.15s", st.comm);
	}
	if (w->nr_tasks == 1)
		w->cur = 0;
	return w->nr_tasks - 1;
}

void model_object(struct watch *w, enum wtask_kind kind, uint64_t id)
{
	size_t i = 0;

	while (i < w->nr_tasks && (w->task[i].kind != kind || w->task[i].id != id))
		i++;
	if (i == w->nr_tasks)
		*vec_push(w->task, w->nr_tasks) = (struct wtask){ .kind = kind, .id = id };
	model_select(w, i);
}

void watch_task_name(const struct wtask *t, char *buf, size_t len)
{
	if (t->kind == WTASK_PROCESS)
		snprintf(buf, len, "task %d", t->pid);
	else
		snprintf(buf, len, "%s %lu", t->kind == WTASK_SHMEM ? "shmem" : "remote", t->id);
}

void model_frozen(struct watch *w, pid_t tid)
{
	struct proc_status st;
	AUTO_ERR struct err *e = proc_read_status(tid, &st);

	if (!w->t_freeze) {
		w->t_freeze = now_us();
		w->held_at_freeze = w->t.held_us;
	}
	w->frozen_us = 0;
	if (e || st.tgid != tid)
		return; /* a thread */
	size_t i = model_task(w, tid);

	if (!w->task[i].frozen)
		w->nr_frozen++;
	w->task[i].frozen = true;
}

void model_thawed(struct watch *w, pid_t tid)
{
	for (size_t i = 0; i < w->nr_tasks; i++) {
		if (w->task[i].pid != tid || !tid || !w->task[i].frozen)
			continue;
		w->task[i].frozen = w->task[i].infected = false;
		if (--w->nr_frozen)
			continue;
		w->frozen_us = now_us() - w->t_freeze;
		w->held_at_thaw = w->t.held_us;
	}
}

void model_select(struct watch *w, size_t task)
{
	if (w->cur == task)
		return;
	w->cur = task;
	w->chunk_sent = w->chunk; /* its first ppb opens a chunk */
	w->area_map = 0;
	w->pmc = (struct wpmc){ 0 };
}

void model_phase(struct watch *w, phase_t phase)
{
	uint64_t now = now_us();

	switch (w->phase) {
	case PH(PMC_FILL):
	case PH(GENERATE_IOVS):
		w->scan_us += now - w->t_phase;
		break;
	case PH(DRAIN):
		w->drain_us += now - w->t_phase;
		break;
	case PH(XFER):
		w->memwrite_us += now - w->t_phase;
		break;
	default:
		break;
	}
	w->phase = phase;
	w->t_phase = now;
}

/* ---- pmc -------------------------------------------------------------------------------------------- */

void model_fill(struct watch *w, const struct wfd *f, bool scan, uint64_t start, uint64_t end,
		uint64_t walk_end, uint64_t nr, uint64_t vec)
{
	uint64_t fills = w->pmc.pid == f->pid ? w->pmc.fills : 0;

	w->pmc = (struct wpmc){ .pid = f->pid,
				.scan = scan,
				.start = start,
				.end = end,
				.walk_end = walk_end,
				.nr_entries = nr,
				.vec = vec,
				.fills = fills + 1 };
}

/* ---- images ---------------------------------------------------------------------------------------- */

static void learn_directory(struct watch *w, int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", w->t.pid, fd);
	ssize_t n = readlink(path, w->images, sizeof(w->images) - 1);

	w->images[n > 0 ? n : 0] = '\0';
	char *slash = strrchr(w->images, '/');

	if (slash)
		*slash = '\0';
}

void model_image(struct watch *w, const char *name, int fd)
{
	unsigned long id;
	int n = 0;

	if (!*w->images)
		learn_directory(w, fd);
	if (!strncmp(name, "pages-", 6))
		snprintf(w->pages_img, sizeof(w->pages_img), "%s", name);
	if (strncmp(name, "pagemap-", 8))
		return;
	snprintf(w->pagemap_img, sizeof(w->pagemap_img), "%s", name);
	if (sscanf(name, "pagemap-shmem-%lu%n", &id, &n) == 1 && n)
		model_object(w, WTASK_SHMEM, id);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* criu's tasks, pipes and ppbs, as its calls make them. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/num.h"
#include "base/vec.h"
#include "engine/proc/proc.h"
#include "engine/watch/area.h"
#include "engine/watch/watch_priv.h"

#define AREA_SEARCH 262144 /* the blob and what follows it; the arguments begin within */

void model_init(struct watch *w)
{
	w->area_off = -1;
	w->new_pipe[0] = w->new_pipe[1] = -1;
	w->t0 = w->t_phase = now_us();
}

static void ppb_deinit(struct wppb *b)
{
	free(b->iov);
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
}

void watch_talk(struct watch *w, const char *fmt, ...)
{
	struct watch_line *l = &w->talk[w->nr_talk++ % WATCH_TALK];
	va_list ap;

	l->t_us = now_us() - w->t0;
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

void watch_fault(struct watch *w, int sys_errno, const char *fmt, ...)
{
	va_list ap;

	w->fault = (struct watch_fault){
		.set = true,
		.seq = w->fault.seq + 1,
		.phase = phase_name(w->phase),
		.sys_errno = sys_errno,
		.pid = w->cur < w->nr_tasks ? w->task[w->cur].pid : 0,
	};
	va_start(ap, fmt);
	vsnprintf(w->fault.what, sizeof(w->fault.what), fmt, ap);
	va_end(ap);
}

/* ---- tasks ---------------------------------------------------------------------------------------- */

size_t model_task(struct watch *w, pid_t pid)
{
	struct proc_stat st;

	for (size_t i = 0; i < w->nr_tasks; i++)
		if (w->task[i].pid == pid)
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

static size_t object(struct watch *w, uint64_t shmid)
{
	for (size_t i = 0; i < w->nr_tasks; i++)
		if (!w->task[i].pid && w->task[i].shmid == shmid)
			return i;
	vec_push(w->task, w->nr_tasks)->shmid = shmid;
	return w->nr_tasks - 1;
}

void model_frozen(struct watch *w, pid_t tid)
{
	struct proc_status st;
	AUTO_ERR struct err *e = proc_read_status(tid, &st);

	if (!w->t_freeze)
		w->t_freeze = now_us();
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
		if (!--w->nr_frozen)
			w->frozen_us = now_us() - w->t_freeze;
	}
}

void model_select(struct watch *w, size_t task)
{
	if (w->cur == task)
		return;
	w->cur = task;
	w->chunk = 0;
	w->chunk_sent = false;
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

/* ---- pipes -------------------------------------------------------------------------------------------- */

/* The pipe with that end; -1: it is not a pipe of the page_pipe. */
static ssize_t pipe_of(const struct watch *w, int fd)
{
	for (size_t i = w->nr_pipes; i-- > 0;)
		if (fd >= 0 && (w->pipe[i].fd_read == fd || w->pipe[i].fd_write == fd))
			return (ssize_t)i;
	return -1;
}

/* The same; a pipe that was made before we came is found by its inode. */
static ssize_t pipe_known(struct watch *w, int fd, bool write_end)
{
	ssize_t at = pipe_of(w, fd);
	const struct wfd *f;

	if (at >= 0)
		return at;
	f = wfd_get(w, fd);
	if (f->kind != WFD_PIPE)
		return -1;
	for (at = (ssize_t)w->nr_pipes; at-- > 0;)
		if (w->pipe[at].ino == f->ino)
			break;
	if (at < 0) {
		*vec_push(w->pipe, w->nr_pipes) =
			(struct wpipe){ .fd_read = -1, .fd_write = -1, .ino = f->ino };
		at = (ssize_t)w->nr_pipes - 1;
		w->pipes_ever++;
	}
	*(write_end ? &w->pipe[at].fd_write : &w->pipe[at].fd_read) = fd;
	return at;
}

void model_pipe(struct watch *w, int fd_read, int fd_write)
{
	w->new_pipe[0] = fd_read;
	w->new_pipe[1] = fd_write;
}

void model_closed(struct watch *w, int fd)
{
	ssize_t at = pipe_of(w, fd);

	if (at >= 0)
		*(w->pipe[at].fd_read == fd ? &w->pipe[at].fd_read : &w->pipe[at].fd_write) = -1;
	for (int i = 0; i < 2; i++)
		if (w->new_pipe[i] == fd)
			w->new_pipe[0] = w->new_pipe[1] = -1;
	wfd_forget(w, fd);
}

/* A page_pipe asks how large a pipe is as soon as it has made it. */
void model_pipe_size(struct watch *w, int fd, uint64_t asked, int64_t ret)
{
	ssize_t at = pipe_of(w, fd);

	if (at < 0) {
		if (fd != w->new_pipe[0] && fd != w->new_pipe[1])
			return;
		*vec_push(w->pipe, w->nr_pipes) =
			(struct wpipe){ .fd_read = w->new_pipe[0], .fd_write = w->new_pipe[1] };
		at = (ssize_t)w->nr_pipes - 1;
		w->pipe[at].ino = wfd_get(w, fd)->ino;
		w->pipes_ever++;
	}
	struct wpipe *p = &w->pipe[at];

	if (asked)
		p->asked = (uint32_t)(asked / PAGE_BYTES);
	if (ret < 0)
		p->refused = (int)-ret;
	else
		p->size = (uint32_t)((uint64_t)ret / PAGE_BYTES);
}

/* ---- ppbs ---------------------------------------------------------------------------------------------- */

/* Drops the ppbs that were sent, as the next chunk begins. */
static void drop_sent(struct watch *w)
{
	size_t kept = 0;

	for (size_t i = 0; i < w->nr_ppbs; i++) {
		if (w->ppb[i].task == w->cur || w->ppb[i].state == WPPB_SENT)
			ppb_deinit(&w->ppb[i]);
		else
			w->ppb[kept++] = w->ppb[i];
	}
	/* The vector's room follows from its count. */
	struct wppb *v = NULL;
	size_t nr = 0;

	for (size_t i = 0; i < kept; i++)
		*vec_push(v, nr) = w->ppb[i];
	free(w->ppb);
	w->ppb = v;
	w->nr_ppbs = nr;
}

static struct wppb *new_ppb(struct watch *w)
{
	struct wtask *t = w->cur < w->nr_tasks ? &w->task[w->cur] : NULL;

	if (w->chunk_sent || !w->chunk) {
		drop_sent(w);
		w->chunk++;
		if (t)
			t->chunks++;
		w->chunk_sent = false;
	}
	struct wppb *b = vec_push(w->ppb, w->nr_ppbs);

	b->task = w->cur;
	b->pipe = -1;
	b->t_command = now_us();
	w->ppbs_ever++;
	if (t)
		t->nr_ppbs++;
	return b;
}

/* criu's mapping of what it shares with the present task's parasite: the last that was made. */
static bool find_area(struct watch *w)
{
	AUTO_FREE char *maps = NULL;
	unsigned long start, end;
	size_t len;
	char *save, perms[8];
	AUTO_ERR struct err *e = proc_read_file(w->t.pid, "maps", &maps, &len);

	if (e)
		return false;
	for (char *l = strtok_r(maps, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		if (strstr(l, "/memfd:CRIUMFD") &&
		    sscanf(l, "%lx-%lx %7s", &start, &end, perms) == 3 && perms[3] == 's') {
			w->area_map = start;
			w->area_len = end - start;
		}
	return w->area_map != 0;
}

/* Reads the head and this ppb's iovs; false: what is there is not consistent. */
static bool read_plan_at(struct watch *w, struct area_head *h, struct wppb *b)
{
	char head[24];
	uint64_t at = w->area_map + (uint64_t)w->area_off, pages = 0;

	if (tracee_read(&w->t, at, head, sizeof(head)) != sizeof(head) ||
	    !area_read_head(head, w->area_len - (uint64_t)w->area_off, w->area_head, h))
		return false;
	if (!h->nr_segs && !h->nr_pages)
		return true;
	if (h->nr_segs > WATCH_MAX_IOVS)
		return false;
	AUTO_FREE struct area_iov *v = xcalloc(h->nr_segs, sizeof(*v));
	size_t bytes = h->nr_segs * sizeof(*v);

	if (tracee_read(&w->t, at + area_iov_at(h, h->off), v, bytes) != bytes)
		return false;
	for (size_t i = 0; i < h->nr_segs; i++) {
		if (v[i].base % PAGE_BYTES || v[i].len % PAGE_BYTES || !v[i].len)
			return false;
		pages += v[i].len / PAGE_BYTES;
	}
	if (pages != h->nr_pages)
		return false;
	b->iov = xcalloc(h->nr_segs, sizeof(*b->iov));
	for (size_t i = 0; i < h->nr_segs; i++)
		b->iov[i] = (struct wiov){ v[i].base, v[i].len / PAGE_BYTES };
	return true;
}

static bool search_area(struct watch *w)
{
	AUTO_FREE char *buf = xzalloc(AREA_SEARCH + WATCH_MAX_IOVS);
	size_t want = w->area_len < AREA_SEARCH + WATCH_MAX_IOVS ? w->area_len :
								   AREA_SEARCH + WATCH_MAX_IOVS;
	size_t got = tracee_read(&w->t, w->area_map, buf, want);
	struct area_head h;
	long at = area_search(buf, got, 0, &h);

	if (at < 0 || at > AREA_SEARCH)
		return false;
	w->area_off = at;
	w->area_head = h.size;
	return true;
}

/* The offset is the same for all tasks of one criu, the mapping is not. */
static bool read_plan(struct watch *w, struct area_head *h, struct wppb *b)
{
	if (!w->area_map && !find_area(w))
		return false;
	if (w->area_off >= 0 && read_plan_at(w, h, b))
		return true;
	return search_area(w) && read_plan_at(w, h, b);
}

void model_plan(struct watch *w)
{
	struct wppb *b = new_ppb(w);
	struct area_head h;

	if (!read_plan(w, &h, b))
		return;
	b->has_plan = true;
	b->nr_segs = h.nr_segs;
	b->nr_pages = h.nr_pages;
	if (w->cur >= w->nr_tasks)
		return;
	struct wtask *t = &w->task[w->cur];

	t->planned += b->nr_pages;
	for (size_t i = 0; i < b->nr_segs; i++)
		*vec_push(t->run, t->nr_runs) = b->iov[i];
}

/* The ppb that the parasite fills now. */
static struct wppb *now_drained(struct watch *w)
{
	struct wppb *b = w->nr_ppbs ? &w->ppb[w->nr_ppbs - 1] : NULL;

	return b && b->state == WPPB_PLANNED ? b : NULL;
}

void model_into_pipe(struct watch *w, int fd_write)
{
	struct wppb *b = now_drained(w);

	if (b && b->pipe < 0)
		b->pipe = pipe_known(w, fd_write, true);
}

static int64_t in_pipe(const struct watch *w, const struct wpipe *p)
{
	AUTO_CLOSE int fd = tracee_get_fd(&w->t, p->fd_read >= 0 ? p->fd_read : p->fd_write);
	int bytes;

	return fd < 0 || ioctl(fd, FIONREAD, &bytes) ? -1 : bytes;
}

static void drained(struct watch *w, struct wppb *b, int32_t reply)
{
	b->reply = reply;
	b->state = reply < 0 ? WPPB_FAILED : WPPB_DRAINED;
	b->drain_us = now_us() - b->t_command;
	if (b->pipe < 0)
		return;
	struct wpipe *p = &w->pipe[b->pipe];
	int64_t bytes = in_pipe(w, p);

	if (bytes < 0)
		return;
	b->real_bytes = (uint64_t)bytes - (p->level < (uint64_t)bytes ? p->level : 0);
	p->level = (uint64_t)bytes;
	if (b->task < w->nr_tasks)
		w->task[b->task].drained_bytes += b->real_bytes;
}

void model_reply(struct watch *w, uint32_t cmd, int32_t err)
{
	struct wppb *b = now_drained(w);

	if (cmd == CMD_DUMPPAGES && b)
		drained(w, b, err);
}

void model_own_pages(struct watch *w, int fd_write, const struct wiov *iov, size_t nr, int64_t ret)
{
	struct wppb *b = new_ppb(w);
	struct wtask *t = w->cur < w->nr_tasks ? &w->task[w->cur] : NULL;

	b->pipe = pipe_known(w, fd_write, true);
	b->has_plan = true;
	b->iov = xcalloc(nr, sizeof(*iov));
	b->nr_segs = nr;
	for (size_t i = 0; i < nr; i++) {
		b->iov[i] = iov[i];
		b->nr_pages += iov[i].nr_pages;
	}
	if (t)
		t->planned += b->nr_pages;
	drained(w, b, ret < 0 ? (int32_t)ret : 0);
}

/* The ppb whose pages come next out of that pipe, or came last. */
int model_ppb_of(const struct watch *w, int fd)
{
	ssize_t pipe = pipe_of(w, fd);
	int last = -1;

	for (size_t i = 0; pipe >= 0 && i < w->nr_ppbs; i++) {
		if (w->ppb[i].pipe != pipe)
			continue;
		last = (int)i;
		if (w->ppb[i].sent_bytes < w->ppb[i].nr_pages * PAGE_BYTES)
			break;
	}
	return last;
}

void model_splice(struct watch *w, int from, int to, int64_t ret)
{
	ssize_t pipe = pipe_known(w, from, false);
	int at = model_ppb_of(w, from);

	if (pipe < 0 || ret < 0)
		return;
	w->chunk_sent = true;
	w->spliced_bytes += (uint64_t)ret;
	w->pipe[pipe].level -=
		(uint64_t)ret < w->pipe[pipe].level ? (uint64_t)ret : w->pipe[pipe].level;
	struct wfd *f = wfd_get(w, to);

	w->to_socket = f->kind == WFD_SOCKET;
	if (w->to_socket)
		f->page_server = true;
	if (at < 0)
		return;
	w->ppb[at].sent_bytes += (uint64_t)ret;
	if (w->ppb[at].sent_bytes >= w->ppb[at].nr_pages * PAGE_BYTES)
		w->ppb[at].state = WPPB_SENT;
	if (w->ppb[at].task < w->nr_tasks)
		w->task[w->ppb[at].task].spliced_bytes += (uint64_t)ret;
}

void model_object(struct watch *w, uint64_t shmid)
{
	model_select(w, object(w, shmid));
}

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
		model_object(w, id);
}

int64_t watch_in_pipe(const struct watch *w, size_t i)
{
	const struct wppb *b = &w->ppb[i];

	return b->pipe < 0 ? -1 : in_pipe(w, &w->pipe[b->pipe]);
}

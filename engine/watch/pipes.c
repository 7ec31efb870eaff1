/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The page_pipe: its pipes, and the ppbs that go through them. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/vec.h"
#include "engine/watch/area.h"
#include "engine/watch/marker.h"
#include "engine/watch/watch_priv.h"

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
	if (w->pipe[at].fd_read < 0) {
		w->pipe[at].fd_read = wfd_other_end(w, fd, f->ino);
		w->pipe[at].taken = w->marker ? marker_spliced(w->marker, w->pipe[at].fd_read) : 0;
	}
	return at;
}

/* Pipes whose end that was are closed, whether we saw it or not. */
static void forget_end(struct watch *w, int fd)
{
	for (size_t i = 0; i < w->nr_pipes; i++) {
		if (w->pipe[i].fd_read == fd)
			w->pipe[i].fd_read = -1;
		if (w->pipe[i].fd_write == fd)
			w->pipe[i].fd_write = -1;
	}
}

void model_pipe(struct watch *w, int fd_read, int fd_write)
{
	forget_end(w, fd_read);
	forget_end(w, fd_write);
	w->new_pipe[0] = fd_read;
	w->new_pipe[1] = fd_write;
}

void model_closed(struct watch *w, int fd)
{
	forget_end(w, fd);
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
		w->pipe[at].taken = w->marker ? marker_spliced(w->marker, w->new_pipe[0]) : 0;
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

void ppb_deinit(struct wppb *b)
{
	free(b->iov);
}

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

void model_plan(struct watch *w)
{
	struct wppb *b = new_ppb(w);
	struct area_head h;

	if (!plan_read(w, &h, b))
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

/* What is in a pipe that has just been filled.  Also asks its size, if no call has told it. */
static int64_t look_into_pipe(struct watch *w, struct wpipe *p)
{
	AUTO_CLOSE int fd = tracee_get_fd(&w->t, p->fd_read >= 0 ? p->fd_read : p->fd_write);
	int bytes, size;

	if (fd < 0 || ioctl(fd, FIONREAD, &bytes))
		return -1;
	size = p->size ? 0 : fcntl(fd, F_GETPIPE_SZ);
	if (size > 0)
		p->size = (uint32_t)((uint64_t)size / PAGE_BYTES);
	/* The first splice out of it is over already. */
	if (w->t.stop == TRACEE_MARK && w->t.nr == SYS_splice && w->t.ret > 0 &&
	    (int)w->t.arg[0] == p->fd_read)
		return bytes + w->t.ret;
	return bytes;
}

static void drained(struct watch *w, struct wppb *b, int32_t reply)
{
	b->reply = reply;
	b->state = reply < 0 ? WPPB_FAILED : WPPB_DRAINED;
	b->drain_us = now_us() - b->t_command;
	if (b->pipe < 0)
		return;
	struct wpipe *p = &w->pipe[b->pipe];
	int64_t bytes = look_into_pipe(w, p);

	if (bytes < 0)
		return;
	uint64_t had = p->level <= (uint64_t)bytes ? p->level : 0;

	b->real_bytes = (uint64_t)bytes - had;
	/* A mark comes with the call after the reply, which may be the next command: what is beyond the
	 * plan is of the ppb that this one asks for. */
	if (w->t.stop == TRACEE_MARK && b->has_plan && b->real_bytes > b->nr_pages * PAGE_BYTES)
		b->real_bytes = b->nr_pages * PAGE_BYTES;
	p->level = had + b->real_bytes;
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

void model_coming(struct watch *w, uint64_t vaddr, uint64_t nr_pages)
{
	w->coming_vaddr = vaddr;
	w->coming_pages = nr_pages;
	if (w->cur < w->nr_tasks)
		w->task[w->cur].planned += nr_pages;
}

void model_take(struct watch *w, int fd_write, uint64_t bytes)
{
	struct wppb *b = new_ppb(w);
	uint64_t nr = (bytes + PAGE_BYTES - 1) / PAGE_BYTES;

	b->pipe = pipe_known(w, fd_write, true);
	b->nr_pages = nr;
	if (nr <= w->coming_pages) {
		b->has_plan = true;
		b->iov = xcalloc(1, sizeof(*b->iov));
		b->iov[0] = (struct wiov){ w->coming_vaddr, nr };
		b->nr_segs = 1;
		w->coming_vaddr += bytes;
		w->coming_pages -= bytes / PAGE_BYTES;
	}
	drained(w, b, 0);
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

/* So many bytes were spliced out of pipe `i`. */
static void taken_out(struct watch *w, size_t i, uint64_t bytes)
{
	struct wpipe *p = &w->pipe[i];
	int at;

	w->chunk_sent = true;
	w->spliced_bytes += bytes;
	p->level -= bytes < p->level ? bytes : p->level;
	while (bytes && (at = model_ppb_of(w, p->fd_read)) >= 0) {
		struct wppb *b = &w->ppb[at];
		uint64_t room = b->nr_pages * PAGE_BYTES - b->sent_bytes,
			 part = room && room < bytes ? room : bytes;

		b->sent_bytes += part;
		bytes -= part;
		if (b->sent_bytes >= b->nr_pages * PAGE_BYTES)
			b->state = WPPB_SENT;
		if (b->task < w->nr_tasks)
			w->task[b->task].spliced_bytes += part;
	}
}

void model_splice(struct watch *w, int from, int to, int64_t ret)
{
	ssize_t pipe = pipe_known(w, from, false);

	if (pipe < 0 || ret < 0)
		return;
	struct wfd *f = wfd_get(w, to);

	w->to_socket = f->kind == WFD_SOCKET;
	if (w->to_socket)
		f->page_server = true;
	taken_out(w, (size_t)pipe, (uint64_t)ret);
}

void model_catch_up(struct watch *w)
{
	uint64_t all = w->marker ? marker_spliced_all(w->marker) : 0;

	if (w->taken == all)
		return;
	w->taken = all;
	for (size_t i = 0; i < w->nr_pipes; i++) {
		uint64_t now = marker_spliced(w->marker, w->pipe[i].fd_read);

		if (w->pipe[i].fd_read >= 0 && now != w->pipe[i].taken) {
			taken_out(w, i, now - w->pipe[i].taken);
			w->pipe[i].taken = now;
		}
	}
}

int64_t watch_in_pipe(const struct watch *w, size_t i)
{
	const struct wppb *b = &w->ppb[i];

	return b->pipe < 0 ? -1 : in_pipe(w, &w->pipe[b->pipe]);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/dump/mover.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/io.h"
#include "base/mem.h"
#include "engine/pages/uffd_copy.h"

#define PIECE_BYTES (256u << 10)
#define WINDOW_BYTES (1ul << 30) /* addresses, not memory */
#define MOVER_LOADS 2u           /* one in work, and one so that it need not wait for the next */

struct load {
	int pipe_fd;
	uint64_t off, left; /* what has not been taken out of the pipe */
};

struct mover {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake, idle;
	bool quit;

	struct uffd_window window;
	struct load load[MOVER_LOADS]; /* the oldest first */
	unsigned nr;
	unsigned pieces; /* taken out, and not yet in the file */
	int error;
	char *buf, *our_buf;

	int disk_fd; /* -1: nothing to write back */
	uint64_t written_back, complete;
	bool writing_back;
};

/* Under the lock.  Takes the next piece of the oldest load into buf; false: there is none. */
static bool mover_take_piece(struct mover *m, char *buf, uint64_t *off_ret, uint64_t *len_ret)
{
	struct load *l = &m->load[0];

	if (!m->nr || m->error)
		return false;

	uint64_t len = l->left < PIECE_BYTES ? l->left : PIECE_BYTES;
	ssize_t n = read_full(l->pipe_fd, buf, len);

	if (n != (ssize_t)len) {
		m->error = n < 0 ? -errno : -EPIPE;
		return false;
	}
	*off_ret = l->off;
	*len_ret = len;
	l->off += len;
	l->left -= len;
	if (!l->left)
		memmove(l, l + 1, --m->nr * sizeof(*l));
	m->pieces++;
	return true;
}

/* Under the lock, which is not held while the piece is copied. */
static void mover_copy_pieces(struct mover *m, char *buf)
{
	uint64_t off, len;

	while (mover_take_piece(m, buf, &off, &len)) {
		pthread_mutex_unlock(&m->lock);
		int err = FAULT_NEG(XFER_MOVE, uffd_window_copy(&m->window, off, buf, len));

		uffd_window_forget(&m->window, off, len);
		pthread_mutex_lock(&m->lock);
		m->pieces--;
		if (err && !m->error)
			m->error = err;
	}
	if (!m->pieces)
		pthread_cond_broadcast(&m->idle);
}

static bool mover_has_load(const struct mover *m)
{
	return m->nr && !m->error;
}

static void mover_begin_writing(struct mover *m)
{
	uint64_t from = m->written_back, end = m->complete;
	int fd = m->disk_fd;

	m->writing_back = true;
	pthread_mutex_unlock(&m->lock);
	/* A failure is seen by fsync(), too. */
	sync_file_range(fd, (off_t)from, (off_t)(end - from), SYNC_FILE_RANGE_WRITE);
	pthread_mutex_lock(&m->lock);
	m->writing_back = false;
	m->written_back = end;
	pthread_cond_broadcast(&m->idle);
}

static bool mover_may_write_back(const struct mover *m)
{
	return m->disk_fd >= 0 && m->complete > m->written_back;
}

static void *mover_main(void *arg)
{
	struct mover *m = arg;

	pthread_mutex_lock(&m->lock);
	while (!m->quit) {
		if (mover_has_load(m))
			mover_copy_pieces(m, m->buf);
		else if (mover_may_write_back(m))
			mover_begin_writing(m);
		else
			pthread_cond_wait(&m->wake, &m->lock);
	}
	pthread_mutex_unlock(&m->lock);
	return NULL;
}

struct err *mover_create(struct mover **ret)
{
	struct mover *m = xzalloc(sizeof(*m));
	sigset_t all, before;

	m->window.uffd = m->disk_fd = -1;
	m->buf = xcalloc(2, PIECE_BYTES);
	m->our_buf = m->buf + PIECE_BYTES;
	pthread_mutex_init(&m->lock, NULL);
	pthread_cond_init(&m->wake, NULL);
	pthread_cond_init(&m->idle, NULL);
	/* Signals are for the main thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int err = pthread_create(&m->thread, NULL, mover_main, m);

	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err) {
		free(m->buf);
		free(m);
		return err_sys(err, "start a second drain thread");
	}
	*ret = m;
	return NULL;
}

void mover_destroy(struct mover *m)
{
	if (!m)
		return;
	pthread_mutex_lock(&m->lock);
	m->quit = true;
	pthread_cond_signal(&m->wake);
	pthread_mutex_unlock(&m->lock);
	pthread_join(m->thread, NULL);
	uffd_window_close(&m->window);
	pthread_cond_destroy(&m->wake);
	pthread_cond_destroy(&m->idle);
	pthread_mutex_destroy(&m->lock);
	free(m->buf);
	free(m);
}

int mover_window(struct mover *m, int fd, uint64_t start, uint64_t end)
{
	const struct uffd_window *w = &m->window;

	if (w->map && w->fd == fd && start >= w->start && end <= w->start + w->len)
		return 0;
	uffd_window_close(&m->window);
	return uffd_window_open(&m->window, fd, start,
				end - start > WINDOW_BYTES ? end - start : WINDOW_BYTES);
}

bool mover_has_room(struct mover *m)
{
	pthread_mutex_lock(&m->lock);
	bool room = m->nr < MOVER_LOADS && !m->error;

	pthread_mutex_unlock(&m->lock);
	return room;
}

void mover_give(struct mover *m, int pipe_fd, uint64_t off, uint64_t len)
{
	pthread_mutex_lock(&m->lock);
	m->load[m->nr++] = (struct load){ .pipe_fd = pipe_fd, .off = off, .left = len };
	pthread_cond_signal(&m->wake);
	pthread_mutex_unlock(&m->lock);
}

int mover_finish(struct mover *m)
{
	pthread_mutex_lock(&m->lock);
	mover_copy_pieces(m, m->our_buf);
	while (m->pieces)
		pthread_cond_wait(&m->idle, &m->lock);

	int err = m->error;

	m->nr = 0;
	m->error = 0;
	pthread_mutex_unlock(&m->lock);
	return err;
}

void mover_write_back(struct mover *m, int fd, uint64_t end)
{
	pthread_mutex_lock(&m->lock);
	if (m->disk_fd != fd)
		m->written_back = 0;
	m->disk_fd = fd;
	m->complete = end;
	pthread_cond_signal(&m->wake);
	pthread_mutex_unlock(&m->lock);
}

void mover_drop_file(struct mover *m)
{
	uffd_window_close(&m->window);
	pthread_mutex_lock(&m->lock);
	m->disk_fd = -1;
	m->written_back = m->complete = 0;
	while (m->writing_back)
		pthread_cond_wait(&m->idle, &m->lock);
	pthread_mutex_unlock(&m->lock);
}

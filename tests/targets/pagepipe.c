/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A stand-in for a criu with debug information: its page_pipe, in an order of its own, so that nobody can
 * know where the fields are but by reading that.  It seizes a child three times: with a page_pipe, when that
 * is gone, and with another.  A name on the command line is passed to execvp() first: a wrapper.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096ul

struct list_head {
	struct list_head *next, *prev;
};

struct page_pipe_buf {
	struct list_head l;
	unsigned int flags;
	struct iovec *iov;
	unsigned int nr_segs;
	unsigned int pages_in;
	unsigned int pipe_size;
	int p[2];
};

struct page_pipe {
	unsigned int *hole_flags;
	char other[40];
	struct iovec *holes;
	unsigned int free_hole, nr_holes;
	unsigned int flags, free_iov, nr_iovs, nr_pipes;
	struct list_head bufs;
};

static struct iovec iov[3] = { { (void *)0x10000, 2 * PAGE },
			       { (void *)0x20000, PAGE },
			       { (void *)0x40000, 7 * PAGE } };

static void add(struct page_pipe *pp, unsigned segs, struct iovec *at, unsigned flags, int fd)
{
	struct page_pipe_buf *b = calloc(1, sizeof(*b));

	for (unsigned i = 0; i < segs; i++)
		b->pages_in += at[i].iov_len / PAGE;
	b->nr_segs = segs;
	b->iov = at;
	b->flags = flags;
	b->pipe_size = 16;
	b->p[0] = fd;
	b->p[1] = fd + 1;
	b->l.next = &pp->bufs;
	b->l.prev = pp->bufs.prev;
	pp->bufs.prev->next = &b->l;
	pp->bufs.prev = &b->l;
}

__attribute__((noinline)) struct page_pipe *create_page_pipe(unsigned nr)
{
	static struct iovec hole[3] = { { (void *)0x80000, 3 * PAGE },
					{ (void *)0x90000, PAGE },
					{ (void *)0xa0000, 9 * PAGE } };
	static unsigned flag[3] = { 1, 0, 1 };
	struct page_pipe *pp = calloc(1, sizeof(*pp));

	pp->bufs.next = pp->bufs.prev = &pp->bufs;
	pp->holes = hole;
	pp->hole_flags = flag;
	pp->free_hole = nr;
	pp->nr_holes = 32;
	pp->flags = 1;
	pp->nr_iovs = 100;
	pp->free_iov = 3;
	pp->nr_pipes = 2;
	return pp;
}

__attribute__((noinline)) void destroy_page_pipe(struct page_pipe *pp)
{
	pp->nr_pipes = 0; /* it stays where it was, for whoever reads it all the same */
}

/* A call that is a unit to whoever watches: another child is seized, as by criu. */
static void unit(void)
{
	pid_t pid = fork();

	if (!pid) {
		pause();
		_exit(0);
	}
	ptrace(PTRACE_SEIZE, pid, 0, 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

int main(int argc, char **argv)
{
	struct page_pipe *pp;

	if (argc > 1)
		return execvp(argv[1], argv + 1);
	pp = create_page_pipe(3);
	add(pp, 2, iov, 0, 20);
	add(pp, 1, iov + 2, 1, 22);
	unit();
	destroy_page_pipe(pp);
	unit();
	create_page_pipe(0);
	unit();
	return 0;
}

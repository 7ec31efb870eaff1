/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of watching share.  Nobody else includes it. */
#ifndef STEPDUMP_WATCH_PRIV_H
#define STEPDUMP_WATCH_PRIV_H

#include "engine/arch/arch.h" /* SYS_*, also those that this processor never had */
#include "engine/watch/area.h"
#include "engine/watch/watch.h"

#define PAGEMAP_SCAN_NR 0xc0606610u /* _IOWR('f', 16, struct pm_scan_arg) */
#define REQ_SETREGS 13              /* PTRACE_SETREGS, which not every processor has */

/* Commands to the parasite (criu/include/parasite.h, compel). */
#define CMD_FINI 3u
#define CMD_DUMP_THREAD 64u
#define CMD_MPROTECT_VMAS 65u
#define CMD_DUMPPAGES 66u
#define CMD_LAST 80u

/* A message between criu and its parasite. */
struct parasite_msg {
	uint32_t cmd, ack;
	int32_t err;
};

/* Messages to and from a page server. */
enum {
	SERVER_ADD = 1,
	SERVER_HOLE,
	SERVER_OPEN,
	SERVER_OPEN2,
	SERVER_PARENT,
	SERVER_ADD_F,
	SERVER_GET,
	SERVER_CLOSE = 0x1023,
};

/* All of [at, at + len) of criu's memory, or false. */
static inline bool watch_peek(const struct watch *w, uint64_t at, void *buf, size_t len)
{
	return tracee_read(&w->t, at, buf, len) == len;
}

/* wfd.c: what descriptor `fd` is; looked up once. */
struct wfd *wfd_get(struct watch *w, int fd);
void wfd_forget(struct watch *w, int fd);
void wfd_forget_all(struct watch *w);
/* Calls were not seen: all are looked up once more. */
void wfd_doubt_all(struct watch *w);
/* The other end of the pipe `ino`, whose one end is `fd`, in the same process; -1: not there. */
int wfd_other_end(const struct watch *w, int fd, uint64_t ino);

/* model.c: what a call means for the structures. */
void model_init(struct watch *w);
void model_deinit(struct watch *w);
/* The task with that pid, made if need be. */
size_t model_task(struct watch *w, pid_t pid);
/* What comes now is of that object. */
void model_object(struct watch *w, enum wtask_kind kind, uint64_t id);
void model_select(struct watch *w, size_t task);
void model_frozen(struct watch *w, pid_t tid);
void model_thawed(struct watch *w, pid_t tid);
void model_phase(struct watch *w, phase_t phase);
void model_fill(struct watch *w, const struct wfd *f, bool scan, uint64_t start, uint64_t end,
		uint64_t walk_end, uint64_t nr, uint64_t vec);
/* criu has opened that image, as `fd`, to write it. */
void model_image(struct watch *w, const char *name, int fd);

/* pipes.c: the page_pipe. */
void model_pipe(struct watch *w, int fd_read, int fd_write);
void model_closed(struct watch *w, int fd);
void model_pipe_size(struct watch *w, int fd, uint64_t asked, int64_t ret);
void ppb_deinit(struct wppb *b);
/* DUMPPAGES was sent: reads its plan. */
void model_plan(struct watch *w);
/* A pipe's write end goes to the parasite. */
void model_into_pipe(struct watch *w, int fd_write);
void model_reply(struct watch *w, uint32_t cmd, int32_t err);
/* criu puts pages of its own into a pipe. */
void model_own_pages(struct watch *w, int fd_write, const struct wiov *iov, size_t nr, int64_t ret);
/* A page server is told of pages, and takes some from the socket. */
void model_coming(struct watch *w, uint64_t vaddr, uint64_t nr_pages);
void model_take(struct watch *w, int fd_write, uint64_t bytes);
void model_splice(struct watch *w, int from, int to, int64_t ret);
/* Splices that were not marked: takes over what they moved. */
void model_catch_up(struct watch *w);
/* Index of the ppb whose pipe that is, or -1. */
int model_ppb_of(const struct watch *w, int fd);

void watch_log(struct watch *w, const char *text, size_t len);
void watch_talk(struct watch *w, bool server, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Sets w->next; returns true. */
bool watch_unit(struct watch *w, phase_t phase, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void watch_fault(struct watch *w, int sys_errno, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* plan.c: what DUMPPAGES is told: into b->iov (owned) and *h.  false: it was not found. */
bool plan_read(struct watch *w, struct area_head *h, struct wppb *b);

/* talk.c: the parasite. */
/* A message to it is about to be sent; true: that is a unit. */
bool talk_sent(struct watch *w);
bool talk_command(struct watch *w, int fd, const struct parasite_msg *m);
void talk_reply(struct watch *w, int fd, const struct parasite_msg *m, int64_t ret);
/* A reply that was not marked is 0; it has come, for criu does something else. */
void talk_unheard(struct watch *w);
/* The first descriptor of the SCM_RIGHTS that goes with the message at `msg`; -1: none. */
int talk_passed_fd(struct watch *w, uint64_t msg);

/* server.c: bytes that went out to a page server, or came in from its client. */
void server_bytes(struct watch *w, bool out, uint64_t buf, int64_t len);
/* connect() has returned. */
void server_connect(struct watch *w);

/* decode.c */
/* true if the call that criu is about to make is a unit; fills w->next. */
bool decode_entry(struct watch *w);
/* What came of it; may set w->fault. */
void decode_exit(struct watch *w);
/* Both, of a call that was marked. */
bool decode_mark(struct watch *w);

#endif

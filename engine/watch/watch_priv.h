/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of watching share.  Nobody else includes it. */
#ifndef STEPDUMP_WATCH_PRIV_H
#define STEPDUMP_WATCH_PRIV_H

#include "engine/watch/watch.h"

/* Commands to the parasite (criu/include/parasite.h, compel). */
#define CMD_FINI 3u
#define CMD_DUMP_THREAD 64u
#define CMD_MPROTECT_VMAS 65u
#define CMD_DUMPPAGES 66u
#define CMD_LAST 80u

/* wfd.c: what descriptor `fd` is; looked up once. */
struct wfd *wfd_get(struct watch *w, int fd);
void wfd_forget(struct watch *w, int fd);
void wfd_forget_all(struct watch *w);

/* model.c: what a call means for the structures. */
void model_init(struct watch *w);
void model_deinit(struct watch *w);
/* The task with that pid, made if need be. */
size_t model_task(struct watch *w, pid_t pid);
void model_frozen(struct watch *w, pid_t tid);
void model_thawed(struct watch *w, pid_t tid);
void model_select(struct watch *w, size_t task);
void model_phase(struct watch *w, phase_t phase);
void model_pipe(struct watch *w, int fd_read, int fd_write);
void model_closed(struct watch *w, int fd);
void model_pipe_size(struct watch *w, int fd, uint64_t asked, int64_t ret);
void model_fill(struct watch *w, const struct wfd *f, bool scan, uint64_t start, uint64_t end,
		uint64_t walk_end, uint64_t nr, uint64_t vec);
/* DUMPPAGES was sent: reads its plan. */
void model_plan(struct watch *w);
/* A pipe's write end goes to the parasite, or pages into it from criu itself. */
void model_into_pipe(struct watch *w, int fd_write);
void model_reply(struct watch *w, uint32_t cmd, int32_t err);
void model_own_pages(struct watch *w, int fd_write, const struct wiov *iov, size_t nr, int64_t ret);
void model_splice(struct watch *w, int from, int to, int64_t ret);
/* What comes now is of that shared object. */
void model_object(struct watch *w, uint64_t shmid);
/* criu has opened that image, as `fd`, to write it. */
void model_image(struct watch *w, const char *name, int fd);
/* Index of the ppb whose pipe that is, or -1. */
int model_ppb_of(const struct watch *w, int fd);

void watch_log(struct watch *w, const char *text, size_t len);
void watch_talk(struct watch *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *watch_cmd_name(uint32_t cmd);
void watch_fault(struct watch *w, int sys_errno, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* decode.c: true if the call that criu is about to make is a unit; fills w->next. */
bool decode_entry(struct watch *w);
/* What came of it; may set w->fault. */
void decode_exit(struct watch *w);

#endif

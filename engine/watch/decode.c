/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From criu's system calls to its structures: which of them are units, and what each one tells. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "base/vec.h"
#include "engine/diagnose/log.h"
#include "engine/watch/marker.h"
#include "engine/watch/watch_priv.h"

#define MAX_OWN_IOVS 1024

/* ---- entries -------------------------------------------------------------------------------------- */

static bool of_a_task(struct watch *w, int fd, enum wfd_kind kind)
{
	const struct wfd *f = wfd_get(w, fd);

	/* criu asks its own pagemap what this kernel can do. */
	return f->kind == kind && f->pid != w->t.pid;
}

static bool fill_unit(struct watch *w, pid_t pid, const char *how, uint64_t start, uint64_t end)
{
	if (!w->cmd && pid)
		model_select(w, model_task(w, pid));
	watch_unit(w, PH(PMC_FILL), "%s: fill the pagemap cache of %d with %lx-%lx", how, pid,
		   start, end);
	w->next.start = start;
	w->next.end = end;
	return true;
}

static bool entry_ioctl(struct watch *w)
{
	uint64_t arg[12];

	if ((uint32_t)w->t.arg[1] != PAGEMAP_SCAN_NR ||
	    !of_a_task(w, (int)w->t.arg[0], WFD_PAGEMAP) ||
	    !watch_peek(w, w->t.arg[2], arg, sizeof(arg)))
		return false;
	return fill_unit(w, wfd_get(w, (int)w->t.arg[0])->pid, "PAGEMAP_SCAN", arg[2], arg[3]);
}

static bool entry_pread(struct watch *w)
{
	uint64_t start = w->t.arg[3] / 8 * PAGE_BYTES;

	if (!of_a_task(w, (int)w->t.arg[0], WFD_PAGEMAP))
		return false;
	return fill_unit(w, wfd_get(w, (int)w->t.arg[0])->pid, "pread", start,
			 start + w->t.arg[2] / 8 * PAGE_BYTES);
}

static bool entry_splice(struct watch *w)
{
	talk_unheard(w);
	int from = (int)w->t.arg[0], to = (int)w->t.arg[2];

	/* A page server's pages come out of a socket first. */
	if (wfd_get(w, from)->kind == WFD_SOCKET)
		return watch_unit(w, PH(DRAIN), "take %lu pages from the socket",
				  w->t.arg[4] / PAGE_BYTES);
	if (wfd_get(w, from)->kind != WFD_PIPE)
		return false;
	const struct wfd *f = wfd_get(w, to);
	int ppb = model_ppb_of(w, from);

	watch_unit(w, PH(XFER), "splice %lu page%s to %s", w->t.arg[4] / PAGE_BYTES,
		   w->t.arg[4] == PAGE_BYTES ? "" : "s",
		   f->kind == WFD_IMAGE  ? f->name :
		   f->kind == WFD_SOCKET ? "the page server" :
					   "a file");
	w->next.ppb = ppb;
	if (ppb >= 0 && w->ppb[ppb].task < w->nr_tasks)
		w->next.pid = w->task[w->ppb[ppb].task].pid;
	return true;
}

bool decode_entry(struct watch *w)
{
	switch (w->t.nr) {
	case SYS_ptrace:
		return w->t.arg[0] == PTRACE_SEIZE &&
		       watch_unit(w, PH(PREPARE), "seize %d", (int)w->t.arg[1]);
	case SYS_sendto:
		return talk_sent(w);
	case SYS_sendmsg:
		if (w->cmd == CMD_DUMPPAGES)
			model_into_pipe(w, talk_passed_fd(w, w->t.arg[1]));
		return false;
	case SYS_ioctl:
		return entry_ioctl(w);
	case SYS_pread64:
		return entry_pread(w);
	case SYS_fcntl:
		return w->t.arg[1] == F_SETPIPE_SZ && w->phase >= PH(PREPARE) &&
		       watch_unit(w, PH(GENERATE_IOVS),
				  "iovs for more pages: ask for a pipe of %lu",
				  w->t.arg[2] / PAGE_BYTES);
	case SYS_vmsplice:
		return watch_unit(w, PH(DRAIN), "vmsplice pages of a shared object");
	case SYS_splice:
		return entry_splice(w);
	case SYS_write:
		return of_a_task(w, (int)w->t.arg[0], WFD_CLEAR_REFS) &&
		       watch_unit(w, PH(RESET), "clear_refs of %d: dirty bits are reset",
				  wfd_get(w, (int)w->t.arg[0])->pid);
	default:
		return false;
	}
}

/* ---- exits ----------------------------------------------------------------------------------------- */

static void exit_ptrace(struct watch *w)
{
	pid_t pid = (pid_t)w->t.arg[1];
	int why = w->t.ret < 0 ? (int)-w->t.ret : 0;

	switch (w->t.arg[0]) {
	case PTRACE_SEIZE:
		if (why)
			watch_fault(w, why, "seize %d", pid);
		else
			model_frozen(w, pid);
		if (why)
			w->fault.pid = pid;
		break;
	case PTRACE_SETREGSET:
	case REQ_SETREGS:
		if (!why)
			w->touched = pid;
		break;
	case PTRACE_DETACH:
		model_thawed(w, pid);
		break;
	default:
		break;
	}
}

static void exit_ioctl(struct watch *w)
{
	const struct wfd *f = wfd_get(w, (int)w->t.arg[0]);
	uint64_t arg[12];

	if ((uint32_t)w->t.arg[1] != PAGEMAP_SCAN_NR || f->kind != WFD_PAGEMAP ||
	    f->pid == w->t.pid)
		return;
	if (w->t.ret < 0)
		watch_fault(w, (int)-w->t.ret, "PAGEMAP_SCAN of %d", f->pid);
	else if (watch_peek(w, w->t.arg[2], arg, sizeof(arg)))
		model_fill(w, f, true, arg[2], arg[3], arg[4], (uint64_t)w->t.ret, arg[5]);
}

static void exit_pread(struct watch *w)
{
	const struct wfd *f = wfd_get(w, (int)w->t.arg[0]);
	uint64_t start = w->t.arg[3] / 8 * PAGE_BYTES;

	if (f->kind != WFD_PAGEMAP || f->pid == w->t.pid)
		return;
	if (w->t.ret < 0)
		watch_fault(w, (int)-w->t.ret, "read the pagemap of %d", f->pid);
	else
		model_fill(w, f, false, start, start + w->t.arg[2] / 8 * PAGE_BYTES,
			   start + (uint64_t)w->t.ret / 8 * PAGE_BYTES, (uint64_t)w->t.ret / 8,
			   w->t.arg[1]);
}

static void exit_vmsplice(struct watch *w)
{
	struct iovec v[MAX_OWN_IOVS];
	struct wiov iov[MAX_OWN_IOVS];
	size_t nr = w->t.arg[2] < MAX_OWN_IOVS ? w->t.arg[2] : MAX_OWN_IOVS;

	if (!watch_peek(w, w->t.arg[1], v, nr * sizeof(*v)))
		return;
	for (size_t i = 0; i < nr; i++)
		iov[i] = (struct wiov){ (uint64_t)v[i].iov_base, v[i].iov_len / PAGE_BYTES };
	model_own_pages(w, (int)w->t.arg[0], iov, nr, w->t.ret);
	if (w->t.ret < 0)
		watch_fault(w, (int)-w->t.ret, "vmsplice of a shared object's pages");
}

/* "(00.123456) Error (criu/...": what every line of the log begins with. */
static bool is_log(const char *text, size_t len)
{
	size_t i = 1;

	if (len < 10 || text[0] != '(')
		return false;
	while (i < len && (text[i] == '.' || (text[i] >= '0' && text[i] <= '9')))
		i++;
	return i >= 8 && i < len && text[i] == ')';
}

static void exit_write(struct watch *w)
{
	char text[256];
	const struct wfd *f = wfd_get(w, (int)w->t.arg[0]);
	size_t len = w->t.arg[2] < sizeof(text) - 1 ? w->t.arg[2] : sizeof(text) - 1;

	if (w->t.ret < 0 && f->kind == WFD_IMAGE && w->t.ret != -EINTR) {
		watch_fault(w, (int)-w->t.ret, "write %s", f->name);
		return;
	}
	if (f->kind == WFD_SOCKET) {
		server_bytes(w, true, w->t.arg[1], w->t.ret);
		return;
	}
	if (f->kind == WFD_IMAGE || f->kind == WFD_PIPE || !watch_peek(w, w->t.arg[1], text, len) ||
	    !is_log(text, len))
		return;
	text[len] = '\0';
	watch_log(w, text, len);
	const char *error = strstr(text, ") Error (");

	if (error && !log_line_is_noise(text)) {
		const char *say = strstr(error, "): ");
		size_t n = strcspn(say ? say + 3 : error, "\n");

		watch_fault(w, w->last_errno, "%.*s", (int)n, say ? say + 3 : error);
	}
}

static void exit_splice(struct watch *w)
{
	int from = (int)w->t.arg[0];

	if (wfd_get(w, from)->kind == WFD_SOCKET) {
		if (w->t.ret > 0)
			model_take(w, (int)w->t.arg[2], (uint64_t)w->t.ret);
		else if (w->t.ret < 0 && w->t.ret != -EAGAIN && w->t.ret != -EINTR)
			watch_fault(w, (int)-w->t.ret, "take pages from the socket");
		return;
	}
	if (wfd_get(w, from)->kind != WFD_PIPE)
		return;
	if (w->t.ret < 0 && w->t.ret != -EAGAIN && w->t.ret != -EINTR)
		watch_fault(w, (int)-w->t.ret, "%s", w->next.text);
	else
		model_splice(w, from, (int)w->t.arg[2], w->t.ret);
}

static void exit_open(struct watch *w, uint64_t path, uint64_t flags)
{
	char name[PATH_MAX];
	size_t len = tracee_read(&w->t, path, name, 256);

	name[len < 255 ? len : 255] = '\0';
	const char *base = strrchr(name, '/'), *dot = strrchr(name, '.');

	base = base ? base + 1 : name;
	if (!(flags & O_CREAT) || !dot || strcmp(dot, ".img"))
		return;
	if (w->t.ret >= 0)
		model_image(w, base, (int)w->t.ret);
	else if (w->t.ret != -EEXIST)
		watch_fault(w, (int)-w->t.ret, "create %s", base);
}

static void exit_close_range(struct watch *w)
{
	if (w->t.arg[1] - w->t.arg[0] > 64)
		wfd_forget_all(w);
	else
		for (uint64_t i = w->t.arg[0]; i <= w->t.arg[1]; i++)
			model_closed(w, (int)i);
}

/* What the call before the words of an error said.  Writing the words themselves does not count. */
static void note_failure(struct watch *w)
{
	if (w->t.stop == TRACEE_MARK)
		w->last_errno = marker_last_errno(w->marker);
	else if (w->t.nr != SYS_write)
		w->last_errno = w->t.ret < 0 && w->t.ret > -512 ? (int)-w->t.ret : 0;
}

void decode_exit(struct watch *w)
{
	struct parasite_msg m;
	int pair[2];

	note_failure(w);
	switch (w->t.nr) {
	case SYS_ptrace:
		exit_ptrace(w);
		break;
	case SYS_sendto:
		server_bytes(w, true, w->t.arg[1], w->t.ret);
		break;
	case SYS_recvfrom:
		if (w->t.arg[2] == sizeof(m)) {
			memset(&m, 0, sizeof(m));
			watch_peek(w, w->t.arg[1], &m, sizeof(m));
			talk_reply(w, (int)w->t.arg[0], &m, w->t.ret);
		} else {
			server_bytes(w, false, w->t.arg[1], w->t.ret);
		}
		break;
	case SYS_ioctl:
		exit_ioctl(w);
		break;
	case SYS_pread64:
		exit_pread(w);
		break;
	case SYS_pipe:
	case SYS_pipe2:
		if (w->t.ret < 0)
			watch_fault(w, (int)-w->t.ret, "make a pipe");
		else if (watch_peek(w, w->t.arg[0], pair, sizeof(pair)))
			model_pipe(w, pair[0], pair[1]);
		break;
	case SYS_fcntl:
		if (w->t.arg[1] == F_SETPIPE_SZ || w->t.arg[1] == F_GETPIPE_SZ)
			model_pipe_size(w, (int)w->t.arg[0],
					w->t.arg[1] == F_SETPIPE_SZ ? w->t.arg[2] : 0, w->t.ret);
		break;
	case SYS_vmsplice:
		exit_vmsplice(w);
		break;
	case SYS_splice:
		exit_splice(w);
		break;
	case SYS_write:
		exit_write(w);
		break;
	case SYS_open:
		exit_open(w, w->t.arg[0], w->t.arg[1]);
		break;
	case SYS_openat:
		exit_open(w, w->t.arg[1], w->t.arg[2]);
		break;
	case SYS_connect:
		server_connect(w);
		break;
	case SYS_close:
		model_closed(w, (int)w->t.arg[0]);
		break;
	case SYS_close_range:
		exit_close_range(w);
		break;
	case SYS_dup2:
	case SYS_dup3:
		wfd_forget(w, (int)w->t.arg[1]);
		break;
	case SYS_kill:
		if (w->t.arg[1] == SIGKILL && !w->t.ret)
			model_thawed(w, (pid_t)w->t.arg[0]);
		break;
	default:
		break;
	}
}

bool decode_mark(struct watch *w)
{
	bool is_unit;
	int fd;

	if (w->t.nr != SYS_recvfrom)
		talk_unheard(w);
	fd = w->t.nr == SYS_sendmsg ? talk_passed_fd(w, w->t.arg[1]) : -1;
	/* The command before it was not marked. */
	if (fd >= 0 && wfd_get(w, fd)->kind == WFD_PIPE)
		is_unit = talk_command(w, (int)w->t.arg[0],
				       &(struct parasite_msg){ .cmd = CMD_DUMPPAGES });
	else
		is_unit = false;
	is_unit |= decode_entry(w);
	decode_exit(w);
	return is_unit;
}

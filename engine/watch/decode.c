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
#include "engine/arch/arch.h"
#include "engine/diagnose/log.h"
#include "engine/watch/watch_priv.h"

#define PAGEMAP_SCAN_NR 0xc0606610u /* _IOWR('f', 16, struct pm_scan_arg) */
#define REQ_SETREGS 13              /* PTRACE_SETREGS, which not every processor has */
#define MAX_OWN_IOVS 1024

/* A message between criu and its parasite. */
struct parasite_msg {
	uint32_t cmd, ack;
	int32_t err;
};

const char *watch_cmd_name(uint32_t cmd)
{
	static const char *const names[] = {
		[64 - 64] = "DUMP_THREAD",     [65 - 64] = "MPROTECT_VMAS",
		[66 - 64] = "DUMPPAGES",       [67 - 64] = "DUMP_SIGACTS",
		[68 - 64] = "DUMP_ITIMERS",    [69 - 64] = "DUMP_POSIX_TIMERS",
		[70 - 64] = "DUMP_MISC",       [71 - 64] = "DRAIN_FDS",
		[72 - 64] = "GET_PROC_FD",     [73 - 64] = "DUMP_TTY",
		[74 - 64] = "CHECK_VDSO_MARK", [75 - 64] = "CHECK_AIOS",
		[76 - 64] = "DUMP_CGROUP",
	};

	if (cmd == CMD_FINI)
		return "FINI";
	if (cmd == 2)
		return "ACK";
	if (cmd >= 64 && cmd - 64 < sizeof(names) / sizeof(names[0]))
		return names[cmd - 64];
	return "?";
}

static bool peek(struct watch *w, uint64_t at, void *buf, size_t len)
{
	return tracee_read(&w->t, at, buf, len) == len;
}

static bool unit(struct watch *w, phase_t phase, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static bool unit(struct watch *w, phase_t phase, const char *fmt, ...)
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

/* ---- the parasite ----------------------------------------------------------------------------- */

static bool entry_dumppages(struct watch *w)
{
	model_plan(w);
	int at = (int)w->nr_ppbs - 1;
	const struct wppb *b = &w->ppb[at];

	if (b->has_plan)
		unit(w, PH(DRAIN), "DUMPPAGES for ppb %d: %lu page%s in %zu iov%s", at, b->nr_pages,
		     b->nr_pages == 1 ? "" : "s", b->nr_segs, b->nr_segs == 1 ? "" : "s");
	else
		unit(w, PH(DRAIN), "DUMPPAGES for ppb %d (its plan was not found)", at);
	w->next.ppb = at;
	if (b->nr_segs) {
		w->next.start = b->iov[0].start;
		w->next.end =
			b->iov[b->nr_segs - 1].start + b->iov[b->nr_segs - 1].nr_pages * PAGE_BYTES;
	}
	return true;
}

static bool entry_command(struct watch *w, int fd, const struct parasite_msg *m)
{
	struct wfd *f = wfd_get(w, fd);

	/* A new socket is that of the task whose registers criu has just written. */
	if (!f->pid && w->touched)
		f->pid = w->touched;
	if (f->pid) {
		model_select(w, model_task(w, f->pid));
		w->task[w->cur].infected = m->cmd != CMD_FINI;
	}
	w->cmd = m->cmd;
	watch_talk(w, "> %s (%u)", watch_cmd_name(m->cmd), m->cmd);
	if (m->cmd == CMD_DUMPPAGES)
		return entry_dumppages(w);
	/* What comes before the pages prepares them, what comes after goes back. */
	bool after = w->cur < w->nr_tasks && w->task[w->cur].nr_ppbs;

	if (m->cmd == CMD_MPROTECT_VMAS)
		return unit(w, after ? PH(RESET) : PH(PREPARE), "MPROTECT_VMAS: %s",
			    after ? "protections as they were" :
				    "VMAs that cannot be read are made readable");
	if (m->cmd == CMD_FINI)
		return unit(w, PH(RESET), "FINI: the parasite ends, %d is cured", f->pid);
	return unit(w, after ? PH(RESET) : PH(PREPARE), "%s", watch_cmd_name(m->cmd));
}

static void exit_reply(struct watch *w, int fd, const struct parasite_msg *m, int64_t ret)
{
	const struct wfd *f = wfd_get(w, fd);
	uint32_t cmd = w->cmd;

	if (!cmd || (f->pid && w->cur < w->nr_tasks && f->pid != w->task[w->cur].pid))
		return;
	w->cmd = 0;
	if (ret < (int64_t)sizeof(*m)) {
		watch_talk(w, "< %s: %s", watch_cmd_name(cmd),
			   ret < 0 ? "failed" : "no more to read");
		watch_fault(w, ret < 0 ? (int)-ret : 0,
			    "%s: no reply from the parasite in %d (%ld bytes of 12)",
			    watch_cmd_name(cmd), f->pid, ret < 0 ? 0l : (long)ret);
		return;
	}
	watch_talk(w, "< %s %d", watch_cmd_name(cmd), m->err);
	model_reply(w, cmd, m->err);
	if (m->err < 0 && cmd == CMD_DUMPPAGES)
		watch_fault(w, 0, "DUMPPAGES for ppb %zu: the parasite replies %d",
			    w->nr_ppbs ? w->nr_ppbs - 1 : 0, m->err);
	else if (m->err < 0)
		watch_fault(w, 0, "%s: the parasite replies %d", watch_cmd_name(cmd), m->err);
}

/* The first descriptor of the SCM_RIGHTS that goes with a message; -1: none. */
static int passed_fd(struct watch *w, uint64_t msg)
{
	struct msghdr m;
	struct {
		struct cmsghdr head;
		int fd;
	} c;

	if (!peek(w, msg, &m, sizeof(m)) || m.msg_controllen < CMSG_LEN(sizeof(int)) ||
	    !peek(w, (uint64_t)m.msg_control, &c, sizeof(c)) || c.head.cmsg_level != SOL_SOCKET ||
	    c.head.cmsg_type != SCM_RIGHTS)
		return -1;
	return c.fd;
}

/* ---- the page server ---------------------------------------------------------------------------- */

/* Head of its messages: 24 bytes before CRIU 4.2, 32 since. */
static void page_server_message(struct watch *w, int fd, const char *way, const void *p, size_t len)
{
	static const char *const names[] = { "?",     "ADD",    "HOLE",  "OPEN",
					     "OPEN2", "PARENT", "ADD_F", "GET" };
	uint32_t word[8] = { 0 };
	uint64_t pages, vaddr, dst;

	memcpy(word, p, len < sizeof(word) ? len : sizeof(word));
	uint32_t cmd = word[0] & 0xffff;
	const char *name = cmd < 8 ? names[cmd] : cmd == 0x1023 ? "CLOSE" : NULL;

	if (!name || !cmd)
		return;
	wfd_get(w, fd)->page_server = true;
	pages = len == 24 ? word[1] : word[2] | (uint64_t)word[3] << 32;
	memcpy(&vaddr, (const char *)p + (len == 24 ? 8 : 16), sizeof(vaddr));
	memcpy(&dst, (const char *)p + (len == 24 ? 16 : 24), sizeof(dst));
	/* The number is that of the object above its kind, of which 2 is shared memory. */
	if (*way == '>' && cmd == 4 && (dst & 0xff) == 2)
		model_object(w, dst >> 8);
	if (cmd == 6 || cmd == 1 || cmd == 2 || cmd == 7)
		watch_talk(w, "%s %s %lx, %lu page%s%s", way, name, vaddr, pages,
			   pages == 1 ? "" : "s",
			   cmd == 2 || (cmd == 6 && word[0] >> 16 & 1) ? ", in the parent" : "");
	else
		watch_talk(w, "%s %s %lx", way, name, dst);
}

static void page_server_bytes(struct watch *w, const char *way, uint64_t buf, int64_t len)
{
	unsigned char head[32];

	if ((len == 24 || len == 32) && wfd_get(w, (int)w->t.arg[0])->kind == WFD_SOCKET &&
	    peek(w, buf, head, (size_t)len))
		page_server_message(w, (int)w->t.arg[0], way, head, (size_t)len);
}

/* ---- entries -------------------------------------------------------------------------------------- */

static bool of_a_task(struct watch *w, int fd, enum wfd_kind kind)
{
	const struct wfd *f = wfd_get(w, fd);

	/* criu asks its own pagemap what this kernel can do. */
	return f->kind == kind && f->pid != w->t.pid;
}

static bool entry_sendto(struct watch *w)
{
	struct parasite_msg m;

	if (w->t.arg[2] != sizeof(m) || !peek(w, w->t.arg[1], &m, sizeof(m)) || m.ack || m.err ||
	    (m.cmd != CMD_FINI && (m.cmd < CMD_DUMP_THREAD || m.cmd > CMD_LAST)) ||
	    wfd_get(w, (int)w->t.arg[0])->kind != WFD_SOCKET)
		return false;
	return entry_command(w, (int)w->t.arg[0], &m);
}

static bool fill_unit(struct watch *w, pid_t pid, const char *how, uint64_t start, uint64_t end)
{
	if (!w->cmd && pid)
		model_select(w, model_task(w, pid));
	unit(w, PH(PMC_FILL), "%s: fill the pagemap cache of %d with %lx-%lx", how, pid, start,
	     end);
	w->next.start = start;
	w->next.end = end;
	return true;
}

static bool entry_ioctl(struct watch *w)
{
	uint64_t arg[12];

	if ((uint32_t)w->t.arg[1] != PAGEMAP_SCAN_NR ||
	    !of_a_task(w, (int)w->t.arg[0], WFD_PAGEMAP) || !peek(w, w->t.arg[2], arg, sizeof(arg)))
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
	int from = (int)w->t.arg[0], to = (int)w->t.arg[2];

	/* A page server's pages come out of a socket first. */
	if (wfd_get(w, from)->kind == WFD_SOCKET)
		return unit(w, PH(DRAIN), "take %lu pages from the socket",
			    w->t.arg[4] / PAGE_BYTES);
	if (wfd_get(w, from)->kind != WFD_PIPE)
		return false;
	const struct wfd *f = wfd_get(w, to);
	int ppb = model_ppb_of(w, from);

	unit(w, PH(XFER), "splice %lu page%s to %s", w->t.arg[4] / PAGE_BYTES,
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
		       unit(w, PH(PREPARE), "seize %d", (int)w->t.arg[1]);
	case SYS_sendto:
		return entry_sendto(w);
	case SYS_sendmsg:
		if (w->cmd == CMD_DUMPPAGES)
			model_into_pipe(w, passed_fd(w, w->t.arg[1]));
		return false;
	case SYS_ioctl:
		return entry_ioctl(w);
	case SYS_pread64:
		return entry_pread(w);
	case SYS_fcntl:
		return w->t.arg[1] == F_SETPIPE_SZ && w->phase >= PH(PREPARE) &&
		       unit(w, PH(GENERATE_IOVS), "iovs for more pages: ask for a pipe of %lu",
			    w->t.arg[2] / PAGE_BYTES);
	case SYS_vmsplice:
		return unit(w, PH(DRAIN), "vmsplice pages of a shared object");
	case SYS_splice:
		return entry_splice(w);
	case SYS_write:
		return of_a_task(w, (int)w->t.arg[0], WFD_CLEAR_REFS) &&
		       unit(w, PH(RESET), "clear_refs of %d: dirty bits are reset",
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
	else if (peek(w, w->t.arg[2], arg, sizeof(arg)))
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

	if (!peek(w, w->t.arg[1], v, nr * sizeof(*v)))
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
		page_server_bytes(w, ">", w->t.arg[1], w->t.ret);
		return;
	}
	if (f->kind == WFD_IMAGE || f->kind == WFD_PIPE || !peek(w, w->t.arg[1], text, len) ||
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
			model_own_pages(w, (int)w->t.arg[2],
					&(struct wiov){ 0, (uint64_t)w->t.ret / PAGE_BYTES }, 1,
					w->t.ret);
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
	if (w->t.nr != SYS_write)
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
		page_server_bytes(w, ">", w->t.arg[1], w->t.ret);
		break;
	case SYS_recvfrom:
		if (w->t.arg[2] == sizeof(m)) {
			memset(&m, 0, sizeof(m));
			peek(w, w->t.arg[1], &m, sizeof(m));
			exit_reply(w, (int)w->t.arg[0], &m, w->t.ret);
		} else {
			page_server_bytes(w, "<", w->t.arg[1], w->t.ret);
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
		else if (peek(w, w->t.arg[0], pair, sizeof(pair)))
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

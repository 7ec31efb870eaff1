/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Commands to the parasite and its replies. */
#include <string.h>
#include <sys/socket.h>

#include "base/num.h"
#include "engine/watch/watch_priv.h"

static const char *cmd_name(uint32_t cmd)
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

static bool entry_dumppages(struct watch *w)
{
	model_plan(w);
	int at = (int)w->nr_ppbs - 1;
	const struct wppb *b = &w->ppb[at];

	if (b->has_plan)
		watch_unit(w, PH(DRAIN), "DUMPPAGES for ppb %d: %lu page%s in %zu iov%s", at,
			   b->nr_pages, b->nr_pages == 1 ? "" : "s", b->nr_segs,
			   b->nr_segs == 1 ? "" : "s");
	else
		watch_unit(w, PH(DRAIN), "DUMPPAGES for ppb %d (its plan was not found)", at);
	w->next.ppb = at;
	if (b->nr_segs) {
		w->next.start = b->iov[0].start;
		w->next.end =
			b->iov[b->nr_segs - 1].start + b->iov[b->nr_segs - 1].nr_pages * PAGE_BYTES;
	}
	return true;
}

/* A reply that was not marked is 0; it has come, for criu does something else. */
void talk_unheard(struct watch *w)
{
	uint32_t cmd = w->cmd;

	if (!w->cmd_light || !cmd || cmd == CMD_FINI)
		return;
	w->cmd = 0;
	watch_talk(w, false, "< %s 0", cmd_name(cmd));
	model_reply(w, cmd, 0);
}

bool talk_command(struct watch *w, int fd, const struct parasite_msg *m)
{
	talk_unheard(w);
	struct wfd *f = wfd_get(w, fd);

	/* A new socket is that of the task whose registers criu has just written. */
	if (!f->pid && w->touched)
		f->pid = w->touched;
	if (f->pid) {
		model_select(w, model_task(w, f->pid));
		w->task[w->cur].infected = m->cmd != CMD_FINI;
	}
	w->cmd = m->cmd;
	w->cmd_light = w->t.stop == TRACEE_MARK;
	watch_talk(w, false, "> %s (%u)", cmd_name(m->cmd), m->cmd);
	if (m->cmd == CMD_DUMPPAGES)
		return entry_dumppages(w);
	/* What comes before the pages prepares them, what comes after goes back. */
	bool after = w->cur < w->nr_tasks && w->task[w->cur].nr_ppbs;

	if (m->cmd == CMD_MPROTECT_VMAS)
		return watch_unit(w, after ? PH(RESET) : PH(PREPARE), "MPROTECT_VMAS: %s",
				  after ? "protections as they were" :
					  "VMAs that cannot be read are made readable");
	if (m->cmd == CMD_FINI)
		return watch_unit(w, PH(RESET), "FINI: the parasite ends, %d is cured", f->pid);
	return watch_unit(w, after ? PH(RESET) : PH(PREPARE), "%s", cmd_name(m->cmd));
}

void talk_reply(struct watch *w, int fd, const struct parasite_msg *m, int64_t ret)
{
	const struct wfd *f = wfd_get(w, fd);
	uint32_t cmd = w->cmd;

	if (!cmd || (f->pid && w->cur < w->nr_tasks && f->pid != w->task[w->cur].pid))
		return;
	w->cmd = 0;
	if (ret < (int64_t)sizeof(*m)) {
		watch_talk(w, false, "< %s: %s", cmd_name(cmd),
			   ret < 0 ? "failed" : "no more to read");
		watch_fault(w, ret < 0 ? (int)-ret : 0,
			    "%s: no reply from the parasite in %d (%ld bytes of 12)", cmd_name(cmd),
			    f->pid, ret < 0 ? 0l : (long)ret);
		return;
	}
	watch_talk(w, false, "< %s %d", cmd_name(cmd), m->err);
	model_reply(w, cmd, m->err);
	if (m->err < 0 && cmd == CMD_DUMPPAGES)
		watch_fault(w, 0, "DUMPPAGES for ppb %zu: the parasite replies %d",
			    w->nr_ppbs ? w->nr_ppbs - 1 : 0, m->err);
	else if (m->err < 0)
		watch_fault(w, 0, "%s: the parasite replies %d", cmd_name(cmd), m->err);
}

/* The first descriptor of the SCM_RIGHTS that goes with a message; -1: none. */
int talk_passed_fd(struct watch *w, uint64_t msg)
{
	struct msghdr m;
	union {
		struct cmsghdr head;
		char bytes[CMSG_LEN(sizeof(int))];
	} c;
	int fd;

	if (!watch_peek(w, msg, &m, sizeof(m)) || m.msg_controllen < CMSG_LEN(sizeof(int)) ||
	    !watch_peek(w, (uint64_t)m.msg_control, &c, sizeof(c)) ||
	    c.head.cmsg_level != SOL_SOCKET || c.head.cmsg_type != SCM_RIGHTS)
		return -1;
	memcpy(&fd, CMSG_DATA(&c.head), sizeof(fd));
	return fd;
}

bool talk_sent(struct watch *w)
{
	struct parasite_msg m;

	if (w->t.arg[2] != sizeof(m) || !watch_peek(w, w->t.arg[1], &m, sizeof(m)) || m.ack ||
	    m.err || (m.cmd != CMD_FINI && (m.cmd < CMD_DUMP_THREAD || m.cmd > CMD_LAST)) ||
	    wfd_get(w, (int)w->t.arg[0])->kind != WFD_SOCKET)
		return false;
	return talk_command(w, (int)w->t.arg[0], &m);
}

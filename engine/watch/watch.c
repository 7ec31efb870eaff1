/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Watching: begin, go on, let go. */
#include "engine/watch/watch.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "engine/watch/watch_priv.h"

static struct watch *watch_new(void)
{
	struct watch *w = xzalloc(sizeof(*w));

	model_init(w);
	return w;
}

struct err *watch_start(char *const argv[], const struct rlimit *nofile, struct watch **ret)
{
	struct watch *w = watch_new();
	struct err *e = tracee_start(&w->t, argv, nofile);

	if (e) {
		model_deinit(w);
		free(w);
		return e;
	}
	*ret = w;
	return NULL;
}

struct err *watch_attach(pid_t pid, struct watch **ret)
{
	struct watch *w = watch_new();
	struct err *e = tracee_seize(&w->t, pid);

	if (e) {
		model_deinit(w);
		free(w);
		return e;
	}
	tracee_interrupt(&w->t); /* from the stop on it goes from call to call */
	*ret = w;
	return NULL;
}

void watch_release(struct watch *w)
{
	if (!w)
		return;
	tracee_detach(&w->t);
	model_deinit(w);
	free(w);
}

static bool ends_it(int sig)
{
	return sig == SIGXFSZ || sig == SIGSEGV || sig == SIGABRT || sig == SIGBUS ||
	       sig == SIGILL || sig == SIGFPE;
}

/* criu is about to end, and no failure was noticed before. */
static void fault_of_end(struct watch *w)
{
	int status = w->t.status;

	if (w->fault.set || (WIFEXITED(status) && !WEXITSTATUS(status)))
		return;
	if (WIFSIGNALED(status))
		watch_fault(w, 0, "criu is ended by SIG%s", sigabbrev_np(WTERMSIG(status)));
	else
		watch_fault(w, w->last_errno, "criu exits with status %d", WEXITSTATUS(status));
}

enum watch_event watch_step(struct watch *w, uint64_t us)
{
	uint64_t deadline = now_us() + us;

	if (w->over)
		return WATCH_OVER;
	if (w->t.held && w->t.stop == TRACEE_ENTRY) {
		w->last = w->next;
		w->units[w->last.phase]++;
	}
	tracee_go(&w->t, true);
	for (;;) {
		uint64_t now = now_us(), seq = w->fault.seq;

		switch (tracee_wait(&w->t, now < deadline ? deadline - now : 0)) {
		case TRACEE_RUNS:
			return WATCH_QUIET;
		case TRACEE_ENTRY:
			if (decode_entry(w))
				return WATCH_UNIT;
			break;
		case TRACEE_EXIT:
			decode_exit(w);
			break;
		case TRACEE_SIGNAL:
			if (ends_it(w->t.sig))
				watch_fault(w, 0, "criu gets SIG%s", sigabbrev_np(w->t.sig));
			break;
		case TRACEE_EXEC:
			wfd_forget_all(w);
			break;
		case TRACEE_ENDING:
			fault_of_end(w);
			break;
		case TRACEE_GONE:
			w->over = true;
			model_phase(w, PH(DONE));
			return WATCH_OVER;
		case TRACEE_GROUP:
		case TRACEE_HELD:
			break;
		}
		if (w->fault.seq != seq)
			return WATCH_FAULT;
		tracee_go(&w->t, true);
	}
}

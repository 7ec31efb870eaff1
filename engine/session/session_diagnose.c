/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/vec.h"
#include "engine/diagnose/check.h"
#include "engine/diagnose/log.h"
#include "engine/diagnose/message.h"
#include "engine/diagnose/residue.h"
#include "engine/session/diagnose.h"
#include "engine/session/session_priv.h"
#include "proto/message.h"

#define LOG_BYTES_MAX (64l << 20)

struct err *session_causes(const char *name, Stepdump__CauseList **ret)
{
	Stepdump__CauseList *l;
	int id;

	if (!name) {
		*ret = cause_list();
		return NULL;
	}
	id = cause_find(name);
	if (id < 0)
		return err_hint(err_new(ERR_USAGE, "no cause is called \"%s\"", name),
				"`explain` lists them");
	l = xzalloc(sizeof(*l));
	stepdump__cause_list__init(l);
	l->causes = xcalloc(1, sizeof(*l->causes));
	l->causes[l->n_causes++] = cause_message((enum cause_id)id);
	*ret = l;
	return NULL;
}

/* ---- log ------------------------------------------------------------------------------------- */

static struct err *diagnose_read_log(const char *path, char **ret, size_t *len_ret)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return err_sys(errno, "open %s", path);
	if (!S_ISREG(st.st_mode))
		return err_new(ERR_USAGE, "%s is not a regular file", path);

	/* The end matters; the beginning of a log that is too long is left out. */
	off_t from = st.st_size > LOG_BYTES_MAX ? st.st_size - LOG_BYTES_MAX : 0;
	AUTO_FREE char *text = xzalloc((size_t)(st.st_size - from) + 1);
	ssize_t n = pread_full(fd, text, (size_t)(st.st_size - from), from);

	if (n < 0)
		return err_sys(errno, "read %s", path);
	*ret = TAKE_PTR(text);
	*len_ret = (size_t)n;
	return NULL;
}

static int diagnose_by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* What a failed dump has left in its directory. */
static struct err *diagnose_images(const char *dir, Stepdump__LogReport *r)
{
	AUTO_CLOSEDIR DIR *d = opendir(dir);
	size_t nr = 0, empty = 0;
	uint64_t bytes = 0;
	bool inventory = false;

	if (!d)
		return err_sys(errno, "open %s", dir);
	r->images = xstrdup(dir);
	for (struct dirent *e; (e = readdir(d));) {
		size_t len = strlen(e->d_name);
		struct stat st;

		if (len < 5 || strcmp(e->d_name + len - 4, ".img") ||
		    fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW))
			continue;
		nr++;
		empty += !st.st_size;
		bytes += (uint64_t)st.st_size;
		inventory |= !strcmp(e->d_name, "inventory.img");
		if (!strncmp(e->d_name, "pages-", 6) || !strncmp(e->d_name, "pagemap-", 8)) {
			r->written =
				xreallocarray(r->written, r->n_written + 1, sizeof(*r->written));
			r->written[r->n_written++] =
				xasprintf("%s %lu bytes", e->d_name, (uint64_t)st.st_size);
		}
	}
	vec_sort(r->written, r->n_written, diagnose_by_name);
	r->written = xreallocarray(r->written, r->n_written + 1, sizeof(*r->written));
	r->written[r->n_written++] =
		xasprintf("%zu images, %lu bytes in all, %zu of them empty%s", nr, bytes, empty,
			  inventory ? "" : "; no inventory.img, so it cannot be restored");
	return NULL;
}

/* ---- check ----------------------------------------------------------------------------------- */

/* *into NULL: nothing yet. */
static void report_absorb(Stepdump__CheckReport **all, Stepdump__CheckReport *from)
{
	Stepdump__CheckReport *into = *all;

	if (!into) {
		*all = from;
		return;
	}
	for (size_t i = 0; i < from->n_tasks; i++) {
		into->tasks = vec_room(into->tasks, into->n_tasks, sizeof(*into->tasks));
		into->tasks[into->n_tasks++] = from->tasks[i];
	}
	from->n_tasks = 0;
	into->checked += from->checked;
	into->found += from->found;
	into->notes += from->notes;
	SET(into, took_us, into->took_us + from->took_us);
	stepdump__check_report__free_unpacked(from, NULL);
}

static struct err *check_named(struct session *s, const char *name, enum check_scope scope,
			       Stepdump__CheckReport **ret)
{
	AUTO_FREE pid_t *pids = NULL;
	Stepdump__CheckReport *all = NULL, *r;
	size_t nr;

	TRY(check_pids_of(name, &pids, &nr));
	for (size_t i = 0; i < nr; i++) {
		struct err *e = check_run(&s->caps, scope, pids[i], &r);

		if (e)
			err_free(e); /* it has ended meanwhile */
		else
			report_absorb(&all, r);
	}
	*ret = all;
	return all ? NULL : err_new(ERR_TARGET, "no process is called \"%s\"", name);
}

struct err *session_check(struct session *s, const char *who, bool tree, bool all,
			  Stepdump__CheckReport **ret)
{
	enum check_scope scope = all ? CHECK_ALL : tree ? CHECK_TREE : CHECK_ONE;
	char *end = NULL;
	long pid = who ? strtol(who, &end, 10) : 0;

	if (all)
		return check_run(&s->caps, scope, 0, ret);
	if (*end || end == who)
		return check_named(s, who, scope, ret);
	if (pid <= 0 || pid > INT32_MAX)
		return err_new(ERR_USAGE, "%s is not a pid", who);
	return check_run(&s->caps, scope, (pid_t)pid, ret);
}

static struct err *each_task(struct session *s,
			     struct err *(*look)(const struct caps *, pid_t, pid_t,
						 const struct vma_list *, Stepdump__CheckReport **),
			     Stepdump__CheckReport **ret)
{
	Stepdump__CheckReport *all = NULL, *r;

	if (!attached(s))
		return err_new(ERR_STATE, "nothing is attached");
	for (size_t i = 0; i < s->nr_tasks; i++) {
		struct err *e = look(&s->caps, s->t[0].pid, s->t[i].pid, &s->t[i].vmas, &r);

		if (e) {
			if (all)
				stepdump__check_report__free_unpacked(all, NULL);
			return e;
		}
		report_absorb(&all, r);
	}
	*ret = all;
	return NULL;
}

struct err *session_check_target(struct session *s, Stepdump__CheckReport **ret)
{
	return each_task(s, check_known, ret);
}

struct err *session_check_early(struct session *s, Stepdump__CheckReport **ret)
{
	Stepdump__CheckReport *all = NULL, *r;

	for (size_t i = 0; i < s->nr_early; i++) {
		struct err *e = check_known(&s->caps, s->early[0].pid, s->early[i].pid,
					    &s->early[i].vmas, &r);

		if (e) {
			if (all)
				stepdump__check_report__free_unpacked(all, NULL);
			return e;
		}
		report_absorb(&all, r);
	}
	*ret = all;
	return NULL;
}

struct err *session_elsewhere(struct session *s, Stepdump__CheckReport **ret)
{
	return each_task(s, check_elsewhere, ret);
}

/* Had the process been started when the file was written to?  Then its pid was its own in the log, too. */
static bool older_than_file(pid_t pid, const char *path)
{
	struct timespec real, boot;
	struct proc_stat ps;
	struct stat st;
	struct err *e;
	double started;

	if (stat(path, &st) || !S_ISREG(st.st_mode) || clock_gettime(CLOCK_REALTIME, &real) ||
	    clock_gettime(CLOCK_BOOTTIME, &boot))
		return false;
	e = proc_read_stat(pid, &ps);
	if (e) {
		err_free(e);
		return false;
	}
	started = (double)(real.tv_sec - boot.tv_sec) +
		  (double)(real.tv_nsec - boot.tv_nsec) / 1e9 +
		  (double)ps.start_time_ticks / (double)sysconf(_SC_CLK_TCK);
	return started < (double)st.st_mtim.tv_sec + (double)st.st_mtim.tv_nsec / 1e9;
}

/* Those that are seen now come first, in the order that they had, and are likely at least. */
static void confirmed_first(Stepdump__LogReport *r)
{
	size_t at = 0;

	for (size_t i = 0; i < r->n_causes; i++) {
		Stepdump__LogCause *c = r->causes[i];

		if (!c->confirmed)
			continue;
		if (!strcmp(c->confidence, confidence_name(CONF_POSSIBLE))) {
			free(c->confidence);
			c->confidence = xstrdup(confidence_name(CONF_LIKELY));
		}
		memmove(&r->causes[at + 1], &r->causes[at], (i - at) * sizeof(*r->causes));
		r->causes[at++] = c;
	}
}

/* A parasite that was left behind shows that the dumper ended abruptly, whatever ended it. */
static bool finding_shows(const Stepdump__CheckFinding *f, const Stepdump__LogCause *c)
{
	if (!strcmp(f->cause->name, causes[CAUSE_RESIDUE].name))
		return !strcmp(c->cause->name, causes[CAUSE_LIMIT_FSIZE].name) ||
		       !strcmp(c->cause->name, causes[CAUSE_DUMPER_CRASHED].name);
	return !strcmp(f->cause->name, c->cause->name);
}

/* A cause that is seen now, and that the line which matters can mean although another one is likelier. */
static void add_seen(Stepdump__LogReport *r, const Stepdump__CheckFinding *f)
{
	Stepdump__LogCause *c;
	int id = cause_find(f->cause->name);

	for (size_t i = 0; i < r->n_causes; i++)
		if (!strcmp(r->causes[i]->cause->name, f->cause->name))
			return;
	if (!r->matters || id < 0 || !log_line_can_mean(r->matters->text, (enum cause_id)id))
		return;
	c = msg_push(&r->causes, &r->n_causes, sizeof(*c));
	stepdump__log_cause__init(c);
	c->cause = cause_message((enum cause_id)id);
	c->confidence = xstrdup(confidence_name(CONF_POSSIBLE));
	c->line = MSG_NEW(Stepdump__LogLine, log_line);
	c->line->line = r->matters->line;
	c->line->text = xstrdup(r->matters->text);
}

/* What is seen now of what the log tells, if the process is the same. */
static void confirm(struct session *s, const char *path, Stepdump__LogReport *r)
{
	Stepdump__CheckReport *c;
	struct err *e;

	if (!r->has_pid || !strcmp(r->outcome, "succeeded"))
		return;
	e = check_run(&s->caps, CHECK_ONE, (pid_t)r->pid, &c);
	if (e) {
		r->alive = xstrdup("which does not exist any more");
		err_free(e);
		return;
	}
	if (r->comm ? !strcmp(c->tasks[0]->comm, r->comm) : older_than_file((pid_t)r->pid, path)) {
		if (!r->comm) /* the dump failed before CRIU had read it */
			r->comm = xstrdup(c->tasks[0]->comm);
		r->alive = xstrdup("which lives");
		for (size_t j = 0; j < c->tasks[0]->n_findings; j++)
			add_seen(r, c->tasks[0]->findings[j]);
		for (size_t i = 0; i < r->n_causes; i++)
			for (size_t j = 0; j < c->tasks[0]->n_findings; j++)
				if (finding_shows(c->tasks[0]->findings[j], r->causes[i]))
					r->causes[i]->confirmed =
						xstrdup(c->tasks[0]->findings[j]->evidence);
		confirmed_first(r);
		r->now = c->tasks[0];
		c->tasks[0] = NULL;
		c->n_tasks = 0;
	} else {
		r->alive = xasprintf("whose pid is now that of %s", c->tasks[0]->comm);
	}
	stepdump__check_report__free_unpacked(c, NULL);
}

struct err *session_log(struct session *s, const char *path, const char *images,
			Stepdump__LogReport **ret)
{
	AUTO_FREE char *text = NULL;
	Stepdump__LogReport *r = NULL;
	struct err *e;
	size_t len = 0;

	TRY(diagnose_read_log(path, &text, &len));
	TRY(log_explain(path, text, len, &r));
	confirm(s, path, r);
	e = images ? diagnose_images(images, r) : NULL;
	if (e) {
		stepdump__log_report__free_unpacked(r, NULL);
		return e;
	}
	*ret = r;
	return NULL;
}

struct err *session_residue(pid_t pid, Stepdump__ResidueReport **ret)
{
	return residue_look(pid, ret);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/diagnose/log.h"

#include <ctype.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/vec.h"
#include "engine/diagnose/message.h"
#include "proto/message.h"

/* Where a line shows that CRIU has come to a step. */
static const struct {
	const char *glob;
	enum criu_step step;
} markers[] = {
	{ "Dumping processes (pid: ", STEP_CONNECT },
	{ "Version: [0-9]", STEP_CONNECT },
	{ "Seized task ", STEP_SEIZE },
	{ "freezing processes: ", STEP_SEIZE },
	{ "Unable to interrupt task", STEP_SEIZE },
	{ "Unseizable non-zombie", STEP_SEIZE },
	{ "Collecting mappings (pid: ", STEP_COLLECT },
	{ "Collected, longest area", STEP_COLLECT },
	{ "Parasite syscall_ip at", STEP_INFECT },
	{ "Putting parasite blob", STEP_INFECT },
	{ "Sent msg to daemon 65 ", STEP_PREPARE },
	{ "Dumping pages (type: ", STEP_PMC_FILL },
	{ "pagemap-cache: ", STEP_PMC_FILL },
	{ "page-pipe: Create page pipe", STEP_IOVS },
	{ "page-pipe: Add iov", STEP_IOVS },
	{ "page-pipe: Will grow", STEP_IOVS },
	{ "Sent msg to daemon 66 ", STEP_DRAIN },
	{ "Transferring pages", STEP_XFER },
	{ "page-xfer: Transferring", STEP_XFER },
	{ "Dumping core (pid: ", STEP_FINISH },
	{ "Dumping mm (pid: ", STEP_FINISH },
};

/* Errors and warnings that are not the reason. */
static const struct {
	const char *glob, *remark;
} noise[] = {
	{ "rlimit: Can't setup RLIMIT_NOFILE",
	  "harmless: CRIU tries to raise its own limit, in every run without CAP_SYS_RESOURCE" },
	{ "Unable to detach from ", "clean-up: the failure came before the freeze was complete" },
	{ "umping FAILED.", "the verdict, not the reason" },
	{ "Restoring FAILED.", "the verdict, not the reason" },
	{ "Error flushing image", "follows from the first write that failed" },
	{ "exited, status=1", "harmless: a helper that CRIU tries (iptables) is not installed" },
	{ "Unable to create tun", "harmless: no /dev/net/tun here" },
	{ "No parent image found",
	  "fine: a process that did not exist at the last pre-dump is dumped whole" },
	{ "is in rseq critical section", "a warning: CRIU handles it" },
	{ "with interrupted system call", "a warning: the call is restarted" },
	{ "Can't dump page with parasite", "follows from an earlier line" },
	{ "Dump mappings (pid: ", "follows from an earlier line" },
	{ "Collect mappings (pid: ", "follows from an earlier line" },
	{ "Dump files (pid: ", "follows from an earlier line" },
	{ "Can't infect (pid: ", "follows from an earlier line" },
	{ "Pre-dumping failed", "follows from an earlier line" },
	{ "POKEDATA failed: No such process", "clean-up after the failure" },
	{ "Can't dump mappings", "follows from an earlier line" },
	{ "nftables based locking requires", "harmless unless connections are to be locked" },
	{ "Unable to get /proc/sys/kernel/apparmor", "harmless: no AppArmor here" },
};

static const char *const runtimes[] = { "runc",   "crun",    "podman", "containerd",
					"docker", "buildah", "ctr",    "youki" };

enum level { LEVEL_INFO, LEVEL_WARN, LEVEL_ERROR };

struct log_line {
	char *text; /* from CRIU's time stamp on; heap */
	uint32_t nr;
	enum level level;
	bool criu; /* has a mark that only CRIU writes */
};

struct log {
	struct log_line *v;
	size_t nr;
	Stepdump__LogReport *r;
	uint32_t seen
		[NR_STEPS]; /* line of the first mark of the step, of the task in work; 0: none */
	size_t last_mark;   /* index of the last line that shows progress */
	enum criu_step deepest;
	bool restore, pre_dump, dump, ok, failed;
};

static bool line_matches(const char *glob, const char *text)
{
	char pattern[256];

	snprintf(pattern, sizeof(pattern), "*%s*", glob);
	return !fnmatch(pattern, text, 0);
}

/* ---- lines ------------------------------------------------------------------------------------- */

/* "(00.012345) ", as CRIU's lines begin. */
static const char *find_stamp(const char *s)
{
	for (const char *p = s; (p = strchr(p, '(')); p++) {
		size_t a = strspn(p + 1, "0123456789");

		if (a && p[1 + a] == '.') {
			size_t b = strspn(p + 2 + a, "0123456789");

			if (b == 6 && p[2 + a + b] == ')')
				return p;
		}
	}
	return NULL;
}

/* "Error (criu/mem.c:45): " */
static const char *find_mark(const char *s, const char *word)
{
	const char *at = strstr(s, word), *p;

	if (!at)
		return NULL;
	p = at + strlen(word);
	p += strcspn(p, ": )");
	if (*p++ != ':')
		return NULL;
	p += strspn(p, "0123456789");
	return strncmp(p, "): ", 3) ? NULL : at;
}

static const char *find_level(const char *s, enum level *level)
{
	const char *e = find_mark(s, "Error ("), *w = find_mark(s, "Warn  (");

	*level = e ? LEVEL_ERROR : w ? LEVEL_WARN : LEVEL_INFO;
	return e ? e : w;
}

/* A runtime puts its name before CRIU's words, or between them. */
static void note_runtime(struct log *l, const char *raw)
{
	if (l->r->through || !strncmp(raw, "pie: ", 5))
		return;
	for (size_t i = 0; i < sizeof(runtimes) / sizeof(runtimes[0]); i++)
		if (strstr(raw, runtimes[i])) {
			l->r->through = xstrdup(runtimes[i]);
			return;
		}
}

static void log_add_line(struct log *l, const char *s, size_t len, uint32_t nr)
{
	AUTO_FREE char *raw = xstrndup(s, len);
	struct log_line *n;
	enum level level;

	for (char *p = raw; *p; p++)
		if ((unsigned char)*p < 0x20)
			*p = ' ';
	const char *stamp = find_stamp(raw), *mark = find_level(raw, &level);
	const char *from = stamp ? stamp : !strncmp(raw, "pie: ", 5) ? raw : mark ? mark : raw;

	n = vec_push(l->v, l->nr);
	*n = (struct log_line){ .text = xstrdup(from),
				.nr = nr,
				.level = level,
				.criu = from != raw || stamp || mark || !strncmp(raw, "pie: ", 5) };
	if (!stamp || stamp != raw)
		note_runtime(l, raw);
}

/* Runtimes print an excerpt as one string: its newlines are written as \n. */
static void log_split(struct log *l, const char *text, size_t len)
{
	uint32_t nr = 0;

	for (const char *p = text, *end = text + len, *eol; p < end; p = eol + 1) {
		eol = memchr(p, '\n', (size_t)(end - p));
		if (!eol)
			eol = end;
		nr++;
		for (const char *part = p, *cut; part < eol; part = cut + 2) {
			cut = memmem(part, (size_t)(eol - part), "\\n", 2);
			if (!cut)
				cut = eol;
			log_add_line(l, part, (size_t)(cut - part), nr);
			if (cut == eol)
				break;
		}
	}
}

static Stepdump__LogLine *line_message(const struct log_line *n, const char *remark)
{
	Stepdump__LogLine *m = xzalloc(sizeof(*m));

	stepdump__log_line__init(m);
	m->line = n->nr;
	m->text = xstrdup(n->text);
	if (remark)
		m->remark = xstrdup(remark);
	return m;
}

static void push_line(Stepdump__LogLine ***array, size_t *nr, Stepdump__LogLine *m)
{
	*array = xreallocarray(*array, *nr + 1, sizeof(**array));
	(*array)[(*nr)++] = m;
}

static const char *remark_on(const char *line)
{
	for (size_t i = 0; i < sizeof(noise) / sizeof(noise[0]); i++)
		if (line_matches(noise[i].glob, line))
			return noise[i].remark;
	return NULL;
}

bool log_line_is_noise(const char *line)
{
	return remark_on(line) != NULL;
}

static const char *noise_of(const struct log_line *n)
{
	return remark_on(n->text);
}

/* ---- what was done --------------------------------------------------------------------------- */

static void log_forget_task(struct log *l)
{
	for (int s = STEP_COLLECT; s < NR_STEPS; s++)
		l->seen[s] = 0;
}

static void log_walk(struct log *l)
{
	for (size_t i = 0; i < l->nr; i++) {
		const char *t = l->v[i].text, *at;
		char comm[64];
		unsigned pid;

		/* One task after the other: what counts is how far the last one came. */
		if ((at = strstr(t, "umping task (pid: ")))
			log_forget_task(l);
		for (size_t m = 0; m < sizeof(markers) / sizeof(markers[0]); m++) {
			enum criu_step s = markers[m].step;

			if (!line_matches(markers[m].glob, t))
				continue;
			if (!l->seen[s])
				l->seen[s] = l->v[i].nr;
			l->last_mark = i;
			break;
		}
		/* The same words tell of the test that CRIU makes at its start. */
		if (l->seen[STEP_XFER] && line_matches("Reset *'s dirty tracking", t))
			l->seen[STEP_RESET] = l->v[i].nr;
		if ((at = strstr(t, "Dumping processes (pid: "))) {
			l->dump = true;
			int n = sscanf(at, "Dumping processes (pid: %u comm: %63[^)])", &pid, comm);

			if (n >= 1)
				SET(l->r, pid, pid);
			if (n == 2 && !l->r->comm)
				l->r->comm = xstrdup(comm);
		}
		if ((at = strstr(t, "Version: ")) && !l->r->version) {
			at += 9;
			l->r->version = xstrndup(at, strcspn(at, " "));
		}
		l->pre_dump |= strstr(t, "re-dumping ") || strstr(t, "BUG at criu/mem.c:4");
		l->dump |= strstr(t, "Dumping FAILED") || strstr(t, "Dumping finished");
		l->restore |= strstr(t, "Restoring FAILED") || strstr(t, "Restore finished") ||
			      strstr(t, "Forking task with") || strstr(t, " on restore") ||
			      strstr(t, "Can't fork for ");
		l->ok |= strstr(t, "finished successfully") != NULL;
		l->failed |= strstr(t, "FAILED.") != NULL;
	}
	if (l->restore) {
		l->deepest = STEP_RESTORE;
		return;
	}
	for (int s = STEP_CONNECT; s < STEP_RESTORE; s++)
		if (l->seen[s])
			l->deepest = (enum criu_step)s;
}

/* ---- causes ---------------------------------------------------------------------------------- */

struct match {
	enum confidence confidence;
	size_t line;
};

/* Lines that tell what CRIU does can quote names of mappings and files that look like an error. */
static bool may_be_reason(const struct log_line *n)
{
	return n->level != LEVEL_INFO || !n->criu || strstr(n->text, "Can't ") ||
	       strstr(n->text, "Unable ") || strstr(n->text, "failed") ||
	       strstr(n->text, "exceeded") || strstr(n->text, "not found in parent") ||
	       strstr(n->text, "Consider using") || strstr(n->text, "consider using");
}

static void match_line(struct log *l, size_t i, struct match *m)
{
	for (int c = 0; c < NR_CAUSES; c++)
		for (size_t p = 0; p < CAUSE_PATTERNS && causes[c].log[p].glob; p++)
			if (causes[c].log[p].confidence > m[c].confidence &&
			    line_matches(causes[c].log[p].glob, l->v[i].text))
				m[c] = (struct match){ causes[c].log[p].confidence, i };
}

int log_line_cause(const char *line)
{
	enum confidence best = CONF_NONE;
	int found = -1;

	for (int c = 0; c < NR_CAUSES; c++)
		for (size_t p = 0; p < CAUSE_PATTERNS && causes[c].log[p].glob; p++)
			if (causes[c].log[p].confidence > best &&
			    line_matches(causes[c].log[p].glob, line)) {
				best = causes[c].log[p].confidence;
				found = c;
			}
	return found;
}

bool log_line_can_mean(const char *line, enum cause_id id)
{
	for (size_t p = 0; p < CAUSE_PATTERNS && causes[id].log[p].glob; p++)
		if (line_matches(causes[id].log[p].glob, line))
			return true;
	return false;
}

static void add_cause(struct log *l, enum cause_id id, enum confidence c, size_t line)
{
	Stepdump__LogCause *m = msg_push(&l->r->causes, &l->r->n_causes, sizeof(*m));

	stepdump__log_cause__init(m);
	m->cause = cause_message(id);
	m->confidence = xstrdup(confidence_name(c));
	m->line = line_message(&l->v[line], NULL);
}

/* No line names a cause: offer those that are known to stop CRIU at that step. */
static void guess_causes(struct log *l)
{
	size_t last = l->nr - 1;

	if (l->failed) {
		for (int c = 0; c < NR_CAUSES && l->r->n_causes < 4; c++)
			if (causes[c].step == l->deepest && causes[c].severity == SEV_FAIL &&
			    causes[c].seen)
				add_cause(l, (enum cause_id)c, CONF_POSSIBLE, last);
	} else if (l->deepest == STEP_INFECT) {
		add_cause(l, CAUSE_FROZEN_V2, CONF_LIKELY, last);
		add_cause(l, CAUSE_LIMIT_FSIZE, CONF_POSSIBLE, last);
	} else {
		if (l->deepest == STEP_XFER)
			add_cause(l, CAUSE_LIMIT_FSIZE, CONF_POSSIBLE, last);
		add_cause(l, CAUSE_DUMPER_CRASHED, CONF_POSSIBLE, last);
	}
}

static int match_order(const struct match *a, const struct match *b)
{
	if (a->confidence != b->confidence)
		return a->confidence > b->confidence ? -1 : 1;
	return a->line < b->line ? -1 : a->line > b->line;
}

static void log_causes(struct log *l)
{
	struct match m[NR_CAUSES] = { 0 };
	enum confidence best = CONF_NONE;

	for (size_t i = 0; i < l->nr; i++)
		if (may_be_reason(&l->v[i]))
			match_line(l, i, m);
	for (int c = 0; c < NR_CAUSES; c++)
		if (m[c].confidence > best)
			best = m[c].confidence;
	for (;;) {
		int next = -1;

		for (int c = 0; c < NR_CAUSES; c++)
			/* Once a line leaves no doubt, lines that fit several causes are ignored. */
			if (m[c].confidence && m[c].confidence == best &&
			    (next < 0 || match_order(&m[c], &m[next]) < 0))
				next = c;
		if (next < 0)
			break;
		add_cause(l, (enum cause_id)next, m[next].confidence, m[next].line);
		m[next].confidence = CONF_NONE;
	}
}

/* The innermost error of the last failure: CRIU prints from the inside out. */
static const struct log_line *log_first_error(const struct log *l)
{
	const struct log_line *any = NULL;

	for (size_t i = 0; i < l->nr; i++) {
		if (l->v[i].level != LEVEL_ERROR || noise_of(&l->v[i]))
			continue;
		if (i >= l->last_mark)
			return &l->v[i];
		any = &l->v[i];
	}
	return any;
}

static void log_sort_lines(struct log *l)
{
	const Stepdump__LogLine *matters = l->r->matters;

	for (size_t i = 0; i < l->nr; i++) {
		const struct log_line *n = &l->v[i];
		const char *remark = noise_of(n);

		if (remark &&
		    (n->level != LEVEL_INFO || strstr(n->text, "No parent image found")) &&
		    l->r->n_noise < 16)
			push_line(&l->r->noise, &l->r->n_noise, line_message(n, remark));
		else if (n->level == LEVEL_ERROR && l->r->n_context < 16 &&
			 !(matters && matters->line == n->nr && !strcmp(matters->text, n->text)))
			push_line(&l->r->context, &l->r->n_context, line_message(n, NULL));
	}
}

static void log_phases(struct log *l)
{
	/* A log without details shows nothing of the way: then the cause tells how far it was. */
	if (l->r->n_causes && !l->restore)
		for (int s = STEP_CONNECT; s < NR_STEPS; s++)
			if (!strcmp(criu_step_name((enum criu_step)s),
				    l->r->causes[0]->cause->phase) &&
			    (enum criu_step)s > l->deepest)
				l->deepest = (enum criu_step)s;
	l->r->deepest = xstrdup(criu_step_name(l->deepest));
	for (int s = STEP_CONNECT; s < STEP_RESTORE && !l->restore; s++) {
		Stepdump__LogPhase *p = msg_push(&l->r->phases, &l->r->n_phases, sizeof(*p));

		stepdump__log_phase__init(p);
		p->name = xstrdup(criu_step_name((enum criu_step)s));
		p->summary = xstrdup(criu_step_summary((enum criu_step)s));
		if (l->seen[s])
			SET(p, line, l->seen[s]);
	}
}

bool log_recognise(const char *text, size_t len)
{
	struct log l = { .r = xzalloc(sizeof(*l.r)) };
	bool is = false;

	stepdump__log_report__init(l.r);
	if (!memchr(text, 0, len))
		log_split(&l, text, len < 65536 ? len : 65536);
	for (size_t i = 0; i < l.nr; i++) {
		is |= l.v[i].criu || strstr(l.v[i].text, "criu failed") ||
		      strstr(l.v[i].text, "CRIU checkpointing failed") ||
		      strstr(l.v[i].text, "CRIU restoring failed");
		free(l.v[i].text);
	}
	free(l.v);
	stepdump__log_report__free_unpacked(l.r, NULL);
	return is;
}

struct err *log_explain(const char *file, const char *text, size_t len, Stepdump__LogReport **ret)
{
	struct log l = { .r = xzalloc(sizeof(*l.r)) };

	if (!log_recognise(text, len)) {
		free(l.r);
		return err_hint(
			err_new(ERR_FORMAT, "%s: none of its lines was written by CRIU", file),
			"give it dump.log or restore.log of the image directory, or what the "
			"container runtime printed");
	}
	stepdump__log_report__init(l.r);
	l.r->file = xstrdup(file);
	log_split(&l, text, len);
	log_walk(&l);
	if (!l.ok)
		log_causes(&l);

	bool silent = !l.ok && !l.failed && !l.r->n_causes && !log_first_error(&l);

	if (!l.ok && !l.r->n_causes && !log_first_error(&l))
		guess_causes(&l);
	log_phases(&l);
	l.r->lines = l.v[l.nr - 1].nr;
	l.r->action = xstrdup(l.restore  ? "restore" :
			      l.pre_dump ? "pre-dump" :
			      l.dump     ? "dump" :
					   "unknown");
	l.r->outcome = xstrdup(l.ok ? "succeeded" : silent ? "ends without a word" : "failed");
	const struct log_line *first = log_first_error(&l);

	if (!l.ok && l.r->n_causes)
		l.r->matters = line_message(&(struct log_line){ .text = l.r->causes[0]->line->text,
								.nr = l.r->causes[0]->line->line },
					    NULL);
	else if (!l.ok && first)
		l.r->matters = line_message(first, NULL);
	log_sort_lines(&l);
	for (size_t i = 0; i < l.nr; i++)
		free(l.v[i].text);
	free(l.v);
	*ret = l.r;
	return NULL;
}

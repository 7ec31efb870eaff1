/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Parsers of /proc/PID/{stat,status,limits}: text in, struct out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "engine/proc/proc.h"

/* ---- stat --------------------------------------------------------------------- */

/* Fields are numbered as in proc(5), from 1; 3 is the state, the first after the name. */
#define STAT_FIRST_NUMBER 4
#define STAT_LAST_NUMBER 51

static struct err *parse_stat_text(char *text, struct proc_stat *ret)
{
	struct proc_stat s = { 0 };
	uint64_t field[STAT_LAST_NUMBER + 1] = { 0 };
	char *open = strchr(text, '(');
	char *close = strrchr(text, ')'); /* the name may hold parentheses, what follows cannot */
	int nr = STAT_FIRST_NUMBER;

	if (!open || !close || close < open || close[1] != ' ' || !close[2] || close[3] != ' ')
		return err_new(ERR_FORMAT, "not in the format of stat");
	s.pid = strtol(text, NULL, 10);
	size_t len = close - open - 1;
	if (len >= sizeof(s.comm))
		len = sizeof(s.comm) - 1;
	memcpy(s.comm, open + 1, len);
	s.state = close[2];

	for (char *p = close + 3; nr <= STAT_LAST_NUMBER; nr++) {
		char *end;

		/* negative numbers (priorities, no terminal) come out as their two's complement */
		field[nr] = strtoull(p, &end, 10);
		if (end == p)
			break;
		p = end;
	}
	if (nr <= 28) /* start_stack: what every kernel since 2.4 has */
		return err_new(ERR_FORMAT, "stat has only %d fields", nr - 1);
	s.ppid = field[4];
	s.pgrp = field[5];
	s.sid = field[6];
	s.flags = field[9];
	s.num_threads = field[20];
	s.start_time_ticks = field[22];
	s.start_code = field[26];
	s.end_code = field[27];
	s.start_stack = field[28];
	s.start_data = field[45];
	s.end_data = field[46];
	s.start_brk = field[47];
	s.arg_start = field[48];
	s.arg_end = field[49];
	s.env_start = field[50];
	s.env_end = field[51];
	*ret = s;
	return NULL;
}

struct err *parse_stat(const char *text, size_t len, struct proc_stat *ret)
{
	AUTO_FREE char *copy = xstrndup(text, len);

	return parse_stat_text(copy, ret);
}

/* ---- status --------------------------------------------------------------------- */

static void take_ids(const char *value, uint32_t ids[4])
{
	char *end = (char *)value;

	for (int i = 0; i < 4; i++)
		ids[i] = strtoul(end, &end, 10);
}

static void take_ns_pids(const char *value, struct proc_status *s)
{
	const size_t max = sizeof(s->ns_pid) / sizeof(s->ns_pid[0]);

	s->nr_ns_pid = 0;
	while (s->nr_ns_pid < max) {
		char *end;
		pid_t pid = strtol(value, &end, 10);

		if (end == value)
			break;
		s->ns_pid[s->nr_ns_pid++] = pid;
		value = end;
	}
}

static pid_t last_number(const char *value)
{
	pid_t last = 0;

	for (;;) {
		char *end;
		pid_t n = strtol(value, &end, 10);

		if (end == value)
			return last;
		last = n;
		value = end;
	}
}

static uint64_t kilobytes(const char *value)
{
	return strtoull(value, NULL, 10) * 1024;
}

static uint64_t mask(const char *value)
{
	return strtoull(value, NULL, 16);
}

/* Returns whether a State was seen by now: every status has one. */
static bool take_status_line(const char *key, const char *value, struct proc_status *s)
{
	const struct {
		const char *key;
		uint64_t *bytes;
	} sizes[] = {
		{ "VmSize", &s->vm_size },       { "VmRSS", &s->vm_rss },
		{ "VmSwap", &s->vm_swap },       { "VmPin", &s->vm_pin },
		{ "VmLck", &s->vm_lck },         { "RssAnon", &s->rss_anon },
		{ "HugetlbPages", &s->hugetlb },
	};
	const struct {
		const char *key;
		uint64_t *mask;
	} masks[] = {
		{ "SigPnd", &s->sig_pnd },
		{ "ShdPnd", &s->shd_pnd },
		{ "SigBlk", &s->sig_blk },
		{ "CapEff", &s->cap_eff },
	};
	const struct {
		const char *key;
		pid_t *pid;
	} pids[] = {
		{ "Tgid", &s->tgid },
		{ "PPid", &s->ppid },
		{ "TracerPid", &s->tracer_pid },
	};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		if (!strcmp(key, sizes[i].key))
			*sizes[i].bytes = kilobytes(value);
	for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++)
		if (!strcmp(key, masks[i].key))
			*masks[i].mask = mask(value);
	for (size_t i = 0; i < sizeof(pids) / sizeof(pids[0]); i++)
		if (!strcmp(key, pids[i].key))
			*pids[i].pid = strtol(value, NULL, 10);
	if (!strcmp(key, "Name"))
		snprintf(s->comm, sizeof(s->comm), "%s", value + strspn(value, "\t"));
	else if (!strcmp(key, "Uid"))
		take_ids(value, s->uid);
	else if (!strcmp(key, "Gid"))
		take_ids(value, s->gid);
	else if (!strcmp(key, "Threads"))
		s->threads = strtoul(value, NULL, 10);
	else if (!strcmp(key, "Seccomp"))
		s->seccomp = strtoul(value, NULL, 10);
	else if (!strcmp(key, "NSpid"))
		take_ns_pids(value, s);
	else if (!strcmp(key, "NSpgid"))
		s->ns_pgid_last = last_number(value);
	else if (!strcmp(key, "NSsid"))
		s->ns_sid_last = last_number(value);
	else if (!strcmp(key, "State"))
		s->state = value[strspn(value, " \t")];
	return s->state;
}

static struct err *parse_status_text(char *text, struct proc_status *ret)
{
	struct proc_status s = { 0 };
	bool has_state = false;
	char *save;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *colon = strchr(line, ':');

		if (!colon)
			return err_new(ERR_FORMAT, "status: bad line '%.60s'", line);
		*colon = '\0';
		has_state = take_status_line(line, colon + 1, &s);
	}
	if (!has_state)
		return err_new(ERR_FORMAT, "status has no State");
	*ret = s;
	return NULL;
}

struct err *parse_status(const char *text, size_t len, struct proc_status *ret)
{
	AUTO_FREE char *copy = xstrndup(text, len);

	return parse_status_text(copy, ret);
}

/* ---- limits --------------------------------------------------------------------- */

static bool take_limit(const char **p, rlim_t *ret)
{
	char *end;

	*p += strspn(*p, " ");
	if (!strncmp(*p, "unlimited", 9)) {
		*ret = RLIM_INFINITY;
		*p += 9;
		return true;
	}
	*ret = strtoull(*p, &end, 10);
	if (end == *p)
		return false;
	*p = end;
	return true;
}

static struct err *parse_limits_text(const char *text, struct proc_limits *ret)
{
	static const struct {
		const char *name;
		int resource;
	} rows[] = {
		{ "Max cpu time", RLIMIT_CPU },
		{ "Max file size", RLIMIT_FSIZE },
		{ "Max data size", RLIMIT_DATA },
		{ "Max stack size", RLIMIT_STACK },
		{ "Max core file size", RLIMIT_CORE },
		{ "Max resident set", RLIMIT_RSS },
		{ "Max processes", RLIMIT_NPROC },
		{ "Max open files", RLIMIT_NOFILE },
		{ "Max locked memory", RLIMIT_MEMLOCK },
		{ "Max address space", RLIMIT_AS },
		{ "Max file locks", RLIMIT_LOCKS },
		{ "Max pending signals", RLIMIT_SIGPENDING },
		{ "Max msgqueue size", RLIMIT_MSGQUEUE },
		{ "Max nice priority", RLIMIT_NICE },
		{ "Max realtime priority", RLIMIT_RTPRIO },
		{ "Max realtime timeout", RLIMIT_RTTIME },
	};
	struct proc_limits limits;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *p = strstr(text, rows[i].name);
		struct rlimit *lim = &limits.lim[rows[i].resource];

		if (!p)
			return err_new(ERR_FORMAT, "limits: no '%s'", rows[i].name);
		p += strlen(rows[i].name);
		if (!take_limit(&p, &lim->rlim_cur) || !take_limit(&p, &lim->rlim_max))
			return err_new(ERR_FORMAT, "limits: '%s' has no numbers", rows[i].name);
	}
	*ret = limits;
	return NULL;
}

struct err *parse_limits(const char *text, size_t len, struct proc_limits *ret)
{
	AUTO_FREE char *copy = xstrndup(text, len);

	return parse_limits_text(copy, ret);
}

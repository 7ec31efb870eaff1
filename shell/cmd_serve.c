/* SPDX-License-Identifier: GPL-3.0-or-later */
/* serve: a page server */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/vec.h"
#include "engine/session/serve.h"
#include "shell/cmd.h"
#include "shell/cmds.h"
#include "shell/format.h"

/* A client that sends, as the progress line has it. */
struct sending {
	unsigned client;
	uint64_t pages, bytes;
	uint64_t at_us;
	uint64_t per_second; /* bytes, since it was heard of before */
};

struct serving {
	struct out *o;
	json_object *sets, *refused;
	bool progress, shown;
	struct sending *sending;
	size_t nr_sending;
};

static void serving_clear(struct serving *sv)
{
	if (sv->shown)
		fputs("\r\033[K", stderr);
	sv->shown = false;
}

static struct sending *serving_find(struct serving *sv, unsigned client)
{
	for (size_t i = 0; i < sv->nr_sending; i++)
		if (sv->sending[i].client == client)
			return &sv->sending[i];
	return NULL;
}

static void serving_note(struct serving *sv, const struct serve_event *ev)
{
	struct sending *s = serving_find(sv, ev->client);
	uint64_t now = now_us();

	if (!s) {
		s = vec_push(sv->sending, sv->nr_sending);
		*s = (struct sending){ .client = ev->client };
	} else if (now > s->at_us) {
		s->per_second = (ev->st.bytes - s->bytes) * 1000000 / (now - s->at_us);
	}
	s->pages = ev->st.pages;
	s->bytes = ev->st.bytes;
	s->at_us = now;
}

static void serving_forget(struct serving *sv, unsigned client)
{
	struct sending *s = serving_find(sv, client);

	if (s)
		vec_remove(sv->sending, sv->nr_sending, (size_t)(s - sv->sending));
}

/* What matters most comes first: the line is cut at the width of the terminal. */
static void serving_progress(struct serving *sv, const struct serve_event *ev)
{
	struct sending sum = { 0 };
	char bytes[24], rate[24], line[200];
	unsigned rows, cols;

	if (!sv->progress || !ev->st.bytes)
		return;
	serving_note(sv, ev);
	for (size_t i = 0; i < sv->nr_sending; i++) {
		sum.pages += sv->sending[i].pages;
		sum.bytes += sv->sending[i].bytes;
		sum.per_second += sv->sending[i].per_second;
	}
	format_bytes(sum.bytes, bytes, sizeof(bytes));
	format_bytes(sum.per_second, rate, sizeof(rate));
	if (sv->nr_sending > 1)
		snprintf(line, sizeof(line), "%zu clients: %lu pages %s, %s/s   (^C ends)",
			 sv->nr_sending, sum.pages, bytes, rate);
	else
		snprintf(line, sizeof(line), "%u: %lu pages %s, %s/s   %s of %s   (^C ends)",
			 ev->client, sum.pages, bytes, rate, ev->st.object, ev->peer);
	term_size(&rows, &cols);
	fprintf(stderr, "\r%.*s\033[K", (int)cols - 1, line);
	fflush(stderr);
	sv->shown = true;
}

static json_object *serving_json(const struct serve_event *ev, const char *key)
{
	json_object *j = json_object_new_object();

	json_object_object_add(j, "client", json_object_new_int64(ev->client));
	json_object_object_add(j, "peer", json_object_new_string(ev->peer));
	json_object_object_add(j, key, json_object_new_string(ev->text));
	json_object_object_add(j, "wire", json_object_new_string(ps_wire_name(ev->st.wire)));
	json_object_object_add(j, "objects", json_object_new_int64((int64_t)ev->st.objects));
	json_object_object_add(j, "pages", json_object_new_int64((int64_t)ev->st.pages));
	json_object_object_add(j, "hole_pages", json_object_new_int64((int64_t)ev->st.hole_pages));
	return j;
}

static void serving_event(void *arg, const struct serve_event *ev)
{
	struct serving *sv = arg;
	struct out *o = sv->o;
	char bytes[24];

	format_bytes(ev->st.bytes, bytes, sizeof(bytes));
	if (ev->what == SERVE_PROGRESS) {
		serving_progress(sv, ev);
		return;
	}
	serving_clear(sv);
	if (ev->what == SERVE_COMMITTED || ev->what == SERVE_REFUSED)
		serving_forget(sv, ev->client);
	switch (ev->what) {
	case SERVE_LISTENING:
		out_printf(o, "listening at %s\n", ev->text);
		if (ev->open)
			out_printf(o,
				   "other machines can reach this address: whoever does can write "
				   "images here, and nothing is encrypted\n");
		break;
	case SERVE_CONNECTED:
		out_printf(o, "%u: %s connected\n", ev->client, ev->peer);
		break;
	case SERVE_COMMITTED:
		out_printf(o,
			   "%u: committed to %s: %lu object%s, %lu pages, %lu in the parent, "
			   "%s received, wire %s\n",
			   ev->client, ev->text, ev->st.objects, ev->st.objects == 1 ? "" : "s",
			   ev->st.pages, ev->st.hole_pages, bytes, ps_wire_name(ev->st.wire));
		json_object_array_add(sv->sets, serving_json(ev, "dir"));
		break;
	case SERVE_REFUSED:
		out_printf(o, "%u: dropped, nothing is kept: %s\n", ev->client, ev->text);
		json_object_array_add(sv->refused, serving_json(ev, "why"));
		break;
	case SERVE_PROGRESS:
		break;
	}
	fflush(o->f);
}

/* "64M": bytes. */
static struct err *serve_size(const char *text, uint64_t *ret)
{
	static const char units[] = "KMGT";
	size_t len = strlen(text);
	const char *u = len ? strchr(units, text[len - 1]) : NULL;
	AUTO_FREE char *number = xasprintf("%.*s", (int)(u && *u ? len - 1 : len), text);
	unsigned shift = u && *u ? 10 * (unsigned)(u - units + 1) : 0;

	TRY(arg_uint(number, "size (bytes, or with K, M, G, T)", 1, UINT64_MAX >> shift, ret));
	*ret <<= shift;
	return NULL;
}

static struct err *serve_number(const char *text, const char *what, uint64_t min, uint32_t *ret)
{
	uint64_t n;

	TRY(arg_uint(text, what, min, 1u << 30, &n));
	*ret = (uint32_t)n;
	return NULL;
}

static struct err *serve_option(const char *name, const char *value, struct serve_opts *so)
{
	if (!strcmp(name, "--parent")) {
		so->parent = value;
		return NULL;
	}
	if (!strcmp(name, "--max-size"))
		return serve_size(value, &so->max_bytes);
	if (!strcmp(name, "--timeout"))
		return serve_number(value, "number of seconds", 0, &so->silence_s);
	if (!strcmp(name, "--max-time"))
		return serve_number(value, "number of seconds", 0, &so->max_s);
	if (!strcmp(name, "--clients"))
		return serve_number(value, "number of clients", 1, &so->clients);
	return cmd_usage(&cmd_serve);
}

static struct err *serve_args(const struct args *a, struct serve_opts *so)
{
	for (unsigned i = 0; i < a->argc; i++) {
		const char *word = a->argv[i];

		if (!strcmp(word, "-1"))
			so->once = true;
		else if (!strncmp(word, "--", 2) && i + 1 < a->argc)
			TRY(serve_option(word, a->argv[++i], so));
		else if (*word == '-' || so->dir)
			return cmd_usage(&cmd_serve);
		else if (so->where)
			so->dir = word;
		else
			so->where = word;
	}
	return so->dir ? NULL : cmd_usage(&cmd_serve);
}

static struct err *serve_exec(struct shell *sh, const struct args *a, struct out *o)
{
	struct serve_opts so = { .silence_s = 600, .clients = 16 };
	struct serving sv = { .o = o, .progress = sh->interactive || isatty(STDERR_FILENO) };

	TRY(serve_args(a, &so));
	sv.progress = sv.progress && o->tty && !o->json;
	sv.sets = json_object_new_array();
	sv.refused = json_object_new_array();
	struct err *e = session_serve(sh->session, &so, serving_event, &sv);

	serving_clear(&sv);
	free(sv.sending);
	out_member(o, "sets", sv.sets);
	out_member(o, "refused", sv.refused);
	return e;
}

const struct cmd_entry cmd_serve = {
	.name = "serve",
	.group = GROUP_CHAIN,
	.args = { 2, 13, comp_file },
	.usage = "[-1] [ADDR:]PORT DIR [--parent OLD] [--timeout S] [--max-size N] ...",
	.summary = "receive images as a page server",
	.help = "Takes what CRIU sends with `criu dump --page-server` or `criu pre-dump "
		"--page-server`, in any version, and what stepdump sends with `set xfer server`. "
		"The set of connection N appears as DIR/N once the client has closed it; with "
		"-1 there is one connection, and its set is DIR itself. A set is complete or "
		"absent: a client that breaks off, or sends what cannot be an image, leaves "
		"nothing behind. Pages that the client leaves out have to be in --parent OLD, "
		"which the set is linked to. Without an address it listens on this machine only; "
		"port 0 is any free one; unix:PATH is a socket file. There is no encryption and "
		"no password: use a tunnel between machines. --timeout S drops a client that is "
		"silent for S seconds (600; 0: never), --max-time S one that takes longer, "
		"--max-size N one that sends more pages (bytes, or with K, M, G, T; what is free "
		"on the disk if not given), --clients N serves so many at once (16). ^C ends it.",
	.examples =
		(const struct cmd_example[]){
			{ "serve -1 7777 images/1", "one set, from this machine", NULL },
			{ "serve 192.168.1.5:7777 incoming", "many, from the network", NULL },
			{ "serve -1 7777 images/2 --parent images/1", "what changed since", NULL },
			{ 0 } },
	.flags = CMD_ALONE | CMD_STREAMS | CMD_MUTATES | CMD_NO_REPEAT,
	.exec = serve_exec,
};

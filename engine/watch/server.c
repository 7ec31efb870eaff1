/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The conversation with a page server, on either side of it. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/num.h"
#include "engine/watch/watch_priv.h"

#define HEAD_OLD 24 /* bytes of a message before CRIU 4.2 */
#define HEAD_NEW 32
#define FLAG_PARENT 1u
#define FLAG_PRESENT 4u
#define KIND_SHMEM 2u /* the low byte of an object's number; the id is above it */

struct message {
	uint32_t cmd, flags;
	uint64_t nr_pages, vaddr, object;
};

static void unpack(const unsigned char *p, size_t len, struct message *m)
{
	uint32_t word, nr;

	memcpy(&word, p, sizeof(word));
	m->cmd = word & 0xffff;
	m->flags = word >> 16;
	if (len == HEAD_OLD) {
		memcpy(&nr, p + 4, sizeof(nr));
		m->nr_pages = nr;
	} else {
		memcpy(&m->nr_pages, p + 8, sizeof(m->nr_pages));
	}
	memcpy(&m->vaddr, p + len - 16, sizeof(m->vaddr));
	memcpy(&m->object, p + len - 8, sizeof(m->object));
	if (m->cmd == SERVER_ADD)
		m->flags = FLAG_PRESENT;
	if (m->cmd == SERVER_HOLE)
		m->flags = FLAG_PARENT;
}

static const char *name_of(uint32_t cmd)
{
	static const char *const names[] = {
		[SERVER_ADD] = "ADD",     [SERVER_HOLE] = "HOLE",     [SERVER_OPEN] = "OPEN",
		[SERVER_OPEN2] = "OPEN2", [SERVER_PARENT] = "PARENT", [SERVER_ADD_F] = "ADD_F",
		[SERVER_GET] = "GET",
	};

	if (cmd == SERVER_CLOSE)
		return "CLOSE";
	return cmd < sizeof(names) / sizeof(names[0]) ? names[cmd] : NULL;
}

/* On its way out, the process is at hand: only its shared objects are told apart by messages. */
static void sent(struct watch *w, const struct message *m)
{
	if (m->cmd == SERVER_OPEN2 && (m->object & 0xff) == KIND_SHMEM)
		model_object(w, WTASK_SHMEM, m->object >> 8);
}

static void received(struct watch *w, const struct message *m)
{
	bool shared = (m->object & 0xff) == KIND_SHMEM;

	if (m->cmd == SERVER_OPEN || m->cmd == SERVER_OPEN2)
		model_object(w, shared ? WTASK_SHMEM : WTASK_REMOTE, m->object >> 8);
	if (m->flags & FLAG_PRESENT && (m->cmd == SERVER_ADD || m->cmd == SERVER_ADD_F))
		model_coming(w, m->vaddr, m->nr_pages);
}

static void message(struct watch *w, int fd, bool out, const struct message *m)
{
	const char *name = name_of(m->cmd), *way = out ? ">" : "<";

	if (!name)
		return;
	wfd_get(w, fd)->page_server = true;
	if (out)
		sent(w, m);
	else
		received(w, m);
	if (m->cmd == SERVER_ADD || m->cmd == SERVER_HOLE || m->cmd == SERVER_ADD_F ||
	    m->cmd == SERVER_GET)
		watch_talk(w, true, "%s %s %lx, %lu page%s%s", way, name, m->vaddr, m->nr_pages,
			   m->nr_pages == 1 ? "" : "s",
			   m->flags & FLAG_PARENT ? ", in the parent" : "");
	else if (m->cmd == SERVER_CLOSE)
		watch_talk(w, true, "%s %s", way, name);
	else
		watch_talk(w, true, "%s %s %s %lu", way, name,
			   (m->object & 0xff) == KIND_SHMEM ? "shmem" : "pid", m->object >> 8);
}

void server_bytes(struct watch *w, bool out, uint64_t buf, int64_t len)
{
	unsigned char head[HEAD_NEW];
	struct message m;

	if ((len != HEAD_OLD && len != HEAD_NEW) ||
	    wfd_get(w, (int)w->t.arg[0])->kind != WFD_SOCKET ||
	    !watch_peek(w, buf, head, (size_t)len))
		return;
	unpack(head, (size_t)len, &m);
	message(w, (int)w->t.arg[0], out, &m);
}

/* Nothing else that criu connects to is on a network. */
void server_connect(struct watch *w)
{
	struct sockaddr_storage sa = { 0 };
	char host[INET6_ADDRSTRLEN] = "?";
	size_t len = w->t.arg[2] < sizeof(sa) ? w->t.arg[2] : sizeof(sa);
	int port;

	if (w->t.ret >= 0 || w->t.ret == -EINPROGRESS || w->t.ret == -EINTR ||
	    !watch_peek(w, w->t.arg[1], &sa, len))
		return;
	if (sa.ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)&sa;

		inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		port = ntohs(in->sin_port);
	} else if (sa.ss_family == AF_INET6) {
		const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)&sa;

		inet_ntop(AF_INET6, &in->sin6_addr, host, sizeof(host));
		port = ntohs(in->sin6_port);
	} else {
		return;
	}
	watch_fault(w, (int)-w->t.ret, "connect to %s, port %d", host, port);
}

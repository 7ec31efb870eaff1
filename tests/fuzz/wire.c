/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Any bytes as what the keeper, or the parasite, answers: whatever comes, the caller gets an error or a
 * message that is as long as it says.  The first byte chooses which of the two; then messages, each with a
 * length of two bytes in front.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "engine/target/keeper_wire.h"
#include "engine/target/parasite_rpc.h"
#include "tests/lib/fuzz.h"

static void send_messages(int sock, const uint8_t *data, size_t size)
{
	while (size > 2) {
		size_t len = (size_t)(data[0] | data[1] << 8);

		data += 2;
		size -= 2;
		if (len > size)
			len = size;
		if (len && send(sock, data, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			break;
		data += len;
		size -= len;
	}
}

static bool keeper_answers(int sock)
{
	struct keeper_msg m = { 0 };
	char *body = NULL;
	int fd = -1;

	if (wire_recv(sock, 1000, &m, &body, &fd))
		return false;
	struct err *e = wire_err(&m, body);

	require(!e || e->msg, "an error has a text", "");
	err_free(e);
	free(body);
	if (fd >= 0)
		close(fd);
	return true;
}

static bool parasite_answers(int sock)
{
	const struct parasite_vma v[3] = { { .len = 4096 } };
	uint64_t value = 0, bytes = 0;
	unsigned at = 0;
	size_t vma_at = 0;
	int why = 0;
	struct err *e = pc_call(sock, PC_BRK, &value);

	if (!e)
		e = pc_dump_wait(sock, &bytes, &at, &why);
	if (!e)
		e = pc_mprotect(sock, v, 3, 1, &vma_at);
	require(vma_at < 3, "the mapping at fault is one of those asked for", "");
	bool good = !e;

	err_free(e);
	return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int sv[2];
	bool good;

	if (!size || size > 60000 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv))
		return 0;
	send_messages(sv[1], data + 1, size - 1);
	shutdown(sv[1], SHUT_WR); /* the other side is gone then */
	good = data[0] & 1 ? parasite_answers(sv[0]) : keeper_answers(sv[0]);
	close(sv[0]);
	close(sv[1]);
	return good;
}

#ifndef LIBFUZZER
static size_t put_message(uint8_t *out, const void *m, size_t len)
{
	out[0] = (uint8_t)len;
	out[1] = (uint8_t)(len >> 8);
	memcpy(out + 2, m, len);
	return len + 2;
}

static bool one_answer(unsigned i)
{
	static uint8_t buf[65536];
	size_t n = 1;

	buf[0] = (uint8_t)rnd(2);
	if (buf[0]) {
		static const uint32_t cmd[] = { PC_BRK, PC_DUMP_PAGES, PC_MPROTECT };

		for (int k = 0; k < 3; k++) {
			struct parasite_reply r = { .cmd = cmd[k], .value = rnd64() };

			if (!rnd(6))
				r.err = -(int)rnd(200);
			r.at = (uint32_t)rnd(6);
			n += put_message(buf + n, &r, sizeof(r));
		}
	} else {
		static const char text[] = "something failed, and this is advice";
		struct keeper_msg m = { .op = (uint32_t)rnd(10), .err_code = (int32_t)rnd(14) - 1 };

		m.msg_len = (uint32_t)rnd(sizeof(text));
		m.hint_len = (uint32_t)rnd(sizeof(text) - m.msg_len);
		m.body_len = m.err_code >= 0 ? m.msg_len + m.hint_len : rnd(sizeof(text));
		n += put_message(buf + n, &m, sizeof(m));
		if (m.body_len)
			n += put_message(buf + n, text, m.body_len);
	}
	if (rnd(3))
		n = fuzz_mutate(buf, 1, n, sizeof(buf));
	return LLVMFuzzerTestOneInput(buf, n);
}

int main(int argc, char **argv)
{
	return fuzz_main(argc, argv, one_answer, 5, 95);
}
#endif

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Commands to the parasite, against a thread that plays it: correctly, wrongly, or by dying.
 * poll() is our own, so that a time-out does not take a minute; sendmsg() too, so that the peer can
 * die between two messages.
 */
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "engine/target/parasite_rpc.h"

#include "tests/lib/test.h"

static bool silence;
static int silence_ms;

int poll(struct pollfd *p, nfds_t nr, int timeout)
{
	struct timespec t = { timeout / 1000, timeout % 1000 * 1000000l };

	if (!silence)
		return ppoll(p, nr, timeout < 0 ? NULL : &t, NULL);
	silence_ms = timeout;
	return 0;
}

static int dies_before_2nd = -1; /* descriptor to close */

ssize_t sendmsg(int fd, const struct msghdr *h, int flags)
{
	static unsigned nr;

	if (dies_before_2nd < 0)
		nr = 0;
	else if (++nr == 2)
		close(dies_before_2nd);
	return syscall(SYS_sendmsg, fd, h, flags);
}

/* ---- the other side --------------------------------------------------------------- */

union answer {
	struct parasite_reply r;
	char bytes[64];
};

static struct script {
	/* Plays one command; returns how many bytes of `a` to answer with; 0: closes. */
	size_t (*play)(struct parasite_msg *m, const void *data, size_t len, union answer *a);
	unsigned commands;
} script;

static int mine, theirs;
static pthread_t thread;
static int got_fd = -1;

static void *parasite(void *arg)
{
	static union {
		struct parasite_msg m;
		char bytes[PARASITE_MSG_MAX + 8];
	} in;

	for (;;) {
		union answer a = { .r = { 0 } };
		ssize_t n = recv(theirs, &in, sizeof(in), 0);

		if (n < (ssize_t)sizeof(in.m))
			break;
		script.commands++;
		if (in.m.cmd == PC_DUMP_PAGES) {
			char byte, control[CMSG_SPACE(sizeof(int))];
			struct iovec one = { &byte, 1 };
			struct msghdr h = { .msg_iov = &one,
					    .msg_iovlen = 1,
					    .msg_control = control,
					    .msg_controllen = sizeof(control) };

			if (recvmsg(theirs, &h, 0) != 1 || !CMSG_FIRSTHDR(&h))
				break;
			memcpy(&got_fd, CMSG_DATA(CMSG_FIRSTHDR(&h)), sizeof(int));
		}
		a.r.cmd = in.m.cmd;
		size_t len =
			script.play(&in.m, in.bytes + sizeof(in.m), (size_t)n - sizeof(in.m), &a);

		if (got_fd >= 0)
			close(got_fd);
		got_fd = -1;
		if (!len || send(theirs, &a, len, MSG_NOSIGNAL) < 0)
			break;
	}
	close(theirs);
	return NULL;
}

static void begin(size_t (*play)(struct parasite_msg *, const void *, size_t, union answer *))
{
	int s[2];

	MUST(!socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s));
	mine = s[0];
	theirs = s[1];
	script = (struct script){ .play = play };
	MUST(!pthread_create(&thread, NULL, parasite, NULL));
}

static void end(void)
{
	close(mine);
	MUST(!pthread_join(thread, NULL));
}

/* ---- simple commands -------------------------------------------------------------- */

static size_t answers_42(struct parasite_msg *m, const void *data, size_t len, union answer *a)
{
	a->r.value = len || m->nr || m->add || m->fail_errno ? 0 : 40 + m->cmd;
	return sizeof(a->r);
}

TEST(a_value_comes_back)
{
	uint64_t v = 0;

	begin(answers_42);
	ok(pc_call(mine, PC_PING, &v));
	assert_int_equal(v, 41);
	ok(pc_call(mine, PC_BRK, &v));
	assert_int_equal(v, 44);
	ok(pc_call(mine, PC_QUIT, NULL));
	end();
	assert_int_equal(script.commands, 3);
}

static size_t answers_eperm(struct parasite_msg *m, const void *data, size_t len, union answer *a)
{
	a->r.err = -EPERM;
	a->r.value = 1;
	return sizeof(a->r);
}

TEST(an_error_in_the_target_keeps_its_number)
{
	uint64_t v = 77;

	begin(answers_eperm);
	struct err *e = pc_call(mine, PC_DUMPABLE, &v);

	assert_non_null(e);
	assert_int_equal(e->sys_errno, EPERM);
	fails(e, ERR_SYS, "DUMPABLE in the target");
	assert_int_equal(v, 77);
	end();
}

/* ---- bad replies ------------------------------------------------------------------ */

static size_t answers_short(struct parasite_msg *m, const void *data, size_t len, union answer *a)
{
	return sizeof(a->r) - 1;
}

static size_t answers_a_byte(struct parasite_msg *m, const void *data, size_t len, union answer *a)
{
	return 1;
}

static size_t answers_long(struct parasite_msg *m, const void *data, size_t len, union answer *a)
{
	return sizeof(a->r) + 1;
}

static size_t answers_other(struct parasite_msg *m, const void *data, size_t len, union answer *a)
{
	a->r.cmd = m->cmd + 1;
	return sizeof(a->r);
}

static size_t answers_positive_error(struct parasite_msg *m, const void *data, size_t len,
				     union answer *a)
{
	a->r.err = 13; /* errors are negative */
	return sizeof(a->r);
}

static size_t closes(struct parasite_msg *m, const void *data, size_t len, union answer *a)
{
	return 0;
}

TEST(every_command_refuses_a_bad_reply)
{
	static const struct {
		size_t (*play)(struct parasite_msg *, const void *, size_t, union answer *);
		enum err_code code;
		const char *text;
	} bad[] = {
		{ answers_short, ERR_CHECK, "23 bytes" },
		{ answers_a_byte, ERR_CHECK, "1 bytes" },
		{ answers_long, ERR_CHECK, "25 bytes" },
		{ answers_other, ERR_CHECK, "with command" },
		{ answers_positive_error, ERR_CHECK, "error 13" },
		{ closes, ERR_TARGET, "ended during" },
	};
	struct parasite_vma v = { .start = 0x1000, .len = PAGE, .prot = PROT_NONE };
	struct iovec iov = { (void *)0x1000, PAGE };
	uint64_t value = 77, bytes = 77;
	unsigned at_iov = 77;
	int why = 77, p[2];
	size_t at;

	MUST(!pipe(p));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		begin(bad[i].play);
		fails(pc_call(mine, PC_PING, &value), bad[i].code, bad[i].text);
		end();
		begin(bad[i].play);
		fails(pc_mprotect(mine, &v, 1, PROT_READ, &at), bad[i].code, bad[i].text);
		end();
		begin(bad[i].play);
		ok(pc_dump_send(mine, &(struct pc_pipe){ &iov, 1, p[1] }, 1));
		fails(pc_dump_wait(mine, &bytes, &at_iov, &why), bad[i].code, bad[i].text);
		end();
	}
	close(p[0]);
	close(p[1]);
	assert_int_equal(value, 77);
	assert_int_equal(bytes, 77);
	assert_int_equal(at_iov, 77);
	assert_int_equal(why, 77);
}

TEST(a_peer_that_is_gone)
{
	struct iovec iov = { (void *)0x1000, PAGE };
	uint64_t v = 77;
	int s[2];

	MUST(!socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s));
	close(s[1]);
	fails(pc_call(s[0], PC_PING, &v), ERR_TARGET, "gone");
	fails(pc_dump_send(s[0], &(struct pc_pipe){ &iov, 1, 0 }, 1), ERR_TARGET, "gone");
	close(s[0]);
	assert_int_equal(v, 77);
}

/* It dies between the command and the descriptor that follows. */
TEST(a_peer_that_goes_before_the_descriptor)
{
	struct iovec iov = { (void *)0x1000, PAGE };
	int s[2];

	MUST(!socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s));
	dies_before_2nd = s[1];
	struct err *e = pc_dump_send(s[0], &(struct pc_pipe){ &iov, 1, 0 }, 1);

	dies_before_2nd = -1;
	fails(e, ERR_TARGET, "gone");
	close(s[0]);
}

TEST(silence_ends)
{
	uint64_t v = 77;

	begin(answers_42);
	silence = true;
	struct err *e = pc_call(mine, PC_PING, &v);

	silence = false;
	assert_non_null(e);
	assert_non_null(e->hint);
	fails(e, ERR_TARGET, "did not answer PING");
	assert_true(silence_ms > 0 && silence_ms <= 60000);
	assert_int_equal(v, 77);
	end();
}

/* ---- mprotect --------------------------------------------------------------------- */

#define NR 2500u

static struct {
	unsigned nr[8], batches, seen;
	uint32_t add;
	bool wrong;
	unsigned fail_at; /* 0: never */
} mp;

static size_t plays_mprotect(struct parasite_msg *m, const void *data, size_t len, union answer *a)
{
	const struct parasite_vma *v = data;

	mp.wrong |= m->cmd != PC_MPROTECT || m->nr > PARASITE_MAX_VMAS || len != m->nr * sizeof(*v);
	mp.add = m->add;
	if (mp.batches < 8)
		mp.nr[mp.batches++] = m->nr;
	for (unsigned i = 0; i < m->nr && !mp.wrong; i++, mp.seen++) {
		mp.wrong |= v[i].start != (1 + mp.seen) * PAGE || v[i].len != PAGE ||
			    v[i].prot != (mp.seen & 7);
		if (mp.fail_at && mp.seen == mp.fail_at) {
			a->r.err = -EINVAL;
			a->r.at = i;
			break;
		}
	}
	return sizeof(a->r);
}

static struct parasite_vma *many(void)
{
	static struct parasite_vma v[NR];

	for (unsigned i = 0; i < NR; i++)
		v[i] = (struct parasite_vma){ .start = (1 + i) * PAGE, .len = PAGE, .prot = i & 7 };
	memset(&mp, 0, sizeof(mp));
	return v;
}

TEST(mprotect_goes_in_batches)
{
	struct parasite_vma *v = many();
	size_t at = 0;

	begin(plays_mprotect);
	ok(pc_mprotect(mine, v, NR, PROT_READ, &at));
	end();
	assert_false(mp.wrong);
	assert_int_equal(mp.seen, NR);
	assert_int_equal(mp.add, PROT_READ);
	assert_int_equal(mp.batches, 3);
	assert_int_equal(mp.nr[0], 1024);
	assert_int_equal(mp.nr[1], 1024);
	assert_int_equal(mp.nr[2], NR - 2048);
}

TEST(nothing_to_mprotect_sends_nothing)
{
	size_t at = 0;

	begin(plays_mprotect);
	ok(pc_mprotect(mine, NULL, 0, PROT_READ, &at));
	end();
	assert_int_equal(script.commands, 0);
}

TEST(the_vma_at_fault_is_named_across_batches)
{
	static const unsigned faults[] = { 1, 1023, 1024, 1025, 2047, 2048, NR - 1 };
	struct parasite_vma *v = many();

	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		char address[32];
		size_t at = ~0ul;

		many();
		mp.fail_at = faults[i];
		begin(plays_mprotect);
		struct err *e = pc_mprotect(mine, v, NR, 0, &at);

		end();
		assert_non_null(e);
		assert_int_equal(e->sys_errno, EINVAL);
		snprintf(address, sizeof(address), "%lx-", (1ul + faults[i]) * PAGE);
		fails(e, ERR_SYS, address);
		assert_int_equal(at, faults[i]);
		assert_int_equal(mp.seen, faults[i]);
		assert_int_equal(mp.batches, faults[i] / 1024 + 1);
		assert_int_equal(mp.add, 0);
	}
}

static size_t names_a_vma_that_was_not_sent(struct parasite_msg *m, const void *data, size_t len,
					    union answer *a)
{
	a->r.err = -EINVAL;
	a->r.at = 1u << 30;
	return sizeof(a->r);
}

TEST(an_index_from_outside_stays_in_range)
{
	struct parasite_vma *v = many();
	size_t at = ~0ul;

	begin(names_a_vma_that_was_not_sent);
	struct err *e = pc_mprotect(mine, v, 3, PROT_READ, &at);

	end();
	fails(e, ERR_SYS, "mprotect of");
	assert_true(at < 3);
}

/* ---- dump pages ------------------------------------------------------------------- */

static struct {
	bool wrong;
	unsigned nr;
} dp;

/* As the real one: splices what the iovecs say into the pipe that it was given. */
static size_t plays_dump_pages(struct parasite_msg *m, const void *data, size_t len,
			       union answer *a)
{
	const struct iovec *iov = data;

	dp.nr = m->nr;
	dp.wrong |= len != m->nr * sizeof(*iov);
	for (unsigned i = 0; i < m->nr && !dp.wrong; i++) {
		ssize_t n = vmsplice(got_fd, &iov[i], 1, SPLICE_F_NONBLOCK);

		if (n != (ssize_t)iov[i].iov_len) {
			a->r.err = n < 0 ? -errno : 0;
			a->r.at = i;
			if (n > 0)
				a->r.value += (uint64_t)n;
			break;
		}
		a->r.value += (uint64_t)n;
	}
	return sizeof(a->r);
}

TEST(pages_come_through_the_pipe)
{
	static char page[4][PAGE] __attribute__((aligned(4096)));
	struct iovec iov[2] = { { page[0], 2 * PAGE }, { page[3], PAGE } };
	uint64_t bytes = 0;
	unsigned at = 77;
	int why = 77, p[2];
	char back[3 * PAGE];

	for (int i = 0; i < 4; i++)
		memset(page[i], 'a' + i, PAGE);
	memset(&dp, 0, sizeof(dp));
	MUST(!pipe(p));
	begin(plays_dump_pages);
	ok(pc_dump_send(mine, &(struct pc_pipe){ iov, 2, p[1] }, 1));
	close(p[1]); /* the parasite has its own by now */
	ok(pc_dump_wait(mine, &bytes, &at, &why));
	assert_false(dp.wrong);
	assert_int_equal(bytes, 3 * PAGE);
	assert_int_equal(why, 0);
	end();
	assert_int_equal(read(p[0], back, sizeof(back)), sizeof(back));
	assert_memory_equal(back, page[0], PAGE);
	assert_memory_equal(back + PAGE, page[1], PAGE);
	assert_memory_equal(back + 2 * PAGE, page[3], PAGE);
	assert_int_equal(read(p[0], back, 1), 0); /* nobody holds the write end any more */
	close(p[0]);
}

TEST(a_splice_that_stops_says_where_and_why)
{
	char *area =
		mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct iovec iov[3] = { { area, PAGE }, { area + PAGE, PAGE }, { area + 2 * PAGE, PAGE } };
	uint64_t bytes = 0;
	unsigned at = 77;
	int why = 77, p[2];

	MUST(area != MAP_FAILED && !mprotect(area + PAGE, PAGE, PROT_NONE));
	memset(&dp, 0, sizeof(dp));
	MUST(!pipe(p));
	begin(plays_dump_pages);
	ok(pc_dump_send(mine, &(struct pc_pipe){ iov, 3, p[1] }, 1));
	ok(pc_dump_wait(mine, &bytes, &at, &why));
	end();
	assert_false(dp.wrong);
	assert_int_equal(bytes, PAGE);
	assert_int_equal(at, 1);
	assert_int_equal(why, EFAULT);
	close(p[0]);
	close(p[1]);
	munmap(area, 3 * PAGE);
}

TEST(as_many_iovecs_as_a_message_holds)
{
	static char page[PAGE] __attribute__((aligned(4096)));
	struct iovec iov[PARASITE_MAX_IOVS];
	uint64_t bytes = 0;
	unsigned at = 77;
	int why = 77, p[2];

	for (unsigned i = 0; i < PARASITE_MAX_IOVS; i++)
		iov[i] = (struct iovec){ page, PAGE };
	memset(&dp, 0, sizeof(dp));
	MUST(!pipe(p));
	begin(plays_dump_pages);
	ok(pc_dump_send(mine, &(struct pc_pipe){ iov, PARASITE_MAX_IOVS, p[1] }, 1));
	ok(pc_dump_wait(mine, &bytes, &at, &why));
	end();
	assert_false(dp.wrong);
	assert_int_equal(dp.nr, PARASITE_MAX_IOVS);
	/* 16 pages fit; a full pipe is an answer, not a hang */
	assert_int_equal(bytes, 16 * PAGE);
	assert_int_equal(at, 16);
	assert_int_equal(why, EAGAIN);
	close(p[0]);
	close(p[1]);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What /proc says of descriptors: texts as kernels write them, and texts that are broken. */
#include "engine/proc/files.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <stdlib.h>
#include <string.h>

#include "engine/proc/unix_diag.h"

#include "tests/lib/test.h"

#define TCP_HEAD                                                                                   \
	"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  "      \
	"timeout inode\n"

TEST(tcp_lines)
{
	struct proc_tcps t = { 0 };

	parse_tcp(TCP_HEAD
		  "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000002 00:00000000 00000000     "
		  "0        0 4711 1 0000000000000000 100 0 0 10 0\n"
		  "   1: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000     "
		  "0        0 17 1 0000000000000000 20 4 30 10 -1\n"
		  /* an orphan, which no descriptor can be of */
		  "   2: 0100007F:1F90 0100007F:C352 06 00000000:00000000 03:00000D2C 00000000     "
		  "0        0 0 3 0000000000000000\n",
		  &t);
	assert_int_equal(t.nr, 2);
	assert_int_equal(t.v[0].ino, 4711);
	assert_int_equal(t.v[0].state, PROC_TCP_LISTEN);
	assert_int_equal(t.v[0].rx_queue, 2);
	assert_int_equal(t.v[1].ino, 17);
	assert_int_equal(t.v[1].state, 1);
	proc_tcps_deinit(&t);
	assert_int_equal(t.nr, 0);
}

TEST(tcp6_and_broken_text)
{
	static const char *const broken[] = {
		"",        "\n",     TCP_HEAD,       TCP_HEAD "\n\n\n",
		"no head", "x\n0: ", "x\n0: 1 2 zz", TCP_HEAD "   0: 0100007F"
	};
	struct proc_tcps t = { 0 };

	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
		parse_tcp(broken[i], &t);
	assert_int_equal(t.nr, 0);
	parse_tcp(
		TCP_HEAD
		"   0: 00000000000000000000000000000000:0016 00000000000000000000000000000000:0000 0A "
		"00000000:00000000 00:00000000 00000000     0        0 99 1 0000000000000000 100 0 0 "
		"10 0", /* without its newline */
		&t);
	assert_int_equal(t.nr, 1);
	assert_true(proc_tcp_find(&t, 99) == &t.v[0]);
	assert_true(!proc_tcp_find(&t, 98) && !proc_tcp_find(&t, 100));
	proc_tcps_deinit(&t);
	assert_true(!proc_tcp_find(&t, 99));
}

/* One socket, bound to "@x" and connected, as sock_diag tells of it. */
struct diag_answer {
	struct nlmsghdr h;
	struct unix_diag_msg m;
	struct rtattr peer_head;
	uint32_t peer;
	struct rtattr name_head;
	char name[4];
};

static struct diag_answer diag_answer(void)
{
	return (struct diag_answer){
		.h = { .nlmsg_len = sizeof(struct diag_answer), .nlmsg_type = SOCK_DIAG_BY_FAMILY },
		.m = { .udiag_ino = 4711 },
		.peer_head = { .rta_len = RTA_LENGTH(4), .rta_type = UNIX_DIAG_PEER },
		.peer = 17,
		.name_head = { .rta_len = RTA_LENGTH(2), .rta_type = UNIX_DIAG_NAME },
		.name = "\0x",
	};
}

TEST(unix_peers)
{
	struct diag_answer a = diag_answer();
	struct proc_unixes u = { 0 };

	assert_false(parse_unix_diag(&a, sizeof(a), &u));
	assert_int_equal(u.nr, 1);
	assert_int_equal(u.v[0].ino, 4711);
	assert_int_equal(u.v[0].peer, 17);
	assert_string_equal(u.v[0].name, "@x");
	assert_ptr_equal(proc_unix_find(&u, 4711), &u.v[0]);
	assert_null(proc_unix_find(&u, 17));
	proc_unixes_deinit(&u);
}

/* Cut anywhere, with lengths that are no multiple of their alignment: `make asan` sees a byte too many. */
TEST(unix_peers_cut)
{
	for (size_t len = 0; len <= sizeof(struct diag_answer); len++)
		for (unsigned lie = 0; lie < 4; lie++) {
			struct diag_answer a = diag_answer();
			struct proc_unixes u = { 0 };
			char *exact = malloc(len ? len : 1);

			if (lie & 1)
				a.h.nlmsg_len = (uint32_t)len;
			if (lie & 2)
				a.peer_head.rta_len = RTA_LENGTH(1);
			memcpy(exact, &a, len);
			parse_unix_diag(exact, len, &u);
			assert_true(u.nr <= 1);
			proc_unixes_deinit(&u);
			free(exact);
		}
}

TEST(fdinfo_text)
{
	struct proc_fdinfo i;

	parse_fdinfo("pos:\t0\nflags:\t0100000\nmnt_id:\t29\nino:\t5\n", &i);
	assert_int_equal(i.mnt_id, 29);
	assert_true(!i.locked && !i.has_tty_index);
	parse_fdinfo("pos:\t0\nmnt_id:\t31\n"
		     "lock:\t1: FLOCK  ADVISORY  WRITE 359 00:13:11691 0 EOF\n"
		     "lock:\t2: POSIX  ADVISORY  READ 359 00:13:11691 0 9\n",
		     &i);
	assert_int_equal(i.mnt_id, 31);
	assert_true(i.locked);
	assert_string_equal(i.lock, "FLOCK  ADVISORY  WRITE 359 00:13:11691 0 EOF");
	parse_fdinfo("pos:\t0\ntty-index:\t3\n", &i);
	assert_true(i.has_tty_index && !i.mnt_id);
	parse_fdinfo("", &i);
	assert_true(!i.locked && !i.mnt_id);
}

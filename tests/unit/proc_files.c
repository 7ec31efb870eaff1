/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What /proc says of descriptors: texts as kernels write them, and texts that are broken. */
#include "engine/proc/files.h"

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

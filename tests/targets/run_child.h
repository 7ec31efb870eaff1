/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What run_child says about itself. */
#ifndef STEPDUMP_TESTS_RUN_CHILD_H
#define STEPDUMP_TESTS_RUN_CHILD_H

#define ZERO_PAGES 10u  /* read, never written */
#define LOCKED_PAGES 3u /* written, then PROT_NONE */

struct run_child {
	char *dense, *sparse, *zero, *locked, *filed;
	int fd; /* of the file behind `filed`; -1 */
};

#endif

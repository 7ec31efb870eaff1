/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Numbers as the shell's own lines show them. */
#ifndef STEPDUMP_FORMAT_H
#define STEPDUMP_FORMAT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* "48.0M" */
static inline void format_bytes(uint64_t bytes, char *buf, size_t len)
{
	static const char units[] = "BKMGTPE";
	double n = (double)bytes;
	unsigned u = 0;

	for (; n >= 1024 && u < sizeof(units) - 2; u++)
		n /= 1024;
	if (u)
		snprintf(buf, len, "%.1f%c", n, units[u]);
	else
		snprintf(buf, len, "%u", (unsigned)bytes);
}

#endif

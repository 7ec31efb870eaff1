/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/num.h"

#include <unistd.h>

unsigned long page_bytes(void)
{
	static unsigned long bytes;

	if (!bytes)
		bytes = (unsigned long)sysconf(_SC_PAGESIZE);
	return bytes;
}

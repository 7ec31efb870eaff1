/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "proto/names.h"

#include <strings.h>

static const char *const phases[] = {
	[PH(READY)] = "ready",       [PH(PREPARE)] = "prepare",
	[PH(PMC_FILL)] = "pmc-fill", [PH(GENERATE_IOVS)] = "generate-iovs",
	[PH(DRAIN)] = "drain",       [PH(XFER)] = "xfer",
	[PH(GATE)] = "gate",         [PH(RESET)] = "reset",
	[PH(DONE)] = "done",
};

const char *phase_name(phase_t p)
{
	return phases[p];
}

int phase_from_name(const char *name)
{
	for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++)
		if (!strcasecmp(phases[i], name))
			return (int)i;
	return -1;
}

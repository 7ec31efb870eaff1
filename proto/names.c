/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The names by which commands, prompts and breakpoints call phases and verdicts. */
#include "proto/names.h"

#include <strings.h>

static const char *const phases[] = {
	[PH(READY)] = "ready",       [PH(PREPARE)] = "prepare",
	[PH(PMC_FILL)] = "pmc-fill", [PH(GENERATE_IOVS)] = "generate-iovs",
	[PH(DRAIN)] = "drain",       [PH(XFER)] = "xfer",
	[PH(GATE)] = "gate",         [PH(RESET)] = "reset",
	[PH(DONE)] = "done",
};

static const char *const verdicts[NR_VERDICTS] = {
	[VD(NOT_SCANNED)] = "not-scanned",
	[VD(DUMP)] = "dump",
	[VD(DUMP_SWAPPED)] = "swapped",
	[VD(ALWAYS)] = "always",
	[VD(HOLE)] = "hole",
	[VD(ZERO)] = "zero",
	[VD(FILE_CLEAN)] = "file",
	[VD(ABSENT)] = "absent",
	[VD(GUARD)] = "guard",
	[VD(NEVER)] = "never",
	[VD(SHARED)] = "shared",
};

static int lookup(const char *const *names, int nr, const char *name)
{
	for (int i = 0; i < nr; i++)
		if (!strcasecmp(names[i], name))
			return i;
	return -1;
}

const char *phase_name(phase_t p)
{
	return phases[p];
}

int phase_from_name(const char *name)
{
	return lookup(phases, sizeof(phases) / sizeof(phases[0]), name);
}

const char *verdict_name(verdict_t v)
{
	return verdicts[v];
}

int verdict_from_name(const char *name)
{
	return lookup(verdicts, NR_VERDICTS, name);
}

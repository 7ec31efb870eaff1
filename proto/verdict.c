/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "proto/verdict.h"

#include <strings.h>

static const struct verdict_info verdicts[NR_VERDICTS] = {
	[VD(NOT_SCANNED)] = {
		.name = "not-scanned",
		.glyph = '_',
		.brief = "to scan",
		.legend = "not scanned yet",
		.meaning = "the pipeline has not reached it yet",
		.why = "not scanned",
		.rule = "",
	},
	[VD(DUMP)] = {
		.name = "dump",
		.glyph = '#',
		.data = true,
		.brief = "pipe",
		.legend = "to pipe",
		.meaning = "present: goes into a pipe",
		.why = "dumped",
		.rule = "should_dump_page(): present, not the zero page, not a page of a file",
	},
	[VD(DUMP_SWAPPED)] = {
		.name = "dump-swapped",
		.glyph = 's',
		.data = true,
		.brief = "swap",
		.legend = "swapped, to pipe",
		.meaning = "swapped out: goes into a pipe, the splice reads it in",
		.why = "dumped (swapped)",
		.rule = "should_dump_page(): swapped out; the splice reads it back in",
	},
	[VD(ALWAYS)] = {
		.name = "always",
		.glyph = '!',
		.data = true,
		.brief = "always",
		.legend = "always dumped",
		.meaning = "goes into a pipe whatever the pagemap says: vdso, AIO ring",
		.why = "always dumped",
		.rule = "should_dump_page(): vdso and AIO rings are dumped whole",
	},
	[VD(HOLE)] = {
		.name = "hole",
		.glyph = '=',
		.brief = "parent",
		.legend = "hole: parent has it",
		.meaning = "unchanged since the parent dump, which has it",
		.why = "hole",
		.rule = "generate_iovs(): parent has it and it is not dirty -> PP_HOLE_PARENT",
	},
	[VD(ZERO)] = {
		.name = "zero",
		.glyph = 'z',
		.brief = "zero",
		.legend = "zero page",
		.meaning = "the kernel's zero page: comes back by itself as untouched memory",
		.why = "skipped (zero page)",
		.rule = "should_dump_page(): the kernel's zero page reads the same when untouched",
	},
	[VD(FILE_CLEAN)] = {
		.name = "file-clean",
		.glyph = 'f',
		.brief = "file",
		.legend = "clean file page",
		.meaning = "a private file page that nobody wrote to: the file has it",
		.why = "skipped (clean file page)",
		.rule = "should_dump_page(): page of the mapped file, never written: the file has it",
	},
	[VD(ABSENT)] = {
		.name = "absent",
		.glyph = '.',
		.brief = "absent",
		.legend = "not present",
		.meaning = "never touched: there is nothing to dump",
		.why = "skipped (absent)",
		.rule = "should_dump_page(): neither present nor swapped: restored untouched",
	},
	[VD(GUARD)] = {
		.name = "guard",
		.glyph = 'g',
		.brief = "guard",
		.legend = "guard",
		.meaning = "a guard region (MADV_GUARD_INSTALL)",
		.why = "skipped (guard page)",
		.rule = "should_dump_page(): guard page (MADV_GUARD_INSTALL), recorded in mm-PID.img",
	},
	[VD(NEVER)] = {
		.name = "never",
		.glyph = 'x',
		.brief = "never",
		.legend = "never dumped",
		.meaning = "in a mapping that is skipped by rule: vvar, vsyscall, droppable",
		.why = "never dumped",
		.rule = "generate_iovs(): VMAs of this kind are recreated by the kernel, not restored",
	},
	[VD(SHARED)] = {
		.name = "shared",
		.glyph = 'S',
		.brief = "shared",
		.legend = "shared: dumped with its object",
		.meaning = "in a shared mapping: the object is dumped once, separately",
		.why = "dumped with its shared object, if it has data",
		.rule = "vma_area_is_private(): shared memory is dumped once, as an object",
	},
};

static const struct verdict_info unknown = {
	.name = "unknown",
	.glyph = '?',
	.brief = "unknown",
	.legend = "unknown",
	.meaning = "unknown to this stepdump",
	.why = "unknown to this stepdump",
	.rule = "",
};

const struct verdict_info *verdict_info(verdict_t v)
{
	return (unsigned)v < NR_VERDICTS ? &verdicts[v] : &unknown;
}

int verdict_from_name(const char *name)
{
	for (int i = 0; i < NR_VERDICTS; i++)
		if (!strcasecmp(verdicts[i].name, name))
			return i;
	return -1;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What stands on the screen beside a value: labels of fields, names of checks, bits by name. */
#include "shell/explain.h"

#define FIELD(names, what, look)                                                                   \
	{                                                                                          \
		names, "field", what, NULL, NULL, NULL, look, NULL                                 \
	}
#define FIELD_HERE(names, what, look, here)                                                        \
	{                                                                                          \
		names, "field", what, NULL, NULL, NULL, look, here                                 \
	}
#define CHECK(names, what)                                                                         \
	{                                                                                          \
		names, "check", what, NULL, NULL, NULL, "show checks", NULL                        \
	}
#define FLAG(names, what, criu, look)                                                              \
	{                                                                                          \
		names, "flag", what, NULL, criu, NULL, look, NULL                                  \
	}

const struct explain_term explain_fields[] = {
	/* ---- pmc ---------------------------------------------------------------------------- */
	FIELD_HERE(
		"filled by",
		"How the pmc is filled: scan is the ioctl PAGEMAP_SCAN, which reports regions of equal "
		"pages; pread reads 8 bytes for each page.",
		"show pmc, show caps", here_pmc),
	FIELD_HERE(
		"window kind",
		"Cache mode: one window of 2 MiB over several small VMAs. Simple mode: exactly one VMA.",
		"show pmc, explain window", here_pmc),
	FIELD_HERE("covers",
		   "How many VMAs lie in the window, so that one fill serves all of them.",
		   "show pmc", here_pmc),
	FIELD_HERE(
		"look-ups",
		"Of VMAs in the pmc: a hit lies in the window, a miss moves it and fills it again.",
		"show pmc, break pmc-fill", here_pmc),
	FIELD_HERE(
		"fills",
		"How often the pagemap was read: once per miss, and again where a scan ended early.",
		"show pmc, show stats", here_pmc),
	FIELD_HERE("holds",
		   "Entries or regions of pages that the pmc holds, and the memory for them.",
		   "show pmc", here_pmc),

	/* ---- xfer --------------------------------------------------------------------------- */
	FIELD_HERE(
		"staged in|now open|pages file",
		"The directory in which the images grow until they are published, the image that is being "
		"written, and the file with the pages' contents.",
		"show xfer, explain staging", here_xfer),
	FIELD("commit goes to|room on disk",
	      "The directory that `commit` publishes, complete or not at all, and what its file system has left.",
	      "show xfer, commit DIR"),
	FIELD_HERE(
		"sent",
		"To a page server: bytes and messages, how much is still on the way, and how fast.",
		"show xfer, help page-server", here_xfer),

	/* ---- where the engine is ------------------------------------------------------------- */
	FIELD("NOW|NEXT|DONE|mirrors",
	      "The unit that was done, the one that comes next, and the functions of CRIU that do the same.",
	      "show cursor, next"),
	FIELD("item|units done|scanned below",
	      "The task or shared object whose pages are dumped, how many units are done, and up to which "
	      "address its pages have a verdict.",
	      "show cursor"),
	FIELD("KEYS|LOG|PAGES|PIPES|CHECK|XFER|ERROR",
	      "The parts of the pipeline view: what each key would do, the last events, the pages by verdict, "
	      "the pipes, the invariants, the images, and the last failure.",
	      "view pipeline"),
	FIELD("command|its arguments|what it does",
	      "What drain sends to the parasite for a ppb, and the system calls that it makes of it.",
	      "show ppb 0, explain DUMPPAGES"),

	/* ---- the target ---------------------------------------------------------------------- */
	FIELD("command line|before us|frozen for|parent, user",
	      "Of the process: its arguments, whether it ran or was stopped when it was attached, for how long "
	      "it has been frozen, its parent and its user.",
	      "show target"),
	FIELD_HERE(
		"private memory|swapped out",
		"Pages of private mappings, which the scan judges one by one, and what is in swap.",
		"show target, show vmas", here_vma),
	FIELD("range|protection|file offset|cannot dump|status|madvise",
	      "Of one VMA: its addresses, what it allows, where it begins in its file, why it cannot be dumped, "
	      "and its bits by name.",
	      "show vmas 0"),
	FIELD("facts|rule|held by|page",
	      "Of one page: what the kernel says of it, the rule that follows, and the ppb or image that has it.",
	      "why ADDR"),
	FIELD_HERE(
		"dirty tracking|because|armed for|changed since",
		"The tracker: which kind, why that one, since when it watches, and the pages written since.",
		"show tracker, set track", here_tracker),

	/* ---- failures ------------------------------------------------------------------------ */
	FIELD("what failed|cause|seen|what to do|address",
	      "Of the last failure: the error, which known cause it has and what was seen of it, and what to do "
	      "about it.",
	      "show error, explain CAUSE"),
	FIELD("severity|seen before|in the log|advice|reported|CRIU's phase",
	      "Of a cause in the catalogue: how bad it is, how it is seen before a dump and in a log, in which "
	      "phase of CRIU it strikes, what helps, and who reported it.",
	      "explain CAUSE, check PID, log FILE"),

	/* ---- a criu that is watched ---------------------------------------------------------- */
	FIELD("criu|next call|last call|stops|mode",
	      "Of a criu that is watched: its process, the system call it stands before or behind, how often it "
	      "was held, and how closely it is watched.",
	      "show watch, help watching"),

	/* ---- checks -------------------------------------------------------------------------- */
	CHECK("sum|sum ok",
	      "The verdicts of all kinds add up to the private pages: no page is lost or counted twice."),
	CHECK("iovs sorted",
	      "The iovs of each ppb rise and do not overlap, as the order of the pages file has to."),
	CHECK("FIONREAD = plan",
	      "The bytes that the kernel reports in the pipes are those that were planned."),
	CHECK("selected = planned + out",
	      "Each page that was selected is still in the page-pipe or has been written."),
	CHECK("holes in parent", "Each hole that was written was found in the parent's images."),

	/* ---- bits ---------------------------------------------------------------------------- */
	FLAG("REGULAR|STACK|VSYSCALL|VDSO|HEAP|VVAR|AIORING|SYSVIPC|SOCKET|MEMFD|SHSTK|UPROBES|UNSUPP",
	     "Of a VMA, in its status: what the kernel or CRIU uses it for; UNSUPP cannot be dumped.",
	     "VMA_AREA_* and VMA_UNSUPP in criu/include/image.h", "show vmas 0"),
	FLAG("FILE_PRIVATE|FILE_SHARED|ANON_PRIVATE|ANON_SHARED",
	     "Of a VMA, in its status: a file or no file, private or shared. It decides which pages are dumped.",
	     "VMA_FILE_PRIVATE and its like in criu/include/image.h", "show vmas 0"),
	FLAG("MAP_SHARED|MAP_PRIVATE|MAP_DROPPABLE|MAP_ANONYMOUS|MAP_GROWSDOWN|MAP_LOCKED|MAP_NORESERVE|"
	     "MAP_HUGETLB|flags",
	     "Flags of mmap() that make the same mapping again.", "flags of VmaEntry in mm.img",
	     "show vmas 0"),
	FLAG("MADV_RANDOM|MADV_SEQUENTIAL|MADV_DONTFORK|MADV_MERGEABLE|MADV_HUGEPAGE|MADV_NOHUGEPAGE|"
	     "MADV_DONTDUMP|MADV_WIPEONFORK",
	     "Advice of madvise() that holds for a VMA; the restore gives it again.",
	     "madv of VmaEntry in mm.img", "show vmas 0"),
	FLAG("GUARD|PAGE_IS_GUARD|uffd-wp|exclusive|present|swap|file|pagemap bits",
	     "Bits of a pagemap entry: 63 present, 62 swap, 61 file, 58 guard, 57 uffd-wp, 56 exclusive, 55 "
	     "soft-dirty.",
	     "PME_* in criu/include/pagemap_scan.h", "why ADDR, show pmc"),
	{ NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL },
};

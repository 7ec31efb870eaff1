/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the terms mean: phases, structures, verdicts, flags, events. */
#include "shell/explain.h"

const struct explain_term explain_ideas[] = {
	/* ---- structures ---------------------------------------------------------------------- */
	{ "page_pipe|page-pipe|pp", "structure",
	  "The list of pipes (ppbs) that the pages of one chunk go through, with all iovs and holes.",
	  "Pages leave the target by reference: they are spliced into pipes while it is frozen, and "
	  "written from there. Nothing is copied.",
	  "struct page_pipe, create_page_pipe() in criu/page-pipe.c",
	  "As described there. In a dump the page-pipe is bound to 8 pipes and reused (chunk mode); in "
	  "a pre-dump it takes as many as it needs, for the pages stay in it until the target runs.",
	  "show ppb, show iovs, show holes, view pipes", here_ppb },
	{ "ppb|page_pipe_buf|page-pipe buffer", "structure",
	  "One pipe of the page-pipe: which iovs go into it, how many pages are planned (pages_in), "
	  "and how much the kernel lets it hold (pipe_size).",
	  "A pipe has a limited size, so a dump needs several; one ppb is one DUMPPAGES command, "
	  "which is one unit of drain.",
	  "struct page_pipe_buf, ppb_alloc(), ppb_resize_pipe()",
	  "As described there. Where some pages are lazy, a change of LAZY begins another ppb, which may "
	  "share the pipe of the one before.",
	  "show ppb, show ppb 0, break drain if ppb == 1", here_ppb },
	{ "iov|iovec|iovs", "structure",
	  "An address and a number of pages: a range of the target that goes into a pipe in one piece.",
	  "vmsplice() takes an array of them. Neighbouring pages merge into one iov, so that sparse "
	  "memory costs many iovs and dense memory few.",
	  "struct iovec in struct page_pipe, generate_iovs()", NULL,
	  "show iovs, show iovs 0, x ADDR pipe", here_iov },
	{ "recording|record|replay|stop", "term",
	  "A file with what was known at each stop of a dump, to be played like a live one.",
	  "The target is frozen only as long as it is dumped; a recording can be looked at later, by others, "
	  "without the process, root or its kernel.",
	  NULL, NULL, "record FILE, open FILE, goto N, back", NULL },
	{ "args->off|off|nr_segs|pp->iovs|args", "term",
	  "What DUMPPAGES tells the parasite: which part of pp->iovs is meant, from args->off on, nr_segs iovs "
	  "with nr_pages pages; the pipe's descriptor follows.",
	  "All iovs of the page-pipe are one array, which the target can see; a ppb is a stretch of it.",
	  "struct parasite_dump_pages_args, drain_pages(), dump_pages() in criu/pie/parasite.c",
	  "As described there. Here each ppb has an array of its own, so `off` counts the iovs of the ppbs "
	  "before it.",
	  "show ppb 1, show events", NULL },
	{ "clear_refs", "term",
	  "/proc/PID/clear_refs: 4 written to it makes all pages clean (soft-dirty), and the next store to a "
	  "page dirty again.",
	  "What is dirty then belongs to the next dump, so it is written when this one is durable.",
	  "do_task_reset_dirty_track() in criu/mem.c",
	  "The text writes it in pre-dump and in dump. A kernel without soft-dirty takes the 4 and does "
	  "nothing: here a store is tried out first, and userfaultfd takes its place.",
	  "set track auto, break reset, show events, show tracker", here_tracker },
	{ "xfer operations|write_pagemap|write_pages|write_hole|operations", "structure",
	  "What a page_xfer can do: write_pages moves pages out of a pipe, write_pagemap records them, write_hole "
	  "records a hole, close ends the object.",
	  "The pipeline does not know whether it writes files or sends to a page server.",
	  "struct page_xfer, open_page_xfer() in criu/page-xfer.c",
	  "In the text write_hole is an operation of its own. Later CRIU writes a hole as a pagemap entry with "
	  "PE_PARENT, as here; it is counted apart.",
	  "show xfer, step to xfer and next", here_xfer },
	{ "low|high|gap|low, high|why simple|why cache", "term",
	  "The window of the pmc for a VMA: low is its start rounded down to 2 MiB, high is 2 MiB above low, the "
	  "gap is from low to its start.",
	  "Cache mode needs a VMA below 2 MiB, a gap below 512 KiB, and a next VMA that ends below high; the pane "
	  "says which of these does not hold.",
	  "pmc_fill_cache(), PMC_SIZE, PMC_SIZE_GAP", NULL, "show pmc", here_pmc },
	{ "time line|TIME", "term",
	  "How many units each phase has done, in proportion: p prepare, m pmc-fill, g generate-iovs, d drain, x "
	  "xfer, r reset; > is here.",
	  NULL, NULL, NULL, "view pipeline, back, goto N", NULL },
	{ "hole|holes", "structure",
	  "A range of pages that did not change since the parent dump: the pagemap says \"look in the "
	  "parent\", and no data are written.",
	  "This is what makes a dump incremental.", "page_pipe_add_hole(), dump_holes(), PE_PARENT",
	  "Texts of 2017 call the dirty pages holes. It is the other way round: dirty pages are "
	  "dumped, clean ones are holes. Here each hole is also checked through the whole chain.",
	  "show holes, break verdict hole, show parents, help chains", here_hole },
	{ "pmc|pagemap cache|pagemap-cache", "structure",
	  "The pagemap cache: what the kernel says about the pages of a window of addresses. A VMA "
	  "that lies in the window is a hit, any other is a miss and one fill.",
	  "One system call for many small neighbours instead of one for each.",
	  "pmc_get_map(), pmc_fill_cache() in criu/pagemap-cache.c",
	  "The text knows only pread() of /proc/PID/pagemap. Since Linux 6.7 ioctl PAGEMAP_SCAN "
	  "returns regions; both are here (`set pmc scan|pread`), with equal results.",
	  "show pmc, until pmc-fill, set pmc-cache off", here_pmc },
	{ "window|cache mode|simple mode", "term",
	  "What one fill of the pmc covers. Cache mode: 2 MiB, aligned, several VMAs. Simple mode: the "
	  "VMA alone.",
	  "Cache mode pays when small VMAs lie close together: the VMA that missed is below 2 MiB, "
	  "starts less than 512 KiB above the window's start (the gap), and a neighbour ends inside "
	  "the window. If any of the three does not hold, it is simple mode.",
	  "pmc_fill_cache(), PMC_SIZE, PMC_SIZE_GAP", NULL, "show pmc", here_pmc },
	{ "fault|fault point|fault injection", "term",
	  "A step that is made to fail on purpose, once: with an errno, with a short count, late, or by a "
	  "kill of stepdump or of its keeper.",
	  "\"Do no harm\" is worth what a test of it is worth. A fault shows what is undone, and what the "
	  "error says, on a disk that is full or with a target that refuses, without either.",
	  "enum faults, FI_DUMP_PAGES in criu/include/fault-injection.h",
	  "CRIU has one fault for each run, chosen by the environment; here there is a point at every step "
	  "that can fail, in stepdump, its keeper and its parasite.",
	  "fault list, show fault, show undo", NULL },
	{ "undo|undo journal", "term",
	  "What was put back and removed, step by step: protections, mappings, registers, descriptors, "
	  "threads, files.",
	  "It is written by whoever does it, stepdump or its keeper, into memory that both have, so it tells "
	  "also of what was done after an error.",
	  NULL, NULL, "show undo", NULL },
	{ "pstate|pstates|page state|pst", "structure",
	  "Two bits for each page of a shared memory object: bits 2n and 2n+1 are page n. 0 do not "
	  "dump, 1 dump, 2 zero, 3 dirty.",
	  "Several mappings, in several processes, see the same page; it is dumped once. The states "
	  "that they contribute are ORed, so a state only ever rises.",
	  "struct shmem_info.pstate_map, set_pstate(), update_shmem_pmaps()",
	  "The old walk covers the pages of the whole object over the map of one VMA, and reads past "
	  "its end if the object is larger. Here it covers the VMA's own pages, at their offset.",
	  "set track-shmem on, show shmem, show pstate", here_shmem },
	{ "shmem|shmid|shared memory", "structure",
	  "A shared memory object (anonymous, memfd, SysV), named by its shmid. Its pages are "
	  "dumped once, after the tasks, into files of its own.",
	  "Whoever maps it, its contents must be in the images exactly once.",
	  "struct shmem_info, add_shmem_area(), cr_dump_shmem()", NULL, "show shmem, show pstate",
	  here_shmem },
	{ "page_xfer|xfer", "phase",
	  "Where pagemap entries and pages go: image files, or nowhere in a rehearsal. In the phase "
	  "xfer, one unit is one entry: an iov with its pages, or a hole checked in the parent.",
	  "The operations (write_pagemap, write_pages, write_hole, close) hide what is behind them: "
	  "files, or a page server.",
	  "struct page_xfer, open_page_xfer(), page_xfer_dump_pages()",
	  "A hole that is written with an offset had its address changed in place; here addresses "
	  "stay as they were found.",
	  "show xfer, until xfer, set xfer null", here_xfer },
	{ "page server|page-server|wire", "structure",
	  "The program that takes pages on another machine. A client opens an object (OPEN2), sends its "
	  "entries, pages behind those that have some (ADD_F), and closes (CLOSE); the answer to that "
	  "says that all is stored.",
	  "Pages go to where they will be restored without lying on a disk here first.",
	  "open_page_server_xfer(), page_server_serve(), struct page_server_iov",
	  "CRIU 4.2 made the header 32 bytes long, it was 24, and nothing in a message tells which it "
	  "is: `set wire auto` finds out by asking for a parent in a way that both understand.",
	  "set xfer server, show xfer, serve, help chains", here_xfer },
	{ "handoff|hand-over|checkpoint", "term",
	  "The full checkpoint, with registers, files and sockets, by the installed criu: after a "
	  "pre-dump of ours that is its parent, or a rehearsal where CRIU cannot use one.",
	  "stepdump dumps memory; what can be restored is made by CRIU.", "cr_dump_tasks()", NULL,
	  "handoff DIR, set criu PATH, check PID", NULL },
	{ "pagemap|pagemap entry|entry", "term",
	  "Two things: the kernel's /proc/PID/pagemap (one word a page), which is read; and the image "
	  "pagemap-PID.img (one entry a range), which is written. An entry has an address, a number of "
	  "pages and flags; its pages follow each other in pages-N.img.",
	  NULL, "PagemapEntry in images/pagemap.proto",
	  "Older entries say in_parent; now there are flags: PRESENT, LAZY, PARENT.",
	  "show xfer, show pages, why ADDR", here_xfer },
	{ "vma|mapping|vmas", "structure",
	  "A mapping of the target: a range of addresses with one protection and one thing behind it.",
	  "The scan goes VMA by VMA; its kind decides the rules for all of its pages.",
	  "struct vma_area, collect_mappings(), parse_smaps()", NULL,
	  "show vmas, show vmas N, show map, break vma N", here_vma },
	{ "parent|parents|chain|generation|parent link", "term",
	  "The earlier dump that holes point into: a link `parent` in the image directory. It may "
	  "have a parent too; a chain ends with a full dump.",
	  "Most memory does not change between two dumps.",
	  "open_parent(), open_page_read_at(), page_read.parent", NULL,
	  "set parent DIR, show parents, help chains", here_parent },
	{ "tracker|dirty tracking|soft-dirty|uffd", "structure",
	  "What knows which pages were written since the last dump: soft-dirty bits, or userfaultfd "
	  "write-protection where the kernel has no such bits.",
	  "Without it every page has to be dumped again.",
	  "task_reset_dirty_track(), kdat.has_dirty_track",
	  "The text knows soft-dirty alone. Clearing it succeeds even on kernels that do not have it, so "
	  "here it is tried on a page of our own before it is trusted.",
	  "show tracker, set track, help tracking", here_tracker },
	{ "clear_refs|clear_refs 4", "term",
	  "Writing 4 to /proc/PID/clear_refs clears the soft-dirty bits of all pages of a process: a "
	  "new round of tracking begins.",
	  "CRIU does it while the dump runs; here it is the last step, after the images are durable, "
	  "so that a failed dump loses no history.",
	  "do_task_reset_dirty_track()", NULL, "show tracker, show events", NULL },
	{ "parasite|infect|cure", "structure",
	  "Position-independent code that is put into the target (infect) and taken out again (cure). "
	  "It runs on a borrowed thread and obeys commands over a socket.",
	  "Only the target itself can vmsplice() its own pages.",
	  "compel_infect(), parasite_dump_pages_seized(), compel_cure()", NULL,
	  "show target, until pmc-fill", here_parasite },
	{ "DUMPPAGES|PARASITE_CMD_DUMPPAGES|vmsplice|dumppages", "term",
	  "The command that makes the parasite vmsplice() the iovs of one ppb into its pipe, with the flags "
	  "SPLICE_F_GIFT | SPLICE_F_NONBLOCK. args->off is the first of the chunk's iovs, args->nr_segs "
	  "how many, args->nr_pages what they hold; the pipe's write end comes over the socket.",
	  "vmsplice() puts references to the pages into the pipe, so it takes microseconds.",
	  "dump_pages() in criu/pie/parasite.c, drain_pages() in criu/mem.c", NULL,
	  "until drain, next, show ppb 0, show events", here_ppb },
	{ "PROT_READ|made readable|add prot", "term",
	  "Mappings without PROT_READ get it for the time of the dump, and lose it again in reset, "
	  "restart and abort.",
	  "vmsplice() cannot read what the target itself cannot read.",
	  "PARASITE_CMD_MPROTECT_VMAS, parasite_mprotect_seized()", NULL, "show vmas, show target",
	  here_parasite },

	/* ---- phases -------------------------------------------------------------------------- */
	{ "prepare", "phase",
	  "Collects VMAs, opens parent and tracker, infects, adds PROT_READ, sizes the pmc, makes the "
	  "page-pipe, opens the xfer: one unit each.",
	  NULL, "prep_dump_pages_args(), pmc_init(), create_page_pipe(), open_page_xfer()", NULL,
	  "step, show target, show tracker", NULL },
	{ "pmc-fill", "phase",
	  "Looks one VMA up in the pagemap cache: a hit, or a miss and one fill.", NULL,
	  "pmc_get_map()", NULL, "until pmc-fill, show pmc", here_pmc },
	{ "generate-iovs|generate_iovs|scan", "phase",
	  "Gives each run of pages its verdict: an iov, a hole, or nothing.", NULL,
	  "generate_iovs(), should_dump_page()", NULL, "until generate-iovs, show pages, why ADDR",
	  here_iov },
	{ "drain|second-drain", "phase",
	  "The parasite splices the pages of one ppb into its pipe. When nobody steps, it is asked for all "
	  "ppbs of a chunk at once and fills the next while one is transferred; and to a tmpfs, where "
	  "`show caps` says that second-drain works, a second thread moves every other load by UFFDIO_COPY.",
	  "The target stays frozen until the last page has left the pipes: they hold references, not "
	  "copies.",
	  "drain_pages()", "There one thread does all of it, one after the other.",
	  "until drain, next, show ppb", here_ppb },
	{ "chunk|-EAGAIN|EAGAIN|chunk mode", "term",
	  "What eight pipes hold. When they are full, adding a page gives -EAGAIN: the pipes are drained "
	  "and transferred, the page-pipe is reinitialised, and the scan goes on at the same address.",
	  "It bounds the memory and descriptors of a dump, whatever the size of the target.",
	  "NR_PIPES_PER_CHUNK, page_pipe_reinit(), the loop around generate_iovs()",
	  "As described there.", "until chunk 2, finish, show cursor", here_chunk },
	{ "gate|commit gate|commit", "phase",
	  "Between xfer and reset: everything is staged, nothing is published, and the dirty bits are as "
	  "they were. `commit DIR` passes it; `restart` and `abort` drop it all.",
	  "The last moment at which a dump can be given up without a trace.",
	  "none: CRIU writes images in place", NULL, "continue, show checks, commit DIR", NULL },
	{ "reset", "phase",
	  "Restores protections, checks and syncs the images, renames them into place, clears dirty "
	  "tracking, cures.",
	  "In this order, so that no failure costs data or history.",
	  "parasite_mprotect_seized(), task_reset_dirty_track(), compel_cure()", NULL,
	  "commit DIR, show events", NULL },
	{ "ready|done", "phase", "ready: attached, nothing has begun. done: committed.", NULL, NULL,
	  NULL, "show cursor, show phases", NULL },
	{ "unit|units", "term",
	  "The smallest step that can be looked at: what `next` does. `help phases` says what it is in "
	  "each phase.",
	  NULL, NULL, NULL, "next, show phases", NULL },
	{ "freezing|frozen|freeze|freezing_time|frozen_time", "term",
	  "freezing_time is from the first thread seized until all stand; frozen_time from then until they run "
	  "again, as the keeper saw both. stats-dump has the same, also if you detach long after the commit.",
	  "The second one is what users of the target notice.", "struct timing in criu/stats.c",
	  NULL, "show stats, set thaw drained", NULL },
	{ "thaw", "term",
	  "When a commit lets the target run: `off` when you detach, `committed` when the set is "
	  "published, `drained` as soon as all pages are in files, before they are checked, on the disk and "
	  "published. `auto`, the setting of -batch, is drained, but committed with soft-dirty tracking. "
	  "With a page server drained is committed too: a socket holds the pages themselves, not copies.",
	  "A disk takes longer than the memory. If a drained set fails after the thaw, what was dirty is "
	  "in no set, and the next dump is a full one, as after a pre-dump.",
	  "none: criu syncs nothing", NULL, "set thaw drained, show stats", NULL },
	{ "preflight", "term",
	  "What would make CRIU fail although the memory can be dumped: an open device, a deleted file that is "
	  "too large, a kind of socket that CRIU does not know, SysV memory of the host. `warn`: attach counts what "
	  "`check` finds, the gate and commit say \"criu would fail here\". `refuse`: attach and commit refuse with "
	  "the cause, also for what can hurt the process. `off`: nobody looks. stepdump --preflight refuse sets it "
	  "before -p attaches.",
	  "The images of stepdump hold memory, registers and mappings, and no files: the file phase of CRIU, in which "
	  "these dumps fail, is not run.",
	  "dump_one_file() in criu/files.c", NULL, "set preflight refuse, check", NULL },
	{ "reserve", "term",
	  "Room for the pages, made while the target still runs: on a tmpfs the pages files are allocated as "
	  "large as the dump will probably be (RssAnon, swap, shared objects), and cut to size afterwards. "
	  "`on`: attach does it if `set dir` says where. `auto`, the setting of -batch, does it also for the "
	  "first `-ex 'commit DIR'`, and says nothing if it cannot. Not with a parent, in a pre-dump, to a "
	  "server, on a disk, or where a sixteenth of the tmpfs would not stay free.",
	  "Allocating pages is the greater part of a write to a tmpfs: the freeze is shorter by it, the whole "
	  "command is not.",
	  "none", NULL, "set reserve on, set dir DIR, show events", NULL },
	{ "zero drop|zero pages|dropped zeroes", "term",
	  "`set zero drop`: pages of private anonymous memory that were written, and hold only zeroes, get the verdict "
	  "zero and stay out of the images. They come back as untouched memory. Every page is read for that while "
	  "the target stands. Not in a chain: the next dump would leave clean pages in a set that lacks them. Pages "
	  "that are swapped out, in huge pages of hugetlbfs or of files, or in memory that a userfaultfd watches are "
	  "kept. `plan` does not count them.",
	  "The images of a heap that was cleared are smaller; the freeze is longer.",
	  "none: criu #2331", NULL, "set zero drop, show stats", NULL },
	{ "early", "term",
	  "`set early on`, the setting of -batch: attach reads smaps while the target still runs. Inside the freeze "
	  "/proc/PID/maps is compared with it, which takes a fraction of that time; what only smaps tells (VmFlags, "
	  "sizes) is read again while the pages are drained. If the mappings changed meanwhile, they are read again; "
	  "if one became of another nature, the dump fails before anything is published. Findings of `check` are "
	  "looked for before the freeze too, unless `set preflight refuse` makes them count.",
	  "With 60,000 mappings, reading smaps is a great part of the freeze.",
	  "none: CRIU reads smaps of a frozen target", NULL, "set early on, fault list", NULL },
	{ "plan|rehearsal", "term",
	  "A dump rehearsed while the process runs: pmc-fill and generate-iovs are the pipeline's own, drain and xfer "
	  "only count, and nothing is stopped or injected.",
	  "How large the images are, whether they fit, how long it freezes and whether pre-dumps pay is known before "
	  "anything is at stake.",
	  NULL, NULL, "plan PID, plan PID --tree, plan PID -v", NULL },
	{ "predicted|predicted time|any dump|each|in all", "term",
	  "How long a dump would freeze, from dumps of a small process of stepdump's own, made now, into the same "
	  "directory: bare, then with more pages, iovs, VMAs, threads, tasks. Each difference is the price of one "
	  "of them (each), times their number (in all); what remains is what any dump costs.",
	  "A machine that is busy makes single prices too high or 0; each is the shorter of two measurements.",
	  NULL, NULL, "plan PID, set thaw, show stats", NULL },
	{ "rate|dirty rate|written", "term",
	  "Pages written in so much time. `plan` compares checksums of the pages that it read, after 1/16, 1/8, 1/4, "
	  "1/2 and all of the seconds; or asks the tracker, if an earlier attach left one. By mapping: the share of "
	  "the pages read that changed.",
	  "Pages that are written again and again count once, so the longer the interval, the lower the rate.",
	  NULL, NULL, "plan PID --seconds 5, set track auto, show tracker", NULL },
	{ "iterations|left to dump|frozen in it|saves|written in all|when to stop", "term",
	  "What becomes of the dump after so many pre-dumps: a pre-dump lasts as long as its pages take, what is "
	  "written meanwhile is left to dump, and that freezes. saves is against one pre-dump less; written in all "
	  "is what all of them write together.",
	  "A pre-dump that shortens the freeze by less than a tenth does not pay: the pages that change faster than "
	  "a pre-dump are left in any case.",
	  "none: criu's users choose the number", NULL, "plan PID, set mode pre-dump, help chains",
	  NULL },
	{ "in common|sharing|shared since fork", "term",
	  "Pages that parent and children have not written since a fork: one page of memory, and one copy for each task "
	  "in the images. Counted by page frame where that may be read, else by address and content.",
	  "A tree of workers can need several times its memory.", "none: criu #2386", NULL,
	  "plan PID --tree, explain dup", NULL },
	{ "zeros|equal|duplicates|duplicate|dup", "term",
	  "Of the pages that `plan` reads: those full of zero bytes, which are dumped in full as they were written once "
	  "(the kernel's own zero page is not), and those equal to another one.",
	  "It tells what compression or a file system with deduplication would gain.",
	  "none: criu #2331", NULL, "plan PID --read all", NULL },
	{ "resident, not dumped|who has it|not dumped", "term",
	  "Resident memory that goes into no pipe, by reason, and where it comes from at a restore: clean pages of files "
	  "from the file, holes from the parent, shared objects once from their own images, files on tmpfs from "
	  "the tmpfs, deleted files from CRIU's ghost files.",
	  "Resident size and the size of the images differ by this.",
	  "should_dump_page(): criu #1498", NULL, "plan PID, why ADDR, explain memory-in-files",
	  NULL },
	{ "finding|cause|evidence|causes", "term",
	  "What `check` sees in a process, `log` in a log of CRIU, and our own errors name: a cause of failed dumps, with "
	  "the file and field that shows it. All are from one catalogue; `explain` without a word lists it.",
	  "Most logs of CRIU give a symptom or an errno, and no reason.", NULL, NULL,
	  "check, explain, log FILE", NULL },
	{ "severity|harm|lose|option", "term",
	  "Of a cause: harm (the dump can damage or kill the process), fail, lose (it succeeds, and something is missing "
	  "afterwards), slow, option (CRIU needs an option for it), note.",
	  "Options and notes are common; they do not count as findings, nor for the exit status.",
	  NULL, NULL, "check, explain", NULL },
	{ "confidence|certain|likely|possible|seen now", "term",
	  "How sure `log` is of a cause. certain: the line has no other one; likely: nearly always this; possible: one of "
	  "several. What is still seen in the process (seen now) comes first, and is likely at least.",
	  NULL, NULL, NULL, "log FILE, check PID", NULL },
	{ "noise|what matters|other errors", "term",
	  "Of a log: the line that tells the reason, errors beside it, and errors that every dump has or that follow from "
	  "another one. The first line with Error is nearly always noise.",
	  NULL, NULL, NULL, "log FILE, log -v FILE", NULL },
	{ "pre-dump|predump|pre-dumps", "term",
	  "A dump of memory only, that lets the target run again before anything is written: the pages "
	  "wait in the pipes, by reference, and are marked clean.",
	  "The last dump then takes only what changed, and freezes shortly.", "cr_pre_dump_tasks()",
	  NULL, "set mode pre-dump, help chains", NULL },
	{ "staging|xfer to", "term",
	  "A hidden directory next to the final one, where images are written before the gate.",
	  "An image directory is complete or absent.", "none", NULL, "show xfer", here_xfer },

	/* ---- verdicts, flags, events ------------------------------------------------------------ */
	{ "verdict|verdicts|pages by verdict", "term",
	  "What becomes of a page: dump, dump-swapped, always, hole, zero, file-clean, absent, guard, "
	  "never, shared; not-scanned until the scan reaches it. `help verdicts` has them all.",
	  "Each page of a private mapping gets exactly one, so their sum is the whole.",
	  "should_dump_page()", NULL, "show pages, why ADDR, show stats", NULL },
	{ "dump", "verdict", "Present: the page goes into a pipe.", NULL, "should_dump_page()",
	  NULL, "break verdict dump, why ADDR", here_iov },
	{ "dump-swapped", "verdict",
	  "Swapped out: the splice reads it in, and it goes into a pipe.", NULL,
	  "should_dump_page(): PME_SWAP", NULL, "break verdict dump-swapped", NULL },
	{ "always", "verdict", "Goes into a pipe whatever the pagemap says: vdso, AIO ring.",
	  "Their pages are the kernel's, and the pagemap does not tell whether they matter.",
	  "vma_entry_is(VMA_AREA_VDSO)", NULL, "break verdict always", NULL },
	{ "zero", "verdict", "The kernel's zero page: comes back by itself as untouched memory.",
	  NULL, "should_dump_page(): zero_page_pfn", NULL, "break verdict zero", NULL },
	{ "file-clean", "verdict",
	  "A page of a private file mapping that nobody wrote to: the file has it.", NULL,
	  "should_dump_page(): PME_FILE", NULL, "break verdict file-clean", NULL },
	{ "absent", "verdict", "Never touched: there is nothing to dump.", NULL,
	  "should_dump_page()", NULL, "show pages", NULL },
	{ "guard", "verdict", "A guard region (MADV_GUARD_INSTALL): recorded, without data.", NULL,
	  "VMA_AREA_GUARD", "Unknown to the text: Linux 6.13.", "break verdict guard", NULL },
	{ "never", "verdict", "In a mapping that is skipped by rule: vvar, vsyscall, droppable.",
	  NULL, "vma_area_is_private()", NULL, "show vmas", NULL },
	{ "shared", "verdict", "In a shared mapping: its object is dumped once, separately.", NULL,
	  "add_shmem_area()", NULL, "show shmem", here_shmem },
	{ "not-scanned", "verdict", "The pipeline has not reached it yet.", NULL, NULL, NULL,
	  "show cursor", NULL },
	{ "PRESENT|PE_PRESENT", "flag", "The entry has its pages in this pages file.", NULL,
	  "PE_PRESENT", NULL, "show xfer", NULL },
	{ "PARENT|PE_PARENT", "flag", "The entry is a hole: its pages are in the parent.", NULL,
	  "PE_PARENT", "In older images a boolean, in_parent.", "show holes, show xfer",
	  here_hole },
	{ "LAZY|PE_LAZY|lazy", "flag",
	  "The pages may be fetched later, in a lazy restore: private anonymous memory, not locked.",
	  NULL, "PE_LAZY, vma_entry_can_be_lazy()", NULL, "set lazy, show xfer", NULL },
	{ "WRITTEN|PAGE_IS_WRITTEN|WPALLOWED|SOFT_DIRTY|PFNZERO|SWAPPED|FILE|HUGE|categories",
	  "flag",
	  "Categories of PAGEMAP_SCAN: WRITTEN since it was write-protected, WPALLOWED userfaultfd "
	  "watches it, SOFT_DIRTY, PFNZERO the zero page, SWAPPED, FILE, HUGE, PRESENT.",
	  "Verdicts are made of these.", "PAGE_IS_* of ioctl PAGEMAP_SCAN",
	  "In 2017 bits of a pagemap word: PME_PRESENT, PME_SWAP, PME_FILE, PME_SOFT_DIRTY.",
	  "show pmc, why ADDR", here_pmc },
	{ "event|events", "event",
	  "One line of what happened, with the time since attach: froze, infected, spliced, full, "
	  "failed, published.",
	  NULL, NULL, NULL, "show events", NULL },
	{ "spliced", "event",
	  "A ppb was drained: that many pages of that many iovs are in its pipe now.", NULL,
	  "drain_pages()", NULL, "until drain, next, show events", here_ppb },
	{ "froze", "event", "All threads of the target stand still; nothing in it was changed.",
	  NULL, "compel_interrupt_task(), seize", NULL, "show events, show threads", NULL },
	{ NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL },
};

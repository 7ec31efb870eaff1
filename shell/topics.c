/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "shell/topics.h"

#include <stddef.h>

static const char phases[] =
	"A dump goes through six phases.  `step` runs to the next change of phase, `next` one unit\n"
	"of the present one, `finish` to the end of the chunk, `continue` to the gate.\n"
	"\n"
	"  prepare        collects the mappings, puts the parasite into the target, makes\n"
	"                 unreadable mappings readable, sizes the pagemap cache, makes the\n"
	"                 page-pipe, opens the transfer.           undo: restart, abort\n"
	"  pmc-fill       looks one VMA up in the pagemap cache: a hit, or a miss and one fill.\n"
	"                                                          no effect on the target\n"
	"  generate-iovs  turns a run of pages with one verdict into an iov or a hole; for\n"
	"                 shared memory it updates the object's page states.\n"
	"                                                          no effect on the target\n"
	"  drain          the parasite splices the pages of one pipe buffer (ppb) into its\n"
	"                 pipe: by reference, nothing is copied.   undo: the pipes are dropped\n"
	"  xfer           writes one pagemap entry: an iov with its pages, or a hole that is\n"
	"                 checked in the parent.                   undo: staged files removed\n"
	"  reset          after the gate: makes the images durable, publishes them, clears\n"
	"                 dirty tracking, restores protections.    cannot be undone\n"
	"\n"
	"pmc-fill and generate-iovs alternate, VMA by VMA.  When the 8 pipes are full, drain and\n"
	"xfer empty them and the scan goes on in the same VMA: that is one chunk.\n"
	"Between xfer and reset stands the commit gate: all is staged, nothing is published, and the\n"
	"target's dirty bits are as they were.  Only `commit` passes it.\n";

static const char verdicts[] =
	"Each page gets a verdict; `why ADDR` gives it with the rule and the facts behind it.\n"
	"\n"
	"  dump          present: goes into a pipe\n"
	"  dump-swapped  swapped out: goes into a pipe, the splice brings it in\n"
	"  always        goes into a pipe whatever the pagemap says: vdso, AIO ring\n"
	"  hole          unchanged since the parent dump, which holds it\n"
	"  zero          the kernel's zero page: comes back by itself as untouched memory\n"
	"  file-clean    a private file page that nobody wrote to: the file has it\n"
	"  absent        never touched: nothing is there\n"
	"  guard         a guard region (MADV_GUARD_INSTALL)\n"
	"  never         in a mapping that is skipped by rule: vvar, vsyscall, droppable\n"
	"  shared        in a shared mapping: the object is dumped once, by itself\n"
	"  not-scanned   the pipeline has not come there yet\n";

static const char breakpoints[] =
	"break WHERE stops before the unit that matches; tbreak does so once; until WHERE runs\n"
	"there at once.  WHERE is one of\n"
	"\n"
	"  PHASE                   break drain\n"
	"  PHASE if FIELD == N     break drain if ppb == 5     FIELD: ppb, vma, chunk, shmem\n"
	"  ADDR                    break 7f3a41c0c000          the page is scanned or transferred\n"
	"  vma N, vma ADDR         break vma 12                the look-up of that VMA begins\n"
	"  verdict NAME            break verdict hole          a run with that verdict\n"
	"  chunk N                 break chunk 2\n"
	"  fail                    break fail                  any unit fails\n"
	"\n"
	"`show breakpoints` lists them with their hits, `delete N` removes one, `delete` all.\n";

static const char errors[] =
	"An error report has up to five parts:\n"
	"\n"
	"  error: what was tried, on what: ERRNO (its text)\n"
	"    at PHASE, address ADDR        where the pipeline stood\n"
	"    hint: what to do next\n"
	"    what the target is now        frozen or not, changed or not\n"
	"\n"
	"A failed unit undoes nothing that was done before.  Look around (`show error`, `show ppb`,\n"
	"`why ADDR`, `show checks`), remove the cause and try the same unit again with `next`, or go\n"
	"back with `restart` or `abort`.  `break fail` stops before a failure is reported.\n"
	"\n"
	"In scripts (-batch, or no terminal) the first error ends the run.  Exit status: 0 fine,\n"
	"1 a command failed, 2 usage, 3 target gone or refused, 4 not supported by this kernel or\n"
	"build, 5 the target could not be put back as it was; 128+N after signal N.\n";

static const char history[] =
	"Much of what can be read about CRIU's memory dump goes back to 2017.  Where it is wrong, or\n"
	"has become so, stepdump does what CRIU does today, or what is right:\n"
	"\n"
	"  holes        A hole is a page that did NOT change since the parent dump.  The old text\n"
	"               calls holes the dirty pages; those are what is dumped.\n"
	"  page states  Two bits a page of a shared object: 0 do not dump, 1 dump, 2 zero, 3 dirty.\n"
	"               What several mappings say is ORed, so a state only ever rises.\n"
	"  its loop     The old update of these states walks the pages of the whole object over the\n"
	"               map of a single VMA, and reads past its end when the object is larger.\n"
	"               Here the walk covers the VMA's own pages, at their offset in the object.\n"
	"  hole bases   A hole that is written with an offset had its address changed in place.\n"
	"               Here addresses stay as they were found.\n"
	"  new memory   Guard regions, droppable, secret and huge pages and the newer vvar mappings\n"
	"               are unknown to the old text; `help verdicts` and `show vmas` name them.\n"
	"  PAGEMAP_SCAN Kernels since 6.7 answer with regions in place of 8 bytes a page.  Both ways\n"
	"               are here (`set pmc scan|pread`), and they must agree.\n"
	"  soft-dirty   Clearing it succeeds even on kernels that do not have it.  Believing that\n"
	"               would lose changes, so it is tried out on a page of our own first.\n";

static const char chains[] =
	"A dump can leave what has not changed in an earlier one.  The new directory has a `parent`\n"
	"link to the old one, and its pagemap has holes: entries that say \"look in the parent\".\n"
	"That one may have holes too, and so on; a chain ends with a full dump.\n"
	"\n"
	"  generation 0   new/    pagemap: ##==#==  pages file: ###       # stored   = hole\n"
	"  generation 1   old/    pagemap: #######  pages file: #######\n"
	"\n"
	"Three things have to be right, and all are checked before a hole is written:\n"
	"  the page did not change     a tracker says so (`help tracking`)\n"
	"  the parent has it           its pagemap covers the hole; if not, the dump stops and says\n"
	"                              what to do (`set hole-missing dump` dumps such pages)\n"
	"  it is the same process      start time against the parent's dump_uptime: pids are reused\n"
	"\n"
	"A session:\n"
	"  attach 4242\n"
	"  set track auto              writes are known from the next commit on\n"
	"  commit full                 everything\n"
	"  detach --keep-tracking      the target works on\n"
	"  attach 4242\n"
	"  commit new --parent full    what changed since; the rest is holes\n"
	"  show parents                the chain;  why ADDR  follows a page to file and byte\n"
	"  verify new                  is all of it there, through all generations?\n"
	"  diff full new               what changed, per mapping\n"
	"  flatten new alone           one directory without a parent\n"
	"\n"
	"`set mode pre-dump` is for all dumps but the last: the pages stay in pipes, the target runs\n"
	"on before anything is written, and memory that the last dump takes whole anyway (AIO rings,\n"
	"huge pages) is left out.  After such a commit the target runs; `restart` freezes it again.\n"
	"CRIU reads these chains, and a chain that `criu pre-dump` began can be continued here.\n";

static const char tracking[] =
	"A tracker knows which pages were written since its last reset, which a commit does once the\n"
	"images are durable.  It is chosen with `set track`, and `show tracker` tells which it is\n"
	"and why, since when, and how many pages are dirty now.\n"
	"\n"
	"  soft-dirty  What CRIU uses: a bit per page that the kernel sets at a store.  Many kernels\n"
	"              lack it, and clearing it succeeds even there, so it is tried out first.\n"
	"  uffd        Write-protection by userfaultfd in asynchronous mode, read by PAGEMAP_SCAN;\n"
	"              the target never waits for us.  For private anonymous memory only: what is\n"
	"              shared, of a file, or of huge pages can be written to unseen and is dumped\n"
	"              whole each time.  It is gone without trace when stepdump ends, and has to be\n"
	"              before CRIU is let at the task.\n"
	"  auto        soft-dirty if it works, else uffd.\n"
	"  none        Nothing is tracked; `set parent` and pre-dumps choose as auto does.\n"
	"\n"
	"What a tracker cannot vouch for counts as dirty: a dump may take a page too many, never one\n"
	"too few.  A history belongs to one image set, that of the commit which reset it: another\n"
	"one as the parent is refused.  `detach` ends tracking, `detach --keep-tracking` does not;\n"
	"it ends with stepdump in any case.\n"
	"Shared memory: `set track-shmem on` keeps a map of page states per object, ORed over all of its\n"
	"mappings; `show pstate ID` shows it. With soft-dirty it lets clean pages be holes, as CRIU does,\n"
	"and like CRIU it cannot see stores by a process outside the tree. Without it shared memory is\n"
	"dumped whole.\n";

static const char scripts[] =
	"stepdump -batch -p PID -ex 'commit DIR'     one dump, no questions\n"
	"stepdump -batch -x FILE                     commands from a file\n"
	"stepdump -batch --json -p PID -ex 'show vmas'\n"
	"\n"
	"With -batch, or when standard input is no terminal, there is no prompt, no pager and no\n"
	"colour, and the first error ends the run (`help errors` lists the exit statuses).  Data go\n"
	"to stdout, notices and errors to stderr.  With --json each command prints one object on\n"
	"one line of stdout: \"command\", \"ok\", and the result, or \"error\".\n"
	"\n"
	"Output of any command can be piped or written to a file:\n"
	"\n"
	"  show iovs | grep 7f3a\n"
	"  show vmas > vmas.txt\n"
	"  show events >> log.txt\n";

const struct help_topic help_topics[] = {
	{ "phases", "what happens in which order, and what that does", phases },
	{ "verdicts", "what can become of a page", verdicts },
	{ "breakpoints", "where the pipeline can be stopped", breakpoints },
	{ "errors", "how to read an error, and exit statuses", errors },
	{ "chains", "parents and holes: incremental dumps, a worked session", chains },
	{ "tracking", "how changed pages are known, and when not", tracking },
	{ "scripts", "batch use, JSON, pipes and files", scripts },
	{ "history", "where older texts on CRIU's dump are wrong", history },
	{ NULL, NULL, NULL },
};

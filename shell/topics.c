/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "shell/topics.h"

#include <stdlib.h>

#include "base/mem.h"
#include "proto/verdict.h"

#include <stddef.h>

static const char phases[] =
	"A dump goes through six phases.  `step` runs to the next change of phase, `next` one unit\n"
	"of the current one, `finish` to the end of the chunk, `continue` to the gate.\n"
	"\n"
	"  prepare        collects the mappings, puts the parasite into the target, makes\n"
	"                 unreadable mappings readable, sizes the pagemap cache, makes the\n"
	"                 page-pipe, opens the transfer.           undo: restart, abort\n"
	"  pmc-fill       looks up one VMA in the pagemap cache: a hit, or a miss and one fill.\n"
	"                                                          no effect on the target\n"
	"  generate-iovs  turns a run of pages with one verdict into an iov or a hole; for\n"
	"                 shared memory it updates the page states of the object.\n"
	"                                                          no effect on the target\n"
	"  drain          the parasite splices the pages of one pipe buffer (ppb) into its\n"
	"                 pipe: by reference, nothing is copied.   undo: the pipes are dropped\n"
	"  xfer           writes one pagemap entry: an iov with its pages, or a hole, which is\n"
	"                 checked in the parent.                   undo: staged files removed\n"
	"  reset          after the gate: syncs the images to disk, publishes them, clears dirty\n"
	"                 tracking, restores protections.          cannot be undone\n"
	"\n"
	"pmc-fill and generate-iovs alternate, VMA by VMA.  When the 8 pipes are full, drain and\n"
	"xfer empty them, and the scan goes on in the same VMA: that is one chunk.\n"
	"Between xfer and reset is the commit gate: everything is staged, nothing is published, and\n"
	"the dirty bits of the target are as they were.  Only `commit` passes it.\n";

static const char verdicts[] =
	"Each page gets a verdict; `why ADDR` explains it with the rule and the facts behind it.\n"
	"\n";

static const char watching[] =
	"`run criu dump ...` starts a criu and holds it before its first instruction.  `watch-criu PID`\n"
	"takes up one that runs; `watch-criu --next` the next one that anybody starts.  Pids are\n"
	"those of stepdump's pid namespace.\n"
	"\n"
	"criu is held before the system calls that move its pipeline, and these are the units:\n"
	"\n"
	"  prepare        ptrace(PTRACE_SEIZE), the commands to the parasite before the pages\n"
	"  pmc-fill       PAGEMAP_SCAN or pread of /proc/PID/pagemap\n"
	"  generate-iovs  a pipe is asked to grow: there are more pages\n"
	"  drain          the DUMPPAGES command of a ppb, or criu's own vmsplice of shared memory\n"
	"  xfer           splice of one pagemap entry's pages to an image or the page server\n"
	"  reset          clear_refs, and the commands to the parasite after the pages\n"
	"\n"
	"A ppb's plan is read from the area that criu shares with its parasite, what is in a pipe is\n"
	"asked by FIONREAD, `x ADDR pipe` looks into it by tee(2).  `show watch` lists what the calls do\n"
	"not tell; hits of the pagemap cache and verdicts are among it.\n"
	"\n"
	"If criu has debug information (its own, or below /usr/lib/debug) and uprobes are allowed\n"
	"(CAP_PERFMON), its page_pipe is read in its memory when it is held: holes, lazy ppbs and\n"
	"plans are known before a call tells them.  `show watch` says where it is, or what is missing.\n"
	"\n"
	"It stops by itself where a call has failed, the parasite has replied with an error, or criu\n"
	"logs an error, and says why if that can be found, with the name that `explain` knows it by, and\n"
	"what was written until then.  `continue` lets criu go on, and fail.  It also stops when criu\n"
	"makes no call for 2 s since the cgroup of its target is frozen.\n"
	"\n"
	"What it costs is set by `set watch`:\n"
	"\n"
	"  light   the default.  `continue` without breakpoints stops criu only behind the calls that\n"
	"          the picture needs: about one for each ppb.  A BPF program of a few instructions\n"
	"          picks them out, so this needs CAP_BPF and CAP_PERFMON.  `show watch` lists what\n"
	"          is not seen then, or why it could not be light.\n"
	"  full    all calls.  `step`, `next`, `until`, `finish` and breakpoints stop at all calls in\n"
	"          any case, and so does watching a page server.\n"
	"\n"
	"`show stats` says how long criu stood in stops while its target was frozen, and in which\n"
	"share of that time.\n"
	"\n"
	"Only criu is traced, not its children, so a `criu page-server --daemon` is watched by its own\n"
	"pid.  Nothing is written to it; `detach` and the end of stepdump let it go on.  A criu that is\n"
	"to dump a tree with stepdump in it is refused: it would freeze us, and we hold it.\n";

static const char breakpoints[] =
	"`break WHERE` stops before a unit that matches, `tbreak WHERE` does so once, `until WHERE`\n"
	"runs there at once.  WHERE is one of\n"
	"\n"
	"  PHASE                   break drain\n"
	"  PHASE if CONDITION      break drain if ppb > 2 && chunk == 1\n"
	"  ADDR                    break 7f3a41c0c000          the page is scanned or transferred\n"
	"  vma N, vma ADDR         break vma 12                the look-up of that VMA begins\n"
	"  verdict NAME            break verdict hole          a run with that verdict\n"
	"  chunk N                 break chunk 2\n"
	"  ppb N                   break ppb 3                 the same as drain if ppb == 3\n"
	"  fail                    break fail                  any unit fails\n"
	"\n"
	"A CONDITION is an expression with C's operators and precedence, as of `print`: numbers,\n"
	"+ - * / % << >> & | ^ ~ == != < <= > >= && || ! and parentheses.  A | outside of\n"
	"parentheses begins a pipe.  Which fields there are depends on the phase:\n"
	"\n"
	"  vma    its index                    pmc-fill, generate-iovs\n"
	"  shmem  index of the shared object   generate-iovs, drain, xfer\n"
	"  ppb    index of the pipe buffer     drain, xfer (a hole is in none)\n"
	"  chunk  from 1                       all but prepare\n"
	"  pages  of the run, or of the entry  generate-iovs, xfer\n"
	"  verdict  == or != a name            generate-iovs\n"
	"\n"
	"No comparison with a field holds for a unit that does not have it: a hole is in no ppb,\n"
	"so neither ppb < 3 nor ppb >= 3 is true of it.  A condition that cannot be evaluated for\n"
	"a unit, as it divides by zero, stops.\n"
	"\n"
	"`show breakpoints` lists them with their hits, `delete N` deletes one, `delete` all.\n"
	"`disable N` keeps one but does not stop at it, `enable N` does again; `ignore N COUNT`\n"
	"passes the next COUNT hits.\n";

static const char errors[] =
	"An error report has up to five parts:\n"
	"\n"
	"  error: what was tried, on what: ERRNO (its text)\n"
	"    at PHASE, address ADDR        where the pipeline was\n"
	"    hint: what to do next\n"
	"    what state the target is in   frozen or not, changed or not\n"
	"\n"
	"A failed unit undoes nothing that was done before.  Look around (`show error`, `show ppb`,\n"
	"`why ADDR`, `show checks`), remove the cause and try the same unit again with `next`, or go\n"
	"back with `restart` or `abort`.  `break fail` stops before a failure is reported.\n"
	"\n"
	"In scripts (-batch, or no terminal) the first error ends the run, unless `set keep-going on`\n"
	"came before.  Exit status: 0 success,\n"
	"1 a command failed, 2 usage, 3 target gone or refused, 4 not supported by this kernel or\n"
	"build, 5 the target could not be put back as it was; 128+N after signal N.\n";

static const char history[] =
	"Much of what is written about CRIU's memory dump dates from 2017.  Where it is wrong or out\n"
	"of date, stepdump does what CRIU does today, or what is right:\n"
	"\n"
	"  holes        A hole is a page that did NOT change since the parent dump.  Older texts\n"
	"               call the dirty pages holes; but those are what is dumped.\n"
	"  page states  Two bits a page of a shared object: 0 do not dump, 1 dump, 2 zero, 3 dirty.\n"
	"               The states of several mappings are ORed, so a state only ever rises.\n"
	"  its loop     The old update of these states walks the pages of the whole object over the\n"
	"               map of a single VMA, and reads past its end if the object is larger.\n"
	"               Here the walk covers the VMA's own pages, at their offset in the object.\n"
	"  hole bases   A hole that is written with an offset had its address changed in place.\n"
	"               Here addresses stay as they were found.\n"
	"  new memory   Guard regions, droppable, secret and huge pages and the newer vvar mappings\n"
	"               are unknown to the old text; `help verdicts` and `show vmas` name them.\n"
	"  PAGEMAP_SCAN Kernels since 6.7 return regions instead of 8 bytes per page.  Both ways are\n"
	"               available (`set pmc scan|pread`), and they must agree.\n"
	"  soft-dirty   Clearing it succeeds even on kernels that do not have it.  Relying on it\n"
	"               would lose changes, so it is tried on a page of our own first.\n";

static const char differences[] =
	"A watched criu (`help watching`) and our own dump of the same target have the same iovs, in\n"
	"the same ppbs, in the same order, the same pipes and the same holes.  What differs:\n"
	"\n"
	"  empty ppb     When criu begins another chunk, it takes a pipe for a ppb before it knows\n"
	"                what will be in it (page_pipe_reinit()).  Private pages may be lazy, so\n"
	"                they need another ppb and the first stays empty: a later chunk has 7 ppbs\n"
	"                with pages, and one DUMPPAGES for none.  Here it has 8.\n"
	"  chunks        Which is why a later chunk ends at another page.\n"
	"  order         criu dumps a memfd, and as root shared anonymous memory too, when it collects\n"
	"                the mappings of the first task that has it; other shared memory at the\n"
	"                end.  Here all shared objects come after the tasks.  Siblings may come in\n"
	"                another order.\n"
	"  shared iovs   Of a shared object criu shows addresses in a mapping of its own, which are\n"
	"                in no task.  Here they are offsets in the object.\n"
	"  System V      In an IPC namespace of its own a child of criu dumps it, which is not\n"
	"                traced: it is missing from criu's picture, not from its images.\n"
	"  DUMPPAGES     criu sends one for each ppb and waits.  Here one message may be for several\n"
	"                ppbs, and some are drained while others are transferred, if nobody steps.\n"
	"  holes         criu checks a hole against the direct parent when it writes it; here the\n"
	"                whole chain is checked when it is found.  [vdso] is always data here.\n"
	"  names         `show` of a watched criu has no verdicts, and holes only once they are\n"
	"                written; `show watch` lists what its calls do not tell.\n"
	"\n"
	"`run criu dump -R ...` leaves the target running, so both can be seen one after the other:\n"
	"stop it (SIGSTOP), watch criu dump it, `detach`, `attach PID`, and compare `show iovs`.\n";

static const char chains[] =
	"A dump can leave unchanged pages in an earlier one.  The new directory has a `parent`\n"
	"link to the old one, and its pagemap has holes: entries that say \"look in the parent\".\n"
	"The old one may have holes too, and so on; a chain ends with a full dump.\n"
	"\n"
	"  generation 0   new/    pagemap: ##==#==  pages file: ###       # stored   = hole\n"
	"  generation 1   old/    pagemap: #######  pages file: #######\n"
	"\n"
	"Three conditions have to hold, and all are checked before a hole is written:\n"
	"  the page did not change     according to a tracker (`help tracking`)\n"
	"  the parent has it           its pagemap covers the hole; if not, the dump stops with a\n"
	"                              hint (`set hole-missing dump` dumps such pages)\n"
	"  it is the same process      its start time is older than the parent's dump_uptime\n"
	"\n"
	"A session:\n"
	"  attach 4242\n"
	"  set track auto              writes are tracked from the next commit on\n"
	"  commit full                 everything\n"
	"  detach --keep-tracking      the target runs on\n"
	"  attach 4242\n"
	"  commit new --parent full    what changed since; the rest is holes\n"
	"  show parents                the chain;  why ADDR  follows a page to file and byte\n"
	"  verify new                  checks that all generations are complete\n"
	"  diff full new               what changed, per mapping\n"
	"  flatten new alone           one directory without a parent\n"
	"  convert new older           for a CRIU that is older\n"
	"\n"
	"`set mode pre-dump` is for all dumps but the last: the pages stay in pipes, the target runs\n"
	"on before anything is written, and memory that the last dump takes in full anyway (AIO rings,\n"
	"huge pages) is left out.  After such a commit the target runs; `restart` freezes it again.\n"
	"CRIU reads these chains, and a chain that `criu pre-dump` began can be continued here.\n"
	"\n"
	"A parent whose pages went to a page server (`set xfer server`) is a record of what it holds.\n"
	"The next dump to that server leaves holes there; a local one does with `set holes-at-server on`\n"
	"and can then be restored only once it lies beside the server's set.\n";

static const char tracking[] =
	"A tracker knows which pages were written since its last reset, which a commit does once the\n"
	"images are durable.  It is chosen with `set track`, and `show tracker` shows which it is\n"
	"and why, since when, and how many pages are dirty now.\n"
	"\n"
	"  soft-dirty  What CRIU uses: a bit per page that the kernel sets at a store.  Many kernels\n"
	"              lack it, but clearing it succeeds even there, so it is tried first.\n"
	"  uffd        Write-protection by userfaultfd in asynchronous mode, read by PAGEMAP_SCAN;\n"
	"              the target never waits for stepdump.  For private anonymous memory only:\n"
	"              writes to shared memory, files and huge pages are not seen, so these are\n"
	"              dumped in full each time.  It disappears when stepdump ends, and has to be\n"
	"              gone before CRIU dumps the task.\n"
	"  auto        soft-dirty if it works, else uffd.\n"
	"  none        Nothing is tracked; `set parent` and pre-dumps choose as auto does.\n"
	"\n"
	"What a tracker cannot be sure of counts as dirty: a dump may take a page too many, never one\n"
	"too few.  A history belongs to one image set, that of the commit which reset the tracker:\n"
	"another parent is refused.  `detach` ends tracking, `detach --keep-tracking` does not;\n"
	"leaving stepdump does in any case.\n"
	"Shared memory: `set track-shmem on` keeps a map of page states per object, ORed over all of\n"
	"its mappings; `show pstate ID` shows it.  With soft-dirty, clean pages become holes, as in\n"
	"CRIU; stores by a process outside the tree are not seen, as in CRIU.  Without it shared memory\n"
	"is dumped in full.\n";

static const char scripts[] =
	"stepdump -batch -p PID -ex 'commit DIR'     one dump, no questions\n"
	"stepdump -batch -x FILE                     commands from a file\n"
	"stepdump -batch --json -p PID -ex 'show vmas'\n"
	"\n"
	"With -batch, or when standard input is not a terminal, there is no prompt, no pager and no\n"
	"colour, and the first error ends the run (`help errors` lists the exit statuses).  With\n"
	"-batch a commit lets the target run as soon as its pages are in files (`explain thaw`).\n"
	"Data go to stdout, notices and errors to stderr.  With --json each command prints one object\n"
	"on one line of stdout: \"command\", \"ok\", and the result, or \"error\".\n"
	"\n"
	"Output of any command can be piped or written to a file:\n"
	"\n"
	"  show iovs | grep 7f3a\n"
	"  show vmas > vmas.txt\n"
	"  show events >> log.txt\n"
	"\n"
	"A blank has to stand before the >, and a number is not taken for a file (write `> ./2`).\n"
	"Where an expression may stand, as in `print` and `break`, a file is a path with a / in it.\n"
	"If the command fails, a file that existed before is left as it was.\n";

const struct help_topic help_topics[] = {
	{ "phases", "the phases of a dump, and how each can be undone", phases },
	{ "verdicts", "what can become of a page", verdicts },
	{ "breakpoints", "where the pipeline can be stopped", breakpoints },
	{ "errors", "how to read an error, and exit statuses", errors },
	{ "watching", "criu's own dump, held at its system calls", watching },
	{ "differences", "our dump beside the one of a watched criu", differences },
	{ "chains", "parents and holes: incremental dumps, a worked session", chains },
	{ "tracking", "how changed pages are detected, and which are not", tracking },
	{ "scripts", "batch use, JSON, pipes and files", scripts },
	{ "history", "where older texts about CRIU's dump are wrong", history },
	{ NULL, NULL, NULL },
};

char *help_topic_text(const struct help_topic *t)
{
	char *text = xstrdup(t->text);

	for (int i = 1; t->text == verdicts && i <= NR_VERDICTS; i++) {
		const struct verdict_info *v = verdict_info((verdict_t)(i % NR_VERDICTS));
		char *longer = xasprintf("%s  %-12s  %s\n", text, v->name, v->meaning);

		free(text);
		text = longer;
	}
	return text;
}

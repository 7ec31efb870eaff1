Chains from the shell: parents, the tools on directories, what is refused.

  $ stepdump -batch -p $T -ex 'commit full --parent nowhere' 2>&1 | tail -n +2 | head -2 | sed 's/:.*//'
  error
    cause
  $ stepdump -batch -p $T -ex 'step' -ex 'commit full --parent other' 2>&1 | tail -n +3 | grep -v not.committed
  error: commit --parent: the dump under way was begun without a parent
    hint: `commit DIR` finishes it as it is; `restart`, then commit with --parent
    target %T is frozen, with the parasite in it; detach, abort and quit put it back
  $ stepdump -batch -p $T -ex 'commit a b' 2>&1 | tail -n +2; stepdump -batch -p $T -ex 'commit a --parent' 2>&1 | tail -n +2 | head -1
  error: usage: commit [DIR] [--parent OLD]
    hint: `help commit` explains it
  error: usage: commit [DIR] [--parent OLD]
  $ stepdump -batch -p $T -ex 'commit full' > /dev/null; stepdump -batch -ex 'verify full' | tr -s ' ' | grep -e VERIFY -e 'gen directory' -e fine
   VERIFY full
   gen directory kind pagemaps entries stored in parent uptime s
   fine
  $ stepdump -batch -ex 'diff full full' | tail -2 | sed 's/[0-9]\+/N/g'
   no difference
   N added, N gone, N changed, N the same
  $ stepdump -batch -ex 'flatten full flat' > /dev/null; ls flat | sed "s/$T/PID/"; stepdump -batch -ex 'diff full flat' | tail -2 | sed 's/, [0-9]* the same/, N the same/'
  core-PID.img
  files.img
  ids-PID.img
  inventory.img
  mm-PID.img
  pagemap-PID.img
  pages-1.img
  pstree.img
  stats-dump
   no difference
   0 added, 0 gone, 0 changed, N the same
  $ stepdump -batch -ex 'flatten full flat' 2>&1; ls -A | grep stepdump-
  error: flatten full: publish at %D/flat: ENOTEMPTY (Directory not empty)
    hint: choose another name, or move away what is there
  [1]
  $ rm flat/files.img; : > flat/pages-1.img; stepdump -batch -ex 'verify flat' | grep -o FATAL; echo
  error: flat is not a good image set: 2 fatal findings, the first in files.img: missing: file ids of VMAs cannot be resolved
  FATAL
  FATAL
  
  $ stepdump -batch -ex 'verify flat' 2>&1 > /dev/null
  error: flat is not a good image set: 2 fatal findings, the first in files.img: missing: file ids of VMAs cannot be resolved
  [1]
  $ stepdump -batch --json -ex 'verify flat' | python3 -c 'import json, sys; r = json.load(sys.stdin); print(r["ok"], r["error"]["code"], r["nr_fatal"] == len([f for f in r["findings"] if f["fatal"]]))'
  False check True
  $ stepdump -batch -ex 'flatten flat again' 2>&1 | sed 's/pagemap-[0-9]*/pagemap-N/; s/[0-9]* bytes too/N bytes too/'; ls -d again 2>&1
  error: flatten flat: it is not a good image set: files.img: missing: file ids of VMAs cannot be resolved
    hint: `verify` tells what is wrong with it; nothing was written
  ls: cannot access 'again': No such file or directory
  [2]
  $ stepdump -batch -ex 'diff full nowhere'
  error: open the image directory nowhere: ENOENT (No such file or directory)
  [1]
  $ stepdump -batch -ex "verify full $T"
  error: %T is not attached, so its memory cannot be compared
    hint: `attach %T` first: it has to be frozen
  [1]
  $ stepdump -batch -p $T -ex "verify full $T" | tail -2 | tr -d '\n' | sed 's/[0-9]\+/N/g'; echo
   N pages compared: N the same, N changed, N not there any more; N that a dump would take now are missing
  $ stepdump -batch --json -p $T -ex "verify full $T" | python3 -c 'import json, sys; v = [json.loads(l) for l in sys.stdin][-1]["live"]["vmas"]; print({x["state"] for x in v}, [x["kind"] for x in v if x["kind"] in ("vdso", "stack")])'
  {'same'} ['vdso', 'stack']
  $ stepdump -batch -ex 'diff full full 1'
  error: diff: neither full nor full has a pagemap of task 1
  [2]
  $ stepdump -batch -p $T -ex 'task' -ex 'task 1' 2>&1 | tail -n +2
  task 0 of 1: %T sleep
  error: task 1: there are 1
    hint: `show tasks` lists them
  $ stepdump -batch -ex "attach --tree $T" -ex 'task 0' -ex 'task auto' -ex 'show tasks | grep -c sleep' -ex 'detach --keep-tracking' | sed 's/:.*//'
  attached %T sleep
  task 0 of 1
  task 0 of 1
  2
  detached from %T; its writes are tracked until it is attached again
  $ stepdump -batch -ex "attach --twig $T" 2>&1 | head -1; stepdump -batch -p $T -ex 'detach --keep' 2>&1 | tail -2 | head -1
  error: usage: attach [--tree] PID
  error: usage: detach [--keep-tracking]
  $ stepdump -batch -p $T -ex 'x $sp parent' 2>&1 | tail -n +2 | sed 's/[0-9a-f]\{12\}/ADDR/; s/, VMA .*/, VMA/'
  error: there is no parent to look into
    at address ADDR, VMA
    hint: `set parent DIR`, then `step` through prepare
    target %T is frozen, otherwise as we found it
  $ stepdump -batch -p $T -ex 'show pages $sp | head -3 | tail -1 | grep -c runs' -ex 'show pages 10' 2>&1 | tail -n +2
  1
  error: 10 is in no VMA
    hint: `show vmas` lists the mappings
    target %T is frozen, otherwise as we found it
  $ stepdump -batch --readonly -ex 'flatten full again' 2>&1 | head -1
  error: flatten: stepdump was started with --readonly
  $ stepdump -batch -ex 'help chains | head -2' -ex 'help tracking | head -2'
  A dump can leave unchanged pages in an earlier one.  The new directory has a `parent`
  link to the old one, and its pagemap has holes: entries that say "look in the parent".
  A tracker knows which pages were written since its last reset, which a commit does once the
  images are durable.  It is chosen with `set track`, and `show tracker` shows which it is
  $ stepdump --complete 'commit --'; stepdump --complete 'detach -'; stepdump --complete 'attach -'; stepdump --complete 'verify -'; stepdump --complete 'x 0 p'
  --parent
  --keep-tracking
  --tree
  -v
  pipe
  parent

The overview of the parents is about one mapping, since an address space is too much for one axis.

  $ stepdump -batch -p $T -ex 'set track auto' -ex 'commit first' -ex restart -ex 'set parent first' -ex 'until drain' -ex 'show parents' -ex 'show parents $sp' 2> /dev/null | grep -E '1 cell|with most|^ first'
   VMA .*   1 cell = [48]K (re)
   first           .* entries, .* stored (re)
   the VMA with most to see; `show parents ADDR` shows that of an address
   VMA .* \[stack\]   .*   1 cell = [48]K (re)
   first           .* entries, .* stored (re)
   first           PRESENT, page .* (re)
  $ d=$(printf 'a-directory-with-a-long-name%.0s' 1 2 3 4); mkdir $d; cp full/* $d; stepdump -batch -ex "dump $d/inventory.img" | head -2
  {
    "magic":"INVENTORY",

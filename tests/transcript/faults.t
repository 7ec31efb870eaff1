A step that is made to fail, and what is undone.

  $ stepdump -batch -ex 'fault list' | head -n 4
  seize                 PTRACE_SEIZE of a thread
  seize-wait            waiting until a thread has stopped
  seize-regs            reading the registers of a stopped thread
  seize-mem             opening /proc/PID/mem
  $ stepdump -batch -p $T -ex 'fault xfer-pages ENOSPC' -ex 'commit d' 2>&1 | grep -v ^attached; ls -A
  armed: xfer-pages ENOSPC
  error: commit d: create pages-1.img: ENOSPC (No space left on device)
    at prepare
    target %T is frozen, with the parasite in it; detach, abort and quit put it back
  the dump of %T stood at prepare and was not committed: it is dropped
  $ printf 'set keep-going on\nattach %s\nfault xfer-splice EIO\ncommit d\nshow fault\nabort\nshow undo\n' $T | stepdump --relative 2>/dev/null | grep -o 'xfer-splice.*\|aborted.*\|mapping \|registers \|files '; echo ${PIPESTATUS[1]}
  xfer-splice EIO
  xfer-splice  EIO     stepdump       1  splicing a pipe into a pages file
  aborted: the target is as it was right after attach
  mapping 
  registers 
  files 
  1
  $ stepdump -batch -p $T -ex 'fault xfer-splice EIO if ppb == 0' -ex 'fault image-write EIO after 3' -ex continue 2>&1 | grep -v ^attached
  armed: xfer-splice EIO if ppb == 0
  armed: image-write EIO after 3
  error: write pages to pages-1.img at 0: EIO (Input/output error)
    at xfer
    target %T is frozen, with the parasite in it; detach, abort and quit put it back
  the dump of %T stood at xfer 0/6 and was not committed: it is dropped
  $ stepdump -batch -ex 'fault nowhere'
  error: no fault point is called "nowhere"
    hint: `fault list` names them
  [2]
  $ stepdump -batch -ex 'fault xfer-splice E'
  error: fault "xfer-splice E" is not understood
    hint: POINT [ERRNO|short N|delay MS|kill|kill-keeper] [after N] [if COND]; `fault list` names the points
  [2]
  $ stepdump -batch -ex 'fault xfer-splice EIO if vma == 3'
  error: breakpoint "xfer if vma == 3": no unit of xfer has a vma
    hint: xfer has ppb, chunk, shmem, pages
  [2]
  $ stepdump -batch -ex 'fault seize EIO if vma == 3'
  error: fault seize is in no phase of its own
    hint: use `after N` in place of a condition
  [2]
  $ stepdump -batch -ex 'fault drain-shmem delay 5 after 2 if ppb >= 1' -ex 'fault xfer-write short 7' -ex 'show fault' -ex 'fault off' -ex 'show fault'
  armed: drain-shmem delay 5 after 2 if ppb >= 1
  armed: xfer-write short 7
   FAULT  steps that are made to fail, and what fired
  ────────────────────────────────────────────────────────────────────────────────
     point        action                       fired  passed  step
     drain-shmem  delay 5 after 2 if ppb >= 1  no          0  splicing shared
                                                              memory into a pipe
     xfer-write   short 7                      no          0  writing pages that
                                                              were read (pre-dump
                                                              read)
   FAULT  steps that are made to fail, and what fired
  ────────────────────────────────────────────────────────────────────────────────
   none is armed: `fault list` names the points
  $ stepdump -batch --json -p $T -ex 'show undo' -ex detach -ex 'show undo' | grep -o '"kind":"[a-z]*","text":"[^"]*"'
  "kind":"threads","text":"1 thread let go"

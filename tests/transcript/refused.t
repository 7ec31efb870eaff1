What is asked for wrongly is said at once, and nothing is done.

  $ echo precious > 2; stepdump -batch -ex 'break drain if ppb > 2' -ex "break 'xfer if ppb >= 2 && chunk<3'" -ex 'tbreak drain if ppb>2' -ex 'show breakpoints | grep if'; cat 2
  breakpoint 1: drain if ppb > 2
  breakpoint 2: xfer if ppb >= 2 && chunk<3
  temporary breakpoint 3: drain if ppb>2
          1  drain if ppb > 2             keep  yes         0
          2  xfer if ppb >= 2 && chunk<3  keep  yes         0
          3  drain if ppb>2               once  yes         0
  precious
  $ stepdump -batch -p $T -ex 'set pipe-pages 16' -ex 'until drain if ppb > 0' -ex 'show cursor | grep -c "ppb 1"' 2>&1 | tail -n +2 | sed 's/.*(chunk/(chunk/'
  (chunk 1)
  1
  the dump of %T stood at drain 1/6 and was not committed: it is dropped
  $ stepdump -batch -ex 'break prepare if vma == 3'
  error: breakpoint "prepare if vma == 3": no unit of prepare has a vma
    hint: prepare takes no condition
  [2]
  $ stepdump -batch -ex 'break drain if vma == 3'
  error: breakpoint "drain if vma == 3": no unit of drain has a vma
    hint: drain has ppb, chunk, shmem
  [2]
  $ stepdump -batch -ex 'break chunk 0' 2>&1 | head -1
  error: breakpoint "chunk 0" is not understood
  $ stepdump -batch -ex 'set parent /nope'
  error: open the parent images /nope: ENOENT (No such file or directory)
    cause: the parent directory is wrong or has no images of this process (no-parent-image)
    hint: `set parent DIR` names an image directory of an earlier dump
  [1]
  $ mkdir empty; stepdump -batch -ex 'set parent empty' 2>&1 | head -1
  error: parent images empty: open inventory.img: ENOENT (No such file or directory)
  $ stepdump -batch -ex "set parent ''"
  $ for c in 'step 0' 'next 0' 'history 0' 'attach 0' 'rescue 0' 'delete 0'; do stepdump -batch -p $T -ex "$c" 2>&1 > /dev/null | grep error; done
  error: "0" is not a count
  error: "0" is not a count
  error: "0" is not a count
  error: "0" is not a pid
  error: "0" is not a pid
  error: "0" is not a breakpoint number
  $ stepdump -batch -p $T -ex 'until drain > /dev/null' -ex 'show ppb 77' 2>&1 | tail -n +2
  error: there is no ppb 77
    hint: `show ppb` lists what there is
    target %T is frozen, with the parasite in it; detach, abort and quit put it back
  the dump of %T stood at drain 0/6 and was not committed: it is dropped
  $ for c in 'ppb 77' 'iovs 77' 'pstate 77' 'vmas 777' 'map 777' 'pages 10' 'parents 10' 'peek 10'; do stepdump -batch -p $T -ex 'until drain > /dev/null' -ex "show $c" > /dev/null 2> err; echo $? $(head -1 err); done
  1 error: there is no ppb 77
  1 error: there is no ppb 77
  1 error: there is no shared memory object 77
  1 error: there is no VMA "777"
  1 error: there is no VMA "777"
  1 error: 10 is in no VMA
  1 error: 10 is in no VMA
  1 error: nothing is mapped at 0
  $ stepdump -batch -p $T -ex 'show ppb 0' 2>&1 | tail -n +2
  error: there is no ppb 0
    hint: `show ppb` lists what there is
    target %T is frozen, otherwise as we found it
  $ stepdump -batch -p $T -ex 'x ffffffffffffffff+10' 2>&1 | tail -n +2
  error: "ffffffffffffffff+10" is outside of the address space
  $ stepdump -batch -p $T -ex 'commit /' 2>&1 | tail -n +2
  error: commit /: publish at /: ENOTEMPTY (Directory not empty)
    hint: the root directory is not replaced: name a directory below it
    target %T is frozen, otherwise as we found it
  $ stepdump -batch -ex 'handoff final'
  error: handoff: no target is attached
    hint: `attach PID` or `run PROGRAM`
  [1]
  $ CRIU=/nope stepdump -batch -p $T -ex 'handoff final' 2>&1 | tail -n +2
  error: /nope, named by $CRIU, is not a program that can be run
    hint: `set criu PATH` names another, `set criu ""` none
  $ CRIU=/bin/true stepdump -batch -p $T -ex 'handoff final -- --images-dir x' 2>&1 | tail -n +2
  error: handoff: --images-dir is set by handoff itself
    hint: for a dump with other directories or to a page server run criu yourself: `run criu dump ...`

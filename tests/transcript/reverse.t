Back to an earlier unit, and forward again.

  $ stepdump -batch -p $T -ex 'back' 2>&1 | grep -v ^attached
  error: this is the beginning: no unit is done
    hint: `next` does one
    target %T is frozen, otherwise as we found it
  $ stepdump -batch -p $T -ex 'next 12' -ex 'back 7' -ex 'goto 3' -ex 'reverse-next' -ex 'goto 0' | grep done\;
  5 units done; next: prepare: size the pmc
  3 units done; next: prepare: infect
  2 units done; next: prepare: ask the page server
  0 units done; next: prepare: collect VMAs
  $ stepdump -batch -p $T -ex 'next 5' -ex 'goto 4' -ex 'show cursor' 2>/dev/null | grep 'units done  '
   units done      4
  $ stepdump -batch -p $T -ex 'break drain' -ex continue -ex 'next 2' -ex 'reverse-continue' -ex 'reverse-continue' -ex 'show breakpoints' 2>/dev/null | grep -v ' spliced \|^attached\|BREAKP'
  breakpoint 1: drain
  breakpoint 1: drain: DUMPPAGES for ppb 0, its pipe fd, the reply (chunk 1)
  breakpoint 1: drain: DUMPPAGES for ppb 0, its pipe fd, the reply (chunk 1)
  0 units done; next: prepare: collect VMAs
  ────────────────────────────────────────────────────────────────────────────────
     number  where  kind  enabled  hits
          1  drain  keep  yes         1
  $ stepdump -batch -p $T -ex 'step 3' -ex 'reverse-step 2' -ex 'reverse-step' 2>/dev/null | grep done\; | sed 's/VMA.*//'
  8 units done; next: pmc-fill: look up 
  0 units done; next: prepare: collect 
  $ stepdump -batch -p $T -ex 'continue' -ex 'back' -ex 'commit dump' -ex 'back' 2>&1 | grep -A1 error
  error: past the commit gate there is no way back
    hint: `restart` begins another dump
  $ stepdump -batch -ex 'goto 3'
  error: goto: no target is attached
    hint: `attach PID` or `run PROGRAM`
  [1]
  $ stepdump -batch -p $T -ex 'goto x' 2>&1 | grep error
  error: "x" is not a number of units

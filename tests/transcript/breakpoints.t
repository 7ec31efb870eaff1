Breakpoints that are kept, but do not stop.

  $ stepdump -batch -ex 'break drain' -ex 'break xfer' -ex 'disable 2' -ex 'ignore 1 3' -ex 'show breakpoints'
  breakpoint 1: drain
  breakpoint 2: xfer
   BREAKPOINTS  where the engine stops
  ────────────────────────────────────────────────────────────────────────────────
     number  where  kind  enabled          hits
          1  drain  keep  yes      0, ignores 3
          2  xfer   keep  no                  0
  $ stepdump -batch -p $T -ex 'break drain if ppb >= 0' -ex 'ignore 1 2' -ex continue -ex 'disable' -ex continue 2>/dev/null | grep ppb\ \\\|gate
  breakpoint 1: drain if ppb >= 0
  breakpoint 1: drain: DUMPPAGES for ppb 2, its pipe fd, the reply (chunk 1)
  at the gate: all staged, nothing published; `commit DIR` passes it
  $ stepdump -batch -ex 'disable 7'
  error: there is no breakpoint 7
    hint: `show breakpoints` lists them
  [2]
  $ stepdump -batch -ex 'ignore 1'
  error: usage: ignore N COUNT
    hint: `help ignore` explains it
  [2]

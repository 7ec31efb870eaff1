What gdb's users type.

  $ stepdump -batch -ex 'print 1 + 2 * 3 == 7 && !0' -ex 'print (2+3)*4 % 7' -ex 'print -1 < 0 || 1/0' 2>&1
  1 + 2 * 3 == 7 && !0 = 1
  (2+3)*4 % 7 = 6
  -1 < 0 || 1/0 = 1
  $ stepdump -batch -ex 'print nothing_like_that' 2>&1
  error: "nothing_like_that": nothing has that name at nothing_like_that
    hint: numbers, + - * / % << >> & | ^ ~ == != < <= > >= && || ! ( ), registers such as $rsp, and fields such as pages_written, pmc.hits, ppb[3].pages_in
  [2]
  $ stepdump -batch -ex 'print (1' 2>&1 | head -1
  error: "(1": no )
  $ stepdump -batch -p $T -ex 'print pmc.hits' -ex 'until drain' -ex 'print ppbs >= 1' -ex 'print ppb[0].pages_in == ppb 0.pages_in' -ex 'print ppb[77].pages_in' -ex 'print phase' 2>/dev/null | tail -5
  breakpoint 1: drain: DUMPPAGES for ppb 0, its pipe fd, the reply (chunk 1)
  ppbs >= 1 = 1
  ppb[0].pages_in == ppb 0.pages_in = 1
  ppb[77].pages_in = not known yet
  phase = 4
  $ test "$(stepdump -batch -p $T -ex 'print/x $rsp' 2>/dev/null | tail -1 | sed 's/.* = 0x//')" = "$(stepdump -batch -p $T -ex 'show threads' 2>/dev/null | grep -o '7ff[0-9a-f]*' | tail -1)" && echo the same
  the same
  $ stepdump -batch -p $T -ex 'display phase' -ex 'display ppb 9' -ex 'display' -ex 'step 2' -ex 'undisplay 2' -ex 'step' -ex 'undisplay 7' 2>&1 | grep -e phase -e display | sed 's/   *%T/  %T/; s/   *\([0-9]* sleep\)/  \1/'
  1: show phase
  1: show phase
   PHASES  the phases, what one unit of each is  %T sleep
     phase          one unit             effect on target  mirrors in CRIU
   pmc-fill, generate-iovs, drain and xfer repeat for each chunk. Names of phases
  display 2: there is no ppb 9
   PHASES  the phases, what one unit of each is  %T sleep
     phase          one unit             effect on target  mirrors in CRIU
   pmc-fill, generate-iovs, drain and xfer repeat for each chunk. Names of phases
  error: there is no display 7
    hint: `display` lists them
  $ stepdump -batch -p $T -ex 'watch iovs' -ex 'continue' -ex 'continue' -ex 'unwatch' -ex 'continue' 2>/dev/null | grep -e watch -e old -e new -e 'at the gate'
  watchpoint 1: iovs, now 0
  watchpoint 1: iovs
    old: 0
    new: 1
  watchpoint 1: iovs
    old: 1
    new: 2
  at the gate: all staged, nothing published; `commit DIR` passes it
  $ stepdump -batch -p $T -ex 'break drain' -ex 'commands 1 print chunk; print ppbs' -ex continue -ex 'commands 9 echo' 2>&1 | grep -v -e ^attached -e '^  target'
  breakpoint 1: drain
  breakpoint 1: drain: DUMPPAGES for ppb 0, its pipe fd, the reply (chunk 1)
  chunk = 1
  ppbs = 6
  error: there is no breakpoint 9
    hint: `show breakpoints` lists them
  the dump of %T stood at drain 0/6 and was not committed: it is dropped
  $ printf '%s\n' 'break drain' 'commands 1' 'print chunk' 'end' 'continue' 'define twice' 'echo $arg0 $arg0 of $argc' 'end' 'twice a b' 'save breakpoints b.txt' 'twice' > h; stepdump -batch -p $T -x h 2>&1 | grep -v -e ^attached -e '^  target' -e 'not committed'; cat b.txt
  breakpoint 1: drain
  breakpoint 1: drain: DUMPPAGES for ppb 0, its pipe fd, the reply (chunk 1)
  chunk = 1
  a a of 2
  saved to b.txt: `source b.txt` sets them again
  error: h:11: twice: there is no argument 0: 0 given
  break drain
  commands 1
  print chunk
  end
  $ stepdump -batch -x b.txt -ex 'show breakpoints' | tail -2
     number  where  kind  enabled  hits
          1  drain  keep  yes         0
  $ stepdump -batch -ex 'set logging log' -ex 'print 6*7' -ex 'set logging off' -ex 'print 1' > /dev/null; cat log; stat -c %a log
  (stepdump) print 6*7
  6*7 = 42
  (stepdump) set logging off
  600
  $ stepdump -batch -ex 'define step echo' 2>&1
  error: "step" is a command
  [2]

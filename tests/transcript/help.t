Help, man page and completion come from the same tables.

  $ stepdump -batch -ex 'help tbreak'
  tbreak WHERE  -  set a breakpoint that stops once
  short: tb
  
  The same as `break`, but the breakpoint is deleted when it is hit.
  
  Examples
    tbreak xfer
  $ stepdump -batch -ex 'apropos 2017' -ex 'apropos zyzzy'
  explain              what a term on the screen means; what makes dumps fail
  help history         where older texts about CRIU's dump are wrong
  error: nothing mentions "zyzzy"
  [1]
  $ for c in $(stepdump --examples | cut -f1 | sort -u); do stepdump -batch -ex "help $c" > /dev/null || echo $c; done
  $ for t in phases verdicts breakpoints errors scripts history; do stepdump -batch -ex "help $t" | wc -L | awk '$1 > 92 || $1 < 40'; done
  $ stepdump --man | man -l - > man.txt 2> man.err; grep -c '^ *attach \[--tree\] PID' man.txt; cat man.err
  1
  $ stepdump -batch -ex help | awk 'length > 80'
  $ stepdump --complete 'st'
  step
  strings
  $ stepdump --complete 'show pp'
  ppb
  $ stepdump --complete 'set pmc '
  auto
  scan
  pread
  $ stepdump --complete 'break verdict z'
  zero
  $ stepdump --complete 'b drain if p'
  ppb
  pages
  $ stepdump --complete 'help ph'
  phases
  phase
  $ stepdump --complete 'co'
  continue
  commands
  commit
  convert
  core
  $ stepdump --complete 'echo x | gr'

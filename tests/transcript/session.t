A whole session on a sleeping process, and what is refused on the way.

  $ stepdump -batch -p $T -ex 'show cursor | grep -c .' -ex 'detach' | sed 's/: .*//'
  attached %T sleep
  32
  detached from %T
  $ stepdump -batch -p $T -ex 'restart'
  attached %T sleep: 1 thread frozen, .* resident; dirty tracking: .* (re)
  error: restart: no dump is under way
    hint: `step` begins one
    target %T is frozen, otherwise as we found it
  [1]
  $ stepdump -batch -p $T -ex 'attach 1' 2>&1 | sed 's/:.*//' | tail -n +2 | head -1
  error
  $ stepdump -batch --readonly -p $T -ex 'step' 2>&1 | tail -n +2 | head -2
  error: step: stepdump was started with --readonly
    hint: attach, show, why and x work, and their output can be piped
  $ stepdump -batch -p $T -ex 'step' -ex 'set xfer null' 2>&1 | tail -n +3 | head -2
  error: xfer cannot change while a dump is under way
    hint: `restart` goes back to before prepare
  $ stepdump -batch -p $T -ex 'commit out' > /dev/null && ls out | sed "s/$T/PID/" | grep -v files
  core-PID.img
  ids-PID.img
  inventory.img
  mm-PID.img
  pagemap-PID.img
  pages-1.img
  pstree.img
  stats-dump
  $ stepdump -batch -p $T -ex 'commit out' 2>&1 > /dev/null | head -1
  error: commit out: publish at %D/out: ENOTEMPTY (Directory not empty)
  $ stepdump -batch -p $T -ex 'set xfer null' -ex 'commit out2' > /dev/null 2>&1; echo $?; ls -d out2 2>&1
  1
  ls: cannot access 'out2': No such file or directory
  [2]
  $ stepdump -batch -p $T -ex 'set dir out3' -ex 'continue > /dev/null' -ex 'commit > /dev/null' -ex 'quit' | wc -l; ls -d out3
  1
  out3
  $ stepdump -batch -p $T -ex 'step' | wc -l; ls -A | grep stepdump-
  the dump of %T stood at pmc-fill and was not committed: it is dropped
  2
  [1]
  $ stepdump -batch -p $T -ex 'break verdict dump' -ex 'continue' -ex 'next' | grep -c '^breakpoint 1'
  the dump of %T stood at pmc-fill and was not committed: it is dropped
  2
  $ stepdump -batch -p $T -ex 'x/0b 0'
  attached %T sleep: 1 thread frozen, .* resident; dirty tracking: .* (re)
  error: the count of x is from 1 to 1048576
  [2]
  $ stepdump -batch -p $T -ex 'x/2q 0' 2>&1 | tail -n +2 | head -2
  error: x/2q: "q" is not a unit
    hint: b, h, w and g are 1, 2, 4 and 8 bytes, s is a text, i an instruction
  $ stepdump -batch -p $T -ex 'why nonsense' 2>&1 | tail -n +2
  error: "nonsense" is not an address
    hint: hex digits, $ip, $sp, or the name of a VMA like [heap], each with +N or -N

What was done last is told of the whole run, not of its first unit.

  $ stepdump -batch -p $T -ex 'until drain' -ex 'show cursor' 2> /dev/null | grep NOW
   NOW  \(done\)     generate-iovs: .* pages planned in .* ppbs, 0 holes (re)
  $ stepdump -batch -p $T -ex 'break drain' -ex 'continue' -ex 'show cursor' -ex 'next' -ex 'show cursor' -ex 'continue' -ex 'show cursor' 2> /dev/null | grep NOW
   NOW  \(done\)     generate-iovs: .* pages planned in .* ppbs, 0 holes (re)
   NOW  \(done\)     drain: ppb 0: spliced .* pages, .* (re)
   NOW  \(done\)     xfer: .* pages and 0 holes out, .* (re)
  $ stepdump -batch -p $T -ex 'step 2' -ex 'show cursor' -ex 'next' -ex 'show cursor' 2> /dev/null | grep NOW
   NOW  \(done\)     pmc-fill: VMA 0 of .* (re)
   NOW  \(done\)     generate-iovs: .* (re)

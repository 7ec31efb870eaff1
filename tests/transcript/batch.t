Scripts: order, first error ends the run, exit statuses, streams.

  $ stepdump --version
  stepdump 0.1
  $ printf 'echo in file\n\n# comment\necho again # and again\n' > s
  $ stepdump -batch -ex 'echo 1' -x s -ex 'echo 2'
  1
  in file
  again
  2
  $ printf 'echo one\nfoo\necho two\n' | stepdump
  one
  error: unknown command "foo"
    hint: `help` lists the commands
  [2]
  $ printf 'echo one\nfoo\n' > s2; stepdump -batch -x s2 -ex 'echo not reached'
  one
  error: s2:2: unknown command "foo"
    hint: `help` lists the commands
  [2]
  $ stepdump -batch -ex 'source nonexistent'
  error: cannot read "nonexistent": ENOENT (No such file or directory)
  [1]
  $ echo 'source loop' > loop; stepdump -batch -ex 'source loop' 2>&1 | sed 's/\(loop:1: \)\{2,\}/loops: /'
  error: loops: `source` is nested more than 16 deep
  $ stepdump -batch -ex 'step'
  error: step: no target is attached
    hint: `attach PID` or `run PROGRAM`
  [1]
  $ stepdump -batch -ex 'set pmc fast'
  error: "fast" is not a value of pmc
    hint: one of auto|scan|pread
  [2]
  $ stepdump -batch -ex 'set xfer null' -ex 'set pipe-pages 12' -ex 'set xfer' -ex 'set pipe-pages 0'
  xfer = null  (local|null|server: pages go to files, nowhere (rehearsal), a page server)
  error: "0" is not a value of pipe-pages
    hint: a number from 1 to 262144
  [2]
  $ stepdump -batch -p 999999999
  error: cannot attach to 999999999: ESRCH (No such process)
    cause: there is no process with this pid (no-process)
    hint: check the pid; inside a container use the pid as seen from here
  [3]
  $ stepdump -batch -p x
  error: "x" is not a pid
    hint: `pidof NAME` prints it; at the prompt, type part of a name and Tab
  [2]
  $ stepdump -batch -p 4000000
  error: cannot attach to 4000000: ESRCH (No such process)
    cause: there is no process with this pid (no-process)
    hint: check the pid; inside a container use the pid as seen from here
  [3]
  $ stepdump --nonsense
  error: unknown option "--nonsense"
    hint: stepdump --help
  [2]
  $ stepdump surprise
  error: unexpected argument "surprise"
    hint: stepdump -p PID, or stepdump -- PROGRAM ARGS
  [2]
  $ stepdump --
  error: no program after --
    hint: stepdump --help
  [2]
  $ stepdump -p 1 -S x
  error: -p, -S and -- PROGRAM: only one of them
    hint: stepdump --help
  [2]
  $ stepdump -batch --color=loud
  error: "loud" is not a value of color
    hint: one of auto|always|never
  [2]
  $ stepdump -batch -ex 'quit' -ex 'echo not reached'
  $ stepdump -batch -ex 'echo data' 2>/dev/null
  data
  $ stepdump -batch -ex 'foo' 2>/dev/null
  [2]

Signals end a script in order: the target is cured, the status is 128 + the signal.

  $ mkfifo idle; exec 9<>idle; stepdump -p $T < idle > log & echo step >&9; until grep -qs prepare log; do :; done; kill -TERM $!; wait $!
  the dump of %T stood at pmc-fill and was not committed: it is dropped
  [143]
  $ mkfifo idle2; exec 9<>idle2; stepdump -p $T < idle2 > log2 & echo '!echo $$ > sub; exec sleep 1000' >&9; until [ -s sub ]; do :; done; kill -INT $!; wait $!; s=$?; kill $(cat sub); exit $s
  [130]

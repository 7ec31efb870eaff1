Saved snapshots are looked at read-only, without the process.

  $ stepdump -batch -p $T -ex 'step 3' -ex 'snap save a.snap' -ex 'show vmas > live' | tail -1
  the dump of %T stood at pmc-fill and was not committed: it is dropped
  saved a.snap
  $ stepdump -batch -S a.snap -ex 'show vmas > saved' | sed 's/ on .*//'; cmp live saved && echo equal
  opened a.snap: %T sleep, pmc-fill,
  equal
  $ stepdump -batch -S a.snap -ex 'step' 2>&1 | tail -n +2
  error: step: a saved snapshot is open, it can only be looked at
    hint: `close` goes back to the live session
  $ stepdump -batch -S a.snap -ex 'attach 1' 2>&1 | tail -n +2
  error: attach: a saved snapshot is open, it can only be looked at
    hint: `close` goes back to the live session
  $ stepdump -batch -S a.snap -ex 'close' -ex 'close' 2>&1 | tail -n +2
  error: neither a set, a snapshot nor a recording is open
  $ echo junk > j.snap; stepdump -batch -S j.snap
  error: snapshot j.snap: not a stepdump snapshot
  [1]
  $ stepdump -batch -S nonexistent.snap
  error: opening snapshot nonexistent.snap: ENOENT (No such file or directory)
  [1]
Recordings are played.

  $ stepdump -batch -p $T -ex 'record a.rec --no-bytes' -ex 'step 3' -ex record -ex continue -ex 'record off' 2>/dev/null | grep record | sed 's/[0-9.]*K of/SIZE of/; s/[0-9]* stops/N stops/'
  recording to a.rec
  recording to a.rec: N stops, SIZE of 256.0M
  recorded to a.rec: N stops, SIZE of 256.0M
  $ stepdump -batch -S a.rec -ex record -ex 'step 2' -ex 'record' -ex 'next 2' -ex 'back' -ex 'why $sp' 2>/dev/null | grep -e ^a.rec -e verdict -e 'units done' | sed 's/of [0-9]*/of N/; s/VMA 1 from [0-9a-f]*/VMA 1/'
  a.rec: stop 1 of N
  a.rec: stop 10 of N
  10 units done; next: pmc-fill: look up VMA 1 on in the pagemap cache
   verdict         dump
  $ stepdump -batch -S a.rec -ex 'continue' -ex 'next' 2>&1 | tail -4
  at the gate: all staged, nothing published; `commit DIR` passes it
  error: this is the last stop of the recording
    hint: `back`, `reverse-step` and `goto 0` go back
    this is a recording: nothing happens to a process
  $ stepdump -batch -S a.rec -ex 'commit x' 2>&1 | tail -3
  error: commit: a recording is open, it can only be looked at
    hint: `close` goes back to the live session
    this is a recording: nothing happens to a process
  $ stepdump -batch -S a.rec -ex 'close' -ex 'step' 2>&1 | tail -2
  error: step: no target is attached
    hint: `attach PID` or `run PROGRAM`
  $ stepdump -batch -p $T -ex 'record a.rec' 2>&1 | tail -2
  error: record a.rec: there is such a file
    hint: choose another name, or remove it first
  $ head -c 300 a.rec > cut.rec; stepdump -batch -S cut.rec -ex record 2>&1
  error: recording cut.rec: there is no complete stop in it
  [1]
  $ head -c 9000 a.rec > cut.rec; stepdump -batch -S cut.rec -ex record 2>&1 | tail -2 | sed 's/of [0-9][0-9]*/of N/g'
  it ends in the middle of a stop, which is left out
  cut.rec: stop 1 of N
  $ stepdump --json -batch -S a.rec -ex record | grep -o '"stop":[0-9]*,' | tail -1
  "stop":1,

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
  error: no saved snapshot is open
  $ echo junk > j.snap; stepdump -batch -S j.snap
  error: snapshot j.snap: not a stepdump snapshot
  [1]
  $ stepdump -batch -S nonexistent.snap
  error: opening snapshot nonexistent.snap: ENOENT (No such file or directory)
  [1]

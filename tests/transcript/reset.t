A commit, step by step; and what the seed of each structure shows.

  $ stepdump -batch -p $T -ex 'set thaw off' -ex 'break reset' -ex 'commit out' -ex 'next 4' -ex 'show cursor' -ex 'next' 2>/dev/null | grep -e reset: -e ^reset -e 'NEXT ' -e breakpoint
  breakpoint 1: reset
  breakpoint 1: reset: take the time (chunk 1)
  reset          take the time: done
  reset          restore protections: done
  reset          collect the other images: done
  reset          write the other images: done
   NOW  (done)     reset: write the other images: done
   NEXT            reset: check the images
  reset          check the images: done
  $ test -e out || echo nothing there
  nothing there
  $ stepdump -batch -p $T -ex 'set thaw off' -ex 'break reset' -ex 'commit out' -ex 'next 6' -ex 'continue' 2>/dev/null | tail -3 | sed 's|, [0-9.]* s$||; s/: [0-9]* pages [0-9.]*K/: PAGES/'
  reset          make the images durable (fsync): done
  reset          images checked, durable, published at %D/out; protections restored, cured
  committed %D/out: PAGES, 0 holes
  $ ls out | grep -c img
  8
  $ stepdump -batch -p $T -ex 'set thaw off' -ex 'break reset' -ex 'commit gone' -ex 'next 6' -ex 'restart' -ex 'step' -ex 'commit new' 2>/dev/null | grep -v -e ^attached -e '^reset  *[a-z ()]*: done' | sed 's/xfer to.*//; s/, [0-9.]* s$//; s/: [0-9]* pages.*holes/: PAGES/'
  breakpoint 1: reset
  breakpoint 1: reset: take the time (chunk 1)
  back before prepare; nothing is staged
  prepare        %T infected, 0 VMAs made readable, pmc by PAGEMAP_SCAN, page-pipe of 8 pipes, 
  breakpoint 1: reset: take the time (chunk 1)
  $ ls -A gone 2>&1 | head -1
  ls: cannot access 'gone': No such file or directory
  $ stepdump -batch -p $T -ex 'set thaw off' -ex 'break reset' -ex 'commit b' -ex 'back' 2>&1 | grep -A1 error
  error: past the commit gate there is no way back
    hint: `restart` begins another dump
  $ stepdump -batch -ex 'break reset if ppb == 1' 2>&1
  error: breakpoint "reset if ppb == 1": no unit of reset has a ppb
    hint: reset takes no condition
  [2]
  $ stepdump -batch -p $T -ex 'until xfer' -ex 'show ppb 0' -ex 'show xfer' 2>/dev/null | grep -e command -e arguments -e splice -e operations | sed 's/[0-9][0-9]*/N/g'
   command         DUMPPAGES
   its arguments   args->off N, nr_segs N, nr_pages N; then the pipe's fd N
   what it does    vmsplice(pipe, pp->iovs + N, N, SPLICE_F_GIFT |
   operations      open N, write_pages N, write_pagemap N, write_hole N, close N
  $ stepdump -batch -p $T -ex 'until drain' -ex 'show pmc' 2>/dev/null | grep -e low, -e gap -e why | cut -c1-11 | sort
   gap       
   low, high 
   why simple

What the words, columns and glyphs on the screen mean.

  $ stepdump -batch -ex 'explain chunk offset'
   EXPLAIN  chunk offset (column)
  ────────────────────────────────────────────────────────────────────────────────
   what            How many pages of this chunk stand in ppbs before this one.
   look with       show ppb
  $ stepdump -batch -ex 'explain ppb'
   EXPLAIN  ppb (structure)
  ────────────────────────────────────────────────────────────────────────────────
   what            One pipe of the page-pipe: which iovs go into it, how many
                   pages are planned (pages_in), and how much the kernel lets it
                   hold (pipe_size).
   why             A pipe has a limited size, so a dump needs several; one ppb is
                   one DUMPPAGES command, which is one unit of drain.
   in CRIU         struct page_pipe_buf, ppb_alloc(), ppb_resize_pipe()
   2017 and now    As described there. Where some pages are lazy, a change of LAZY
                   begins another ppb, which may share the pipe of the one before.
   look with       show ppb, show ppb 0, break drain if ppb == 1
  $ stepdump -batch -ex "explain '#'" -ex 'explain s' | grep what
   what            Pages that go into a pipe (verdict dump), or that are in one
   what            dump-swapped: goes into a pipe, the splice reads it in.
  $ stepdump -batch -ex 'help pmc' | head -n 4
   EXPLAIN  pmc (structure)
  ────────────────────────────────────────────────────────────────────────────────
   what            The pagemap cache: what the kernel says about the pages of a
                   window of addresses. A VMA that lies in the window is a hit,
  $ stepdump -batch -ex 'help s' | head -n 1
  step [N]  -  run to the next change of phase, N times
  $ stepdump -batch -ex 'apropos vmsplice'
  help watching        criu's own dump, held at its system calls
  explain iov          An address and a number of pages
  explain parasite     Position-independent code that is put into the target 
  explain DUMPPAGES    The command that makes the parasite vmsplice
  explain PROT_READ    Mappings without PROT_READ get it for the time of the dump
  $ stepdump --json -batch -ex 'explain iov' | grep -o '"term": *"[a-z]*"'
  "term":"iov"
  $ stepdump -batch -ex 'explain nonsense'
  error: no term or cause is called "nonsense"
    hint: `apropos WORD` searches, `explain` lists the causes
  [2]
  $ stepdump --complete 'explain pst'
  pstate
  pstates
  pst
  $ stepdump --complete 'help pm'
  pmc
  pmc-fill
With a target, its own numbers.

  $ stepdump -batch -p $T -ex 'until drain' -ex 'explain ppb' -ex 'explain pmc' 2>/dev/null | grep -o 'here  *[0-9]* [a-z]*' | tr 0-9 N | sed 's, NN* , N ,'
  here            N ppbs
  here            N hits

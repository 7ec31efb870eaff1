How a word becomes a command: exact name, exact short name, user alias, unique prefix; an
ambiguous word lists the candidates, a near miss is named.

  $ stepdump -batch -ex 'vers'
  stepdump 0.1
  $ stepdump -batch -ex 're'
  error: ambiguous command "re": record, report, rescue, residue, restart, reverse-continue, reverse-step
  [2]
  $ stepdump -batch -ex 'brake drain'
  error: unknown command "brake"
    hint: did you mean "break"?
  [2]
  $ stepdump -batch -ex 'frobnicate'
  error: unknown command "frobnicate"
    hint: `help` lists the commands
  [2]
  $ stepdump -batch -ex 'alias v=echo mine' -ex 'v 1' -ex 'vers' -ex 'alias'
  mine 1
  stepdump 0.1
  v = echo mine
  $ stepdump -batch -ex 'alias step=next'
  error: "step" is a command
  [2]
  $ stepdump -batch -ex 'alias a1=a2' -ex 'alias a2=a1' -ex 'a1'
  error: alias "a1" refers to itself
  [2]
  $ stepdump -batch -ex 'break'
  error: usage: break WHERE
    hint: `help break` explains it
  [2]
  $ stepdump -batch -ex 'show pp' -ex 'show p'
   PPB  page-pipe buffers: planned and real fill
  ────────────────────────────────────────────────────────────────────────────────
   no page-pipe yet: it is made in prepare
  error: ambiguous pane "p": pagemap, pages, parents, peek, phases, pipeline, pmc, ppb, pstate
  [2]
  $ stepdump -batch -ex 'show vmass'
  error: unknown pane "vmass"
    hint: did you mean "vmas"?
  [2]

An error tells the same at the prompt, in JSON and in a view: what, where, what to do, the target.

  $ stepdump -batch -p $T -ex 'x 1000' 2>&1 | tail -n +2
  error: nothing is mapped at 1000
    at address 1000
    hint: `show vmas` lists the mappings
    target %T is frozen, otherwise as we found it
  $ stepdump -batch --json -p $T -ex 'x 1000' | tail -1
  {"command":"x","ok":false,"error":{"code":"state","message":"nothing is mapped at 1000","vaddr":4096,"hint":"`show vmas` lists the mappings","state":"target %T is frozen, otherwise as we found it"}}
  $ printf ':x 1000\n:save-screen a\n' > k; stepdump -batch --ascii --size 80x12 --keys k -p $T -ex 'view' > /dev/null; sed -n 3,6p a
  nothing is mapped at 1000
    at address 1000
    hint: `show vmas` lists the mappings
    target %T is frozen, otherwise as we found it

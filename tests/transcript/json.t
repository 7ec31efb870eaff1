With --json each command prints one object on one line of stdout, errors too, and nothing else.

  $ stepdump -batch --json -ex 'echo hi' -ex 'pwd' -ex '!echo sub' -ex 'set xfer' -ex 'foo'
  {"command":"echo","ok":true,"text":"hi"}
  {"command":"pwd","ok":true,"dir":"%D"}
  {"command":"shell","ok":true,"text":["sub"]}
  {"command":"set","ok":true,"xfer":"local"}
  {"command":"foo","ok":false,"error":{"code":"usage","message":"unknown command \"foo\"","hint":"`help` lists the commands"}}
  [2]
  $ stepdump -batch --json -p $T -ex step -ex 'show vmas' -ex 'why $sp' -ex 'x $sp' -ex 'show settings' > o
  $ python3 -c 'import json; print([(d["command"], d["ok"]) for d in map(json.loads, open("o"))])'
  [('attach', True), ('step', True), ('show', True), ('why', True), ('x', True), ('show', True)]
  $ stepdump -batch --json -p 4000000 2>/dev/null | python3 -c 'import json,sys; d=json.load(sys.stdin); print(d["command"], d["ok"], d["error"]["code"], d["error"]["errno_name"])'
  attach False target ESRCH
  $ stepdump -batch --json -ex 'break drain' -ex 'tbreak xfer if ppb == 2' -ex 'delete 7' | python3 -c 'import json,sys; [print(d["ok"], d.get("where"), d.get("number")) for d in map(json.loads, sys.stdin)]'
  True drain 1
  True xfer if ppb == 2 2
  False None None

Where output goes: pipes, files, quotes; what a reader or a full disk does to it.

  $ stepdump -batch -ex 'echo one | tr a-z A-Z' -ex 'echo two > f' -ex 'echo three >> f' -ex '!cat f'
  ONE
  two
  three
  $ stepdump -batch -ex "echo 'a | b > c' \"d \\\" e\" f\\ g"
  a | b > c d " e f g
  $ stepdump -batch -ex 'echo x | grep y' -ex 'echo grep that finds nothing is not an error'
  grep that finds nothing is not an error
  $ stepdump -batch -ex 'help | head -1' -ex 'echo still fine'
  Target
  still fine
  $ stepdump -batch -ex 'echo x | exit 3' -ex 'echo not reached'
  error: "exit 3" ended with exit status 3
  [1]
  $ stepdump -batch -ex 'echo x |'
  error: no command after |
  [2]
  $ stepdump -batch -ex "echo 'x"
  error: quote ' is not closed
  [2]
  $ echo precious > f; stepdump -batch -ex 'show nothing > f'; cat f
  f: left as it was
  error: unknown pane "nothing"
    hint: `show` lists them
  precious
  $ stepdump -batch -ex 'show nothing >> f' 2> /dev/null; cat f; stepdump -batch -ex 'show nothing > new'; ls new
  precious
  error: unknown pane "nothing"
    hint: `show` lists them
  ls: cannot access 'new': No such file or directory
  [2]
  $ printf 'echo half\nfoo\n' > bad; stepdump -batch -ex 'source bad > f' 2>&1 | tail -1; cat f; stepdump -batch -ex 'source bad > new' 2> /dev/null; cat new
    hint: `help` lists the commands
  precious
  half
  $ stepdump -batch --json -ex 'show nothing > f' | grep -c unknown; cat f
  1
  precious
  $ mkdir torn; stepdump -batch -ex 'verify torn > f' 2> /dev/null; grep -c precious f
  0
  [1]
  $ stepdump -batch -ex 'show caps > f' -ex 'echo short > f'; cat f
  short
  $ stepdump -batch -ex 'echo a>b'; ls b
  a>b
  ls: cannot access 'b': No such file or directory
  [2]
  $ stepdump -batch -ex 'show caps > 2'; ls 2
  error: a number after >, not a file
    hint: `> ./2` writes to a file of that name
  ls: cannot access '2': No such file or directory
  [2]
  $ stepdump -batch -ex 'echo a || echo b'
  error: || is not an operator
    hint: `| COMMAND` gives the output to a command of the shell
  [2]
  $ stepdump -batch -ex 'echo x > /nonexistent/f'
  error: cannot write "/nonexistent/f": ENOENT (No such file or directory)
  [1]
  $ stepdump -batch -ex 'help > /dev/full'
  error: cannot write /dev/full: ENOSPC (No space left on device)
  [1]
  $ stepdump -batch -ex 'help' > /dev/full
  error: cannot write the output: ENOSPC (No space left on device)
  [1]
  $ printf 'echo a\necho b > g\n!cat g\n' > script; stepdump -batch -ex 'source script > all' -ex '!cat all'
  b
  a
  $ stepdump -batch -ex 'help' | head -1
  Target

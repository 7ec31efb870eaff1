Where output goes: pipes, files, quotes; what a reader or a full disk does to it.

  $ stepdump -batch -ex 'echo one | tr a-z A-Z' -ex 'echo two > f' -ex 'echo three >> f' -ex '!cat f'
  ONE
  two
  three
  $ stepdump -batch -ex "echo 'a | b > c' \"d \\\" e\" f\\ g"
  a | b > c d " e f g
  $ stepdump -batch -ex 'echo x | grep y' -ex 'echo grep that finds nothing is no error'
  grep that finds nothing is no error
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

# SPDX-License-Identifier: GPL-3.0-or-later
"""The library of the live tests: targets, the real stepdump, and the sequences of a session.

A test file ends with `sd.main()`: its functions `test_NAME` are the cases, `FILE NAME` runs one.
"""
import json
import os
import random
import re
import select
import signal
import subprocess
import sys
import time
import traceback

B = os.environ.get('B', 'build')
ROOT = os.environ.get('SD_ROOT') or os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
STEPDUMP = os.environ.get('STEPDUMP', os.path.join(B, 'stepdump'))
TARGETS = os.path.join(B, 'tests', 'targets')
TMP = os.environ.get('TMPDIR', '/tmp')
# For events that come soon or never; generous, since machines are busy.
PATIENCE = float(os.environ.get('SD_PATIENCE', '30'))

# Random choices are the same in every run unless SEED=N says otherwise; STRESS=N does what is
# random N times as often.  `make stress` sets both.
SEED = int(os.environ.get('SEED', '20261126'))
STRESS = int(os.environ.get('STRESS', '1'))
random.seed(SEED)

_children = []


class Skip(Exception):
    pass


def skip(reason):
    raise Skip(reason)


def check(condition, message):
    if not condition:
        raise AssertionError(message)


def equal(got, want, what):
    check(got == want, f'{what}: {got!r}, expected {want!r}')


def rounds(nr):
    return nr * STRESS


def seeds(nr):
    """For targets whose behaviour a seed determines."""
    first = random.randrange(1 << 32)
    return range(first, first + rounds(nr))


def wait_until(condition, what, patience=PATIENCE, pause=0.005):
    """Polls; returns what the condition returned."""
    deadline = time.monotonic() + patience
    while not (value := condition()):
        check(time.monotonic() < deadline, f'waited {patience:.0f} s for: {what}')
        time.sleep(pause)
    return value


def need_root():
    if os.geteuid() != 0:
        skip('needs root')


def pin():
    """This process runs on one CPU from now on."""
    os.sched_setaffinity(0, {random.choice(sorted(os.sched_getaffinity(0)))})


class Lines:
    """Reads lines from a pipe, with a limit of patience."""

    def __init__(self, f):
        self.fd, self.buffer = f.fileno(), b''
        self.readable = select.poll()  # select() stops at descriptor 1023
        self.readable.register(self.fd, select.POLLIN)

    def read(self, patience=PATIENCE):
        """One line as text, without its end; None at the end of file."""
        deadline = time.monotonic() + patience
        while b'\n' not in self.buffer:
            left = deadline - time.monotonic()
            check(left > 0 and self.readable.poll(left * 1000),
                  f'no line within {patience:.0f} s (so far {self.buffer!r})')
            data = os.read(self.fd, 65536)
            if not data:
                return None
            self.buffer += data
        line, self.buffer = self.buffer.split(b'\n', 1)
        return line.decode()


# ---- targets ---------------------------------------------------------------

class Target:
    """A process that prints READY PID when it is set up.  Killed when the test ends."""

    def __init__(self, *argv, stdin=subprocess.DEVNULL, pinned=False, **kwargs):
        """pinned: to one CPU.  The kernel writes the number of the CPU into each thread's rseq
        area when that thread comes back from the kernel, which a parasite makes the leader do."""
        program = argv[0] if '/' in argv[0] else os.path.join(TARGETS, argv[0])
        if pinned:
            kwargs['preexec_fn'] = pin
        self.proc = subprocess.Popen([program, *map(str, argv[1:])], stdin=stdin,
                                     stdout=subprocess.PIPE, bufsize=0, **kwargs)
        _children.append(self.proc)
        self.output = Lines(self.proc.stdout)
        self.lines, self.pid = [], None
        while self.pid is None:
            line = self.read_line()
            if line is None:
                status = self.proc.wait()
                if status == 77:
                    skip(f'{" ".join(map(str, argv))}: {self.lines[-1] if self.lines else ""}')
                raise AssertionError(f'{argv} ended with {status}: {self.lines}')
            self.lines.append(line)
            if line.startswith('READY '):
                self.pid = int(line.split()[1])

    def read_line(self, patience=PATIENCE):
        """None at the end of file."""
        return self.output.read(patience)

    def kill(self):
        self.proc.kill()
        self.proc.wait()

    def alive(self):
        return self.proc.poll() is None


def status_of(path):
    """The counters that a target writes; again if the copy is torn."""
    while True:
        with open(path) as f:
            fields = dict((line.split(' ', 1) + [''])[:2] for line in f.read().split('\n') if line)
        if fields.get('serial') and fields.get('serial') == fields.get('end'):
            return {k: v if k == 'first' else int(v) for k, v in fields.items()}


def check_moving(path, rounds, counters, alive=lambda: True):
    """Waits for that many complete rounds of memory checks: no damage, and all counters advance."""
    before = status_of(path)

    def moved():
        check(alive(), f'{path}: the target has ended')
        now = status_of(path)
        check(now['damage'] == 0, f'{path}: damage: {now["first"]}')
        return (now['rounds'] > before['rounds'] + rounds and
                all(now[k] > before[k] for k in counters))
    wait_until(moved, f'{path} to move on')


class Demo(Target):
    """The demo target: it checks itself, and we watch its counters."""

    serial = 0

    def __init__(self, *options, aio=True, **kwargs):
        """With an AIO ring, one kind of memory more, but nothing of it counts as unchanged in an
        incremental dump.  Without, it is what `make demo` starts."""
        if aio:
            options = ('--aio', *options)
        Demo.serial += 1
        self.dir = os.path.join(TMP, f'demo.{Demo.serial}')
        os.mkdir(self.dir)
        self.status_file = os.path.join(TMP, f'demo.{Demo.serial}.status')
        super().__init__('demo', '--dir', self.dir, '--status', self.status_file, *options, **kwargs)
        print(self.lines)

    def status(self):
        return status_of(self.status_file)

    def check_working(self, rounds=2):
        """Waits for that many complete rounds of checks, all without damage.  Sleepers, timer and
        registers advance too."""
        check_moving(self.status_file, rounds, ('writes', 'spins', 'ticks', 'sleeps', 'polls'), self.alive)

    def check_quiet(self):
        """One round of checks of a --quiet-memory target."""
        before = self.status()['rounds']
        os.kill(self.pid, signal.SIGUSR1)
        wait_until(lambda: self.status()['rounds'] > before, 'a round of checks')
        equal(self.status()['damage'], 0, f'damage ({self.status()["first"]})')


# ---- stepdump --------------------------------------------------------------

class Result:
    def __init__(self, proc):
        self.rc, self.out, self.err = proc.returncode, proc.stdout, proc.stderr
        print(f'$ {" ".join(proc.args)}  -> {self.rc}\n{self.out}{self.err}', flush=True)

    def json(self):
        return [json.loads(line) for line in self.out.splitlines()]


def run(*args, stdin=None, prefix=(), timeout=PATIENCE * 4, **kwargs):
    """Runs `stepdump ARGS` to its end."""
    return Result(subprocess.run([*prefix, STEPDUMP, *map(str, args)], input=stdin, text=True,
                                 stdin=subprocess.DEVNULL if stdin is None else None,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout,
                                 **kwargs))


def batch(pid, *commands, options=(), **kwargs):
    args = ['-batch', *options]
    if pid is not None:
        args += ['-p', pid]
    for c in commands:
        args += ['-ex', c]
    return run(*args, **kwargs)


class Session:
    """A stepdump that is driven command by command: --json over pipes, one line each way."""

    def __init__(self, *args, prefix=(), **kwargs):
        self.proc = subprocess.Popen([*prefix, STEPDUMP, '--json', *map(str, args)],
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, **kwargs)
        self.output = Lines(self.proc.stdout)
        _children.append(self.proc)

    def send(self, line):
        self.proc.stdin.write(line.encode() + b'\n')

    def receive(self, patience=PATIENCE * 4):
        line = self.output.read(patience)
        check(line, f'stepdump ended with {self.proc.poll()}')
        return json.loads(line)

    def try_(self, line):
        self.send(line)
        return self.receive()

    def do(self, line):
        reply = self.try_(line)
        check(reply['ok'], f'{line}: {reply.get("error")}')
        return reply

    def close(self):
        """End of file; returns the exit status."""
        self.proc.stdin.close()
        return self.proc.wait(PATIENCE)

    def stop_at(self, reply):
        """Phase of the next unit after a run command."""
        return reply['cursor']['phase']

    def count_units(self):
        """Runs a whole dump up to the gate by `next`; the phase before each unit."""
        phases = []
        reply = self.do('next')
        while self.stop_at(reply) != 'gate':
            phases.append(self.stop_at(reply))
            reply = self.do('next')
        return phases


class Text:
    """A stepdump whose answers are plain text, one command after the other, up to the first error."""

    def __init__(self, *options):
        self.p = subprocess.Popen([STEPDUMP, '-batch', *options], stdin=subprocess.PIPE, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=1,
                                  env=dict(os.environ, COLUMNS='100', LC_ALL='C.UTF-8'))
        self.do('echo')

    def do(self, command):
        self.p.stdin.write(f'{command}\necho "=end="\n')
        self.p.stdin.flush()
        out = []
        for line in self.p.stdout:
            if line.strip().strip('"') == '=end=':
                return ''.join(out)
            out.append(line)
        raise AssertionError(f'{command}: it ended: {"".join(out)}')

    def close(self):
        self.p.stdin.close()
        self.p.wait(PATIENCE)
        self.p.stdout.close()


# ---- the target from outside -----------------------------------------------

def proc_text(pid, name):
    with open(f'/proc/{pid}/{name}') as f:
        return f.read()


def status_field(pid, field):
    return re.search(rf'^{field}:\s*(.*)$', proc_text(pid, 'status'), re.M).group(1)


def check_free(pid, staging=None):
    """Nothing holds the target, and nothing of ours is left in it or on disk."""
    def let_go():
        for tid in os.listdir(f'/proc/{pid}/task'):
            try:
                if not re.search(r'^TracerPid:\s*0$', proc_text(pid, f'task/{tid}/status'), re.M):
                    return False
            except (FileNotFoundError, ProcessLookupError):
                continue   # that thread has ended
        return True
    wait_until(let_go, f'the tracer of {pid} to go')
    check('CRIUMFD' not in proc_text(pid, 'maps'), 'the parasite is still mapped')
    if staging is not None:
        wait_until(lambda: not os.listdir(staging), f'{staging} to be empty', 5)


def wait_state(pid, letter):
    """A detached task that was stopped runs for a moment before it stops again."""
    wait_until(lambda: status_field(pid, 'State')[0] == letter, f'{pid} to be in state {letter}')


def settled_state(pid):
    """state() of a process whose threads all sleep or are stopped, once they do."""
    def settled():
        one = state(pid)
        states = [proc_text(pid, f'task/{t}/status').split('State:\t')[1][0]
                  for t in os.listdir(f'/proc/{pid}/task')]
        return one if set(states) <= set('ST') and one == state(pid) else None
    return wait_until(settled, f'all threads of {pid} to sleep')


def state(pid):
    """What must be the same before attach and after detach: everything visible except
    counters, and which of its threads runs."""
    s = {'maps': proc_text(pid, 'maps'), 'limits': proc_text(pid, 'limits')}
    base = f'/proc/{pid}/task'
    for tid in sorted(os.listdir(base), key=int):
        for line in proc_text(pid, f'task/{tid}/status').splitlines():
            if re.match(r'(Name|Umask|Tgid|Pid|TracerPid|Uid|Gid|FDSize|Sig(Pnd|Blk|Ign|Cgt)|Shd\w+|Cap\w+|NoNew\w+|'
                        r'Seccomp\w*|Threads|VmLck|VmPin|VmData|VmStk|VmExe|VmLib):', line):
                s[tid, line.split(':')[0]] = line
        try:
            # Stack and instruction pointer.  The call itself may now be restart_syscall().
            s[tid, 'pointers'] = proc_text(pid, f'task/{tid}/syscall').split()[-2:]
        except OSError:
            pass
    s['fds'] = {fd: os.readlink(f'/proc/{pid}/fd/{fd}') for fd in os.listdir(f'/proc/{pid}/fd')}
    # Without "sd": what has changed since the last reset, which a dump that tracks by soft-dirty makes.
    s['smaps'] = [re.sub(r' sd\b', '', line) for line in proc_text(pid, 'smaps').splitlines() if line.startswith('VmFlags')]
    return s


def check_same_state(before, after):
    for key in sorted(set(before) | set(after), key=str):
        if before.get(key) != after.get(key):
            b, a = str(before.get(key)).split('\\n'), str(after.get(key)).split('\\n')
            raise AssertionError(f'{key} is not as before:\n  was {b}\n  is  {a}')


# ---- the order of things ----------------------------------------------------

def _clean_up():
    for proc in _children:
        if proc.poll() is None:
            try:
                proc.send_signal(signal.SIGCONT)
                proc.kill()
            except ProcessLookupError:
                pass
            proc.wait()


def main():
    module = sys.modules['__main__']
    cases = {n[5:].replace('_', '-'): f for n, f in vars(module).items() if n.startswith('test_')}
    wanted = [a.replace('_', '-') for a in sys.argv[1:]] or list(cases)
    status = 0
    if not os.access(STEPDUMP, os.X_OK) and not getattr(module, 'NEEDS_NO_STEPDUMP', False):
        print(f'{STEPDUMP} is not built')
        sys.exit(1)
    os.umask(0o022)
    print(f'SEED={SEED}')
    for name in wanted:
        random.seed(SEED)
        try:
            cases[name]()
            if len(wanted) > 1:
                print(f'ok {name}')
        except Skip as reason:
            print(reason)
            status = status or 77
        except Exception:
            traceback.print_exc(file=sys.stdout)
            print(f'failed: {name}')
            status = 1
        finally:
            sys.stdout.flush()
            _clean_up()
            _children.clear()
    sys.exit(status)

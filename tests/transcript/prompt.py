# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases for a person at a prompt: stepdump in a pseudo-terminal.

Nothing sleeps: each step waits for the text that must come.
"""
import fcntl
import os
import pty
import re
import select
import signal
import stat
import struct
import subprocess
import termios
import time

PATIENCE = 20
TAB, CTRL_C, CTRL_D, CTRL_R, CTRL_Z, UP = '\t', '\x03', '\x04', '\x12', '\x1a', '\x1b[A'


class Terminal:
    def __init__(self, world, program, *args, env=None, rows=24, cols=80):
        self.world = world
        self.fd, child_side = pty.openpty()
        fcntl.ioctl(child_side, termios.TIOCSWINSZ, struct.pack('HHHH', rows, cols, 0, 0))
        environ = dict(world.env, TERM='xterm', NO_COLOR='1', INPUTRC='/dev/null')
        environ.pop('COLUMNS')
        environ.pop('LINES')
        environ.update(env or {})

        def become_foreground():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.p = subprocess.Popen([program, *args], stdin=child_side, stdout=child_side,
                                  stderr=child_side, env=environ, cwd=world.dir,
                                  preexec_fn=become_foreground)
        os.close(child_side)
        self.seen = ''
        self.at = 0

    def read(self, timeout):
        if not select.select([self.fd], [], [], timeout)[0]:
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return False
        text = data.decode('utf-8', 'replace')
        # What only moves the cursor or changes modes is not text.
        self.seen += re.sub(r'\x1b\[[?0-9;]*[a-zA-Z]|\x1b[=>]|\r|\x07', '', text)
        return bool(data)

    def expect(self, pattern):
        """Waits for a pattern behind what was found last."""
        deadline = time.monotonic() + PATIENCE
        while not (found := re.search(pattern, self.seen[self.at:])):
            left = deadline - time.monotonic()
            if left <= 0 or (not self.read(left) and self.p.poll() is not None):
                raise AssertionError(f'no {pattern!r} in {self.seen[self.at:]!r}')
        self.at += found.end()
        return found

    def prompt(self, text='stepdump'):
        self.expect(r'\(' + text + r'\) ')

    def send(self, keys):
        os.write(self.fd, keys.encode())

    def line(self, text):
        self.send(text + '\r')

    def clear(self):
        """^C, and the empty prompt behind it."""
        self.send(CTRL_C)
        self.expect(r'\^C\n')
        self.prompt()

    def end(self, status=0):
        deadline = time.monotonic() + PATIENCE
        while self.p.poll() is None:
            self.read(0.05)
            assert time.monotonic() < deadline, f'does not end: {self.seen[self.at:]!r}'
        while self.read(0):
            pass
        os.close(self.fd)
        assert self.p.returncode == status, \
            f'status {self.p.returncode}, expected {status}: {self.seen[-300:]!r}'


def runs(world):
    assert world.target_state() in 'SR', f'target in state {world.target_state()}'


def wait_state(world, states):
    deadline = time.monotonic() + PATIENCE
    while world.target_state() not in states:
        assert time.monotonic() < deadline, f'target stays {world.target_state()}'
        time.sleep(0.01)


def case_banner_and_quit(w, program):
    t = Terminal(w, program)
    t.expect('`help` lists the commands')
    t.prompt()
    t.line('q')
    t.end()


def case_prompt_tells_pid_and_phase(w, program):
    t = Terminal(w, program, '-q', '-p', str(w.target.pid))
    t.prompt(f'{w.target.pid} ready')
    t.line('s')
    t.prompt(f'{w.target.pid} pmc-fill')
    t.line('c')
    t.prompt(f'{w.target.pid} gate')
    t.line('q')
    t.expect('was not committed')
    t.end()
    runs(w)


def case_prompt_tells_the_task_of_a_tree(w, program):
    tree = subprocess.Popen(['bash', '-c', 'sleep 100000 & echo $!; wait'], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    child = int(tree.stdout.readline())
    try:
        t = Terminal(w, program, '-q')
        t.prompt()
        t.line(f'attach --tree {tree.pid}')
        t.expect('1 descendant')
        t.prompt(f'task 0 {tree.pid} ready')
        t.line('task 1')
        t.prompt(f'task 1 {child} ready')
        t.line('task auto')
        t.prompt(f'task 0 {tree.pid} ready')
        t.line('set mode pre-dump')
        t.prompt(f'task 0 {tree.pid} ready')
        t.line('commit tree')
        # Where nothing tracks writes there are no pre-dumps.
        if 'runs' in t.expect('the target runs|nothing tracks').group():
            t.prompt('task [01] [0-9]+ done')
            t.line('restart')
            t.prompt(f'task 0 {tree.pid} ready')
        t.line('detach')
        t.prompt()
        t.line('q')
        t.end()
    finally:
        os.kill(child, signal.SIGKILL)
        tree.wait()
        tree.stdout.close()


def case_end_of_file_quits(w, program):
    t = Terminal(w, program, '-q', '-p', str(w.target.pid))
    t.prompt(f'{w.target.pid} ready')
    t.send(CTRL_D)
    t.end()
    runs(w)


def case_interrupt_clears_the_line(w, program):
    t = Terminal(w, program, '-q')
    t.prompt()
    t.send('kill everything')
    t.expect('everything')
    t.clear()
    t.line('echo still here')
    t.expect('\nstill here')
    t.line('quit')
    t.end()


def case_tab_completes_commands(w, program):
    t = Terminal(w, program, '-q')
    t.prompt()
    t.send('ap' + TAB)
    t.expect('apropos ')
    t.clear()
    t.send('res' + TAB + TAB)
    t.expect('rescue .*\n')
    t.expect('restart .*\n')
    t.clear()
    t.line('q')
    t.end()


def case_tab_completes_pids_by_name(w, program):
    t = Terminal(w, program, '-q')
    t.prompt()
    t.send('attach ' + str(w.target.pid)[:-1] + TAB + TAB)
    t.expect(str(w.target.pid))
    t.clear()
    # One Tab puts in what the pids of several such processes share, the others list them.
    t.send('attach slee' + TAB + TAB + TAB)
    t.expect(f'{w.target.pid}')
    t.clear()
    t.line('q')
    t.end()


def case_tab_completes_breakpoints(w, program):
    t = Terminal(w, program, '-q')
    t.prompt()
    t.send('b dr' + TAB)
    t.expect('drain ')
    t.send('i' + TAB)
    t.expect('if ')
    t.send('pp' + TAB)
    t.expect('ppb ')
    t.send('=' + TAB)
    t.expect('== ')
    t.line('3')
    t.expect('breakpoint 1: drain if ppb == 3')
    t.send('delete ' + TAB)
    t.expect('delete 1')
    t.line('')
    t.prompt()
    t.line('q')
    t.end()


def case_tab_completes_servers(w, program):
    """An address goes on behind the colon; one that was set before is offered."""
    t = Terminal(w, program, '-q')
    t.prompt()
    t.send('set xfer se' + TAB)
    t.expect('server ')
    t.send(TAB + TAB)
    t.expect('localhost: .*HOST:PORT')
    t.expect('unix: .*unix:PATH')
    t.send('l' + TAB)
    t.line('4711')
    t.prompt()
    t.line('set server')
    t.expect('server = localhost:4711')
    t.prompt()
    t.send('set server un' + TAB)
    t.line('/run/socket')
    t.prompt()
    t.line('set server')
    t.expect('server = unix:/run/socket')
    t.prompt()
    t.send('set xfer server ' + TAB + TAB)
    t.expect('unix:/run/socket .*as it is set')
    t.clear()
    t.line('q')
    t.end()


def case_ambiguity_is_an_error(w, program):
    t = Terminal(w, program, '-q')
    t.prompt()
    t.line('re')
    t.expect('ambiguous command "re": record, report, rescue, residue, restart')
    t.prompt()
    t.line('staep')
    t.expect('did you mean "step"')
    t.prompt()
    t.line('q')
    t.end()


def case_enter_repeats_what_is_safe(w, program):
    t = Terminal(w, program, '-q', '-p', str(w.target.pid))
    t.prompt('.* ready')
    t.line('x $sp')
    first = int(t.expect(r'\n([0-9a-f]{12})  ').group(1), 16)
    t.prompt('.*')
    t.line('')
    second = int(t.expect(r'\n([0-9a-f]{12})  ').group(1), 16)
    assert second == first + 64, 'x does not go on'
    t.prompt('.*')
    t.line('echo once')
    t.expect('\nonce')
    t.prompt('.*')
    before = t.at
    t.line('')
    t.prompt('.*')
    assert 'once' not in t.seen[before:t.at], 'echo was repeated'
    t.line('set repeat off')
    t.prompt('.*')
    t.line('next')
    t.prompt(r'\d+ (?!ready).*')
    where = t.seen[:t.at].rsplit('(', 1)[1]
    t.line('')
    t.prompt(r'\d+ .*')
    assert t.seen[:t.at].rsplit('(', 1)[1] == where, 'repeated in spite of set repeat off'
    t.line('q')
    t.end()
    runs(w)


def case_history_is_kept_private(w, program):
    t = Terminal(w, program, '-q')
    for text in ('echo one', 'echo two', 'echo one', ' echo secret'):
        t.prompt()
        t.line(text)
    t.prompt()
    t.line('quit')
    t.end()
    path = os.path.join(w.dir, 'state/stepdump/history')
    mode = stat.S_IMODE(os.stat(path).st_mode)
    assert mode == 0o600, oct(mode)
    t = Terminal(w, program, '-q')
    t.prompt()
    t.line('history')
    t.expect('\necho two\necho one\nquit\nhistory\n')
    assert 'secret' not in t.seen
    t.prompt()
    t.send(UP + UP)
    t.expect('quit')
    t.clear()
    t.send(CTRL_R + 'two\r')  # how it is painted on the way depends on how fast it comes
    t.expect('\ntwo')
    t.prompt()
    t.line('q')
    t.end()


def case_pager_for_long_output(w, program):
    env = {'STEPDUMP_PAGER': "sed 's/^/paged: /'"}
    t = Terminal(w, program, '-q', env=env)
    t.prompt()
    t.line('help')
    t.expect('paged: Target')
    t.prompt()
    t.line('pwd')
    t.expect('\n' + re.escape(w.dir) + '\n')
    t.prompt()
    t.line('set pager off')
    t.prompt()
    t.line('help')
    t.expect('\nTarget\n')
    t.prompt()
    t.line('q')
    t.end()


def case_rc_file_runs(w, program):
    os.makedirs(os.path.join(w.dir, 'config/stepdump'))
    with open(os.path.join(w.dir, 'config/stepdump/rc'), 'w') as f:
        f.write('# mine\nalias hello=echo hello from rc\n')
    t = Terminal(w, program, '-q')
    t.prompt()
    t.line('hello')
    t.expect('\nhello from rc')
    t.prompt()
    t.line('q')
    t.end()


def end_by(w, program, sig):
    t = Terminal(w, program, '-q', '-p', str(w.target.pid))
    t.prompt('.* ready')
    t.line('step 3')
    t.prompt('.*')
    t.p.send_signal(sig)
    t.end(128 + sig)
    runs(w)


def case_sigterm_cures(w, program):
    end_by(w, program, signal.SIGTERM)


def case_sighup_cures(w, program):
    end_by(w, program, signal.SIGHUP)


def case_sigterm_under_the_pager_cures(w, program):
    t = Terminal(w, program, '-q', '-p', str(w.target.pid),
                 env={'STEPDUMP_PAGER': 'echo pager runs; cat >/dev/null; exec sleep 100'})
    t.prompt('.* ready')
    t.line('help')
    t.expect('\npager runs')
    t.p.send_signal(signal.SIGTERM)
    t.end(128 + signal.SIGTERM)
    runs(w)


def case_suspend_says_that_the_target_is_frozen(w, program):
    t = Terminal(w, program, '-q', '-p', str(w.target.pid))
    t.prompt('.* ready')
    t.send(CTRL_Z)
    t.expect(f'target {w.target.pid} stays frozen')
    deadline = time.monotonic() + PATIENCE
    while True:
        with open(f'/proc/{t.p.pid}/stat') as f:
            if f.read().rsplit(')', 1)[1].split()[0] == 'T':
                break
        assert time.monotonic() < deadline, 'not suspended'
    assert w.target_state() == 't', w.target_state()
    t.p.send_signal(signal.SIGCONT)
    t.prompt('.* ready')
    t.line('q')
    t.end()
    runs(w)


def case_death_of_the_target_is_told(w, program):
    t = Terminal(w, program, '-q', '-p', str(w.target.pid))
    t.prompt('.* ready')
    w.target.kill()
    t.expect(f'target {w.target.pid} has died')
    t.line('step')
    t.expect('error: ')
    t.prompt('.*')
    t.line('detach')
    t.prompt()
    t.line('q')
    t.end()


def case_interrupt_stops_the_pipeline(w, program):
    big = subprocess.Popen(['python3', '-c',
                            'import sys,time\nb=bytearray(1<<28)\nfor i in range(0,len(b),8192): b[i]=1\n'
                            'print("ready",flush=True)\ntime.sleep(1e6)'],
                           stdout=subprocess.PIPE, env=w.env)
    try:
        big.stdout.readline()
        t = Terminal(w, program, '-q', '-p', str(big.pid))
        t.prompt('.* ready')
        t.line('set xfer null')
        t.prompt('.* ready')
        t.line('continue')
        t.expect(r'\^C stops|at the gate')
        t.send(CTRL_C)
        t.expect(r'interrupted: .*\n|\((\d+) gate\) ')
        t.line('echo prompt is back')
        t.expect('\nprompt is back')
        t.line('q')
        t.end()
    finally:
        big.kill()
        big.wait()


def cases():
    return [n[5:].replace('_', '-') for n in globals() if n.startswith('case_')]


def run(name, world, program):
    try:
        globals()['case_' + name.replace('-', '_')](world, program)
    except AssertionError as e:
        print(f'prompt:{name}: {e}')
        return 1
    return 0

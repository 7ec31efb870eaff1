# SPDX-License-Identifier: GPL-3.0-or-later
"""A terminal that tests can read: tmux with a server of its own."""
import os
import shutil
import subprocess

import sd


class Screen:
    made = 0

    def __init__(self, cols=80, rows=24, env=None):
        if not shutil.which('tmux'):
            sd.skip('tmux is not installed')
        Screen.made += 1
        self.socket = os.path.join(sd.TMP, f'tmux-{os.getpid()}-{Screen.made}')
        clean = {k: v for k, v in os.environ.items() if k not in ('NO_COLOR', 'TMUX', 'COLUMNS', 'LINES', 'COLORTERM')}
        clean.update(LC_ALL='C.UTF-8', XDG_STATE_HOME=sd.TMP, XDG_CONFIG_HOME=sd.TMP, **(env or {}))
        subprocess.run(['tmux', '-S', self.socket, '-f', '/dev/null', 'new-session', '-d', '-s', 't', '-x', str(cols),
                        '-y', str(rows), "env PS1='sh> ' bash --norc --noprofile -i"], env=clean, check=True)
        self.expect('sh>')

    def tmux(self, *args):
        return subprocess.run(['tmux', '-S', self.socket, *args], stdout=subprocess.PIPE, text=True).stdout

    def text(self, colours=False):
        return self.tmux('capture-pane', '-t', 't', '-p', *(['-e'] if colours else []))

    def history(self):
        return self.tmux('capture-pane', '-t', 't', '-p', '-S', '-1000')

    def keys(self, *keys):
        self.tmux('send-keys', '-t', 't', *keys)

    def type(self, line):
        self.tmux('send-keys', '-t', 't', '-l', line)
        self.keys('Enter')

    def resize(self, cols, rows):
        self.tmux('resize-window', '-t', 't', '-x', str(cols), '-y', str(rows))

    def expect(self, *texts, absent=()):
        """Waits until all of it is on the screen; returns the screen."""
        def there():
            screen = self.text()
            return screen if all(t in screen for t in texts) and not any(t in screen for t in absent) else None
        try:
            return sd.wait_until(there, f'{texts} on the screen')
        except AssertionError as e:
            raise AssertionError(f'{e}; the screen is\n{self.text()}') from None

    def shell(self, command):
        """Output of a command that the shell in the terminal runs."""
        out = os.path.join(sd.TMP, 'shell-out')
        if os.path.exists(out):
            os.unlink(out)
        self.type(f'{{ {command}; }} > {out}.part 2>&1; mv {out}.part {out}')
        sd.wait_until(lambda: os.path.exists(out), f'{command} to end')
        with open(out) as f:
            return f.read()

    def close(self):
        self.tmux('kill-server')

# SPDX-License-Identifier: GPL-3.0-or-later
"""The walk over the fault points: a dump in which one step fails, and what must hold afterwards.

A mode is a way to dump; which points it passes is counted first, so that every point that can be
reached is fired, and none is forgotten.
"""
import json
import os
import shutil

import ps
import sd

NEVER = 4294967295
# Failures that are made up for: the dump may succeed all the same.
SURVIVES = {'xfer-move', 'pipe-grow', 'uffd-register', 'final-times', 'final-rename', 'cure-talk', 'cure-unmap', 'detach', 'shmem-open',
            'staging-clear', 'staging-rmdir', 'tracker', 'publish-rename', 'image-open', 'image-read', 'seize-wait'}
# Those for which this machine has to have something.
NEEDS = {'soft-dirty': 'the soft-dirty tracker of the kernel'}


class Mode:
    def __init__(self, name, settings=(), parent=False, server=False, other_fs=False, in_memory=False):
        self.name, self.settings, self.parent = name, settings, parent
        self.server, self.other_fs, self.in_memory = server, other_fs, in_memory


FULL = Mode('full')
INCREMENTAL = Mode('incremental', ('set track auto',), parent=True)
PRE_DUMP = Mode('pre-dump', ('set track auto', 'set mode pre-dump'))
MAIN = (FULL, INCREMENTAL, PRE_DUMP)
OTHERS = (Mode('pre-dump-read', ('set track auto', 'set mode pre-dump', 'set pre-dump read')),
          Mode('pread', ('set pmc pread',)),
          Mode('server', server=True),
          Mode('other-fs', other_fs=True),
          Mode('in-memory', in_memory=True),
          Mode('early', ('set early on',)))
MODES = MAIN + OTHERS


class Quiet:
    """A target that does nothing by itself, with a way to ask whether it is unharmed."""

    def __init__(self, kind):
        self.kind = kind
        if kind == 'demo':
            self.target = sd.Demo('--quiet-memory', aio=False)
            self.check = self.target.check_quiet
        else:
            self.target = sd.Target('fx', 'threads', '20')
            self.check = lambda: sd.check(self.target.alive(), 'the target has ended')
        self.pid = self.target.pid
        self.before = sd.settled_state(self.pid)

    def verify(self):
        sd.check_free(self.pid)
        self.check()
        sd.check_same_state(self.before, sd.settled_state(self.pid))


class Walk:
    def __init__(self):
        self.serial = 0
        self.fired = {}   # point -> how often
        self.failed = []

    def space(self, mode):
        self.serial += 1
        base = os.path.join('/dev/shm' if mode.in_memory else sd.TMP, f'walk.{os.getpid()}.{self.serial}')
        os.mkdir(base)
        return base

    def run(self, quiet, mode, fault, retry=False):
        """One dump with that fault armed.  Returns what `fault list` counts, {} if stepdump died."""
        base = self.space(mode)
        there = os.path.join('/dev/shm' if mode.other_fs else base, f'set.{os.getpid()}.{self.serial}')
        server = ps.Server(os.path.join(base, 'there'), '-1') if mode.server else None
        s = sd.Session()
        counts, error, first, died = {}, None, None, False
        try:
            s.do('set keep-going on')
            s.do(f'set dir {base}/unused')
            for line in mode.settings:
                s.do(line)
            if server:
                s.do('set xfer server')
                s.do(f'set server {server.where}')
                s.do('set timeout 5')
            if mode.parent:
                s.do(f'attach {quiet.pid}')
                s.do('set mode pre-dump')
                s.do(f'commit {base}/parent')
                s.do('restart')
                s.do('set mode dump')
                s.do(f'set parent {base}/parent')
                s.do(f'fault {fault}')
            else:
                s.do(f'fault {fault}')
            reply = {'ok': True} if mode.parent else s.try_(f'attach {quiet.pid}')
            if reply['ok'] and mode.other_fs:
                reply = s.try_('continue')
            if reply['ok']:
                reply = s.try_(f'commit {there}')
            if not reply['ok'] and retry:
                first = reply['error']
                reply = s.try_(f'commit {there}')
            error = reply.get('error')
            reply = s.try_('detach')   # also if nothing is attached
            for one in s.do('fault list')['points']:
                counts[one['point']] = one['passed']
                if one['fired']:
                    self.fired[one['point']] = self.fired.get(one['point'], 0) + one['fired']
            undone = s.do('show undo')['undo']
            s.send('quit')
            s.proc.wait(sd.PATIENCE)
        except (AssertionError, BrokenPipeError) as e:
            if s.proc.poll() is None and 'stepdump ended' not in str(e):
                raise
            died = True
            undone = None
        try:
            s.proc.stdin.close()
        except BrokenPipeError:
            pass
        s.proc.wait(sd.PATIENCE)
        s.proc.stdout.close()
        if server:
            server.proc.kill()
            server.proc.wait()
        if first:
            self.judge_error(fault, first)
        sd.check(not died or 'kill' in fault, f'{mode.name}, {fault}: stepdump ended with {s.proc.returncode}')
        # The server serves one client: a second try finds it gone.
        if first and server and error and error.get('errno_name') in ('ECONNRESET', 'ECONNREFUSED', 'EPIPE'):
            error = first
        self.judge(quiet, mode, fault, base, there, counts, error, undone)
        return counts

    def attempt(self, quiet, mode, fault, retry):
        """Goes on after a failure, so that one run shows all, unless the target is lost."""
        try:
            self.run(quiet, mode, fault, retry)
        except AssertionError as e:
            self.failed.append(f'{mode.name}, {quiet.kind}, {fault}: {e}')
            print(self.failed[-1], flush=True)
            if not quiet.target.alive():
                raise

    def judge_error(self, fault, error):
        sd.check(error.get('message'), f'{fault}: an error without a message: {error}')
        if ' ' not in fault:   # EIO
            sd.check('EIO' in (error.get('errno_name'), *error['message'].split()) or error.get('code') in
                     ('target', 'harm', 'check', 'state', 'format') or 'no reason' in error['message'],
                     f'{fault}: the error does not tell why: {error}')

    def judge(self, quiet, mode, fault, base, there, counts, error, undone):
        point = fault.split()[0]
        fired = f'after {NEVER}' not in fault and 'kill' not in fault and 'delay' not in fault
        if error:
            self.judge_error(fault, error)
        elif fired and point not in SURVIVES and point in counts and 'retry' not in fault:
            pass
        try:
            quiet.verify()
        except AssertionError as e:
            raise AssertionError(f'{mode.name}, {quiet.kind}, fault {fault}: {e}; error {error}; undone {undone}')
        def left():
            return [n for n in os.listdir(base) if n not in ('parent', 'there', os.path.basename(there)) and
                    not n.startswith('.there')]
        # The keeper of a stepdump that was killed removes it when the target is let go.
        sd.wait_until(lambda: not left(), f'{mode.name}, {quiet.kind}, fault {fault}: {left()} to be removed', 5)
        if mode.other_fs:
            left = [n for n in os.listdir('/dev/shm') if n.startswith(f'.set.{os.getpid()}')]
            sd.check(not left, f'fault {fault}: left on the other file system: {left}')
        if os.path.exists(there) and not mode.server:
            sd.equal(sd.batch(None, f'verify {there}').rc, 0, f'{mode.name}, {quiet.kind}, fault {fault}: verify')
        if os.path.exists(there):
            shutil.rmtree(there)
        elif not error and 'kill' not in fault:
            raise AssertionError(f'{mode.name}, fault {fault}: neither an error nor images')
        shutil.rmtree(base, ignore_errors=True)

    def count(self, quiet, mode):
        """How often each point is passed in that mode."""
        return {p: n for p, n in self.run(quiet, mode, f'final-times EIO after {NEVER}').items() if n}


def all_points():
    return [p['point'] for p in sd.Session().do('fault list')['points']]


def reachable():
    """Points that no test has to reach on this machine, with the reason."""
    caps = sd.Session().do('show caps')['caps']
    excused = {}
    for point, what in NEEDS.items():
        if not any('soft' in c['name'] and c['available'] for c in caps):
            excused[point] = what
    return excused

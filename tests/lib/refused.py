# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes that CRIU refuses to dump, each with the cause that `check` and `log` give."""
import os
import shutil
import subprocess

import sd


def checked(pid):
    """{cause: severity}"""
    report = sd.run('check', '--json', pid, '--tree').json()[0]
    return {f['cause']['name']: f['cause']['severity'] for t in report['tasks'] for f in t['findings']}


def dumped(pid, *options):
    """Does criu dump it?  And the path of its log."""
    d = os.path.join(sd.TMP, 'dump')
    shutil.rmtree(d, ignore_errors=True)
    os.mkdir(d)
    p = subprocess.run(['criu', 'dump', '-t', str(pid), '-D', d, '-v4', '-o', 'dump.log', '-R', *options],
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    return not p.returncode, os.path.join(d, 'dump.log')


# target and its arguments, cause
REFUSED = [
    (('trouble', 'ghost', '{tmp}/ghost'), 'ghost-file'),
    (('holds', 'file', '/dev/fuse'), 'device-open'),
    (('holds', 'file', '/dev/net/tun'), 'tun-host-net'),
    (('holds', 'socket', '40 1 0'), 'socket-kind'),
    (('holds', 'unshared'), 'mount-outside'),
    (('holds', 'unix'), 'unix-peer-outside'),
    (('holds', 'tcp'), 'tcp-established'),
    (('holds', 'tcp-queue'), 'tcp-in-flight'),
    (('holds', 'lock', '{tmp}/locked'), 'file-locks'),
    (('holds', 'terminal'), 'tty-outside'),
    (('trouble', 'sysv'), 'sysv-host-ipc'),
    (('trouble', 'address-space'), 'limit-as'),
    (('trouble', 'mlockall'), 'limit-memlock'),
    (('trouble', 'perf'), 'kernel-object-mapped'),
    (('trouble', 'no-code'), 'no-code-vma'),
    (('trouble', 'protection-key', 'denied'), 'protection-key'),
    (('fx', 'uffd'), 'userfaultfd'),
    (('fx', 'secretmem'), 'secretmem'),
    (('fx', 'uring'), 'kernel-object-mapped'),
    (('fx', 'sigtrap'), 'pending-sigtrap'),
    (('fx', 'seal'), 'sealed'),
    (('fx', 'poison'), 'unreadable-page'),
    (('fx', 'nofile', '0'), 'no-free-fds'),
    (('fx', 'nofile', '1'), 'no-free-fds'),
    (('fx', 'nofile', '2'), 'no-free-fds'),
    (('fx', 'zombie'), 'zombie'),
    (('fx', 'zleader'), 'zombie-leader'),
    (('fx', 'selftrace'), 'traced'),
    (('fx', 'clonevm'), 'shared-mm'),
]


def explained(path):
    """The report of `log` on it, and its causes by name."""
    report = sd.run('log', '--json', path).json()[0]
    return report, [c['cause']['name'] for c in report['causes']]


def refused(argv, cause):
    """check names the cause, criu fails, and log names the cause.  False: this kernel cannot show it."""
    try:
        target = sd.Target(*(a.format(tmp=sd.TMP) for a in argv))
    except sd.Skip as reason:
        print(f'not here: {argv}: {reason}')
        return False
    found = checked(target.pid)
    sd.check(cause in found, f'{argv}: check finds {found}')
    done, log = dumped(target.pid, *(['--shell-job'] if 'not-session-leader' in found and
                                     cause != 'tty-outside' else []))
    sd.check(not done, f'{argv}: check finds {cause}, and criu dumps it:\n{open(log, errors="replace").read()[-6000:]}')
    report, names = explained(log)
    print(f'{argv}: {names}: {report["deepest"]}: {report.get("matters")}')
    sd.check(cause == (names or [''])[0], f'{argv}: the log gives {names}:\n{open(log, errors="replace").read()[-1500:]}')
    target.kill()
    return True

# SPDX-License-Identifier: GPL-3.0-or-later
"""What `verify` says of a damaged set, against what CRIU's restore does with it.

A set is dumped by CRIU, each kind of file in it is damaged in each way, and both are asked.  CRIU
restores in a pid namespace of its own, and what came back is compared with what was dumped: an
exit status of 0 is not enough, as lost descriptors and zeroes for memory restore without a word.
"""
import json
import os
import pickle
import shutil
import subprocess
import sys

CRIU = os.environ.get('CRIU', 'criu')
HOWS = ('missing', 'empty', 'head', 'cut', 'long4', 'longpage', 'loop', 'old', 'kind', 'swap',
        'twice')
PAGE = 4096
# The kernel writes a few bytes of its own into a page (rseq), a lost page is lost altogether.
ALIKE = 64


# ---- a task, as seen from outside ---------------------------------------------

def pages(pid):
    """Contents of its writable and shared memory, but for the stack that a restore runs on."""
    found = {}
    with open(f'/proc/{pid}/maps') as maps, open(f'/proc/{pid}/mem', 'rb') as mem:
        for line in maps:
            where, perms, *rest = line.split()
            if perms[0] != 'r' or not (perms[1] == 'w' or perms[3] == 's') or '[stack]' in rest:
                continue
            start, end = (int(x, 16) for x in where.split('-'))
            for at in range(start, min(end, start + (64 << 20)), PAGE):
                mem.seek(at)
                found[at] = mem.read(PAGE)
    return found


def descriptors(pid):
    # The names of pipes and memfds carry inode numbers, which a restored one has of its own.
    return {fd: os.readlink(f'/proc/{pid}/fd/{fd}').split(':[')[0]
            for fd in os.listdir(f'/proc/{pid}/fd')}


def state(pids):
    return {pid: (descriptors(pid), pages(pid)) for pid in pids}


def alike(page, other):
    return page == other or (len(page) == len(other)
                             and sum(a != b for a, b in zip(page, other)) <= ALIKE)


def differences(before, after):
    """As text; none if all is as it was."""
    for pid, (fds, memory) in before.items():
        if pid not in after:
            yield f'{pid} is not there'
            continue
        if after[pid][0] != fds:
            yield f'{pid} has descriptors {after[pid][0]}, had {fds}'
        lost = [at for at, page in memory.items() if not alike(page, after[pid][1].get(at, b''))]
        if lost:
            yield f'{pid}: {len(lost)} pages differ, the first at {lost[0]:x}'


# ---- both are asked -------------------------------------------------------------

def inside(directory, saved):
    """In a pid namespace of its own: restores, looks, and lets go of all by ending."""
    with open(saved, 'rb') as f:
        before = pickle.load(f)
    log = os.path.join(directory, 'restore.log')
    # CRIU logs for ever about a pages file that is too short.
    p = subprocess.run(['sh', '-c', f'ulimit -f 100000; exec timeout -s KILL 8 {CRIU} restore '
                                    f'-D {directory} -o restore.log -v2 -d'],
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
    why = []
    if p.returncode:
        why = [f'exit status {p.returncode}'] + errors(log)[:1]
    else:
        after = {}
        for pid in before:
            try:
                after[pid] = state([pid])[pid]
            except OSError as e:
                why.append(f'{pid}: {e}')
        why += differences(before, after)
    print(json.dumps({'rc': p.returncode, 'why': why}))
    sys.stdout.flush()
    os._exit(0)


def errors(log):
    try:
        with open(log, errors='replace') as f:
            return [line.strip()[-140:] for line in f if 'Error' in line and 'limit' not in line.lower()]
    except OSError:
        return []


def restore(directory, saved):
    """(status, reasons why what came back is wrong)"""
    p = subprocess.run(['unshare', '-pf', '--mount-proc', '--kill-child', '/usr/bin/python3',
                        os.path.abspath(__file__), directory, saved],
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, timeout=30,
                       env={**os.environ, 'CRIU': CRIU})
    answer = json.loads(p.stdout.splitlines()[-1])
    return answer['rc'], answer['why']


def verify(stepdump, directory):
    p = subprocess.run([stepdump, '-batch', '--json', '-ex', f'verify {directory}'],
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
    report = json.loads(p.stdout.splitlines()[0])
    wrong = [f'{f["file"]}: {f["text"]}' for f in report['findings'] if f['fatal']]
    # The set is good, but a file that it maps is another here.
    return wrong + ['not here'] * report.get('nr_elsewhere', 0)


# ---- damage ---------------------------------------------------------------------

def kind_of(name):
    return ''.join(c for c in name if not c.isdigit())


def images(directory):
    return sorted(n for n in os.listdir(directory) if n.endswith('.img') or n.startswith('stats'))


def one_of_each(directory):
    first = {}
    for name in images(directory):
        first.setdefault(kind_of(name), name)
    return sorted(first.values())


def damage(directory, name, how):
    """False: this cannot be done to that file."""
    path = os.path.join(directory, name)
    size = os.path.getsize(path)
    raw = name.startswith('pages-')
    with open(path, 'rb') as f:
        data = f.read()
    if how == 'missing':
        os.unlink(path)
    elif how == 'empty':
        os.truncate(path, 0)
    elif how == 'head':  # the magics alone
        if size <= 8:
            return False
        os.truncate(path, 8)
    elif how == 'cut':
        os.truncate(path, size - 3)
    elif how == 'long4':
        with open(path, 'ab') as f:
            f.write(b'\xff\xff\xff\x7f')
    elif how == 'longpage':
        with open(path, 'ab') as f:
            f.write(bytes(PAGE))
    elif how == 'loop':
        os.unlink(path)
        os.symlink(name, path)
    elif how == 'old':
        if name == 'inventory.img' or raw:
            return False
        with open(path, 'wb') as f:
            f.write(data[4:])
    elif how == 'kind':
        shutil.copy(os.path.join(directory, 'pstree.img' if name != 'pstree.img' else 'files.img'),
                    path)
    elif how == 'swap':
        other = [n for n in images(directory) if kind_of(n) == kind_of(name) and n != name]
        if not other:
            return False
        with open(os.path.join(directory, other[0]), 'rb') as f:
            theirs = f.read()
        with open(path, 'wb') as f:
            f.write(theirs)
        with open(os.path.join(directory, other[0]), 'wb') as f:
            f.write(data)
    elif how == 'twice':
        begin = 4 if name == 'inventory.img' else 8
        if raw or size <= begin:
            return False
        with open(path, 'ab') as f:
            f.write(data[begin:])
    else:
        raise ValueError(how)
    return True


def version_1(directory):
    """As CRIU before 1.5 framed it: no head magics, and the inventory says so."""
    for name in images(directory):
        path = os.path.join(directory, name)
        with open(path, 'rb') as f:
            data = f.read()
        if name == 'inventory.img':
            assert data[8:10] == b'\x08\x02', data[:16]
            data = data[:9] + b'\x01' + data[10:]
        elif not name.startswith('pages-'):
            data = data[4:]
        with open(path, 'wb') as f:
            f.write(data)


def punch(directory):
    """Every pages file is emptied, as auto-dedup does it, and keeps its length."""
    for name in images(directory):
        if name.startswith('pages-'):
            path = os.path.join(directory, name)
            size = os.path.getsize(path)
            os.truncate(path, 0)
            os.truncate(path, size)


class Set:
    """A set that CRIU dumped, and what was in the tasks."""

    def __init__(self, base, stepdump, pids, dump):
        """dump(directory) makes the set; the tasks stand still until then."""
        self.base, self.stepdump = base, stepdump
        self.good, self.bad = os.path.join(base, 'good'), os.path.join(base, 'bad')
        self.saved = os.path.join(base, 'saved')
        os.makedirs(self.good)
        with open(self.saved, 'wb') as f:
            pickle.dump(state(pids), f)
        dump(self.good)

    def ask(self, what, change, lenient=False):
        """Returns a complaint if the two disagree.  lenient: where what is wrong cannot be seen in
        the files, as when two of one kind are swapped, only a failure of the restore counts."""
        shutil.rmtree(self.bad, ignore_errors=True)
        shutil.copytree(self.good, self.bad, symlinks=True)
        if change(self.bad) is False:
            return None
        fatal = verify(self.stepdump, self.bad)
        rc, why = restore(self.bad, self.saved)
        agree = bool(fatal) == bool(why) or (lenient and not rc)
        text = f'{what}: verify {fatal[:1] or "fine"}, CRIU {why or "restores it"}'
        print(('   ' if agree else '!! ') + text, flush=True)
        return None if agree else text

    def ask_all(self, names, hows=HOWS, every=1):
        """Disagreements; `names` and `hows` select.  every=3: a third of the cases, the same in each
        run, with each file and each damage at least once."""
        found = [self.ask('undamaged', lambda d: None)]
        for i, name in enumerate(names):
            for k, how in enumerate(hows):
                if (i + k) % every:
                    continue
                found.append(self.ask(f'{name} {how}', lambda d: damage(d, name, how),
                                      how == 'swap'))
        found.append(self.ask('image version 1', version_1))
        found.append(self.ask('pages files emptied', punch))
        return [f for f in found if f]


def make(base, stepdump, program):
    """The set of a program (oracle.py), which is gone then; None if CRIU cannot dump it here."""
    program.freeze()

    def dump(directory):
        subprocess.run([CRIU, 'dump', '-t', str(program.pid), '-D', directory, '-o', 'dump.log',
                        '-v2'], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, check=True)
        program.gone()

    try:
        return Set(base, stepdump, program.pids(), dump)
    except subprocess.CalledProcessError:
        program.kill()
        return None


if __name__ == '__main__':
    inside(*sys.argv[1:])

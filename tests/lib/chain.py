# SPDX-License-Identifier: GPL-3.0-or-later
"""An independent reader of chains of image directories, and the sessions that make them.

A pagemap is read twice: by a reader of our own, from the raw bytes and for both ways in which a
number of pages is written, and by pycriu where that can.  Holes are followed page by page through
`parent` links.
"""
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

import mem
import sd
from pb import PAGEMAP, fields, put_fields, records, write_records

PAGE = mem.PAGE


# ---- raw images ---------------------------------------------------------------

def entry_of(message):
    """(vaddr, pages, flags) in either encoding."""
    f = fields(message)
    flags = mem.PE_PARENT if f.get(3) else f.get(4, mem.PE_PRESENT)
    return f[1], f.get(5, f[2]), flags


def inventory(directory):
    return fields(records(os.path.join(directory, 'inventory.img'))[1][0])


def set_uptime(directory, uptime_us):
    """None: no parent."""
    path = os.path.join(directory, 'inventory.img')
    magics, (message,) = records(path)
    values = fields(message)
    values.pop(8, None)
    if uptime_us is not None:
        values[8] = uptime_us
    write_records(path, magics, [put_fields(values)])


def rewrite(directory, name, change):
    """Replaces the pagemap entries by the result of `change`, and the pages file to match."""
    path = os.path.join(directory, f'pagemap-{name}.img')
    old = mem_of(directory, name)
    magics, messages = records(path)
    entries = change(list(old.entries))
    data = [old.page(vaddr + i * PAGE) for vaddr, nr, flags in entries if flags & mem.PE_PRESENT
            for i in range(nr)]
    old.close()
    write_records(path, magics, messages[:1] + [put_fields({1: v, 2: nr, 4: flags, 5: nr})
                                                for v, nr, flags in entries])
    with open(old.path, 'wb') as f:
        f.write(b''.join(data))


def without(entries, page):
    """Entries without that page; the entry that holds it is split in two."""
    cut = []
    for vaddr, nr, flags in entries:
        before = (page - vaddr) // mem.PAGE
        if 0 <= before < nr:
            cut += [(vaddr, before, flags), (page + mem.PAGE, nr - before - 1, flags)]
        else:
            cut.append((vaddr, nr, flags))
    return [e for e in cut if e[1]]


class mem_of:
    """One generation of one object."""

    def __init__(self, directory, name):
        path = os.path.join(directory, f'pagemap-{name}.img')
        magics, (head, *rest) = records(path)
        sd.equal(magics[-1], PAGEMAP, f'magic of {path}')
        self.directory = directory
        self.entries = [entry_of(m) for m in rest]
        self.path = os.path.join(directory, f'pages-{fields(head)[1]}.img')
        self.offsets, self.holes = {}, set()
        end = size = 0
        for vaddr, nr, flags in self.entries:
            sd.check(vaddr >= end and vaddr % PAGE == 0 and nr > 0,
                     f'{path}: entry {vaddr:x}+{nr} after {end:x}')
            end = vaddr + nr * PAGE
            sd.check(flags in (mem.PE_PARENT, mem.PE_PRESENT, mem.PE_PRESENT | mem.PE_LAZY),
                     f'{path}: entry {vaddr:x} has flags {flags}')
            for page in range(vaddr, end, PAGE):
                if flags & mem.PE_PARENT:
                    self.holes.add(page)
                else:
                    self.offsets[page] = size
                    size += PAGE
        self.fd = os.open(self.path, os.O_RDONLY) if self.entries else -1
        if self.entries:
            sd.equal(os.fstat(self.fd).st_size, size, f'size of {self.path}')
        theirs = [(e['vaddr'], e['nr_pages'], e['flags']) for e in mem.load(path)[1:]]
        if any(nr for _, nr, _ in theirs) or not theirs: # a pycriu of 3.17 does not see the counts of 4.2
            sd.equal(theirs, self.entries, f'what pycriu reads of {path}')

    def page(self, address):
        return os.pread(self.fd, PAGE, self.offsets[address])

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)


class Chain:
    """All generations of one object.  Looks like mem.Pages, with holes followed."""

    def __init__(self, directory, name):
        self.generations, self.used = [], []
        while os.path.exists(os.path.join(directory, f'pagemap-{name}.img')):
            sd.check(len(self.generations) < 100, f'{directory}: a chain without end')
            self.generations.append(mem_of(directory, name))
            self.used.append(0)
            directory = os.path.join(directory, 'parent')
        sd.check(self.generations, f'{directory}: no pagemap-{name}.img')
        self.entries = self.generations[0].entries
        self.holes = self.generations[0].holes
        self.offsets = dict.fromkeys(self.holes)
        self.offsets.update(self.generations[0].offsets)

    def page(self, address):
        for i, g in enumerate(self.generations):
            if address in g.offsets:
                self.used[i] += 1
                return g.page(address)
            if address not in g.holes:
                raise AssertionError(f'page {address:x}: hole down to generation {i - 1}, and '
                                     f'{g.directory} lacks it')
        raise AssertionError(f'page {address:x} is a hole in the last generation')

    def close(self):
        for g in self.generations:
            g.close()


def compare(pid, directory, maps, check=sd.check):
    """mem.compare() with a chain.  Returns its counts, and how many pages came from which
    generation, the newest first."""
    chains = []

    def images(directory, name):
        chains.append(Chain(directory, name))
        return chains[-1]
    counts = mem.compare(pid, directory, maps, check, images)
    return counts, next(c.used for c in chains if c.offsets)


# ---- making chains ----------------------------------------------------------------

PRE_DUMPS = ('pre-dump splice', 'pre-dump read')


class Maker:
    """A session that makes one link after the other."""

    def __init__(self, pid, *settings, base=None, tree=False, serial=[0]):
        serial[0] += 1
        self.base = base or os.path.join(sd.TMP, f'chain.{serial[0]}')
        if not os.path.isdir(self.base):
            os.mkdir(self.base)
        self.pid, self.tree, self.last, self.nr = pid, tree, None, 0
        self.s = sd.Session()
        for line in ('set track auto', *settings):
            self.s.do(line)
        self.attach()

    def attach(self):
        self.s.do(f'attach {self.pid}' + (' --tree' if self.tree else ''))
        self.fresh, self.thawed = True, False

    def let_run(self, until):
        """The target runs, tracked, until the condition holds."""
        if self.thawed:
            sd.wait_until(until, 'the target to have worked')
            return
        self.s.do('detach --keep-tracking')
        sd.wait_until(until, 'the target to have worked')
        self.attach()

    def prepare(self, kind, parent=True):
        """Runs up to the gate."""
        if not self.fresh:
            self.s.do('restart')
        self.fresh = False
        if kind == 'dump':
            self.s.do('set mode dump')
        else:
            self.s.do('set mode pre-dump')
            self.s.do(f'set {kind}')
        self.s.do(f'set parent {self.last if parent and self.last else ""}'.rstrip())

    def link(self, kind, parent=True, name=None):
        """One more directory; returns its path."""
        self.prepare(kind, parent)
        self.nr += 1
        directory = os.path.join(self.base, name or f'{self.nr}')
        self.s.do(f'commit {directory}')
        self.last, self.thawed = directory, kind != 'dump'
        return directory

    def close(self):
        sd.equal(self.s.close(), 0, 'exit status')
        sd.check_free(self.pid)


def counters(path, nr):
    with open(path, 'rb') as f:
        return struct.unpack(f'{nr}Q', f.read(8 * nr))


class Mutator(sd.Target):
    def __init__(self, seed, threads, *options, **kwargs):
        self.status, self.threads = os.path.join(sd.TMP, f'mutate.{seed}'), threads
        super().__init__('mutate', seed, threads, self.status, *options, **kwargs)

    def counters(self):
        return counters(self.status, self.threads)

    def worked(self, steps):
        """A condition: from now on each thread did that many steps."""
        before = self.counters()

        def moved():
            sd.check(self.alive(), f'mutate has ended: {self.proc.returncode}')
            return all(n >= b + steps for n, b in zip(self.counters(), before))
        return moved


class Terminal:
    """stepdump on a terminal, where an error does not end it; text, not JSON."""

    def __init__(self, *args, prefix=()):
        self.master, slave = pty.openpty()
        mode = termios.tcgetattr(slave)
        mode[3] &= ~termios.ECHO
        termios.tcsetattr(slave, termios.TCSANOW, mode)

        def become_foreground():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        self.proc = subprocess.Popen([*prefix, sd.STEPDUMP, *map(str, args)], stdin=slave, stdout=slave,
                                     stderr=slave, preexec_fn=become_foreground,
                                     env=dict(os.environ, TERM='dumb', COLUMNS='300', PAGER='cat', HOME=sd.TMP))
        sd._children.append(self.proc)
        os.close(slave)
        self.read()

    def read(self, end=rb'(^|\n|\r)\([^()\r\n]*\) $'):
        """Its output up to the next prompt, or to what matches."""
        data, deadline = b'', time.monotonic() + sd.PATIENCE
        while not re.search(end, data):
            left = deadline - time.monotonic()
            sd.check(left > 0 and select.select([self.master], [], [], left)[0], f'no {end}: {data!r}')
            try:
                data += os.read(self.master, 65536)
            except OSError:   # it has ended
                break
        return data.decode(errors='replace').replace('\r', '')

    def waits(self):
        """Does it stand in a poll(), for longer than a unit of a dump takes?"""
        for _ in range(20):
            if 'poll' not in sd.proc_text(self.proc.pid, 'wchan'):
                return False
            time.sleep(0.01)
        return True

    def interrupt(self):
        """^C; its output up to the prompt."""
        os.write(self.master, b'\3')
        return self.read()

    def do(self, line):
        os.write(self.master, line.encode() + b'\n')
        text = self.read()
        print(text, flush=True)
        return text

    def close(self):
        os.write(self.master, b'quit\n')
        status = self.proc.wait(sd.PATIENCE)
        os.close(self.master)
        return status

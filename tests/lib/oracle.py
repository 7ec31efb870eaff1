# SPDX-License-Identifier: GPL-3.0-or-later
"""CRIU as the independent witness: dumps and restores by it, its images against ours.

Debian's criu does not work on every kernel that stepdump does: it runs in the guest of tests/vm.  $CRIU names
another one, in a directory of its own.
"""
import ctypes
import functools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import chain
import mem
import sd

PR_SET_CHILD_SUBREAPER = 36
CRIU_PATIENCE = 60
VDSO, ANON_SHARED, FILE_SHARED, MEMFD = 0x8, 0x100, 0x80, 0x4000
MADV_WIPEONFORK = 1 << 18


def adopt():
    """Restored processes become our children when criu ends, so that we can reap them: their pids
    must be free for the next restore."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


# ---- programs that CRIU can dump --------------------------------------------

class Program:
    """A session leader without ties to us, its status in files; it can come back under its pid."""

    serial = 0
    living = []

    def __init__(self, make_argv):
        """make_argv(directory for all its files) gives its command line."""
        Program.serial += 1
        self.base = os.path.join(sd.TMP, f'program{Program.serial}')
        os.mkdir(self.base)
        argv = make_argv(self.base)
        out = os.path.join(self.base, 'out')
        with open(out, 'wb') as f:
            # SysV memory can be dumped only together with its whole IPC namespace.
            self.proc = subprocess.Popen(['unshare', '--ipc', *map(str, argv)], cwd='/',
                                         stdin=subprocess.DEVNULL, stdout=f, stderr=f,
                                         start_new_session=True)
        Program.living.append(self)
        self.pid = self.proc.pid
        pid = int(sd.wait_until(lambda: self.ready(out), f'{argv[0]} to be ready'))
        sd.equal(pid, self.pid, 'pid that it knows of itself')

    def ready(self, out):
        with open(out) as f:
            text = f.read()
        sd.check(self.alive(), f'it ended: {text}')
        return next((line.split()[1] for line in text.splitlines(True)
                     if line.startswith('READY ') and line.endswith('\n')), None)

    def pids(self):
        """The task and all its descendants, parents first."""
        found = [self.pid]
        for pid in found:
            with open(f'/proc/{pid}/task/{pid}/children') as f:
                found += map(int, f.read().split())
        return found

    def signal(self, number):
        for pid in self.pids():
            os.kill(pid, number)

    def freeze(self):
        """Stops itself before it is dumped, so that two dumpers see the same memory."""
        self.signal(signal.SIGSTOP)
        sd.wait_until(lambda: all(sd.status_field(pid, 'State').startswith('T')
                                  for pid in self.pids()), 'all tasks to stop')

    def thaw(self):
        self.signal(signal.SIGCONT)

    def gone(self):
        """Reaps it, after criu killed it."""
        sd.wait_until(lambda: not self.alive(), f'{self.pid} to be gone')
        reap()

    def alive(self):
        reap()
        return os.path.exists(f'/proc/{self.pid}')

    def kill(self):
        for pid in self.pids() if self.alive() else ():
            os.kill(pid, signal.SIGKILL)
        self.gone()


def reap():
    """Reaps all children that have ended: programs, restored ones, orphans of a tree."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def clean_up():
    while Program.living:
        Program.living.pop().kill()


class Demo(Program):
    """The demo target, in its kinds of memory that CRIU can restore."""

    def __init__(self, *options):
        super().__init__(lambda directory: [
            os.path.join(sd.TARGETS, 'demo'), '--for-criu', '--aio', '--dir', directory, '--status',
            os.path.join(directory, 'status'), '--sparse-every', '1024', *options])
        self.status = os.path.join(self.base, 'status')

    def check_working(self, rounds=2):
        sd.check_moving(self.status, rounds, ('writes', 'spins', 'ticks', 'sleeps', 'polls'))


class Tree(Program):
    """Four processes that share memory."""

    def __init__(self, *prefix):
        super().__init__(lambda directory: [*prefix, os.path.join(sd.TARGETS, 'vm_tree'),
                                            os.path.join(directory, 'status')])
        self.status = os.path.join(self.base, 'status')

    def check_working(self, rounds=20):
        for i in range(4):
            sd.check_moving(f'{self.status}.{i}', rounds, ('seen',))


def fx(*argv):
    """A small program that CRIU can dump."""
    return Program(lambda _: [os.path.join(sd.TARGETS, 'fx'), *argv])


# ---- criu -------------------------------------------------------------------

if os.environ.get('CRIU'):
    os.environ['PATH'] = f'{os.path.dirname(os.environ["CRIU"])}:{os.environ["PATH"]}'


@functools.lru_cache(None)
def need_criu():
    """One that works on this kernel, which the program itself is not to blame for.  Its path."""
    sd.need_root()
    path = shutil.which('criu')
    if not path:
        sd.skip('criu is not installed')
    adopt()
    program = fx('dense', '65536')
    probe = tempfile.mkdtemp(dir=sd.TMP)
    r = subprocess.run([path, 'dump', '-t', str(program.pid), '-D', probe, '-R'],
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    program.kill()
    if r.returncode:
        sd.skip('this criu cannot dump on this kernel (CRIU=PATH names another)')
    return path


def criu(action, directory, *args, prefix=()):
    """Runs it over an image directory, which is made; on failure shows what its log says."""
    os.makedirs(directory, exist_ok=True)
    log = os.path.join(directory, f'{action}.log')
    start = time.monotonic()
    p = subprocess.run([*prefix, 'criu', action, '-D', directory, '-v4', '-o', f'{action}.log',
                        *map(str, args)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True, timeout=CRIU_PATIENCE)
    print(f'$ criu {action} -D {directory} {" ".join(map(str, args))} -> {p.returncode} '
          f'({time.monotonic() - start:.2f} s)\n{p.stdout}', end='', flush=True)
    if p.returncode:
        with open(log, errors='replace') as f:
            lines = f.read().splitlines()
        errors = [line for line in lines if 'Error' in line]
        raise AssertionError(f'criu {action} failed:\n' + '\n'.join(errors[-8:] or lines[-8:]))


def dump(program, directory, *args, **kwargs):
    """A whole dump; the program is gone afterwards."""
    criu('dump', directory, '-t', program.pid, *args, **kwargs)
    program.gone()
    program.dumped = directory
    shutil.copytree(program.base, directory + '.files')
    return directory


def restore(program, directory, **kwargs):
    """Restores it under its old pid, stopped if it was stopped, with its files as they were."""
    shutil.copytree(program.dumped + '.files', program.base, dirs_exist_ok=True)
    criu('restore', directory, '-d', **kwargs)
    sd.check(os.path.exists(f'/proc/{program.pid}'), 'nothing was restored')


class PageServer:
    """criu page-server, for one connection; `directory` is made."""

    def __init__(self, directory, *options):
        with socket.create_server(('127.0.0.1', 0)) as s:
            self.port = s.getsockname()[1]
        os.mkdir(directory)
        self.dir, self.where = directory, f'127.0.0.1:{self.port}'
        self.proc = subprocess.Popen(['criu', 'page-server', '-D', directory, '-v4', '-o', 'page-server.log',
                                      '--address', '127.0.0.1', '--port', str(self.port), *options],
                                     stdin=subprocess.DEVNULL)
        sd._children.append(self.proc)
        sd.wait_until(self.listens, 'criu page-server to listen')

    def listens(self):
        sd.check(self.proc.poll() is None, f'criu page-server ended with {self.proc.returncode}')
        with open('/proc/net/tcp') as f:
            return any(f'0100007F:{self.port:04X} 00000000:0000 0A' in line for line in f)

    def wait(self, status=0):
        # reap() may have been faster; then the status is not known, and 0 is what Python says.
        sd.equal(self.proc.wait(sd.PATIENCE), status, 'exit status of criu page-server')


def to_server(port):
    """Options of criu that send pages to it."""
    return ['--page-server', '--address', '127.0.0.1', '--port', port]


# ---- ours and theirs --------------------------------------------------------

def vmas_of(directory, pid):
    return mem.load(os.path.join(directory, f'mm-{pid}.img'))[0]['vmas']


def pagemaps(directory):
    return sorted(n[8:-4] for n in os.listdir(directory)
                  if n.startswith('pagemap-') and n.endswith('.img'))


def flags_by_page(image):
    return {v + i * mem.PAGE: f for v, nr, f in image.entries for i in range(nr)}


def page_of_infection(directory, pid):
    """
    (address, content in the file): CRIU writes its first instructions over the beginning of the
    first executable mapping, which makes a copy of that page; so its own dump selects it.  We
    borrow a system call instruction that is there, and change no page.
    """
    vma = next(v for v in vmas_of(directory, pid) if v['prot'] & 4)
    files = mem.load(os.path.join(directory, 'files.img'))
    name = next(f['reg']['name'] for f in files if f['id'] == vma['shmid'])
    with open(name, 'rb') as f:
        f.seek(vma['pgoff'])
        return vma['start'], f.read(mem.PAGE)


def place(directory, name, address):
    """(status, text): what the mm image says about an address; nothing for shared objects."""
    for v in vmas_of(directory, name) if name.isdigit() else ():
        if v['start'] <= address < v['end']:
            return (v['status'],
                    f'{v["start"]:x}-{v["end"]:x} prot {v["prot"]} status {v["status"]:x}')
    return 0, 'no VMA'


def stack_pointers(directory, pid):
    """Of all threads, at the dump."""
    task = next(e for e in mem.load(os.path.join(directory, 'pstree.img')) if e['pid'] == int(pid))
    cores = (mem.load(os.path.join(directory, f'core-{tid}.img'))[0] for tid in task['threads'])
    return [int(c['thread_info']['gpregs']['sp']) for c in cores]


def never_lazy(directory, name):
    """
    CRIU means to leave the flag LAZY (2) out for the page that a stack pointer is in, but compares offsets in
    the page: a stack pointer at the start of a page takes the flag from all pages of its process.
    """
    return name.isdigit() and any(sp % mem.PAGE == 0 for sp in stack_pointers(directory, name))


def compare_pages(ours, theirs, pids):
    """
    Same objects, in each the same pages with the same flags and bytes.  Differences by rule:
    page_of_infection(), which has what the file has; never_lazy(); and we never leave pages of the vdso in the
    parent, which CRIU does where they are clean.  Returns how many pages were compared.
    """
    sd.equal(pagemaps(ours), pagemaps(theirs), 'pagemap images')
    infected = {str(pid): page_of_infection(theirs, pid) for pid in pids}
    compared = 0
    for name in pagemaps(theirs):
        a, b = chain.mem_of(ours, name), chain.mem_of(theirs, name)
        fa, fb = flags_by_page(a), flags_by_page(b)
        if never_lazy(theirs, name):
            fa = {page: flags & ~mem.PE_LAZY for page, flags in fa.items()}
        address, text = infected.get(name, (None, None))
        if address is not None and address not in fa and address in fb:
            sd.check(b.page(address) == text, f'{name}: {address:x} is not as in the file')
            del fb[address]
        differ = [p for p in sorted({p for p, _ in set(fa.items()) ^ set(fb.items())})
                  if not ((fa.get(p), fb.get(p)) == (mem.PE_PRESENT, mem.PE_PARENT) and
                          place(theirs, name, p)[0] & VDSO)]
        sd.check(not differ, f'pagemap-{name}: {len(differ)} pages differ:\n' + '\n'.join(
            f'{p:x}: flags {fa.get(p)} in ours, {fb.get(p)} in theirs; {place(theirs, name, p)[1]}'
            for p in differ[:8]))
        for p in b.offsets:
            if p in fa:
                sd.check(a.page(p) == b.page(p), f'pagemap-{name}: page {p:x} differs')
                compared += 1
        a.close()
        b.close()
    return compared


def compare_vmas(ours, theirs, pid):
    """
    mm-PID.img, without ids, which each counts its own way.  By rule: 3.17 does not know WIPEONFORK;
    as root it treats shared anonymous memory as a memfd.
    """
    both = []
    for directory in (ours, theirs):
        mm = mem.load(os.path.join(directory, f'mm-{pid}.img'))[0]
        for v in mm['vmas']:
            v['madv'] = v.get('madv', 0) & ~MADV_WIPEONFORK
            if v['status'] & ANON_SHARED and v['flags'] & 0x20 and not v['status'] & 0x400:
                v['status'], v['flags'] = v['status'] & ~ANON_SHARED | FILE_SHARED | MEMFD, 0x1
                v['fdflags'] = 2
            del v['shmid']
        mm.pop('exe_file_id')
        both.append(mm)
    a, b = both
    for x, y in zip(a['vmas'], b['vmas']):
        sd.equal(x, y, f'VMA {y["start"]:x}')
    sd.equal(len(a['vmas']), len(b['vmas']), 'number of VMAs')
    for key in set(a) | set(b) - {'vmas'}:
        if key != 'vmas':
            sd.equal(a.get(key), b.get(key), f'mm: {key}')


def transplant(ours, theirs, directory):
    """CRIU's dump with all memory in it ours."""
    sd.equal(pagemaps(ours), pagemaps(theirs), 'pagemap images')
    shutil.copytree(theirs, directory, symlinks=True)
    for name in os.listdir(directory):
        if name.startswith(('pagemap-', 'pages-')):
            os.unlink(os.path.join(directory, name))
    for name in os.listdir(ours):
        if name.startswith(('pagemap-', 'pages-')):
            shutil.copy(os.path.join(ours, name), directory)
    return directory


class Pair:
    """A task that was dumped twice in the same state, and is gone now."""

    def __init__(self, program, name, dump_by_us):
        self.program = program
        self.ours, self.theirs = os.path.join(sd.TMP, f'{name}.ours'), os.path.join(sd.TMP, f'{name}.theirs')
        program.freeze()
        self.pids = program.pids()
        dump_by_us(program, self.ours)
        sd.check(sd.status_field(program.pid, 'State').startswith('T'), 'it does not stay stopped')
        dump(program, self.theirs)

    def restore_and_work(self, directory):
        try:
            restore(self.program, directory)
            self.program.thaw()
            self.program.check_working()
        finally:
            self.program.kill()

# SPDX-License-Identifier: GPL-3.0-or-later
"""A criu that stepdump watches, and what must be true of its dump then.

Runs wherever there is a criu that works: in the guest of tests/vm always, on this machine if
CRIU=PATH names one (its file must be called criu), or criu in PATH works.
"""
import glob
import os
import random
import shutil
import signal
import socket
import subprocess
import time

import mem
import oracle
import sd


MODES = 'light', 'full'


def start(program, directory, *args, action='dump', mode='light'):
    """A session that holds a criu before its first instruction."""
    os.mkdir(directory)
    s = sd.Session()
    s.do(f'set watch {mode}')
    words = ' '.join(map(str, args))
    s.criu = s.do(f'run criu {action} -t {program.pid} -D {directory} -o criu.log -v4 {words}')['criu']
    return s


def log_of(directory):
    try:
        with open(os.path.join(directory, 'criu.log'), errors='replace') as f:
            return f.read()
    except FileNotFoundError:
        return ''


def pages_in(directory):
    return sum(os.path.getsize(p) for p in glob.glob(f'{directory}/pages-*.img')) // mem.PAGE


def by_children(s, directory, local):
    """Pages of System V memory: a child of criu dumps IPC namespaces, and it is not traced."""
    if not glob.glob(f'{local}/ipcns-shm-*.img'):
        return 0
    seen = [t['comm'] for t in s.do('show tasks')['tasks']]
    return sum(nr for name in oracle.pagemaps(directory)
               if name.startswith('shmem-') and name.replace('-', ' ') not in seen
               for _, nr, flags in mem.Pages(directory, name).entries if flags & mem.PE_PRESENT)


def check_pages(s, w, directory, local):
    stored = pages_in(directory) - by_children(s, directory, local)
    sd.check(stored > 20, f'only {stored} pages in {directory}')
    print(f'{stored} pages, {w["stops"]} stops')
    sd.equal([w[name] for name in ('pages_planned', 'pages_in_pipes', 'pages_spliced')], [stored] * 3,
             'pages planned, in the pipes, sent on; against those in the images')


def check_counts(s, directory):
    """Pages planned = in the pipes = sent on = in the images."""
    w = s.do('show watch')['watch']
    sd.equal(w['state'], 'ended', 'criu')
    sd.equal(w['exit_status'], 0, f'status of criu ({log_of(directory)[-2000:]})')
    check_pages(s, w, directory, directory)
    return w


def light_works():
    """May we load the BPF program that `set watch light` needs?"""
    s = sd.Session()
    s.do('run criu --version')
    s.do('continue')
    w = s.do('show watch')['watch']
    s.close()
    return 'why_full' not in w


def dump(program, directory, *args, mode='light'):
    """A whole watched dump without a stop; returns the session, criu having ended."""
    light = mode == 'light' and light_works()
    s = start(program, directory, *args, mode=mode)
    sd.equal(s.do('continue')['reason'], 'done', 'why it stopped')
    w = check_counts(s, directory)
    sd.equal(w['mode'], 'light' if light else 'full', 'mode')
    return s


def ends_well(directory):
    """criu, of which nobody is the parent any more, ends its dump."""
    sd.wait_until(lambda: 'finished successfully' in log_of(directory) or
                  'FAILED' in log_of(directory), f'the end of the dump to {directory}')
    sd.check('finished successfully' in log_of(directory),
             f'the dump failed: {log_of(directory)[-3000:]}')
    sd.check(pages_in(directory) > 20, 'no pages')


def leave_at_random(program, directory, how, mode):
    """stepdump is killed, interrupted, or lets criu go, at some moment of the dump."""
    s = start(program, directory, '-R', mode=mode)
    if how == 'units':  # held at a call
        s.do(f'next {random.randrange(1, 60)}')
        if random.random() < 0.5:
            s.do('detach')
        else:
            s.proc.kill()
    else:
        s.send('continue')
        time.sleep(random.random() * random.choice((0.02, 0.1, 0.4)))
        s.proc.send_signal(how)
    s.proc.stdin.close()
    s.proc.wait(sd.PATIENCE)
    ends_well(directory)
    sd.wait_until(lambda: not os.path.exists(f'/proc/{s.criu}') or
                  sd.status_field(s.criu, 'State')[0] == 'Z', 'criu to end')
    oracle.reap()
    for pid in program.pids():
        sd.equal(sd.status_field(pid, 'TracerPid'), '0', f'tracer of {pid}')


RSEQ = 32


def is_rseq(a, b):
    """Do the pages differ within 32 aligned bytes?  The kernel writes there on which processor it runs."""
    differ = {i // RSEQ for i in range(mem.PAGE) if a[i] != b[i]}
    return len(differ) == 1


def as_memory(program, directory, restored=False):
    """The images are complete, and hold what the stopped program has in memory; but for the rseq areas,
    which may change whenever the parasite has run.  A task that criu has restored runs for a moment before it
    is stopped again, watched or not: then a few pages of each thread, its stack, may differ."""
    sd.check(mem.load(os.path.join(directory, 'inventory.img')), 'the inventory is empty')
    pages = 0
    for pid in program.pids():
        images, memory = mem.Pages(directory, pid), mem.Memory(pid)
        differ = [at for at in images.offsets if images.page(at) != memory.page(at)]
        threads = len(os.listdir(f'/proc/{pid}/task'))
        few = len(differ) <= 3 * threads if restored else len(differ) <= threads and all(
            is_rseq(images.page(at), memory.page(at)) for at in differ)
        sd.check(few, f'{pid}: pages that are not as in memory: {[hex(at) for at in differ[:5]]}')
        zero = mem.zero_pfn()
        for vma in mem.vmas(pid):
            # Which pages of the vdso criu takes differs between its versions.
            missing = [] if vma.always else [at for at in mem.selected(pid, vma, zero)
                                             if at not in images.offsets]
            sd.check(not missing, f'{vma}: {len(missing)} pages are not in the images: {missing[:3]}')
        pages += len(images.offsets)
        images.close()
        memory.close()
    return pages


def come_back(program, directory):
    """The program is killed; what criu restores of the images is at work, and has that memory."""
    program.dumped = directory
    shutil.copytree(program.base, directory + '.files')
    program.kill()
    oracle.restore(program, directory)
    as_memory(program, directory, restored=True)
    subprocess.run(['rm', '-rf', directory + '.files'], check=True)


def leave_often(program, scratch, rounds, mode, restores=None):
    """Each dump is compared with the program's memory, and every so often one takes its place."""
    restores = restores or max(2, rounds // 10)
    program.freeze()
    for i in range(rounds):
        how = random.choice(('units', signal.SIGKILL, signal.SIGKILL, signal.SIGINT, signal.SIGTERM))
        directory = scratch(f'leave.{mode}.{i}')
        try:
            leave_at_random(program, directory, how, mode)
            pages = as_memory(program, directory)
            if i * restores // rounds != (i + 1) * restores // rounds:
                come_back(program, directory)
        except AssertionError as e:
            raise AssertionError(f'round {i}, {mode}, {how}: {e}') from e
        subprocess.run(['rm', '-rf', directory], check=True)
    program.thaw()
    print(f'{mode}: {rounds} dumps of {pages} pages, {restores} restored')


# ---- page servers --------------------------------------------------------------------------------------

def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def listens(pid, port):
    return any(f':{port:04X} ' in line and line.split()[3] == '0A'
               for line in sd.proc_text(pid, 'net/tcp').splitlines())


def server_args(directory, port):
    os.mkdir(directory)
    return ['page-server', '-D', directory, '--address', '127.0.0.1', '--port', str(port), '-v4', '-o',
            'server.log']


def to_server(port):
    return '--page-server', '--address', '127.0.0.1', '--port', port


# ---- its picture beside ours ----------------------------------------------------------------------

def picture(s):
    """Of a session that is about to dump: for each task and shared object, in order, its chunks; of
    each its ppbs; of each its iovs."""
    items = []
    s.do('break xfer')
    stop = s.do('continue')
    while stop['reason'] == 'breakpoint':
        item = stop['cursor']['item']
        if not items or items[-1][0] != item:
            items.append((item, []))
        items[-1][1].append([[(i['start'], i['nr_pages']) for i in b.get('iovs', [])]
                             for b in s.do('show iovs')['page_pipe']['ppbs']])
        if s.do('finish')['reason'] != 'chunk':
            break
        stop = s.do('continue')
    s.do('delete')
    return items


def ppbs_of(chunks, is_criu):
    """All that hold pages, one behind the other.  Only criu has an empty one, and only where `help
    differences` says so: the first of a later chunk."""
    found = []
    for c, chunk in enumerate(chunks):
        for i, iovs in enumerate(chunk):
            sd.check(iovs or (is_criu and c and not i), f'ppb {i} of chunk {c} is empty')
            if iovs:
                found.append(iovs)
    return found


def at_zero(ppbs):
    """Of a shared object: criu gives addresses in a mapping of its own, we give offsets in it."""
    base = ppbs[0][0][0]
    return [[(start - base, nr) for start, nr in iovs] for iovs in ppbs]


def without(ppbs, span):
    """The ppbs without the iovs in that range, and how many pages those hold."""
    kept = [[(start, nr) for start, nr in iovs if not span[0] <= start < span[1]] for iovs in ppbs]
    taken = sum(nr for iovs in ppbs for start, nr in iovs if span[0] <= start < span[1])
    return [iovs for iovs in kept if iovs], taken


def compare_vdso(pid, want, have, span):
    """`help differences`: on top of a parent, criu leaves clean pages of [vdso] to it; we never do."""
    want, theirs = without(want, span)
    have, ours = without(have, span)
    sd.equal(ours, (span[1] - span[0]) // mem.PAGE, f'pages of [vdso] of {pid} in our page_pipe')
    sd.check(theirs <= ours, f'criu has {theirs} pages of a [vdso] of {ours}')
    return want, have


def check_beside(theirs, ours, directory, vdso=None):
    """The same tasks and objects, the same ppbs in the same order, the same iovs; but for what `help
    differences` explains.  directory: criu's images.  vdso: of a dump on top of a parent, the range of
    [vdso] by pid."""
    want = {name: ppbs_of(chunks, True) for name, chunks in theirs}
    have = {name: ppbs_of(chunks, False) for name, chunks in ours}
    for pid, span in (vdso or {}).items():
        name = f'task {pid}'
        want[name], have[name] = compare_vdso(pid, want[name], have[name], span)
    if glob.glob(f'{directory}/ipcns-shm-*.img'): # System V memory: by a child of criu
        have = {name: have[name] for name in have if name in want or not name.startswith('shmem')}
    sd.equal(sorted(have), sorted(want), 'tasks and shared objects')
    for name in want:
        if name.startswith('shmem'):
            want[name], have[name] = at_zero(want[name]), at_zero(have[name])
        sd.equal(have[name], want[name], f'ppbs of {name}')
    # The root is first with both, shared objects come last with us.
    tasks = [[name for name, _ in picture if name.startswith('task')] for picture in (theirs, ours)]
    sd.equal(tasks[1][0], tasks[0][0], 'the first task')
    kinds = [name.split()[0] for name, _ in ours]
    sd.equal(kinds, sorted(kinds, key=('task', 'shmem').index), 'kinds in order')
    nr = {name: sum(map(len, ppbs)) for name, ppbs in have.items()}
    print(', '.join(f'{name}: {len(have[name])} ppbs, {nr[name]} iovs' for name in have))

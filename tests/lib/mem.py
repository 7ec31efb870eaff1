# SPDX-License-Identifier: GPL-3.0-or-later
"""The independent witness: what the kernel says about a frozen process, which of its pages a dump
must hold by CRIU's rule (pread path), and what images hold according to pycriu.

Nothing here is shared with stepdump: /proc on one side, Debian's pycriu on the other.
"""
import array
import bisect
import ctypes
import mmap
import os
import re

PAGE = 4096
PRESENT, SWAP, FILE, GUARD = 1 << 63, 1 << 62, 1 << 61, 1 << 58
UFFD_WP, SOFT_DIRTY = 1 << 57, 1 << 55
PFN_MASK = (1 << 55) - 1
ZERO_PAGE = bytes(PAGE)


class Vma:
    def __init__(self, start, end, perms, offset, dev, ino, name):
        self.start, self.end, self.perms, self.offset = start, end, perms, offset
        self.dev, self.ino, self.name = dev, ino, name
        self.flags = ()

    def __repr__(self):
        return f'{self.start:x}-{self.end:x} {self.perms} {self.name}'

    shared = property(lambda self: self.perms[3] == 's')
    prot = property(lambda self: sum(b for c, b in zip(self.perms, (1, 2, 4)) if c != '-'))
    aio = property(lambda self: self.name.startswith('/[aio]'))
    vvar = property(lambda self: self.name.startswith('[vvar'))
    vdso = property(lambda self: self.name == '[vdso]')
    never = property(lambda self: self.vvar or self.name == '[vsyscall]' or 'dp' in self.flags)
    always = property(lambda self: self.vdso or self.aio)
    file_private = property(lambda self: not self.shared and self.ino != 0)

    def pages(self):
        return range(self.start, self.end, PAGE)


def vmas(pid):
    found, vma = [], None
    with open(f'/proc/{pid}/smaps') as f:
        for line in f:
            m = re.match(r'([0-9a-f]+)-([0-9a-f]+) (\S{4}) ([0-9a-f]+) (\S+) (\d+) *(.*)\n', line)
            if m:
                vma = Vma(int(m[1], 16), int(m[2], 16), m[3], int(m[4], 16), m[5], int(m[6]), m[7])
                found.append(vma)
            elif line.startswith('VmFlags:'):
                vma.flags = tuple(line.split()[1:])
    return found


def pagemap(pid, start, end):
    """Yields (address, entry) for every page with a nonzero entry.  A terabyte of untouched
    addresses takes a second."""
    nothing = bytes(1 << 20)
    with open(f'/proc/{pid}/pagemap', 'rb', buffering=0) as f:
        f.seek(start // PAGE * 8)
        at = start
        while at < end:
            data = f.read(min((end - at) // PAGE * 8, len(nothing)))
            if not data:
                return
            if data != nothing[:len(data)]:
                a = array.array('Q')
                a.frombytes(data)
                for i, e in enumerate(a):
                    if e:
                        yield at + i * PAGE, e
            at += len(data) // 8 * PAGE


def zero_pfn():
    """PFN of the kernel's zero page, 0 if frame numbers are hidden from us."""
    m = mmap.mmap(-1, PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    _ = m[0]
    address = ctypes.addressof(ctypes.c_char.from_buffer(m))
    (_, entry), = pagemap(os.getpid(), address, address + PAGE)
    return entry & PFN_MASK


class Memory:
    """Reads /proc/PID/mem: works without PROT_READ, never waits for a userfaultfd."""

    def __init__(self, pid):
        self.fd = os.open(f'/proc/{pid}/mem', os.O_RDONLY)

    def page(self, address):
        """None if it cannot be read."""
        try:
            data = os.pread(self.fd, PAGE, address)
        except OSError:
            return None
        return data if len(data) == PAGE else None

    def close(self):
        os.close(self.fd)


def selected(pid, vma, zero):
    """Addresses of the pages of a private VMA that a dump must hold, by CRIU's pread rule."""
    if vma.always:
        return list(vma.pages())
    if vma.never or vma.shared:
        return []
    found = []
    for address, e in pagemap(pid, vma.start, vma.end):
        if not e & (PRESENT | SWAP) or e & GUARD:
            continue
        if vma.file_private and e & FILE:
            continue
        if e & PRESENT and zero and e & PFN_MASK == zero:
            continue
        found.append(address)
    return found


# ---- images -----------------------------------------------------------------

PE_PARENT, PE_LAZY, PE_PRESENT = 1, 2, 4


def load(path):
    """Entries of an image as dicts, flags as numbers."""
    from pycriu import images
    with open(path, 'rb') as f:
        return images.load(f, pretty=False)['entries']


def fields(message):
    """Numbers of a protobuf message that has nothing else, by field."""
    found, numbers, value, shift = {}, [], 0, 0
    for byte in message:
        value |= (byte & 0x7f) << shift
        shift += 7
        if byte < 0x80:
            numbers.append(value)
            value = shift = 0
    for key, number in zip(numbers[::2], numbers[1::2]):
        if key & 7:
            raise AssertionError(f'field {key >> 3} is not a number')
        found[key >> 3] = number
    return found


def load_pagemap(path):
    """(pages_id, entries).  Without pycriu, which may be older than the criu: 4.2 has the number of
    pages in a field of its own."""
    with open(path, 'rb') as f:
        data = f.read()
    messages, at = [], 8
    while at < len(data):
        size = int.from_bytes(data[at:at + 4], 'little')
        messages.append(fields(data[at + 4:at + 4 + size]))
        at += 4 + size
    return messages[0][1], [(m[1], m.get(5) or m[2], m.get(4, PE_PARENT if m.get(3) else PE_PRESENT))
                            for m in messages[1:]]


class Pages:
    """One pagemap image with its pages file."""

    def __init__(self, directory, name):
        self.pages_id, self.entries = load_pagemap(os.path.join(directory, f'pagemap-{name}.img'))
        self.path = os.path.join(directory, f'pages-{self.pages_id}.img')
        self.offsets = {}
        offset = 0
        end = 0
        for vaddr, nr, flags in self.entries:
            if vaddr < end or vaddr % PAGE or nr == 0:
                raise AssertionError(f'pagemap-{name}: entry {vaddr:x}+{nr} after {end:x}')
            end = vaddr + nr * PAGE
            if flags & PE_PRESENT:
                for i in range(nr):
                    self.offsets[vaddr + i * PAGE] = offset
                    offset += PAGE
        size = os.path.getsize(self.path) if self.entries else 0
        if size != offset:
            raise AssertionError(f'{self.path}: {size} bytes, its pagemap says {offset}')
        self.fd = os.open(self.path, os.O_RDONLY) if self.entries else -1

    def page(self, address):
        return os.pread(self.fd, PAGE, self.offsets[address])

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)


def compare(pid, directory, maps, check, images=Pages):
    """
    Every page of the images against the memory of the frozen target, and every page of the target
    against the rule.  `maps`: the target's VMAs as they were before infection (the parasite's own
    do not belong in images).  images: what reads an object's images.  Returns counts for the log.
    """
    zero = zero_pfn()
    memory = Memory(pid)
    image = images(directory, pid)
    in_image = set(image.offsets)
    ascending = sorted(in_image)
    counts = dict(private=0, zero=0, clean=0, shared=0, objects=0)

    for vma in maps:
        # Protections differ while infected; kind, range and names do not.
        want = selected(pid, vma, zero)
        here = set(ascending[bisect.bisect_left(ascending, vma.start):
                             bisect.bisect_left(ascending, vma.end)])
        for address in want:
            check(address in here, f'{vma}: page {address:x} is selected, but not in the image')
            data = memory.page(address)
            check(data is not None, f'{vma}: page {address:x} cannot be read')
            check(image.page(address) == data, f'{vma}: page {address:x} differs from memory')
        extra = here - set(want)
        check(not extra, f'{vma}: pages in the image that no rule selects: '
              f'{[hex(a) for a in sorted(extra)[:5]]}')
        counts['private'] += len(want)
        in_image -= here
        if not vma.shared and not vma.never:
            check_unselected(pid, vma, set(want), memory, check, counts)
    check(not in_image, f'pages in the image outside of all VMAs: {[hex(a) for a in sorted(in_image)[:5]]}')
    compare_shared(pid, directory, maps, check, counts, images)
    image.close()
    memory.close()
    return counts


def check_unselected(pid, vma, want, memory, check, counts):
    """A present page that is left out is zero, or equal to its file."""
    link = f'/proc/{pid}/map_files/{vma.start:x}-{vma.end:x}'
    fd = -1
    for address, e in list(pagemap(pid, vma.start, vma.end)):
        if address in want or not e & PRESENT or e & GUARD:
            continue
        data = memory.page(address)
        if vma.file_private:
            if fd < 0:
                fd = os.open(link, os.O_RDONLY)
            in_file = os.pread(fd, PAGE, vma.offset + address - vma.start)
            check(data == in_file.ljust(PAGE, b'\0'),
                  f'{vma}: page {address:x} is left out, but differs from the file')
            counts['clean'] += 1
        else:
            check(data == ZERO_PAGE, f'{vma}: page {address:x} is left out, but not zero')
            counts['zero'] += 1
    if fd >= 0:
        os.close(fd)


def is_shmem(vma):
    return (vma.name.startswith('/memfd:') or vma.name.startswith('/dev/zero') or
            vma.name.startswith('/SYSV')) and vma.ino != 0


def compare_shared(pid, directory, maps, check, counts, images):
    """Every page of every mapped shared object, against the object itself (not the mapping)."""
    seen = {}
    for vma in maps:
        if not is_shmem(vma) or vma.aio:
            continue
        image = seen.get(vma.ino)
        if image is None:
            image = seen[vma.ino] = images(directory, f'shmem-{vma.ino}')
            counts['objects'] += 1
        with open(f'/proc/{pid}/map_files/{vma.start:x}-{vma.end:x}', 'rb', buffering=0) as f:
            for offset in range(vma.offset, vma.offset + vma.end - vma.start, PAGE):
                data = os.pread(f.fileno(), PAGE, offset).ljust(PAGE, b'\0')
                if offset in image.offsets:
                    check(image.page(offset) == data,
                          f'{vma}: page at {offset:x} of the object differs')
                else:
                    check(data == ZERO_PAGE, f'{vma}: page at {offset:x} of the object is missing')
                counts['shared'] += 1
    for image in seen.values():
        image.close()


def check_mm(pid, directory, maps, check):
    """mm-PID.img has the VMAs that were there, with their own protections."""
    mm = load(os.path.join(directory, f'mm-{pid}.img'))[0]
    guard = 0x10000
    got = [(v['start'], v['end'], v['prot']) for v in mm['vmas'] if not v['status'] & guard]
    want = []
    for v in maps:
        prot = v.prot
        if want and v.name == '[vvar_vclock]' and want[-1][1] == v.start:
            want[-1] = (want[-1][0], v.end, want[-1][2])
        else:
            want.append((v.start, v.end, prot))
    there = set(got)
    for item in want:
        check(item in there, f'mm image lacks VMA {item[0]:x}-{item[1]:x} prot {item[2]}')
    check(len(got) == len(want), f'mm image has VMAs that were not there: '
          f'{[tuple(map(hex, g)) for g in sorted(there - set(want))]}')
    return mm


def check_pagemap_in_private_vmas(directory, pid, mm, check):
    """CRIU's restore refuses pages outside of private VMAs."""
    private = [(v['start'], v['end']) for v in mm['vmas']
               if v['status'] & 0x2000 or (v['status'] & 1 and v['status'] & 0x240)]
    for vaddr, nr, flags in Pages(directory, pid).entries:
        check(flags in (PE_PRESENT, PE_PRESENT | PE_LAZY), f'entry {vaddr:x}: flags {flags}')
        at = vaddr
        for start, end in private:
            if start <= at < end:
                at = end
        check(at >= vaddr + nr * PAGE, f'entry {vaddr:x}+{nr} is not inside private VMAs')


def soft_dirty_here():
    """Does the kernel say of a page that was just written that it was?"""
    m = mmap.mmap(-1, PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    m[0] = 1
    address = ctypes.addressof(ctypes.c_char.from_buffer(m))
    (_, entry), = pagemap(os.getpid(), address, address + PAGE)
    return bool(entry & SOFT_DIRTY)


def written_and_clean(pid):
    """Private pages by what the kernel notes of writes since tracking began: (addresses of those that were written,
    of those that were not).  With soft-dirty they lack that bit, with userfaultfd they are write-protected."""
    by_soft_dirty = soft_dirty_here()
    entries = [(a, e) for v in vmas(pid) if not v.shared and not v.never
               for a, e in pagemap(pid, v.start, v.end) if e & (PRESENT | SWAP)]
    clean = {a for a, e in entries if (not e & SOFT_DIRTY if by_soft_dirty else e & UFFD_WP)}
    return {a for a, _ in entries} - clean, clean

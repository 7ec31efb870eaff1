#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Image chains made by hand, from a model that knows every page; no code of ours, none of CRIU's.

chain_maker.py make DIR SEED NR       NR chains: DIR/chainI/g0 (oldest) to gN, every second one with
    mm images.  DIR/chainI/expect says what is in them:
    page G ADDR FOUND OFF ID LAZY     page of gG: in which generation (counted from G down), where
    diff A B START END MAPPED ADDED GONE CHANGED SAME     per VMA (one row without mm)
chain_maker.py flat DIR               DIR/chainI/flatG, read by pycriu, holds exactly what gG stands for

Entries are cut anywhere and written in all encodings that CRIU has ever used.
"""
import os
import random
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from pb import COMMON, INVENTORY, MM, PAGEMAP, field, write_records

PAGE = 4096
PID = 4242
BASE = 0x7f0000000000
SPAN = 200  # pages of the model


def image(path, magic, bodies):
    write_records(path, [magic] if magic == INVENTORY else [COMMON, magic], bodies)


def entry(rnd, vaddr, nr, hole, lazy):
    kinds = ['old', 'flags', 'new', 'both']
    if lazy:
        kinds.remove('old')
    kind = rnd.choice(kinds)
    flags = 1 if hole else 6 if lazy else 4
    body = field(1, vaddr) + field(2, 0 if kind == 'new' else nr)
    if kind == 'old':
        return body + (field(3, 1) if hole else field(3, 0) if rnd.random() < .3 else b'')
    body += field(4, flags)
    return body + field(5, nr) if kind in ('new', 'both') else body


def content(page_id):
    return struct.pack('<Q', page_id) * (PAGE // 8)


class Model:
    """pages: page number -> (generation, byte offset, id, lazy)."""

    def __init__(self, pages, vmas):
        self.pages, self.vmas = pages, vmas


def runs(rnd, keys, same):
    """Cuts ascending page numbers into entries; neighbours stay together only if same()."""
    out = []
    for k in keys:
        if out and out[-1][-1] == k - 1 and same(out[-1][-1], k) and rnd.random() < .8:
            out[-1].append(k)
        else:
            out.append([k])
    return out


def vmas_of(rnd, old):
    """Page ranges; each generation moves some of their ends."""
    cuts = sorted(rnd.sample(range(0, SPAN), 2 * rnd.randint(1, 5)))
    new = [(cuts[i], cuts[i + 1]) for i in range(0, len(cuts), 2)]
    if old and rnd.random() < .7:
        new = [(a, b) for a, b in old if rnd.random() < .8] or old[:1]
        last = new[-1]
        new[-1] = (last[0], rnd.randint(last[0] + 1, SPAN))
    return new


def make_generation(rnd, directory, number, before, with_mm):
    os.mkdir(directory)
    vmas = vmas_of(rnd, before.vmas if before else [])
    pages, off = {}, 0
    density = rnd.choice([.1, .5, .95, 1])
    for a, b in vmas:
        for page in range(a, b):
            if rnd.random() >= density:
                continue
            if before and page in before.pages and rnd.random() < .6:
                pages[page] = (before.pages[page], True)
            else:
                # sometimes the bytes that were there before, written again
                same = before and page in before.pages and rnd.random() < .3
                page_id = before.pages[page][2] if same else rnd.getrandbits(63)
                pages[page] = ((number, None, page_id, rnd.random() < .5), False)
    bodies = [field(1, 7 + number)]

    def mergeable(p, q):
        (_, p_hole), (_, q_hole) = pages[p], pages[q]
        return p_hole == q_hole and (p_hole or pages[p][0][3] == pages[q][0][3])

    with open(os.path.join(directory, f'pages-{7 + number}.img'), 'wb') as f:
        for run in runs(rnd, sorted(pages), mergeable):
            hole = pages[run[0]][1]
            bodies.append(entry(rnd, BASE + run[0] * PAGE, len(run), hole,
                                not hole and pages[run[0]][0][3]))
            for page in run:
                if not hole:
                    g, _, page_id, lazy = pages[page][0]
                    pages[page] = ((g, off, page_id, lazy), False)
                    f.write(content(page_id))
                    off += PAGE
    image(os.path.join(directory, f'pagemap-{PID}.img'), PAGEMAP, bodies)
    image(os.path.join(directory, 'inventory.img'), INVENTORY,
          [field(1, 0) + field(8, 1000000 + number) + field(9, 1)])
    if number:
        os.symlink(f'../g{number - 1}', os.path.join(directory, 'parent'))
    if with_mm:
        body = b''.join(field(i, 0) for i in range(1, 13))
        for a, b in vmas:
            body += field(14, field(1, BASE + a * PAGE) + field(2, BASE + b * PAGE) + field(3, 0) +
                            field(4, 0) + field(5, 3) + field(6, 0x22) + field(7, 0x201) + field(8, 1))
        image(os.path.join(directory, f'mm-{PID}.img'), MM, [body])
    return Model({k: v[0] for k, v in pages.items()}, vmas)


def diff(old, new, with_mm):
    """Rows as (start, end, mapped, added, gone, changed, same), those without pages left out."""
    if not with_mm:
        ids = sorted(set(old.pages) | set(new.pages))
        rows = [(ids[0], ids[-1] + 1, 'unknown')] if ids else []
    else:
        rows, in_new = [], set()
        for a, b in new.vmas:
            both = any(x < b and y > a for x, y in old.vmas)
            rows.append((a, b, 'both' if both else 'new'))
            in_new |= set(range(a, b))
        for a, b in old.vmas:
            start = None
            for p in range(a, b + 1):
                outside = p < b and p not in in_new
                if outside and start is None:
                    start = p
                elif not outside and start is not None:
                    rows.append((start, p, 'old'))
                    start = None
    for a, b, mapped in sorted(rows):
        n = [0, 0, 0, 0]
        for p in range(a, b):
            o, w = old.pages.get(p), new.pages.get(p)
            if o and w:
                n[3 if o[2] == w[2] else 2] += 1
            elif o or w:
                n[1 if o else 0] += 1
        if any(n):
            yield (a, b, mapped, *n)


def make(directory, seed, with_mm):
    rnd = random.Random(seed)
    models, before = [], None
    os.mkdir(directory)
    for number in range(rnd.randint(1, 6)):
        before = make_generation(rnd, os.path.join(directory, f'g{number}'), number, before, with_mm)
        models.append(before)
    with open(os.path.join(directory, 'expect'), 'w') as f:
        for g, m in enumerate(models):
            for page, (found, off, page_id, lazy) in sorted(m.pages.items()):
                print('page', g, BASE + page * PAGE, g - found, off, page_id, int(lazy), file=f)
        for a, old in enumerate(models):
            for b, new in enumerate(models):
                for start, end, mapped, *n in diff(old, new, with_mm):
                    print('diff', a, b, BASE + start * PAGE, BASE + end * PAGE, mapped, *n, file=f)


def check_flat(directory, generation, flat):
    import mem
    want = {}
    with open(os.path.join(directory, 'expect')) as f:
        for line in f:
            word = line.split()
            if word[0] == 'page' and word[1] == generation:
                want[int(word[2])] = int(word[5]), int(word[6])
    if os.path.lexists(os.path.join(flat, 'parent')):
        sys.exit(f'{flat}: there is a parent')
    image_ = mem.Pages(flat, PID)
    if set(image_.offsets) != set(want):
        sys.exit(f'{flat}: pages differ: {sorted(set(image_.offsets) ^ set(want))[:5]}')
    flags = {v + i * PAGE: f for v, n, f in image_.entries for i in range(n)}
    for address, (page_id, lazy) in want.items():
        if image_.page(address) != content(page_id):
            sys.exit(f'{flat}: {address:x}: wrong bytes')
        if flags[address] != (6 if lazy else 4):
            sys.exit(f'{flat}: {address:x}: flags {flags[address]}, lazy was {lazy}')
    names = sorted(os.listdir(flat))
    if len([n for n in names if n.startswith('pages-')]) != 1 or 'inventory.img' not in names:
        sys.exit(f'{flat}: files: {names}')


def flat_sets(directory):
    for chain in sorted(os.listdir(directory)):
        for name in os.listdir(os.path.join(directory, chain)):
            if name.startswith('flat'):
                yield os.path.join(directory, chain), name[4:], os.path.join(directory, chain, name)


if sys.argv[1] == 'make':
    for i in range(int(sys.argv[4])):
        make(os.path.join(sys.argv[2], f'chain{i}'), int(sys.argv[3]) + i, i % 2)
elif sys.argv[1] == 'flat':
    sets = list(flat_sets(sys.argv[2]))
    for one in sets:
        check_flat(*one)
    if not sets:
        sys.exit('no flat sets')
else:
    sys.exit(__doc__)

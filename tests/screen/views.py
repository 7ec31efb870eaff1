# SPDX-License-Identifier: GPL-3.0-or-later
"""Full screens: the real program on saved snapshots, driven by the key files in keys/.

The first line of a key file says "# FIXTURE VIEW"; its last screen is compared, at all sizes.
"""
import os
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
KEYS = os.path.join(HERE, 'keys')

# size, program options, theme (None: plain text)
VARIANTS = (
    ('80x24', ['--ascii'], None),
    ('60x12', ['--ascii'], None),
    ('120x40', [], None),
    ('250x80', [], None),
)
COLOURED = (('80x24', ['--ascii'], 'dark'), ('80x24', [], 'cb'), ('80x24', [], 'light'), ('80x24', ['--ascii'], 'mono'))


def cases():
    """name -> (fixture, view, path)"""
    found = {}
    for name in sorted(os.listdir(KEYS)):
        path = os.path.join(KEYS, name)
        with open(path, encoding='utf-8') as f:
            mark, fixture, view = f.readline().split()[:3]
        assert mark == '#' and name.endswith('.keys'), path
        found['view-' + name[:-5]] = fixture, view.rstrip(':'), path
    return found


def stepdump():
    b = os.environ.get('B', 'build')
    return os.environ.get('STEPDUMP') or os.path.join(os.path.dirname(os.path.dirname(HERE)), b, 'stepdump')


def one(snap, view, keys, size, options, theme):
    out = snap + '.screen'
    script = snap + '.keys'
    with open(keys, encoding='utf-8') as f, open(script, 'w', encoding='utf-8') as g:
        g.write(f.read() + f'\n:save-screen {out}\n')
    if os.path.exists(out):
        os.unlink(out)
    args = [stepdump(), '-batch', '-S', snap, '--size', size, '--keys', script, *options]
    if theme:
        args += ['--color', 'always', '-ex', f'set theme {theme}']
    env = dict(os.environ, LC_ALL='C.UTF-8', TERM='dumb')
    done = subprocess.run(args + ['-ex', f'view {view}'], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env=env, timeout=60)
    if done.returncode or not os.path.exists(out):
        raise SystemExit(f'{" ".join(args)}: status {done.returncode}\n{done.stdout.decode()}')
    with open(out, encoding='utf-8') as f:
        return f.read()


def draw(snap, view, keys, colours):
    text = ''
    for size, options, theme in VARIANTS + (COLOURED if colours else ()):
        screen = one(snap, view, keys, size, options, theme)
        cols, rows = map(int, size.split('x'))
        if screen.count('\n') != rows:
            raise SystemExit(f'{keys}: {screen.count(chr(10))} rows at {size}')
        text += f'== {size} {"ascii" if options else "utf8"} {theme or "no colour"}\n'
        text += screen.replace('\033', '^[')
    return text

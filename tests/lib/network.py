# SPDX-License-Identifier: GPL-3.0-or-later
"""Two network namespaces and a link between them, for a page server on another machine."""
import os
import shutil
import subprocess

import sd

V4, V6 = '10.11.12', 'fd00:11'


def ip(*args, netns=None):
    subprocess.run(['ip', *(['-n', netns] if netns else []), *args], check=True, timeout=sd.PATIENCE)


class Network:
    """Two namespaces and a link; `there` and `here` are prefixes of commands that run in them."""

    def __init__(self):
        sd.need_root()
        if not shutil.which('ip'):
            sd.skip('ip is not installed')
        self.names = [f'stepdump-{os.getpid()}-{side}' for side in ('there', 'here')]
        if subprocess.run(['ip', 'netns', 'add', self.names[0]], stderr=subprocess.PIPE).returncode:
            sd.skip('no network namespace can be made here')
        ip('netns', 'add', self.names[1])
        self.there, self.here = (['nsenter', f'--net=/run/netns/{name}'] for name in self.names)
        ip('link', 'add', 'there', 'netns', self.names[0], 'type', 'veth', 'peer', 'name', 'here', 'netns',
           self.names[1])
        for n, (name, dev) in enumerate(zip(self.names, ('there', 'here')), 1):
            ip('address', 'add', f'{V4}.{n}/24', 'dev', dev, netns=name)
            ip('address', 'add', f'{V6}::{n}/64', 'dev', dev, 'nodad', netns=name)
            ip('link', 'set', dev, 'up', netns=name)
            ip('link', 'set', 'lo', 'up', netns=name)

    def cut(self):
        ip('link', 'set', 'there', 'down', netns=self.names[0])

    def mend(self):
        ip('link', 'set', 'there', 'up', netns=self.names[0])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for name in self.names:
            ip('netns', 'delete', name)

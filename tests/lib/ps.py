# SPDX-License-Identifier: GPL-3.0-or-later
"""A page-server client of our own, byte by byte, and the real server."""
import os
import socket
import struct
import subprocess

import sd

PAGE = 4096
ADD, HOLE, OPEN, OPEN2, PARENT, ADD_F, GET, CLOSE, FORCE_CLOSE = 1, 2, 3, 4, 5, 6, 7, 0x1023, 0x1024


def task(pid):
    return pid << 8 | 1


def shmem(ident):
    return ident << 8 | 2


def header(wire, cmd, nr=0, vaddr=0, dst=0, flags=0):
    """As CRIU packs it; CRIU 4.2 leaves stack garbage in bytes 4 to 7."""
    if wire == '4.2':
        return struct.pack('<IIQQQ', cmd | flags << 16, 0x00060006, nr, vaddr, dst)
    return struct.pack('<IIQQ', cmd | flags << 16, nr, vaddr, dst)


class Server:
    """`stepdump serve`, until the test ends."""

    def __init__(self, directory, *options, where='0', prefix=()):
        self.dir = directory
        self.proc = subprocess.Popen([*prefix, sd.STEPDUMP, 'serve', *map(str, options), where, directory],
                                     stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                     stderr=subprocess.PIPE, bufsize=0)
        sd._children.append(self.proc)
        self.output = sd.Lines(self.proc.stdout)
        line = self.output.read()
        if line is None:
            raise AssertionError(f'serve ended: {self.proc.stderr.read().decode()}')
        sd.check(line.startswith('listening at '), line)
        self.where = line.split()[-1]
        self.port = int(self.where.rsplit(':', 1)[1]) if not self.where.startswith('unix:') else None

    def line(self, beginning, crash=False):
        """The next line that begins like that (after the number of the client)."""
        while (line := self.output.read()) is not None:
            print(f'server: {line}', flush=True)
            sd.check(crash or 'the process that served it' not in line, line)
            if line.split(': ', 1)[-1].startswith(beginning):
                return line
        raise AssertionError(f'the server ended without saying "{beginning}"')

    def end(self):
        """It is told to end; its exit status."""
        self.proc.terminate()
        return self.wait()

    def wait(self):
        _, err = self.proc.communicate(timeout=sd.PATIENCE)
        print(f'server: {self.proc.returncode} {err.decode()}', flush=True)
        return self.proc.returncode


class Client:
    def __init__(self, server, wire):
        self.wire = wire
        if isinstance(server, int):
            self.s = socket.create_connection(('127.0.0.1', server), timeout=sd.PATIENCE)
        else:
            self.s = socket.socket(socket.AF_UNIX)
            self.s.settimeout(sd.PATIENCE)
            self.s.connect(server[5:])

    def send(self, cmd, nr=0, vaddr=0, dst=0, flags=0, data=b''):
        self.s.sendall(header(self.wire, cmd, nr, vaddr, dst, flags) + data)

    def read(self, length):
        """Fewer bytes if the server has gone."""
        data = b''
        try:
            while len(data) < length and (more := self.s.recv(length - len(data))):
                data += more
        except ConnectionError:
            pass
        return data

    def parent(self, dst):
        self.send(PARENT, dst=dst)
        return struct.unpack('<i', self.read(4))[0]

    def open2(self, dst):
        self.send(OPEN2, dst=dst)
        return self.read(1)[0]

    def pages(self, dst, vaddr, data, flags=4):
        self.send(ADD_F, len(data) // PAGE, vaddr, dst, flags, data)

    def hole(self, dst, vaddr, nr):
        self.send(ADD_F, nr, vaddr, dst, 1)

    def finish(self):
        """CLOSE; what the server answers, b'' if it has gone."""
        self.send(CLOSE)
        answer = self.read(4)
        self.s.close()
        return answer

    def gone(self):
        """Has the server dropped us?"""
        return self.read(1) == b''


def litter(directory):
    """Staging directories that are still there."""
    where = directory if os.path.isdir(directory) else os.path.dirname(directory)
    return [n for d in {where, os.path.dirname(directory)} for n in os.listdir(d) if '.stepdump-' in n]

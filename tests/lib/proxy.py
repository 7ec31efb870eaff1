# SPDX-License-Identifier: GPL-3.0-or-later
"""A man in the middle of a page-server conversation, who does harm at a message boundary."""
import select
import socket
import struct
import threading

import ps
import sd


CLOSE = struct.pack('<I', ps.CLOSE)


class Proxy:
    """One connection, of wire 3.17, to the server at `port`.

    at: how many requests of the client pass unharmed; None: all before CLOSE.  what: cut (both ends), stall (nothing passes any
    more), truncate (half of the next request, then the end), corrupt (the header of the next request is
    inverted), mute (requests pass, answers do not), garble (so do inverted answers), reset, delay (that request and
    its answer take half a second longer, and no harm is done).
    """

    def __init__(self, port, what, at):
        self.port, self.what, self.at = port, what, at
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.where = '127.0.0.1:%d' % self.listener.getsockname()[1]
        self.requests, self.harmed, self.delayed = 0, False, False
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def close(self):
        self.over.set()
        self.listener.close()
        self.thread.join(sd.PATIENCE)

    def read(self, s, length):
        data = b''
        while len(data) < length:
            if self.over.is_set():
                raise EOFError
            if not select.select([s], [], [], 0.1)[0]:
                continue
            more = s.recv(length - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def request(self):
        """The next one of the client, whole, and the length of its answer."""
        head = self.read(self.client, 24)
        cmd, nr = struct.unpack('<II', head[:8])
        data = self.read(self.client, nr * ps.PAGE) if cmd & 0xffff == ps.ADD_F and cmd >> 16 & 4 else b''
        return head, data, {ps.OPEN2: 1, ps.PARENT: 4, ps.CLOSE: 4}.get(cmd & 0xffff, 0)

    def run(self):
        try:
            self.client, _ = self.listener.accept()
            self.server = socket.create_connection(('127.0.0.1', self.port), timeout=sd.PATIENCE)
        except OSError:
            return
        with self.client, self.server:
            try:
                while self.one():
                    pass
                self.over.wait(sd.PATIENCE * 4)
            except (EOFError, OSError):
                pass

    def one(self):
        head, data, answer = self.request()
        self.requests += 1
        harm = self.requests > self.at if self.at is not None else head[:4] == CLOSE
        self.harmed |= harm
        if not harm:
            self.server.sendall(head + data)
            self.client.sendall(self.read(self.server, answer))
            return True
        if self.what == 'stall':
            return False
        if self.what == 'delay':
            if harm and not self.delayed:
                self.over.wait(0.5)
            self.delayed = True
            self.server.sendall(head + data)
            self.client.sendall(self.read(self.server, answer))
            return True
        if self.what == 'cut':
            raise EOFError
        if self.what == 'reset':
            self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            raise EOFError
        if self.what == 'truncate':
            self.server.sendall((head + data)[:(len(head) + len(data)) // 2])
            raise EOFError
        if self.what == 'corrupt':
            head = bytes(b ^ 0xff for b in head)
        self.server.sendall(head + data)
        if self.what == 'corrupt':
            self.read(self.server, 1) # the end: the server does not like it
        reply = self.read(self.server, answer)
        if self.what == 'mute' and answer:
            return False
        self.client.sendall(bytes(b ^ 0xff for b in reply) if self.what == 'garble' else reply)
        return True

# SPDX-License-Identifier: GPL-3.0-or-later
"""Image files byte by byte: magic numbers, framing, protobuf fields.  No code of stepdump's or CRIU's."""
import struct

COMMON, PAGEMAP, MM, INVENTORY = 0x54564319, 0x56084025, 0x57492820, 0x58313116
MAGICS = (COMMON, PAGEMAP, INVENTORY)


def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out + bytes([value]))


def field(number, value):
    """One field, of an integer or of bytes."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def put_fields(values):
    """The message of {number: value}."""
    return b''.join(field(number, value) for number, value in sorted(values.items()))


def fields(message):
    """{number: value} of a message of integers and bytes; the last value counts."""
    def number(at):
        value = shift = 0
        while True:
            byte = message[at]
            value |= (byte & 127) << shift
            at, shift = at + 1, shift + 7
            if not byte & 128:
                return value, at
    found, at = {}, 0
    while at < len(message):
        key, at = number(at)
        if key & 7 == 0:
            found[key >> 3], at = number(at)
        elif key & 7 == 2:
            size, at = number(at)
            found[key >> 3], at = message[at:at + size], at + size
        else:
            raise AssertionError(f'wire type {key & 7}')
    return found


def records(path):
    """The magic numbers and the payload of each message of an image; checks the framing."""
    with open(path, 'rb') as f:
        data = f.read()
    magics, at = [], 0
    while at + 4 <= len(data) and struct.unpack_from('<I', data, at)[0] in MAGICS:
        magics.append(struct.unpack_from('<I', data, at)[0])
        at += 4
    if not magics:
        raise AssertionError(f'{path}: no magic number')
    found = []
    while at < len(data):
        size, = struct.unpack_from('<I', data, at)
        if at + 4 + size > len(data):
            raise AssertionError(f'{path}: a message that is cut off')
        found.append(data[at + 4:at + 4 + size])
        at += 4 + size
    return magics, found


def write_records(path, magics, messages):
    with open(path, 'wb') as f:
        f.write(struct.pack(f'<{len(magics)}I', *magics))
        for m in messages:
            f.write(struct.pack('<I', len(m)) + m)

#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""usage: json_witness.py PROTO MESSAGE BYTES JSON

Compares a JSON file with what Google's protobuf reads in the same bytes.  Status 77: no
python3-protobuf or protoc here.
"""
import json
import math
import os
import subprocess
import sys
import tempfile

try:
    from google.protobuf import descriptor_pb2, descriptor_pool
    from google.protobuf.descriptor import FieldDescriptor as F
    try:
        from google.protobuf.message_factory import GetMessageClass
    except ImportError:
        from google.protobuf.message_factory import MessageFactory
        GetMessageClass = MessageFactory().GetPrototype
except ImportError:
    print('skipped: no python3-protobuf')
    sys.exit(77)


def load(proto, message):
    with tempfile.TemporaryDirectory() as tmp:
        out = os.path.join(tmp, 'set')
        # protoc-c is protoc with another generator
        subprocess.run(['protoc-c', f'--descriptor_set_out={out}', '-I', os.path.dirname(proto) or '.',
                        proto], check=True)
        with open(out, 'rb') as f:
            files = descriptor_pb2.FileDescriptorSet.FromString(f.read())
    pool = descriptor_pool.DescriptorPool()
    for f in files.file:
        pool.Add(f)
    return GetMessageClass(pool.FindMessageTypeByName(message))


def value(field, v):
    if field.type == F.TYPE_MESSAGE:
        return plain(v)
    if field.type == F.TYPE_ENUM:
        return field.enum_type.values_by_number[v].name.lower().replace('_', '-')
    if field.type == F.TYPE_BYTES:
        return v.hex()
    if field.type in (F.TYPE_DOUBLE, F.TYPE_FLOAT) and not math.isfinite(v):
        return 'nan' if math.isnan(v) else 'inf' if v > 0 else '-inf'
    return v


def plain(message):
    out = {}
    for field in message.DESCRIPTOR.fields:
        if field.label == F.LABEL_REPEATED:
            out[field.name] = [value(field, v) for v in getattr(message, field.name)]
        elif message.HasField(field.name):
            out[field.name] = value(field, getattr(message, field.name))
    return out


def main():
    proto, message, data, text = sys.argv[1:]
    with open(data, 'rb') as f:
        m = load(proto, message).FromString(f.read())
    with open(text, encoding='utf-8', errors='strict') as f:
        ours = json.load(f, parse_constant=lambda c: sys.exit(f'{c} is no JSON'))
    theirs = plain(m)
    if ours != theirs:
        print('ours:  ', json.dumps(ours, sort_keys=True))
        print('theirs:', json.dumps(theirs, sort_keys=True))
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())

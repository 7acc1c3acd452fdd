"""SFTP 3 by hand: requests as bytes, answers taken apart, for comparing servers byte for byte."""
import os
import struct
import subprocess
import threading

NUMBERS = {'init': 1, 'open': 3, 'close': 4, 'read': 5, 'write': 6, 'lstat': 7, 'fstat': 8, 'setstat': 9, 'fsetstat': 10,
           'opendir': 11, 'readdir': 12, 'remove': 13, 'mkdir': 14, 'rmdir': 15, 'realpath': 16, 'stat': 17, 'rename': 18,
           'readlink': 19, 'symlink': 20, 'extended': 200}
STATUS, HANDLE, DATA, NAME, ATTRS, VERSION, REPLY = 101, 102, 103, 104, 105, 2, 201
READ, WRITE, APPEND, CREAT, TRUNC, EXCL = 1, 2, 4, 8, 16, 32


def text(value):
    """A string."""
    value = value if isinstance(value, bytes) else os.fsencode(value)
    return struct.pack('>I', len(value)) + value


def u32(value):
    """A uint32."""
    return struct.pack('>I', value)


def u64(value):
    """A uint64."""
    return struct.pack('>Q', value)


def attrs(size=None, owner=None, mode=None, times=None):
    """Attributes."""
    flags = (size is not None) | (owner is not None) << 1 | (mode is not None) << 2 | (times is not None) << 3
    out = u32(flags)
    if size is not None:
        out += u64(size)
    if owner is not None:
        out += u32(owner[0]) + u32(owner[1])
    if mode is not None:
        out += u32(mode)
    if times is not None:
        out += u32(times[0]) + u32(times[1])
    return out


class Reader:
    """Takes values off the front."""

    def __init__(self, data):
        self.data = data

    def take(self, count):
        """So many bytes."""
        out, self.data = self.data[:count], self.data[count:]
        if len(out) != count:
            raise ValueError('message too short')
        return out

    def u32(self):
        """A uint32."""
        return struct.unpack('>I', self.take(4))[0]

    def u64(self):
        """A uint64."""
        return struct.unpack('>Q', self.take(8))[0]

    def text(self):
        """A string."""
        return self.take(self.u32())

    def attrs(self):
        """Attributes, as a dictionary."""
        flags, out = self.u32(), {}
        if flags & 1:
            out['size'] = self.u64()
        if flags & 2:
            out['owner'] = (self.u32(), self.u32())
        if flags & 4:
            out['mode'] = oct(self.u32())
        if flags & 8:
            out['times'] = (self.u32(), self.u32())
        if flags & ~15:
            out['flags'] = hex(flags)
        return out


def parse(message):
    """An answer: (id, kind, value ...)."""
    reader = Reader(message)
    kind = reader.take(1)[0]
    ident = reader.u32()
    if kind == VERSION:
        out = ['version', []]
        while reader.data:
            out[1].append((reader.text(), reader.text()))
    elif kind == STATUS:
        out = ['status', reader.u32(), reader.text(), reader.text()]
    elif kind in (HANDLE, DATA):
        out = ['handle' if kind == HANDLE else 'data', reader.text()]
    elif kind == NAME:
        out = ['name', [(reader.text(), reader.text(), reader.attrs()) for _ in range(reader.u32())]]
    elif kind == ATTRS:
        out = ['attrs', reader.attrs()]
    elif kind == REPLY:
        out, reader.data = ['reply', reader.data], b''
    else:
        raise ValueError(f'message {kind}')
    if reader.data:
        raise ValueError(f'{len(reader.data)} bytes too many behind {out}')
    return (ident, *out)


class Server:
    """A server on pipes. `ask` waits for the answer; `send` does not."""

    def __init__(self, command, cwd=None, env=None, limit=20, **options):
        self.process = subprocess.Popen(command, cwd=cwd, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, **options)
        self.timer = threading.Timer(limit, self.process.kill)
        self.timer.daemon = True
        self.timer.start()
        self.next = 0
        self.log = b''
        self.collector = threading.Thread(target=self._collect, daemon=True)
        self.collector.start()

    def _collect(self):
        for line in self.process.stderr:
            self.log += line

    def raw(self, message):
        """Sends bytes with their length before them."""
        self.process.stdin.write(u32(len(message)) + message)
        self.process.stdin.flush()

    def send(self, name, *parts):
        """Sends a request; its number."""
        self.next += 1
        self.raw(bytes([NUMBERS[name]]) + u32(self.next) + b''.join(parts))
        return self.next

    def receive(self):
        """The next answer."""
        head = self.process.stdout.read(4)
        if len(head) != 4:
            raise EOFError('the server is gone: ' + self.log.decode(errors='replace')[-300:])
        message = self.process.stdout.read(struct.unpack('>I', head)[0])
        return parse(message)

    def init(self, version=3):
        """The first message, and its answer."""
        self.raw(bytes([NUMBERS['init']]) + u32(version))
        return self.receive()

    def ask(self, name, *parts):
        """An answer, without its number."""
        ident = self.send(name, *parts)
        answer = self.receive()
        if answer[0] != ident:
            raise ValueError(f'answer to {answer[0]}, not {ident}')
        return answer[1:]

    def extended(self, name, *parts):
        """An extended request's answer."""
        return self.ask('extended', text(name), *parts)

    def end(self):
        """Closes its input: the exit code and what it logged."""
        self.process.stdin.close()
        code = self.process.wait()
        self.timer.cancel()
        self.collector.join()
        self.process.stdout.close()
        return code, self.log

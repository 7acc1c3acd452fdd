#!/usr/bin/env python3
"""Stands in for ssh (`scp -S`): a server that lies, in the legacy protocol or in SFTP, as LIE says.

It has one file, `wanted`, and one folder, `dir`, and what a lie adds to them. It notes in MARK that it was run.
"""
import os
import select
import struct
import sys

ESC = b'\x1b]0;owned\x07\x1b[2J'
FILE, FOLDER, LINK = 0o100644, 0o40755, 0o120777

# What the legacy sender says; an answer is waited for before each part, but not for long.
LEGACY = {
    'outside by name': [b'C0644 1 ../stolen\n', b'x\0'],
    'outside by folder': [b'D0755 0 ..\n', b'C0644 1 stolen\n', b'x\0', b'E\n'],
    'absolute': [b'C0644 1 /tmp/carrick-stolen\n', b'x\0'],
    'no name': [b'D0777 0 \n', b'C0644 1 stolen\n', b'x\0', b'E\n'],
    'the target itself': [b'D0000 0 .\n', b'E\n'],
    'another file': [b'C0644 1 .bashrc\n', b'x\0'],
    'one more file': [b'C0644 1 wanted\n', b'x\0', b'C0644 1 .bashrc\n', b'x\0'],
    'a folder for a file': [b'D0755 0 wanted\n', b'C0644 1 .bashrc\n', b'x\0', b'E\n'],
    'another folder': [b'D0755 0 .ssh\n', b'C0644 1 authorized_keys\n', b'x\0', b'E\n'],
    'through a link': [b'D0755 0 dir\n', b'D0755 0 out\n', b'C0644 1 stolen\n', b'x\0', b'E\n', b'E\n'],
    'over a link': [b'D0755 0 dir\n', b'C0644 1 key\n', b'x\0', b'E\n'],
    'escapes in an error': [b'\x01scp: ' + ESC + b'\n', b'\x02' + ESC + b'\n'],
    'escapes in a record': [ESC + b'\n'],
    'escapes in a name': [b'C0644 1 ' + ESC + b'/\n'],
    'escapes in an answer': [b'C0644 1 wanted\n', b'x\x01' + ESC + b'\n'],
    'an endless record': [b'C0644 1 ' + b'a' * (1 << 20)] * 64,
    'an endless error': [b'\x01' + b'a' * (1 << 20)] * 64,
    'endless folders': [b'D0755 0 dir\n', *[b'D0755 0 ' + b'd' * 250 + b'\n'] * 30],
    'a negative size': [b'C0644 -1 wanted\n', b'x\0'],
    'a huge size': [b'C0644 9223372036854775808 wanted\n', b'x\0'],
    'set-uid': [b'C6755 1 wanted\n', b'x\0'],
    'nothing': [],
}


def legacy(lie):
    """Sends what the lie has, whatever is answered, and if nothing is."""
    for part in LEGACY[lie]:
        if select.select([0], [], [], 0.1)[0]:
            os.read(0, 1 << 16)
        os.write(1, part)
    os.close(1)


# What the SFTP server's folder `dir` has beside `wanted`, as (name, mode).
LISTED = {
    'outside by name': [(b'../../stolen', FILE)],
    'outside by folder': [(b'../..', FOLDER)],
    'absolute': [(b'/tmp/carrick-stolen', FILE)],
    'no name': [(b'', FILE), (b'', FOLDER)],
    'a zero byte': [(b'stolen\0x', FILE)],
    'through a link': [(b'out', FOLDER)],
    'over a link': [(b'key', FILE)],
    'escapes in a name': [(b'a' + ESC, FILE), (ESC + b'/', FILE), (b'b' + ESC, 0o10644)],
    'escapes in an error': [(b'refused', FILE)],
    'itself again and again': [(b'dir', FOLDER)],
    'the same name often': [(b'wanted', FILE)] * 500,
    'a file that is a folder': [(b'wanted', FOLDER)],
    'a wildcard finds more': [(b'../../stolen', FILE), (b'.bashrc', FILE)],
}
# What it answers to requests of other kinds than what they ask.
BROKEN = ('a huge message', 'more data than asked', 'an unknown id', 'the wrong answer', 'silence in the middle', 'endless data')


class Server:
    """Just enough of SFTP 3."""

    def __init__(self, lie):
        self.lie, self.listed, self.buffer = lie, {}, b''

    @staticmethod
    def string(data):
        return struct.pack('>I', len(data)) + data

    @staticmethod
    def attrs(mode, size=1):
        return struct.pack('>IQI', 5, size, mode)

    def send(self, kind, ident, body=b''):
        """One message."""
        message = struct.pack('>BI', kind, ident) + body
        os.write(1, struct.pack('>I', len(message)) + message)

    def status(self, ident, code, text=b''):
        self.send(101, ident, struct.pack('>I', code) + self.string(text) + self.string(b''))

    def message(self):
        """The next request: its number, id and the rest; None at the end."""
        while len(self.buffer) < 4 or len(self.buffer) < 4 + struct.unpack('>I', self.buffer[:4])[0]:
            piece = os.read(0, 1 << 16)
            if not piece:
                return None
            self.buffer += piece
        length = struct.unpack('>I', self.buffer[:4])[0]
        message, self.buffer = self.buffer[4:4 + length], self.buffer[4 + length:]
        return message[0], struct.unpack('>I', message[1:5])[0], message[5:]

    def mode(self, path):
        """What a path is here."""
        name = path.rstrip(b'/').rpartition(b'/')[2]
        for listed, mode in LISTED.get(self.lie, []):
            if listed.rpartition(b'/')[2] == name:
                return mode
        return FOLDER if name in (b'dir', b'.', b'', b'..') else FILE

    def answer(self, kind, ident, body):
        """Answers one request."""
        length = struct.unpack('>I', body[:4])[0] if len(body) >= 4 else 0
        first = body[4:4 + length]
        if self.lie == 'a huge message':
            os.write(1, struct.pack('>I', 1 << 31))
        elif self.lie == 'an unknown id':
            self.status(ident + 1000, 0)
        elif self.lie == 'the wrong answer':
            self.send(103, ident, self.string(b'data'))
        elif kind == 16:
            self.send(104, ident, struct.pack('>I', 1) + self.string(first) * 2 + struct.pack('>I', 0))
        elif kind in (7, 17):
            self.send(105, ident, self.attrs(self.mode(first)))
        elif kind == 8:
            self.send(105, ident, self.attrs(FILE))
        elif kind == 11:
            self.listed[first] = False
            self.send(102, ident, self.string(first))
        elif kind == 12:
            self.list(ident, first)
        elif kind == 3:
            if first.endswith(b'refused'):
                self.status(ident, 4, ESC)
            else:
                self.send(102, ident, self.string(b'file'))
        elif kind == 5:
            self.read(ident, *struct.unpack('>QI', body[4 + length:4 + length + 12]))
        else:
            self.status(ident, 0)

    def list(self, ident, handle):
        if self.listed[handle]:
            self.status(ident, 1)
            return
        self.listed[handle] = True
        names = [(b'.', FOLDER), (b'..', FOLDER), (b'wanted', FILE), *LISTED.get(self.lie, [])]
        body = b''.join(self.string(name) + self.string(b'-rw ' + name) + self.attrs(mode) for name, mode in names)
        self.send(104, ident, struct.pack('>I', len(names)) + body)

    def read(self, ident, offset, length):
        if self.lie == 'silence in the middle' and offset == 0:
            sys.exit(1)
        if self.lie == 'more data than asked':
            self.send(103, ident, self.string(b'x' * (length + 1)))
        elif self.lie == 'endless data' and offset < 1 << 26:
            self.send(103, ident, self.string(b'x' * min(length, 1 << 15)))
        elif offset == 0:
            self.send(103, ident, self.string(b'x'))
        else:
            self.status(ident, 1)

    def run(self):
        """Talks until the client has enough."""
        hello = os.read(0, 9)
        if len(hello) == 9:
            os.write(1, struct.pack('>IBI', 5, 2, 3))
        while (message := self.message()) is not None:
            self.answer(*message)


def main():
    """Plays the server that the last argument asks for."""
    with open(os.environ['MARK'], 'w', encoding='ascii'):
        pass
    try:
        if sys.argv[-1] == 'sftp':
            Server(os.environ['LIE']).run()
        else:
            legacy(os.environ['LIE'])
    except (BrokenPipeError, ConnectionResetError):
        pass


if __name__ == '__main__':
    main()

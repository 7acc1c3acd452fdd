"""Just enough of the transport (RFC 4253) to ask a peer for its lists and to break its rules."""
import os
import socket
import struct
import time

IDENT = b'SSH-2.0-RuleBreaker_1.0\r\n'
KEXINIT, NEWKEYS, DISCONNECT = 20, 21, 1
LISTS = ('kex', 'key', 'cipher', 'cipher_s2c', 'mac', 'mac_s2c', 'compression', 'compression_s2c', 'lang', 'lang_s2c')


def string(data):
    """An SSH string."""
    return struct.pack('>I', len(data)) + data


def packet(payload, block=8):
    """An unencrypted packet around a payload."""
    pad = block - (len(payload) + 5) % block
    pad += block if pad < 4 else 0
    return struct.pack('>IB', len(payload) + pad + 1, pad) + payload + bytes(pad)


def kexinit(**lists):
    """A KEXINIT payload; a list that is not given is something that every peer has."""
    usual = {'kex': 'curve25519-sha256', 'key': 'ssh-ed25519', 'cipher': 'aes128-ctr', 'mac': 'hmac-sha2-256',
             'compression': 'none', 'lang': ''}
    body = b''.join(string(lists.get(name, lists.get(name.removesuffix('_s2c'), usual[name.removesuffix('_s2c')])).encode())
                    for name in LISTS)
    return bytes([KEXINIT]) + os.urandom(16) + body + bytes(5)


class Peer:
    """A connection on which we say what we like."""

    def __init__(self, port=None, sock=None, ident=IDENT):
        self.sock = sock or socket.create_connection(('127.0.0.1', port), 5)
        self.sock.settimeout(20)
        self.data = b''
        self.ident = None
        if ident:
            self.send(ident)

    def send(self, data):
        """Sends bytes; a peer that has closed already is not our problem here."""
        try:
            self.sock.sendall(data)
        except OSError:
            pass

    def take(self, count):
        """Reads exactly so many bytes, or raises EOFError."""
        while len(self.data) < count:
            try:
                more = self.sock.recv(65536)
            except ConnectionError:
                more = b''
            if not more:
                raise EOFError
            self.data += more
        out, self.data = self.data[:count], self.data[count:]
        return out

    def read_ident(self):
        """Reads the peer's identification line."""
        line = b''
        while not line.endswith(b'\n'):
            line += self.take(1)
        self.ident = line.rstrip(b'\r\n')
        return self.ident

    def read_packet(self):
        """Reads an unencrypted packet's payload."""
        length, pad = struct.unpack('>IB', self.take(5))
        return self.take(length - 1)[:length - 1 - pad]

    def read_kexinit(self):
        """Reads the peer's KEXINIT: list name -> names."""
        payload = self.read_packet()
        if payload[0] != KEXINIT:
            raise AssertionError(f'message {payload[0]} for a KEXINIT')
        at, lists = 17, {}
        for name in LISTS:
            size, = struct.unpack('>I', payload[at:at + 4])
            lists[name] = payload[at + 4:at + 4 + size].decode().split(',')
            at += 4 + size
        return lists

    def closed_after(self):
        """Waits until the peer closes: (seconds, the last unencrypted DISCONNECT's reason or None)."""
        begin, reason = time.monotonic(), None
        try:
            while True:
                payload = self.read_packet()
                if payload[:1] == bytes([DISCONNECT]):
                    reason, = struct.unpack('>I', payload[1:5])
        except (EOFError, struct.error):
            return time.monotonic() - begin, reason

    def close(self):
        """Closes our end."""
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def probe(port):
    """What a server offers."""
    with Peer(port) as peer:
        peer.read_ident()
        return peer.read_kexinit()


class Listener:
    """A listener for one client of ours."""

    def __init__(self):
        self.sock = socket.create_server(('127.0.0.1', 0))
        self.sock.settimeout(20)
        self.port = self.sock.getsockname()[1]

    def accept(self, ident=IDENT):
        """The next client."""
        sock, _ = self.sock.accept()
        return Peer(sock=sock, ident=ident)

    def close(self):
        """Listens no more."""
        self.sock.close()

#!/usr/bin/env python3
"""What runs inside the network namespaces of networks.py: `networks_case.py WHAT ARGUMENT...`."""
import errno
import hashlib
import os
import socket
import struct
import sys
import threading


def family(address):
    """The family of a literal address."""
    return socket.AF_INET6 if ':' in address else socket.AF_INET


def serve(*places):
    """Servers that send back all they got, once the other side has said all; and a resolver that knows one answer."""
    def copy(conn):
        with conn:
            data = bytearray()
            while piece := conn.recv(1 << 20):
                data += piece
            conn.sendall(data)

    def names(conn):
        with conn:
            while len(size := conn.recv(2, socket.MSG_WAITALL)) == 2:
                query = conn.recv(*struct.unpack('!H', size), socket.MSG_WAITALL)
                end = 12
                while query[end]:
                    end += query[end] + 1
                kind, = struct.unpack('!H', query[end + 1:end + 3])
                first = query[13:13 + query[12]]
                # A name that begins with `long` has more addresses than UDP takes.
                count = (100 if first == b'long' else 1) if kind == 1 else 0
                records = b''.join(b'\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4' + bytes([10, 1, i, 9]) for i in range(count))
                answer = query[:2] + b'\x81\x80\0\1' + struct.pack('!H', count) + bytes(4) + query[12:end + 5] + records
                conn.sendall(struct.pack('!H', len(answer)) + answer)

    def accept(listener, work):
        while True:
            conn, _ = listener.accept()
            threading.Thread(target=work, args=(conn,), daemon=True).start()

    for place in places:
        address, _, port = place.rpartition(':')
        listener = socket.create_server((address, int(port)), family=family(address), backlog=256)
        threading.Thread(target=accept, args=(listener, names if port == '53' else copy), daemon=True).start()
    print('ready', flush=True)
    threading.Event().wait()


def exchange(address, port, data):
    """Sends data to a server that sends it back, while reading nothing until all is said."""
    with socket.create_connection((address, int(port)), 240) as conn:
        conn.sendall(data)
        conn.shutdown(socket.SHUT_WR)
        back = bytearray()
        while piece := conn.recv(1 << 20):
            back += piece
    return hashlib.sha256(back).digest() == hashlib.sha256(data).digest()


def copy(address, port, size):
    """One large exchange."""
    print('same' if exchange(address, port, os.urandom(int(size))) else 'different')


def many(address, port, count):
    """Many connections, all open before any says something."""
    conns = [socket.create_connection((address, int(port)), 60) for _ in range(int(count))]
    good = 0
    for number, conn in enumerate(conns):
        conn.sendall(b'%d' % number * 1000)
        conn.shutdown(socket.SHUT_WR)
    for number, conn in enumerate(conns):
        back = bytearray()
        while piece := conn.recv(1 << 16):
            back += piece
        good += back == b'%d' % number * 1000
    print(good)


def connect(address, port):
    """What comes of a connection."""
    try:
        socket.create_connection((address, int(port)), 60).close()
        print('connected')
    except TimeoutError:
        print('timeout')
    except OSError as wrong:
        print(errno.errorcode.get(wrong.errno, wrong))


def hold(address, port):
    """Opens a connection, and waits for what becomes of it."""
    with socket.create_connection((address, int(port)), 60) as conn:
        print('held', flush=True)
        try:
            print(len(conn.recv(1)))
        except OSError as wrong:
            print(errno.errorcode.get(wrong.errno, wrong))


def udp(address, port):
    """What comes of a datagram."""
    with socket.socket(family(address), socket.SOCK_DGRAM) as sock:
        sock.settimeout(30)
        sock.connect((address, int(port)))
        try:
            sock.send(b'?')
            print(sock.recv(100))
        except TimeoutError:
            print('timeout')
        except OSError as wrong:
            print(errno.errorcode.get(wrong.errno, wrong))


def names(*hosts):
    """What names mean."""
    for host in hosts:
        found = {info[4][0] for info in socket.getaddrinfo(host, 1, socket.AF_INET, socket.SOCK_STREAM)}
        print(len(found), sorted(found)[0])


def checksum(data):
    """The internet's checksum."""
    total = sum(struct.unpack(f'!{len(data) // 2}H', data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ping(address, *sizes):
    """Echo requests of these sizes (even): how many came back whole."""
    good = 0
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as sock:
        sock.settimeout(20)
        for number, size in enumerate(sizes):
            data = os.urandom(int(size))
            packet = struct.pack('!BBHHH', 8, 0, 0, os.getpid() & 0xffff, number) + data
            packet = packet[:2] + struct.pack('!H', checksum(packet)) + packet[4:]
            sock.sendto(packet, (address, 0))
            while True:
                try:
                    got = sock.recv(1 << 17)
                except TimeoutError:
                    break
                got = got[(got[0] & 15) * 4:]
                if got[:1] == b'\0' and got[4:8] == packet[4:8]:
                    good += got[8:] == data
                    break
    print(good)


if __name__ == '__main__':
    {each.__name__: each for each in (serve, copy, many, connect, hold, udp, names, ping)}[sys.argv[1]](*sys.argv[2:])

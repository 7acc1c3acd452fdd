"""Ports for listeners of a test."""
import contextlib
import os
import random
import socket
import threading
import time

# Below the range from which the kernel takes the source ports of connections.
LOW, HIGH = 10240, 32000
_taken = set()
_lock = threading.Lock()
_random = random.Random(os.getpid() * 1_000_003 + time.time_ns())


def free_port():
    """A port that nobody listens on, and that this process has not handed out before."""
    with _lock:
        while True:
            port = _random.randrange(LOW, HIGH)
            if port in _taken:
                continue
            with socket.socket() as probe:
                try:
                    probe.bind(('127.0.0.1', port))
                except OSError:
                    continue
            _taken.add(port)
            return port


def listens_at(path):
    """Whether something listens on the UNIX socket, told without connecting to it: its name is there a moment before."""
    with open('/proc/net/unix', encoding='utf-8', errors='surrogateescape') as table:
        # SO_ACCEPTCON among the flags.
        return any(fields[3] == '00010000' and fields[-1] == str(path) for fields in map(str.split, table))


def wait_for_path(path, seconds=10.0, gone=lambda: False):
    """Waits until something listens on the UNIX socket. False as `wait_for`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not gone():
        if listens_at(path):
            return True
        time.sleep(0.01)
    return False


def wait_for(port, seconds=10.0, gone=lambda: False):
    """Waits until something listens on the port; False when time is out or `gone` says that it never will."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not gone():
        try:
            socket.create_connection(('127.0.0.1', port), 1).close()
            return True
        except OSError:
            time.sleep(0.02)
    return False


def serve_each(listener, serve):
    """Has `serve` take each connection, in a thread of its own, until the listener is closed. What the peer breaks off ends it."""
    def one(client):
        with client, contextlib.suppress(OSError):
            serve(client)

    def accept():
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=one, args=(client,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()

"""What people carry through tunnels: a browser's pages by SOCKS, a database, a remote desktop; with the real programs
where a package has them."""
import contextlib
import copy
import http.server
import os
import socket
import subprocess
import threading

import fixture
import ports
import programs
import tunnels
from report import Case, Skip, expect, same

# Known to the daemon's side alone.
NAME = 'far.carrick.test'
BODY = os.urandom(3_000_000)


class Pages(http.server.BaseHTTPRequestHandler):
    """Answers with BODY, and whom it was asked for."""
    protocol_version = 'HTTP/1.1'

    def do_GET(self):  # pylint: disable=invalid-name
        """One page."""
        self.send_response(200)
        self.send_header('X-Host', self.headers['Host'])
        self.send_header('Content-Length', str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def pages():
    """A web server: its port."""
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), Pages) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()


def far_daemon(bench, name):
    """A daemon on a machine that knows NAME: one whose /etc/hosts is another file."""
    hosts = bench.folder.write('far.hosts', f'127.0.0.1 localhost {NAME}\n')
    suite = copy.copy(bench.suites[name])
    start = f'exec unshare --mount sh -c \'mount --bind "$0" /etc/hosts && exec "$@"\' {hosts} {suite.sshd} "$@"'
    suite.sshd = bench.folder.write(f'far.{name}.sshd', f'#!/bin/sh\n{start}\n', 0o755)
    daemon = bench.daemons[name, 'far'] = fixture.sshd(suite, bench.folder, bench.keys, bench.user, name=f'far.{name}')
    return daemon


def web(client, far):
    """curl through -D; names are resolved at the far end."""
    def check():
        port = ports.free_port()
        with pages() as there, tunnels.Tunnel(client, ['-D', str(port)], place=port):
            def curl(proxy, host):
                words = ['-sS', '-i', '--max-time', '20', '--noproxy', '', '--proxy', f'{proxy}://127.0.0.1:{port}']
                return subprocess.run(['curl', *words, f'http://{host}:{there}/'], stdin=subprocess.DEVNULL, capture_output=True,
                                      check=False)
            for proxy, host in (('socks5h', '127.0.0.1'), ('socks4', '127.0.0.1'), ('socks4a', 'localhost'),
                                ('socks5', '127.0.0.1'), *((way, NAME) for way in ('socks5h', 'socks4a') if far)):
                done = curl(proxy, host)
                head, _, body = done.stdout.partition(b'\r\n\r\n')
                expect(body == BODY and f'X-Host: {host}:{there}'.encode() in head, f'{proxy} {host}: {done.stderr!r} {head!r}')
            if far:
                # It is not known here: what is resolved here fails.
                same(curl('socks5', NAME).returncode != 0, True, 'a name that only the far end knows, resolved here')
            expect(curl('socks5h', 'nowhere.carrick.test').returncode != 0, 'a name that nobody knows')
    return check


@contextlib.contextmanager
def redis(bench):
    """A Redis server: its port."""
    port = ports.free_port()
    with subprocess.Popen(['redis-server', '--bind', '127.0.0.1', '--port', str(port), '--save', '', '--appendonly', 'no',
                           '--dir', bench.folder.path], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        try:
            expect(ports.wait_for(port, gone=lambda: process.poll() is not None), 'redis-server does not listen')
            yield port
        finally:
            process.terminate()


def database(bench, client):
    """Redis through -L: a large value there and back, and many clients at once."""
    def check():
        port = ports.free_port()
        with redis(bench) as there, tunnels.Tunnel(client, ['-L', f'{port}:127.0.0.1:{there}'], place=port):
            def ask(*words, **more):
                done = subprocess.run(['redis-cli', '-p', str(port), *words], capture_output=True, timeout=60, check=False, **more)
                return done.stdout
            value = os.urandom(2_000_000).hex().encode()
            same(ask('-x', 'set', 'large', input=value), b'OK\n', 'set')
            expect(ask('--raw', 'get', 'large') == value + b'\n', 'another value comes back')
            done = subprocess.run(['redis-benchmark', '-p', str(port), '-q', '-n', '2000', '-c', '50', '-t', 'set,get'],
                                  capture_output=True, timeout=120, check=False)
            expect(done.returncode == 0 and done.stdout.count(b'requests per second') == 2, done)
    return check


# The first packet of an RDP client (X.224 Connection Request in a TPKT, MS-RDPBCGR 2.2.1.1: "mstshash", TLS and CredSSP)
# and the server's (Connection Confirm: CredSSP).
COOKIE = b'Cookie: mstshash=carrick\r\n'
REQUEST = bytes([3, 0, 0, 19 + len(COOKIE), 14 + len(COOKIE), 0xe0, 0, 0, 0, 0, 0]) + COOKIE + bytes([1, 0, 8, 0, 3, 0, 0, 0])
CONFIRM = bytes([3, 0, 0, 19, 14, 0xd0, 0, 0, 0x12, 0x34, 0, 2, 0, 8, 0, 2, 0, 0, 0])


def desktop(client):
    """An RDP server's first packets through -L: a small one each way, and it waits for the client's."""
    def check():
        port = ports.free_port()
        with socket.create_server(('127.0.0.1', 0)) as listener:
            to = listener.getsockname()[1]
            with tunnels.Tunnel(client, ['-L', f'{port}:127.0.0.1:{to}'], place=port), \
                    socket.create_connection(('127.0.0.1', port), 10) as viewer:
                listener.settimeout(10)
                there, _ = listener.accept()
                with there:
                    there.settimeout(10)
                    for byte in REQUEST:
                        viewer.sendall(bytes([byte]))
                    got = b''
                    while len(got) < len(REQUEST):
                        got += there.recv(64)
                    same(got, REQUEST, 'the request')
                    there.sendall(CONFIRM)
                    got = b''
                    while len(got) < len(CONFIRM):
                        got += viewer.recv(64)
                    same(got, CONFIRM, 'the answer')
                    # The server hangs up on who asks for nothing that it has.
                    there.close()
                    same(viewer.recv(1), b'', 'the end')
    return check


def group(bench, names=(('ours', 'ours'), ('ours', 'openssh10'), ('openssh10', 'ours'))):
    """All of it."""
    lacking = [tool for tool in ('curl', 'redis-server', 'redis-cli', 'redis-benchmark') if not programs.find(tool)]
    if lacking:
        raise Skip(f'no {", ".join(lacking)}')
    # Another /etc/hosts takes root.
    far = os.geteuid() == 0
    daemons = {server: far_daemon(bench, server) if far else bench.daemon(server) for server in {server for _, server in names}}
    cases = []
    for client_name, server_name in names:
        client = bench.client(client_name, daemons[server_name], 'carried')
        cases += [Case(f'carried {client_name}->{server_name} {what}', check) for what, check in (
            ('curl through -D', web(client, far)), ('Redis through -L', database(bench, client)),
            ('RDP through -L', desktop(client)))]
    return 'carried', cases

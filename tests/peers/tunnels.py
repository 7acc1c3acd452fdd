"""Forwarding of ports and sockets, each side ours or OpenSSH's, with PuTTY and asyncssh as clients; what a daemon forbids."""
import contextlib
import hashlib
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import threading
import time

import fixture
import others
import pairs
import ports
from report import Case, expect, same

DATA = os.urandom(1 << 20) * 5
PAGE = b'a page\n'
SOON = 15


class Service:
    """Something to reach, at a port or a Unix socket: what it does with a connection is `serve`."""

    def __init__(self, serve, path=None):
        if path:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(path)
            os.chmod(path, 0o777)
            self.listener.listen(512)
        else:
            self.listener = socket.create_server(('127.0.0.1', 0), backlog=512)
            self.port = self.listener.getsockname()[1]
        self.path = path
        ports.serve_each(self.listener, serve)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        if self.path:
            os.unlink(self.path)


def read_all(sock):
    """Everything up to the end."""
    sock.settimeout(SOON)
    return b''.join(iter(lambda: sock.recv(1 << 16), b''))


def digest(client):
    """Reads a question to its end, and only then answers: with what it was, twice around."""
    question = read_all(client)
    client.sendall(hashlib.sha256(question).digest() + question)


def web(client):
    """As much of HTTP as curl needs."""
    client.settimeout(SOON)
    request = b''
    while b'\r\n\r\n' not in request:
        request += client.recv(4096)
    client.sendall(b'HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n' % len(PAGE) + PAGE)


def connect(place):
    """A connection to a port or a path."""
    if isinstance(place, str):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(SOON)
        sock.connect(place)
        return sock
    return socket.create_connection(('127.0.0.1', place), SOON)


def ask(place, data=DATA):
    """Asks a digest service at a place, and checks what it says."""
    with connect(place) as sock:
        sock.settimeout(SOON)
        sender = threading.Thread(target=lambda: (sock.sendall(data), sock.shutdown(socket.SHUT_WR)), daemon=True)
        sender.start()
        answer = read_all(sock)
    expect(answer == hashlib.sha256(data).digest() + data, f'{len(answer)} bytes of {len(data) + 32}, or others')


def wait_for(place, gone):
    """Waits until something can be connected to, without doing so."""
    end = time.monotonic() + SOON
    while time.monotonic() < end and not gone():
        if isinstance(place, str):
            if ports.listens_at(place):
                return
        elif listens(place):
            return
        time.sleep(0.02)
    raise AssertionError(f'nothing listens at {place}')


def listens(port):
    """Whether somebody has the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(('127.0.0.1', port))
        except OSError:
            return True
    return False


class Tunnel:
    """A client that runs nothing (-N) with these flags; a place is waited for."""

    def __init__(self, client, flags, place=None, options=(), command=()):
        none = [] if command else ['-N']
        # Of two values the first one counts.
        self.process = subprocess.Popen(client.command(*command, flags=[*none, *flags], options=[*options, 'LogLevel=INFO']),
                                        env=client.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        os.set_blocking(self.process.stderr.fileno(), False)
        self.text = b''
        if place:
            try:
                wait_for(place, lambda: self.process.poll() is not None)
            except AssertionError as wrong:
                self.end()
                raise AssertionError(f'{wrong}: {self.text!r}') from None

    def said(self, pattern):
        """Waits for a line on standard error."""
        end = time.monotonic() + SOON
        while time.monotonic() < end:
            select.select([self.process.stderr], [], [], 0.1)
            self.text += self.process.stderr.read() or b''
            if found := re.search(pattern, self.text):
                return found
            if self.process.poll() is not None and not select.select([self.process.stderr], [], [], 0)[0]:
                break
        raise AssertionError(f'{pattern!r} not in {self.text!r}')

    def end(self):
        """Ends it."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.text += self.process.stderr.read() or b''
        self.process.stdout.close()
        self.process.stderr.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


class Places:
    """Paths for sockets: at our side, and where the daemon's user may make some."""

    def __init__(self, bench, label):
        self.near = bench.folder / f'tunnel.{label}'
        os.makedirs(self.near, exist_ok=True)
        os.chmod(self.near, 0o755)
        self.far = os.path.join(bench.user.home, f'tunnel.{label}')
        os.makedirs(self.far, exist_ok=True)
        if bench.user.made:
            os.chown(self.far, bench.user.uid, bench.user.gid)

    def remove(self):
        """Removes them."""
        for folder in (self.near, self.far):
            shutil.rmtree(folder, ignore_errors=True)


def curl(*words, want=0):
    """What curl gets."""
    done = fixture.run(['curl', '-sS', '--max-time', str(SOON), *words], env={'PATH': os.environ['PATH']})
    same(done.returncode, want, f'curl ({fixture.report.shorten(done.stderr)})')
    return done.stdout


def local_cases(client):
    """What listens at the client."""
    def local_port():
        with Service(digest) as service:
            port = ports.free_port()
            with Tunnel(client, ['-L', f'{port}:127.0.0.1:{service.port}'], port):
                for _ in range(3):
                    ask(port)

    def by_keyword_and_bind_address():
        with Service(digest) as service:
            port, other = ports.free_port(), ports.free_port()
            options = [f'LocalForward={port} localhost:{service.port}', f'LocalForward=127.0.0.1:{other} 127.0.0.1:{service.port}']
            with Tunnel(client, [], port, options):
                ask(port, b'x')
                ask(other, b'')

    def many_at_once():
        with Service(digest) as service:
            port = ports.free_port()
            with Tunnel(client, ['-L', f'{port}:127.0.0.1:{service.port}'], port):
                wrong = []

                def one(number):
                    try:
                        ask(port, DATA[:number * 1000])
                    except (AssertionError, OSError) as problem:
                        wrong.append(problem)
                threads = [threading.Thread(target=one, args=(number,)) for number in range(100)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                expect(not wrong, f'{len(wrong)} of 100 failed: {wrong[:1]}')

    def refused():
        closed = ports.free_port()
        port = ports.free_port()
        with Tunnel(client, ['-L', f'{port}:127.0.0.1:{closed}'], port) as tunnel:
            with connect(port) as sock:
                same(read_all(sock), b'', 'from a port that refuses')
            tunnel.said(rb'channel \d+: open failed: connect failed: Connection refused')

    def unknown_host():
        port = ports.free_port()
        with Tunnel(client, ['-L', f'{port}:no-such-host.invalid:1'], port) as tunnel:
            with connect(port) as sock:
                same(read_all(sock), b'', 'from a host that nobody knows')
            tunnel.said(rb'channel \d+: open failed: connect failed: ')

    def slow_reader():
        with Service(lambda sock: sock.sendall(DATA * 20)) as flood, Service(digest) as service:
            port, other = ports.free_port(), ports.free_port()
            with Tunnel(client, ['-L', f'{port}:127.0.0.1:{flood.port}', '-L', f'{other}:127.0.0.1:{service.port}'], other):
                with connect(port) as stalled:
                    time.sleep(1)
                    begin = time.monotonic()
                    ask(other)
                    expect(time.monotonic() - begin < 5, 'one that does not read holds up another')
                    same(len(read_all(stalled)), len(DATA) * 20, 'bytes after the pause')

    def session_waits_for_connections():
        with Service(digest) as service:
            port = ports.free_port()
            with Tunnel(client, ['-L', f'{port}:127.0.0.1:{service.port}'], port, command=['sleep 4; exit 7']) as tunnel:
                with connect(port) as sock:
                    sock.sendall(b'x')
                    time.sleep(6)
                    expect(tunnel.process.poll() is None, 'ended beside an open connection')
                    sock.shutdown(socket.SHUT_WR)
                    same(len(read_all(sock)), 33, 'bytes')
                same(tunnel.process.wait(SOON), 7, 'exit status')

    return [local_port, by_keyword_and_bind_address, many_at_once, refused, unknown_host, slow_reader,
            session_waits_for_connections]


def unix_cases(client, places):
    """Unix sockets at either end."""
    def unix_to_port():
        with Service(digest) as service:
            path = os.path.join(places.near, 'in')
            with Tunnel(client, ['-L', f'{path}:127.0.0.1:{service.port}'], path):
                same(os.stat(path).st_mode & 0o777, 0o600, 'mode')
                ask(path)
            os.unlink(path)

    def port_to_unix():
        with Service(digest, os.path.join(places.near, 'service')) as service:
            port = ports.free_port()
            with Tunnel(client, ['-L', f'{port}:{service.path}'], port):
                ask(port)

    def unix_to_unix_in_the_way():
        with Service(digest, os.path.join(places.near, 'service2')) as service:
            path = os.path.join(places.near, 'in2')
            with open(path, 'w', encoding='ascii'):
                pass
            with Tunnel(client, ['-L', f'{path}:{service.path}'], options=['ExitOnForwardFailure=yes']) as tunnel:
                same(tunnel.process.wait(SOON), 255, 'exit status with a file in the way')
            options = ['StreamLocalBindUnlink=yes', 'StreamLocalBindMask=0111']
            with Tunnel(client, ['-L', f'{path}:{service.path}'], options=options):
                end = time.monotonic() + SOON
                while os.stat(path).st_mode & 0o777 != 0o666 and time.monotonic() < end:
                    time.sleep(0.02)
                ask(path)

    def remote_unix():
        with Service(digest) as service:
            path = os.path.join(places.far, 'in')
            with Tunnel(client, ['-R', f'{path}:127.0.0.1:{service.port}'], path):
                same(os.stat(path).st_mode & 0o777, 0o600, 'mode')
                ask(path)
            os.unlink(path)

    return [unix_to_port, port_to_unix, unix_to_unix_in_the_way, remote_unix]


def remote_cases(client):
    """What listens at the server."""
    def remote_port():
        with Service(digest) as service:
            port = ports.free_port()
            with Tunnel(client, ['-R', f'{port}:127.0.0.1:{service.port}'], port):
                for _ in range(3):
                    ask(port)

    def remote_port_chosen_by_the_server():
        with Service(digest) as service:
            with Tunnel(client, ['-R', f'0:localhost:{service.port}']) as tunnel:
                said = tunnel.said(rb'Allocated port (\d+) for remote forward to localhost:%d' % service.port)
                ask(int(said.group(1)))

    def remote_refused_here():
        closed, port = ports.free_port(), ports.free_port()
        with Tunnel(client, ['-R', f'{port}:127.0.0.1:{closed}'], port) as tunnel:
            with connect(port) as sock:
                same(read_all(sock), b'', 'from a port that refuses')
            tunnel.said(rb'connect_to 127.0.0.1 port %d: failed\.' % closed)

    def remote_taken():
        with Service(digest) as service:
            flags = ['-R', f'127.0.0.1:{service.port}:127.0.0.1:1']
            with Tunnel(client, flags) as tunnel:
                tunnel.said(rb'Warning: remote port forwarding failed for listen port %d' % service.port)
                expect(tunnel.process.poll() is None, 'ended')
            with Tunnel(client, flags, options=['ExitOnForwardFailure=yes']) as tunnel:
                tunnel.said(rb'Error: remote port forwarding failed for listen port %d' % service.port)
                same(tunnel.process.wait(SOON), 255, 'exit status')

    def local_taken():
        with Service(digest) as service:
            flags = ['-L', f'127.0.0.1:{service.port}:127.0.0.1:1']
            with Tunnel(client, flags) as tunnel:
                tunnel.said(rb'bind \[127.0.0.1\]:%d: Address already in use' % service.port)
                tunnel.said(rb'cannot listen to port: %d' % service.port)
                tunnel.said(rb'Could not request local forwarding\.')
                expect(tunnel.process.poll() is None, 'ended')
            with Tunnel(client, flags, options=['ExitOnForwardFailure=yes']) as tunnel:
                same(tunnel.process.wait(SOON), 255, 'exit status')

    def background_after_the_forwards():
        with Service(digest) as service:
            port = ports.free_port()
            done = client.run(flags=['-f', '-N', '-R', f'{port}:127.0.0.1:{service.port}'], options=['ExitOnForwardFailure=yes'],
                              capture_output=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            same(done.returncode, 0, 'exit status')
            try:
                ask(port)
            finally:
                found = fixture.run(['pgrep', '-f', f'{port}:127.0.0.1:{service.port}']).stdout.split()
                for pid in found:
                    os.kill(int(pid), signal.SIGTERM)
            expect(found, 'nothing in the background')

    return [remote_port, remote_port_chosen_by_the_server, remote_refused_here, remote_taken, local_taken,
            background_after_the_forwards]


def dynamic_cases(client):
    """SOCKS."""
    def through(port, page):
        for flag, host in (('--socks4', '127.0.0.1'), ('--socks4a', 'localhost'), ('--socks5', '127.0.0.1'),
                           ('--socks5-hostname', 'localhost')):
            same(curl(flag, f'127.0.0.1:{port}', f'http://{host}:{page}/'), PAGE, flag)

    def dynamic():
        with Service(web) as service:
            port = ports.free_port()
            with Tunnel(client, ['-D', str(port)], port):
                through(port, service.port)
                curl('--socks5-hostname', f'127.0.0.1:{port}', f'http://127.0.0.1:{ports.free_port()}/', want=97)

    def dynamic_at_the_server():
        with Service(web) as service:
            port = ports.free_port()
            with Tunnel(client, ['-R', str(port)], port):
                through(port, service.port)

    def dynamic_at_the_server_permitted():
        with Service(web) as service, Service(web) as other:
            port = ports.free_port()
            with Tunnel(client, ['-R', str(port)], port, [f'PermitRemoteOpen=localhost:{service.port}']):
                url = f'http://localhost:{service.port}/'
                same(curl('--socks5-hostname', f'127.0.0.1:{port}', url), PAGE, 'permitted')
                done = fixture.run(['curl', '-sS', '--max-time', '5', '--socks5-hostname', f'127.0.0.1:{port}',
                                    f'http://localhost:{other.port}/'])
                expect(done.returncode != 0, 'went where it must not')

    def not_socks():
        port = ports.free_port()
        with Tunnel(client, ['-D', str(port)], port), connect(port) as sock:
            sock.sendall(b'GET / HTTP/1.0\r\n\r\n')
            with contextlib.suppress(ConnectionResetError):
                same(read_all(sock), b'', 'answer')

    cases = [dynamic, dynamic_at_the_server, dynamic_at_the_server_permitted, not_socks]
    if client.suite.label != 'carrick':
        # OpenSSH tells a SOCKS client nothing of a refusal.
        cases.remove(dynamic)
    return cases


def stdio_cases(client, places):
    """-W."""
    def stdio_to(place, **options):
        done = fixture.run(client.command(flags=['-W', place], **options), env=client.env, input=DATA)
        same(done.returncode, 0, f'exit status ({fixture.report.shorten(done.stderr)})')
        expect(done.stdout == hashlib.sha256(DATA).digest() + DATA, f'{len(done.stdout)} bytes, or others')

    def stdio_to_a_port():
        with Service(digest) as service:
            stdio_to(f'127.0.0.1:{service.port}')
            stdio_to(f'localhost:{service.port}', options=['LocalForward=1 a:1'])

    def stdio_to_a_socket():
        with Service(digest, os.path.join(places.near, 'stdio')) as service:
            stdio_to(service.path)

    def stdio_refused():
        closed = ports.free_port()
        done = client.run(flags=['-W', f'127.0.0.1:{closed}'], options=['LogLevel=INFO'])
        same(done.returncode, 255, 'exit status')
        expect(re.search(rb'channel \d+: open failed: connect failed: Connection refused\r?\nstdio forwarding failed', done.stderr),
               f'{done.stderr!r}')

    cases = [stdio_to_a_port, stdio_to_a_socket, stdio_refused]
    if client.suite.label == 'openssh':
        # OpenSSH 9.2 has no -W to sockets (9.4 has).
        cases.remove(stdio_to_a_socket)
    return cases


def command_line_cases(client):
    """~C, at a terminal."""
    def command_line():
        with Service(digest) as service:
            here, there = ports.free_port(), ports.free_port()
            with pairs.Terminal(client, flags=('-tt', '-o', 'EnableEscapeCommandline=yes', '-o', 'LogLevel=INFO')) as term:
                term.send(b'echo rea""dy\r')
                term.wait_for(b'ready')

                def tell(line, answer):
                    term.seen = b''
                    term.send(b'\r~C')
                    term.wait_for(b'ssh> ')
                    term.send(line.encode() + b'\r')
                    term.wait_for(answer)
                tell(f'-L{here}:127.0.0.1:{service.port}', b'Forwarding port.')
                ask(here, b'one')
                tell(f'-R{there}:127.0.0.1:{service.port}', b'Forwarding port.')
                wait_for(there, lambda: False)
                ask(there, b'two')
                tell(f'-KL{here}', b'Canceled forwarding.')
                expect(not listens(here), 'still listens here')
                tell(f'-KR{there}', b'Canceled forwarding.')
                end = time.monotonic() + SOON
                while listens(there) and time.monotonic() < end:
                    time.sleep(0.02)
                expect(not listens(there), 'still listens there')
                tell(f'-KL{here}', b'Unknown port forwarding.')
                tell('-x', b'Invalid command.')
                tell('-h', b'Cancel dynamic forward')
                term.send(b'\rexit 3\r')
                same(term.end()[0], 3, 'exit status')
    return [command_line]


def forbidden_cases(bench, client_name, server_name):
    """What a daemon of this suite forbids to its clients, by configuration and by key."""
    def with_daemon(options, label, check):
        daemon = fixture.sshd(bench.suites[server_name], bench.folder, bench.keys, bench.user, options, f'{client_name}.{label}')
        try:
            check(bench.client(client_name, daemon, label), daemon)
        finally:
            daemon.stop()

    def dial(client, service):
        """How -W to a service ends."""
        done = fixture.run(client.command(flags=['-W', service.path or f'127.0.0.1:{service.port}'], options=['LogLevel=INFO']),
                           env=client.env, input=b'x')
        prohibited = b'administratively prohibited' in done.stderr or b'open failed: connect failed: open failed' in done.stderr
        return 'yes' if done.returncode == 0 else 'no' if prohibited else done.stderr

    def listen(client, port):
        """Whether the server listens at a port."""
        with Tunnel(client, ['-R', f'{port}:127.0.0.1:1'], options=['LogLevel=DEBUG1', 'ExitOnForwardFailure=yes']) as tunnel:
            said = tunnel.said(rb'remote forward (success|failure) for')
            return {b'success': 'yes', b'failure': 'no'}[said.group(1)]

    def directions(value, wanted):
        def check(client, _daemon):
            with Service(digest) as service, Service(digest, bench.folder / f'{client_name}.{server_name}.{value}.s') as unix:
                same((dial(client, service), listen(client, ports.free_port()), dial(client, unix)), wanted, value)
        return lambda: with_daemon([f'AllowTcpForwarding {value}'], f'tcp-{value}', check)

    def streamlocal():
        def check(client, _daemon):
            with Service(digest) as service, Service(digest, bench.folder / f'{client_name}.{server_name}.sl') as unix:
                same((dial(client, service), dial(client, unix)), ('yes', 'no'), 'AllowStreamLocalForwarding no')
        with_daemon(['AllowStreamLocalForwarding no'], 'streamlocal', check)

    def disabled():
        def check(client, _daemon):
            with Service(digest) as service:
                same((dial(client, service), listen(client, ports.free_port())), ('no', 'no'), 'DisableForwarding')
        with_daemon(['DisableForwarding yes'], 'disabled', check)

    def permitopen():
        with Service(digest) as one, Service(digest) as two, Service(digest, bench.folder / f'{client_name}.{server_name}.po') as unix:
            def check(client, daemon):
                same((dial(client, one), dial(client, two), dial(client, unix)), ('yes', 'no', 'no'), 'PermitOpen')
                wanted = f'to connect to host 127.0.0.1 port {two.port}, but the request was denied.'
                expect(wanted in daemon.said(4000), daemon.said())
            with_daemon([f'PermitOpen 127.0.0.1:{one.port}'], 'permitopen', check)

    def permitlisten():
        one, two = ports.free_port(), ports.free_port()

        def check(client, _daemon):
            same((listen(client, one), listen(client, two)), ('yes', 'no'), 'PermitListen')
        with_daemon([f'PermitListen {one}'], 'permitlisten', check)

    def by_key():
        with Service(digest) as one, Service(digest) as two:
            allowed, other = ports.free_port(), ports.free_port()
            for options, wanted in (
                    (f'permitopen="127.0.0.1:{one.port}",permitlisten="{allowed}"', ('yes', 'no', 'yes', 'no')),
                    ('no-port-forwarding', ('no', 'no', 'no', 'no')), ('restrict', ('no', 'no', 'no', 'no')),
                    (f'restrict,port-forwarding,permitopen="*:{two.port}"', ('no', 'yes', 'yes', 'yes'))):
                line = f'{options} {bench.keys.public("user", "ed25519")}'
                name = f'{client_name}.{server_name}.key'
                path = bench.folder.write(f'{name}.authorized', line)

                def check(client, _daemon, options=options, wanted=wanted):
                    got = (dial(client, one), dial(client, two), listen(client, allowed), listen(client, other))
                    same(got, wanted, options)
                with_daemon([f'AuthorizedKeysFile {path}'], name, check)

    def low_ports():
        def check(client, _daemon):
            same(listen(client, 1), 'no', 'port 1')
        if bench.user.made:
            with_daemon([], 'low', check)

    def gateway_ports():
        for value, address, wanted in (('no', '0.0.0.0', '127.0.0.1'), ('clientspecified', '127.0.0.2', '127.0.0.2'),
                                       ('clientspecified', '', '0.0.0.0'), ('yes', '127.0.0.2', '0.0.0.0')):
            def check(client, _daemon, address=address, wanted=wanted, value=value):
                port = ports.free_port()
                with Tunnel(client, ['-R', f'{address}:{port}:127.0.0.1:1'], options=['LogLevel=DEBUG1']) as tunnel:
                    tunnel.said(b'remote forward success for')
                    done = fixture.run(['ss', '-ltnH', f'sport = :{port}'])
                    found = sorted(line.split()[3].rsplit(':', 1)[0] for line in done.stdout.decode().splitlines())
                    expect(wanted in found, f'GatewayPorts {value}, {address!r}: {found}')
            with_daemon([f'GatewayPorts {value}', 'AddressFamily inet'], f'gateway-{value}', check)

    cases = [Case(f'AllowTcpForwarding {value}', directions(value, wanted)) for value, wanted in (
        ('no', ('no', 'no', 'no')), ('local', ('yes', 'no', 'yes')), ('remote', ('no', 'yes', 'no')), ('yes', ('yes', 'yes', 'yes')))]
    return cases + [Case(check.__name__.replace('_', ' '), check)
                    for check in (streamlocal, disabled, permitopen, permitlisten, by_key, low_ports, gateway_ports)]


def plink_cases(bench, daemon):
    """PuTTY's plink."""
    program = fixture.find('plink') or others.absent('plink', 'putty-tools')
    home = bench.folder / f'plink-tunnel-{daemon.label}'
    os.makedirs(home, exist_ok=True)
    key = os.path.join(home, 'key.ppk')
    done = fixture.run(['puttygen', bench.keys.path('user', 'ed25519'), '-o', key])
    expect(done.returncode == 0, f'puttygen: {done.stderr!r}')
    shown = fixture.run([bench.suites['openssh10'].keygen, '-lf', bench.keys.path('host', 'ed25519') + '.pub']).stdout.decode()

    class Plink:
        """As a client of the fixture, as far as `Tunnel` looks."""
        env = {**os.environ, 'HOME': home}

        @staticmethod
        def command(flags, options):
            """The argument list."""
            del options
            return [program, '-ssh', '-batch', '-i', key, '-P', str(daemon.port), '-hostkey', shown.split()[1], *flags,
                    f'{bench.user.name}@127.0.0.1']

    def plink_local():
        with Service(digest) as service:
            port = ports.free_port()
            with Tunnel(Plink, ['-L', f'{port}:127.0.0.1:{service.port}'], port):
                ask(port)

    def plink_remote():
        with Service(digest) as service:
            port = ports.free_port()
            with Tunnel(Plink, ['-R', f'{port}:127.0.0.1:{service.port}'], port):
                ask(port)

    def plink_dynamic():
        with Service(web) as service:
            port = ports.free_port()
            with Tunnel(Plink, ['-D', str(port)], port):
                url = f'http://localhost:{service.port}/'
                same(curl('--socks5-hostname', f'127.0.0.1:{port}', url), PAGE, 'page')

    return [Case(check.__name__.replace('_', ' '), check) for check in (plink_local, plink_remote, plink_dynamic)]


def asyncssh_case(bench, daemon):
    """asyncssh, in a process of its own."""
    def check():
        with Service(digest) as service, Service(web) as page:
            return others.python_script(bench, daemon, 'asyncssh_tunnels', {'service': service.port, 'page': page.port})
    return Case('asyncssh tunnels', check)


def pair(bench, client_name, server_name):
    """All the cases of one client with one daemon."""
    client = bench.client(client_name, bench.daemon(server_name), 'tunnels')
    places = Places(bench, f'{client_name}.{server_name}')
    checks = [*local_cases(client), *unix_cases(client, places), *remote_cases(client), *dynamic_cases(client),
              *stdio_cases(client, places), *command_line_cases(client)]
    cases = [Case(check.__name__.replace('_', ' '), check) for check in checks]
    if server_name == 'ours' and client_name != 'openssh':
        cases += forbidden_cases(bench, client_name, server_name)
    for case in cases:
        case.name = f'{client_name}->{server_name} {case.name}'
    return cases


def group(bench, names=None):
    """All of it."""
    cases = []
    for client_name, server_name in names or (('ours', 'ours'), ('ours', 'openssh10'), ('openssh10', 'ours'), ('ours', 'openssh'),
                                              ('openssh', 'ours')):
        if bench.suites[client_name].lacks('ssh') or bench.suites[server_name].lacks('sshd'):
            continue
        cases += pair(bench, client_name, server_name)
    if not names:
        cases += plink_cases(bench, bench.daemon('ours'))
        cases.append(asyncssh_case(bench, bench.daemon('ours')))
    else:
        cases += forbidden_cases(bench, *names[0])
    for case in cases:
        case.name = 'tunnels ' + case.name
    return 'tunnels', cases

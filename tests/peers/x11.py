"""X11 forwarding: a real X server and its clients, a made-up one for what no real one does, and what a daemon forbids;
each side ours or OpenSSH's."""
import contextlib
import os
import re
import secrets
import select
import socket
import struct
import subprocess
import threading
import time

import fixture
import ports
from report import Case, Skip, expect, same

SOON = 15
PROTOCOL = 'MIT-MAGIC-COOKIE-1'
TOOLS = ('Xvfb', 'xauth', 'xdpyinfo')
REJECTED = b'X11 connection rejected because of wrong authentication.'


def xauth(file, *words):
    """Runs xauth on a file."""
    done = fixture.run(['xauth', '-f', file, *words])
    expect(done.returncode == 0, f'xauth {words}: {done.stderr!r}')
    return done.stdout.decode()


class Screen:
    """Xvfb, which lets in whoever has its cookie."""

    def __init__(self, folder):
        self.cookie = secrets.token_hex(16)
        self.file = folder / 'xvfb.auth'
        fixture.run(['xauth', '-f', self.file, 'add', ':0', PROTOCOL, self.cookie])
        self.process = subprocess.Popen(['Xvfb', '-displayfd', '1', '-screen', '0', '320x200x24', '-nolisten', 'tcp', '-noreset',
                                         '-auth', self.file], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL)
        readable, _, _ = select.select([self.process.stdout], [], [], SOON)
        number = self.process.stdout.readline().strip().decode() if readable else ''
        if not number:
            self.close()
            raise AssertionError('Xvfb does not start')
        self.display = f':{number}'
        xauth(self.file, 'add', self.display, PROTOCOL, self.cookie)
        self.env = {'DISPLAY': self.display, 'XAUTHORITY': self.file}

    def close(self):
        """Ends it."""
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()


class Fake:
    """Listens where an X server would, and keeps what is said: over TCP, or where `path` says."""

    def __init__(self, folder, label, path=None):
        if path:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(path)
            self.listener.listen(8)
        else:
            self.listener = socket.create_server(('127.0.0.1', 0))
            # As a display of its own: numbers begin at port 6000.
            self.display = f'127.0.0.1:{self.listener.getsockname()[1] - 6000}.1'
        self.cookie, self.file = secrets.token_hex(16), folder / f'{label}.auth'
        if not path:
            self.name(self.display)
        self.said, self.news = [], threading.Condition()
        ports.serve_each(self.listener, self._one)

    def name(self, display):
        """Has xauth know its cookie by this name."""
        xauth(self.file, 'add', display, PROTOCOL, self.cookie)
        self.env = {'DISPLAY': display, 'XAUTHORITY': self.file}

    def _one(self, client):
        client.settimeout(SOON)
        at = len(self.said)
        with self.news:
            self.said.append(b'')
        while data := client.recv(1 << 16):
            with self.news:
                self.said[at] += data
                self.news.notify_all()
            if self.said[at].endswith(b'ask'):
                client.sendall(b'answer')

    def heard(self, what):
        """Waits until somebody has said exactly that."""
        with self.news:
            expect(self.news.wait_for(lambda: what in self.said, SOON), f'the display heard {self.said}, not {what!r}')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()


def setup(cookie, order='<', protocol=PROTOCOL):
    """What an X client says first."""
    fields = [protocol.encode(), bytes.fromhex(cookie)]
    head = struct.pack(order + 'BxHHHHxx', ord('l' if order == '<' else 'B'), 11, 0, *map(len, fields))
    return head + b''.join(field + bytes(-len(field) % 4) for field in fields)


class Held:
    """A session that stays, with what it knows of its display: the name, the port, and the cookie."""

    def __init__(self, client, env, flags=('-Y',), options=(), script=None):
        script = script or 'echo "$DISPLAY"; xauth list "$DISPLAY" | head -n 1; echo; cat'
        command = client.command(script, flags=flags, options=[*options, 'LogLevel=VERBOSE'])
        self.process = subprocess.Popen(command, env={**client.env, **env}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)
        self.display = self.process.stdout.readline().decode().strip()
        words = self.process.stdout.readline().decode().split()
        self.cookie = words[2] if len(words) == 3 else None
        found = re.fullmatch(r'.*:(\d+)\.\d+', self.display)
        self.port = 6000 + int(found[1]) if found else None

    def connect(self):
        """As a program of another user's might: to the port, with nothing in hand."""
        return socket.create_connection(('127.0.0.1', self.port), SOON)

    def say(self, *pieces):
        """Says this to the display; what comes back, up to an answer or the end."""
        with self.connect() as sock, contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for piece in pieces:
                sock.sendall(piece)
                time.sleep(0.01)
            sock.settimeout(SOON)
            return sock.recv(100)
        return b''

    def end(self):
        """Ends the session: what was said on standard error."""
        _, said = self.process.communicate(timeout=SOON)
        return said

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            with contextlib.suppress(OSError, ValueError):
                pipe.close()


def until(what, wrong):
    """Waits for something that must come."""
    end = time.monotonic() + SOON
    while not what():
        expect(time.monotonic() < end, wrong)
        time.sleep(0.05)


def real(bench, screen, client, daemon):
    """With a real X server and real clients."""
    def run(script, *flags, options=(), env=None):
        # Of two values the first one counts.
        return client.run(script, flags=flags, options=[*options, 'LogLevel=INFO'], env=screen.env if env is None else env)

    def trusted():
        done = run('echo "$DISPLAY"; xauth list "$DISPLAY"; xdpyinfo', '-Y')
        display, entry, *about = done.stdout.decode().splitlines()
        expect(re.fullmatch(r'localhost:\d+\.0', display), f'DISPLAY is {display!r} ({done.stderr!r})')
        same(entry.split()[1], PROTOCOL, 'protocol')
        expect(screen.cookie not in entry, 'the server has the real cookie')
        expect('dimensions:    320x200' in ' '.join(about), f'xdpyinfo: {about[:3]} {done.stderr!r}')
        expect('XTEST' in ' '.join(about), 'no XTEST for a trusted client')

    def untrusted():
        done = run('xdpyinfo', '-X', options=['ForwardX11Trusted=no'])
        expect(b'320x200' in done.stdout, f'xdpyinfo: {done.stderr!r}')
        expect(b'XTEST' not in done.stdout, 'an untrusted client has XTEST')
        expect(not [name for name in os.listdir('/tmp') if os.path.exists(f'/tmp/{name}/xauthfile')], 'a cookie is left in /tmp')

    def timeout():
        done = run('xdpyinfo >/dev/null && echo in; sleep 4; xdpyinfo 2>/dev/null || echo out', '-X',
                   options=['ForwardX11Trusted=no', 'ForwardX11Timeout=2', 'LogLevel=VERBOSE'])
        same(done.stdout, b'in\nout\n', f'{done.stderr!r}')
        expect(b'Rejected X11 connection after ForwardX11Timeout expired' in done.stderr, f'{done.stderr!r}')

    def without_a_cookie():
        done = run('XAUTHORITY=/dev/null xdpyinfo || echo out', '-Y')
        same(done.stdout, b'out\n', 'without a cookie')
        expect(REJECTED in done.stderr, f'{done.stderr!r}')

    def not_asked():
        for flags, env in ((['-x'], None), (['-X', '-x'], None), ([], None), (['-Y'], {})):
            done = run('echo "<$DISPLAY>"', *flags, env=env)
            same((done.stdout, done.stderr), (b'<>\n', b''), f'{flags} {env}')

    def bad_display():
        done = run('echo "<$DISPLAY>"', '-Y', env={**screen.env, 'DISPLAY': ':0;id'})
        same(done.stdout, b'<>\n', 'DISPLAY')
        same(done.stderr.strip(), b'DISPLAY ":0;id" invalid; disabling X11 forwarding', 'standard error')

    def no_xauth():
        done = run('echo "<$DISPLAY>"; xdpyinfo >/dev/null 2>&1 || echo out', '-Y', options=['XAuthLocation=/nonexistent'])
        expect(re.fullmatch(rb'<localhost:\d+\.0>\nout\n', done.stdout), f'{done.stdout!r}')
        same(done.stderr.strip(), b'Warning: No xauth data; using fake authentication data for X11 forwarding.', 'standard error')
        done = run('echo "<$DISPLAY>"', '-X', options=['XAuthLocation=/nonexistent', 'ForwardX11Trusted=no'])
        same(done.stdout, b'<>\n', 'DISPLAY, untrusted')
        same(done.stderr.strip(), b'Warning: untrusted X11 forwarding setup failed: xauth key data not generated', 'standard error')

    def nobody_there():
        done = run('xdpyinfo >/dev/null 2>&1 || echo out', '-Y', env={'DISPLAY': ':4001', 'XAUTHORITY': '/nonexistent'})
        same(done.stdout, b'out\n', 'display')
        expect(b'connect /tmp/.X11-unix/X4001: No such file or directory' in done.stderr, f'{done.stderr!r}')

    def with_a_terminal():
        done = run('xdpyinfo >/dev/null && echo in', '-tt', '-Y')
        same(done.stdout, b'in\r\n', f'{done.stderr!r}')

    def many():
        done = run('for i in 1 2 3 4 5 6 7 8; do xdpyinfo >/dev/null && echo in & done; wait', '-Y')
        same(done.stdout, b'in\n' * 8, f'{done.stderr!r}')

    cases = [trusted, untrusted, without_a_cookie, not_asked, bad_display, no_xauth, nobody_there, with_a_terminal, many]
    return [Case(check.__name__.replace('_', ' '), check) for check in cases] + [Case('timeout', timeout)]


def made_up(bench, client, label):
    """With an X server of this test's own."""
    def fake(check):
        def run():
            with Fake(bench.folder, f'{label}.{check.__name__}') as display:
                check(display)
        return Case(check.__name__.replace('_', ' '), run)

    def byte_orders(display):
        with Held(client, display.env) as held:
            for order in '<>':
                told = setup(display.cookie, order) + b'ask'
                said = setup(held.cookie, order) + b'ask'
                same(held.say(said), b'answer', 'whole')
                display.heard(told)
                same(held.say(*(said[at:at + 1] for at in range(len(said)))), b'answer', 'byte by byte')
            same(len(display.said), 4, 'connections')

    def refused(display):
        with Held(client, display.env) as held:
            good = setup(held.cookie)
            for bad in (setup('00' * 16), setup(display.cookie), setup(held.cookie[:-2]), setup(held.cookie, protocol='XDM-AUTHORIZATION-1'),
                        setup('', protocol=''), b'X' + good[1:], b'GET / HTTP/1.0\r\n\r\n'):
                same(held.say(bad + b'ask'), b'', f'{bad!r}')
            same(held.say(good + b'ask'), b'answer', 'the right one afterwards')
            display.heard(setup(display.cookie) + b'ask')
            expect(not [said for said in display.said if said and not said.startswith(setup(display.cookie))], f'{display.said}')
            same(held.end().count(REJECTED), 7, 'refusals told')

    def cut_off(display):
        with Held(client, display.env) as held:
            good = setup(held.cookie)
            for end in (1, 11, 12, 13, 33, len(good) - 1):
                with held.connect() as sock:
                    sock.sendall(good[:end])
                    sock.shutdown(socket.SHUT_WR)
                    sock.settimeout(SOON)
                    with contextlib.suppress(ConnectionResetError):
                        same(sock.recv(1), b'', f'after {end} bytes')
            same(held.say(good + b'ask'), b'answer', 'afterwards')
            expect(not [said for said in display.said if said and not said.startswith(setup(display.cookie))], f'{display.said}')

    def silent(display):
        # Nobody without a cookie takes one of the display's few places: ours alone sees to that.
        with Held(client, display.env) as held, contextlib.ExitStack() as stack:
            for _ in range(30):
                stack.enter_context(held.connect()).sendall(b'l')
            same(held.say(setup(held.cookie) + b'ask'), b'answer', 'beside them')
            if client.suite.label == 'carrick':
                same(len(display.said), 1, 'connections to the display')

    def screen_number(display):
        with Held(client, display.env) as held:
            expect(held.display.endswith('.1'), f'DISPLAY is {held.display!r}')

    def with_its_session(display):
        with Held(client, display.env) as held, Held(client, display.env) as other:
            expect(held.port != other.port, f'two sessions at port {held.port}')
            expect(held.cookie != other.cookie, 'two connections with one cookie')
            # What is carried is not cut off, and keeps the client.
            with held.connect() as sock:
                sock.sendall(setup(held.cookie) + b'ask')
                sock.settimeout(SOON)
                same(sock.recv(100), b'answer', 'before')
                held.process.stdin.close()
                until(lambda: not listens(held.port), f'port {held.port} is still listened at')
                sock.sendall(b'ask')
                same(sock.recv(100), b'answer', 'after the session')
                expect(held.process.poll() is None, 'the client has ended')
            held.process.wait(SOON)
            same(other.say(setup(other.cookie) + b'ask'), b'answer', 'the other session')

    def abstract(_):
        name = f'/tmp/.X11-unix/X{4100 + os.getpid() % 1000}{int(label == "ours.ours")}'
        with Fake(bench.folder, f'{label}.abstract', '\0' + name) as display:
            number = name.rpartition('X')[2]
            display.name(f':{number}')
            with Held(client, display.env) as held:
                same(held.say(setup(held.cookie) + b'ask'), b'answer', 'a name outside of files')
                display.heard(setup(display.cookie) + b'ask')

    checks = [byte_orders, refused, cut_off, silent, screen_number, with_its_session]
    return [fake(check) for check in checks + ([abstract] if client.suite.label == 'carrick' else [])]


def listens(port):
    """Whether anybody takes connections at the port."""
    with socket.socket() as probe:
        return probe.connect_ex(('127.0.0.1', port)) == 0


def key_line(bench, name, options):
    """A file of authorized keys with options."""
    path = bench.folder.write(f'{name}.authorized', f'{options} {bench.keys.public("user", "ed25519")}')
    return f'AuthorizedKeysFile {path}'


def rules(bench, client_name, server_name):
    """What a daemon makes of its configuration, of keys and of certificates."""
    count = iter(range(1000))

    def session(options, flags=('-Y',), script='echo "<$DISPLAY>"', more=()):
        label = f'x11rules{next(count)}'
        daemon = fixture.sshd(bench.suites[server_name], bench.folder, bench.keys, bench.user, options, label)
        try:
            client = bench.client(client_name, daemon, label)
            # Nobody needs to be there for the answer.
            return client.run(script, flags=flags, options=['LogLevel=INFO', 'XAuthLocation=/nonexistent', *more], env={'DISPLAY': ':4002'})
        finally:
            daemon.stop()

    def granted(done, what):
        expect(re.fullmatch(rb'<localhost:\d+\.0>\n', done.stdout), f'{what}: {done.stdout!r} {done.stderr!r}')

    def refused(done, what):
        same(done.stdout, b'<>\n', what)
        expect(b'X11 forwarding request failed on channel 0' in done.stderr, f'{what}: {done.stderr!r}')

    def configuration():
        granted(session(['X11Forwarding yes']), 'yes')
        for options in (['X11Forwarding no'], [], ['X11Forwarding yes', 'DisableForwarding yes'], ['X11Forwarding yes', 'XAuthLocation none'],
                        ['X11Forwarding yes', 'XAuthLocation /nonexistent'], ['X11Forwarding yes', 'X11DisplayOffset 60000']):
            refused(session(options), options)
        match = ['X11Forwarding no', f'Match User {bench.user.name}', 'X11Forwarding yes']
        granted(session_match(match), 'Match')

    def session_match(lines):
        # A Match block must stand at the end.
        path = bench.folder.write(f'x11match.{client_name}.{server_name}', '\n'.join(lines) + '\n')
        return session([f'Include {path}'])

    def keys():
        for options, allowed in (('', True), ('no-X11-forwarding', False), ('restrict', False), ('restrict,X11-forwarding', True),
                                 ('no-port-forwarding', True)):
            done = session(['X11Forwarding yes', key_line(bench, f'x11key{client_name}{server_name}', options)])
            (granted if allowed else refused)(done, options)

    def certificates():
        ca = bench.folder / f'x11ca.{client_name}.{server_name}'
        keygen = os.path.join(bench.tools, 'ssh-keygen')
        fixture.run([keygen, '-q', '-t', 'ed25519', '-N', '', '-f', ca])
        for option, allowed in (('no-x11-forwarding', False), ('permit-x11-forwarding', True)):
            key = bench.folder / f'x11cert.{client_name}.{server_name}.{option}'
            fixture.run([keygen, '-q', '-t', 'ed25519', '-N', '', '-f', key])
            name = {'permit-x11-forwarding': 'x11-forwarding'}.get(option)
            flags = ['-O', 'clear', '-O', 'permit-pty', *(['-O', 'permit-x11-forwarding'] if name else [])]
            made = fixture.run([keygen, '-q', '-s', ca, '-I', 'x', '-n', bench.user.name, *flags, key + '.pub'])
            same(made.returncode, 0, f'ssh-keygen: {made.stderr!r}')
            done = session(['X11Forwarding yes', f'TrustedUserCAKeys {ca}.pub', 'AuthorizedKeysFile none'],
                           more=[f'IdentityFile={key}'])
            (granted if allowed else refused)(done, option)

    def offset():
        # The first number whose port nobody has a part of.
        first = 500 + secrets.randbelow(400)
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(OSError):
                stack.enter_context(socket.create_server(('127.0.0.1', 6000 + first)))
            done = session(['X11Forwarding yes', f'X11DisplayOffset {first}'])
        found = re.fullmatch(rb'<localhost:(\d+)\.0>\n', done.stdout)
        expect(found and first < int(found[1]) < first + 50, f'{first}: {done.stdout!r} {done.stderr!r}')
        refused(session(['X11Forwarding yes', 'X11DisplayOffset 1000']), 'no number below 1000')

    def everywhere():
        done = session(['X11Forwarding yes', 'X11UseLocalhost no', 'X11DisplayOffset 300'],
                       script='echo "<$DISPLAY>"; ss -Hltn 2>/dev/null || cat /proc/net/tcp')
        display, *listeners = done.stdout.decode().splitlines()
        found = re.fullmatch(rf'<{re.escape(socket.gethostname())}:(\d+)\.0>', display)
        expect(found, f'{display} {done.stderr!r}')
        port = 6000 + int(found[1])
        text = '\n'.join(listeners)
        expect(f'0.0.0.0:{port}' in text or f'00000000:{port:04X}' in text, f'nothing at {port} for all: {text}')

    return [Case(check.__name__, check) for check in (configuration, keys, certificates, offset, everywhere)]


def rc_files(bench, client_name, server_name):
    """~/.ssh/rc gets protocol and cookie, and then nobody else keeps them."""
    def check():
        user = bench.user
        if not user.made:
            raise Skip('not root: no user who could have an rc file')
        folder = os.path.join(user.home, '.ssh')
        os.makedirs(folder, mode=0o700, exist_ok=True)
        rc = os.path.join(folder, 'rc')
        label = f'x11rc.{client_name}.{server_name}'
        daemon = fixture.sshd(bench.suites[server_name], bench.folder, bench.keys, user, ['X11Forwarding yes', 'X11DisplayOffset 400'], label)
        try:
            with open(rc, 'w', encoding='ascii') as file:
                file.write('read proto cookie rest && echo "$proto $cookie $rest<$DISPLAY>" >$HOME/rc.said\n'
                           'env | grep -c CARRICK_ >>$HOME/rc.said\nps -eo args >$HOME/rc.ps\n')
            for path in (folder, rc):
                os.chown(path, user.uid, user.gid)
            client = bench.client(client_name, daemon, label)
            done = client.run('cat rc.said; xauth list "$DISPLAY" 2>/dev/null; env | grep CARRICK_R[C]; cat rc.ps', flags=['-Y'],
                              options=['XAuthLocation=/nonexistent'], env={'DISPLAY': ':4002'})
            said, count, rest = done.stdout.decode().split('\n', 2)
            found = re.fullmatch(PROTOCOL + r' ([0-9a-f]{32}) <localhost:\d+\.0>', said)
            expect(found, f'rc got {said!r} ({done.stderr!r})')
            same(count, '0', 'variables of ours in the rc file')
            expect(found[1] not in rest, 'the cookie is in xauth, the environment or a command line')
            expect('CARRICK_RC' not in rest, 'a variable of ours in the session')
        finally:
            daemon.stop()
            for path in (rc, os.path.join(user.home, 'rc.said'), os.path.join(user.home, 'rc.ps')):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)
    return Case('rc files', check, alone=True)


def shared(bench, screen, client, label):
    """Through a master, which has the display; a passenger asks for it."""
    def check():
        path = bench.folder / f'{label}.ctl'
        master = subprocess.Popen(client.command('cat', flags=['-Y', '-M', '-S', path]), env={**client.env, **screen.env},
                                  stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until(lambda: os.path.exists(path), 'no master')
            done = client.run('xdpyinfo | grep dimensions', flags=['-S', path, '-Y'], env=screen.env)
            expect(b'320x200' in done.stdout, f'{done.stdout!r} {done.stderr!r}')
            done = client.run('echo "<$DISPLAY>"', flags=['-S', path, '-x'], env=screen.env)
            same(done.stdout, b'<>\n', 'DISPLAY of one who does not ask')
        finally:
            master.stdin.close()
            master.wait(SOON)
    return Case('shared connection', check)


def group(bench, pairs=(('ours', 'ours'), ('ours', 'openssh10'), ('openssh10', 'ours'))):
    """All of it."""
    lacking = [tool for tool in TOOLS if not fixture.find(tool)]
    if lacking:
        raise Skip(f'no {", ".join(lacking)}')
    screen = Screen(bench.folder)
    bench.kept.add(screen.process.pid)
    bench.on_exit.callback(screen.close)
    cases = []
    for client_name, server_name in pairs:
        daemon = bench.daemon(server_name, ['X11Forwarding yes'], 'x11')
        client = bench.client(client_name, daemon, 'x11')
        made = real(bench, screen, client, daemon) + made_up(bench, client, f'{client_name}.{server_name}')
        made.append(shared(bench, screen, client, f'x11.{client_name}.{server_name}'))
        if server_name == 'ours' or len(pairs) == 1:
            made += rules(bench, client_name, server_name)
            made.append(rc_files(bench, client_name, server_name))
        for case in made:
            case.name = f'{client_name}->{server_name} {case.name}'
        cases += made
    for case in cases:
        case.name = 'x11 ' + case.name
    return 'x11', cases

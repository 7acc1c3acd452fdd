"""Shared connections: each of master and passenger ours or OpenSSH's; jumps over hops of either; the agent through both."""
import concurrent.futures
import contextlib
import hashlib
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import tempfile
import time

import fixture
import ports
import procs
import tunnels
from report import Case, expect, same

SOON = tunnels.SOON
DATA = os.urandom(1 << 20) * 3


class Shared:
    """A master (-N) at a socket, and what passengers of another suite ask of it."""

    def __init__(self, bench, master, passenger, options=(), flags=()):
        self.passenger = passenger
        self.path = str(bench.folder / f'ctl.{os.urandom(4).hex()}')
        self.tunnel = tunnels.Tunnel(master, ['-M', '-S', self.path, *flags], options=options)
        end = time.monotonic() + SOON
        while not os.path.exists(self.path):
            if self.tunnel.process.poll() is not None or time.monotonic() > end:
                self.tunnel.end()
                raise AssertionError(f'no master: {self.tunnel.text!r}')
            time.sleep(0.01)

    def command(self, *words, flags=(), options=()):
        """A passenger's command line: it must not connect itself."""
        return self.passenger.command(*words, flags=['-S', self.path, *flags], options=['ProxyCommand=false', *options])

    def run(self, *words, flags=(), options=(), env=None, **rest):
        """Runs a passenger."""
        return fixture.run(self.command(*words, flags=flags, options=options), env={**self.passenger.env, **(env or {})}, **rest)

    def order(self, what, *flags, want=0):
        """-O, and what it says."""
        done = self.run(flags=['-O', what, *flags], options=['LogLevel=INFO'])
        same(done.returncode, want, f'-O {what} ({fixture.report.shorten(done.stderr)})')
        return done

    def end(self):
        """Ends the master."""
        self.tunnel.end()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


class Scarce:
    """A client that may have few descriptors, unless it takes more for itself."""

    def __init__(self, client, most):
        self.client, self.most, self.env = client, most, client.env

    def command(self, *words, **more):
        """The argument list."""
        return ['/bin/sh', '-c', f'ulimit -Sn {self.most}; exec "$0" "$@"', *self.client.command(*words, **more)]


def on_terminal(command, env, script, seconds=SOON):
    """Runs a command at a terminal of its own: what it wrote, and its status. `script` gets the descriptor and the text so far."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execvpe(command[0], command, env)
    text, done, end = b'', False, time.monotonic() + seconds
    while time.monotonic() < end:
        if not select.select([fd], [], [], 0.1)[0]:
            continue
        try:
            piece = os.read(fd, 4096)
        except OSError:
            piece = b''
        if not piece:
            done = True
            break
        text += piece
        script(fd, text)
    if not done:
        os.kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    os.close(fd)
    return text, os.waitstatus_to_exitcode(status)


def session_cases(share):
    """Sessions through a master."""
    def check_and_exit():
        with share() as shared:
            said = shared.order('check').stderr
            expect(re.match(rb'Master running \(pid=%d\)\r\n$' % shared.tunnel.process.pid, said), f'check says {said!r}')
            same(shared.order('exit').stderr, b'Exit request sent.\r\n', 'exit')
            shared.tunnel.process.wait(SOON)
            expect(not os.path.exists(shared.path), 'the socket is left')
            expect(b'Control socket connect(' in shared.order('check', want=255).stderr, 'check without a master')

    def streams_and_status():
        with share() as shared:
            for number in (0, 1, 44, 255):
                same(shared.run(f'exit {number}').returncode, number, 'exit status')
            done = shared.run('cat; echo err >&2', input=DATA)
            same((hashlib.sha256(done.stdout).digest(), done.stderr), (hashlib.sha256(DATA).digest(), b'err\n'), 'streams')
            same(shared.run('kill -TERM $$').returncode, 255, 'status of a command that a signal ended')

    def files_and_null():
        with share() as shared:
            path = shared.path + '.file'
            with open(path, 'wb') as file:
                file.write(DATA)
            with open(path, 'rb') as stdin, open(path + '.out', 'wb') as stdout:
                done = subprocess.run(shared.command('cat'), env=shared.passenger.env, stdin=stdin, stdout=stdout,
                                      stderr=subprocess.DEVNULL, timeout=60, check=False)
            same(done.returncode, 0, 'exit status')
            with open(path + '.out', 'rb') as file:
                expect(file.read() == DATA, 'a file went there and came back changed')
            same(shared.run('cat', flags=['-n'], input=b'unread').stdout, b'', 'what -n reads')

    def environment_and_subsystem():
        with share(options=['SendEnv=LC_ONE LC_TWO']) as shared:
            done = shared.run('echo "$LC_ONE,$LC_TWO,$LC_THREE"', options=['SendEnv=LC_*', 'SetEnv=LC_TWO=two'],
                              env={'LC_ONE': 'one', 'LC_THREE': 'three'})
            expect(done.stdout.endswith(b',\n') and b'three' not in done.stdout, f'a variable that the master does not send: {done.stdout!r}')
            same(shared.run('no-such', flags=['-s']).returncode, 255, 'status of a subsystem that is not there')

    def terminal():
        with share() as shared:
            seen = []

            def script(fd, text):
                if b'ready' in text and not seen:
                    seen.append(True)
                    # The command may be ahead of the news that it runs.
                    procs.wait_until_minds(os.tcgetpgrp(fd), signal.SIGWINCH)
                    tunnels_size(fd, 50, 100)
                    os.write(fd, b'\n')
            command = shared.command('echo ready; read x; sleep 0.5; stty size; tty >/dev/null && exit 9', flags=['-tt'],
                                     options=['LogLevel=INFO'])
            text, status = on_terminal(command, {**shared.passenger.env, 'TERM': 'xterm'}, script)
            same(status, 9, f'exit status ({text!r})')
            expect(b'50 100' in text, f'the new size is not there: {text!r}')
            expect(text.rstrip().endswith(b'Shared connection to 127.0.0.1 closed.'), f'the last words are {text[-80:]!r}')

    def escapes():
        with share() as shared:
            keys = [(b'ready', b'\r~&'), (b'not available', b'\r~.')]

            def script(fd, text):
                if keys and keys[0][0] in text:
                    os.write(fd, keys.pop(0)[1])
            text, status = on_terminal(shared.command('echo ready; cat', flags=['-tt']), {**shared.passenger.env, 'TERM': 'xterm'}, script)
            same(status, 255, f'exit status ({text!r})')
            expect(b'not available to multiplexed sessions' in text, f'~& says {text!r}')
            same(shared.run('echo on').stdout, b'on\n', 'another session')

    def many_at_once():
        with share() as shared:
            def one(number):
                done = shared.run(f'cat; exit {number}', input=DATA[:number * 10_000])
                return done.returncode == number and done.stdout == DATA[:number * 10_000]
            # Fewer than a server takes (MaxSessions): those of the first round may not be over for it.
            for _ in range(2):
                with concurrent.futures.ThreadPoolExecutor(5) as pool:
                    expect(all(pool.map(one, range(5))), 'one of five sessions at once is not as it should be')

    def twenty_at_once():
        with share() as shared:
            def one(number):
                done = shared.run(f'exit {number}')
                return done.returncode == number
            with concurrent.futures.ThreadPoolExecutor(20) as pool:
                results = list(pool.map(one, range(20)))
            expect(sum(results) >= 10, f'{sum(results)} of 20')
            same(shared.run('echo on').stdout, b'on\n', 'a session after them')

    def stop():
        with share() as shared:
            sleeper = subprocess.Popen(shared.command('sleep 2; exit 3'), env=shared.passenger.env, stdin=subprocess.DEVNULL)
            time.sleep(0.7)
            same(shared.order('stop').stderr, b'Stop listening request sent.\r\n', 'stop')
            expect(not os.path.exists(shared.path), 'the socket is left')
            same(sleeper.wait(SOON), 3, 'status of the session that was there')
            shared.tunnel.process.wait(SOON)

    return [check_and_exit, streams_and_status, files_and_null, environment_and_subsystem, terminal, escapes, many_at_once,
            twenty_at_once, stop]


def tunnels_size(fd, rows, cols):
    """Sets a terminal's size: its foreground hears SIGWINCH."""
    import fcntl  # pylint: disable=import-outside-toplevel
    import termios  # pylint: disable=import-outside-toplevel
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', rows, cols, 0, 0))


def forward_cases(share):
    """Forwardings through a master."""
    def forward_and_cancel():
        with share() as shared, tunnels.Service(tunnels.digest) as service:
            for flag in ('-L', '-R'):
                port = ports.free_port()
                spec = f'{port}:127.0.0.1:{service.port}'
                shared.order('forward', flag, spec)
                tunnels.wait_for(port, lambda: False)
                tunnels.ask(port)
                shared.order('forward', flag, spec)
                shared.order('cancel', flag, spec)
                end = time.monotonic() + SOON
                while tunnels.listens(port) and time.monotonic() < end:
                    time.sleep(0.05)
                expect(not tunnels.listens(port), f'{flag} is still there')

    def forward_by_a_session():
        with share() as shared, tunnels.Service(tunnels.digest) as service:
            port = ports.free_port()
            same(shared.run('exit 4', flags=['-L', f'{port}:127.0.0.1:{service.port}']).returncode, 4, 'exit status')
            tunnels.ask(port)

    def port_of_the_servers_choice():
        with share() as shared, tunnels.Service(tunnels.digest) as service:
            said = shared.order('forward', '-R', f'0:127.0.0.1:{service.port}').stdout
            expect(re.fullmatch(rb'\d+\n', said), f'the port is {said!r}')
            tunnels.ask(int(said))
            same(shared.order('forward', '-R', f'0:127.0.0.1:{service.port}').stdout, said, 'the port asked for again')
            shared.order('cancel', '-R', f'0:127.0.0.1:{service.port}')

    def dynamic():
        with share() as shared, tunnels.Service(tunnels.web) as service:
            port = ports.free_port()
            shared.order('forward', '-D', str(port))
            url = f'http://localhost:{service.port}/'
            same(tunnels.curl('--socks5-hostname', f'127.0.0.1:{port}', url), tunnels.PAGE, 'page')

    def taken():
        with share() as shared, tunnels.Service(tunnels.digest) as service:
            said = shared.order('forward', '-L', f'127.0.0.1:{service.port}:127.0.0.1:1', want=255).stderr
            expect(b'Port forwarding failed' in said, f'a port that is taken: {said!r}')

    def stdio():
        with share() as shared, tunnels.Service(tunnels.digest) as service:
            done = shared.run(flags=['-W', f'127.0.0.1:{service.port}'], input=DATA)
            same(done.returncode, 0, f'exit status ({done.stderr!r})')
            expect(done.stdout == hashlib.sha256(DATA).digest() + DATA, f'{len(done.stdout)} bytes came back, or others')
            closed = shared.run(flags=['-W', f'127.0.0.1:{ports.free_port()}'])
            same((closed.returncode, closed.stdout), (255, b''), 'of a port that refuses')

    def proxy():
        with share() as shared, tunnels.Service(tunnels.digest) as service:
            for number in (0, 5):
                same(shared.run(f'exit {number}', flags=['-O', 'proxy']).returncode, number, 'exit status')
            done = shared.run('cat; echo err >&2', flags=['-O', 'proxy'], input=DATA)
            same((hashlib.sha256(done.stdout).digest(), done.stderr), (hashlib.sha256(DATA).digest(), b'err\n'), 'streams')
            port = ports.free_port()
            flags = ['-O', 'proxy', '-N', '-L', f'{port}:127.0.0.1:{service.port}']
            process = subprocess.Popen(shared.command(flags=flags), env=shared.passenger.env, stdin=subprocess.DEVNULL)
            with contextlib.ExitStack() as stack:
                stack.callback(process.wait)
                stack.callback(process.kill)
                tunnels.wait_for(port, lambda: False)
                tunnels.ask(port)
            same(shared.run('echo on').stdout, b'on\n', 'a session after it')

    return [forward_and_cancel, forward_by_a_session, port_of_the_servers_choice, dynamic, taken, stdio, proxy]


def trouble_cases(share, ours):
    """Passengers that die or talk nonsense, a master that dies, and one that has few descriptors. Where descriptors are announced and do
    not come, OpenSSH's master waits for them, and so does everybody else; it also keeps to its soft limit: that is asked of ours alone."""
    def killed_passenger():
        with share() as shared:
            # It ends with its standard input, and so with the passenger.
            process = subprocess.Popen(shared.command('echo here; exec cat'), env=shared.passenger.env,
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            same(process.stdout.readline(), b'here\n', 'the first line')
            process.kill()
            process.wait()
            process.stdout.close()
            process.stdin.close()
            same(shared.run('echo on').stdout, b'on\n', 'another session')

    def killed_master():
        with share() as shared:
            process = subprocess.Popen(shared.command('echo here; sleep 20'), env=shared.passenger.env,
                                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
            same(process.stdout.readline(), b'here\n', 'the first line')
            shared.tunnel.process.kill()
            same(process.wait(SOON), 255, 'exit status')
            process.stdout.close()

    def interrupted():
        with share() as shared:
            process = subprocess.Popen(shared.command('echo here; sleep 20'), env=shared.passenger.env,
                                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
            same(process.stdout.readline(), b'here\n', 'the first line')
            # The command may be ahead of the news that it runs.
            procs.wait_until_minds(process.pid, signal.SIGINT)
            process.send_signal(signal.SIGINT)
            same(process.wait(SOON), 255, 'exit status')
            process.stdout.close()
            same(shared.run('echo on').stdout, b'on\n', 'another session')

    def nonsense():
        hello = bytes.fromhex('00000008 00000001 00000004')
        session = bytes.fromhex('00000028 10000002 00000001 00000000') + bytes(16) + b'\xff' * 4 + bytes(8)
        with share() as shared:
            talk = [b'', b'\xff' * 64, b'SSH-2.0-x\r\n', bytes(4), hello[:7], hello * 2, bytes.fromhex('00000008 00000001 00000009'),
                    hello + bytes.fromhex('00000008 10000077 00000001'), hello + bytes.fromhex('0000000c 10000006 00000001 00000009'),
                    hello + session, hello + session + bytes(3), hello + bytes.fromhex('00000008 1000000f 00000000 00000002 0014'),
                    hello + bytes.fromhex('0003fff0 10000002') + bytes(1000)]
            open_ones = []
            for bytes_ in talk:
                client = socket.socket(socket.AF_UNIX)
                client.connect(shared.path)
                client.sendall(bytes_)
                open_ones.append(client)
            same(shared.run('echo on').stdout, b'on\n', 'a session beside those who talk nonsense')
            for client in open_ones:
                client.close()
            same(shared.run('exit 6').returncode, 6, 'a session after them')

    def descriptors_that_nobody_asked_for():
        with share() as shared:
            for count in (1, 4, 100):
                client = socket.socket(socket.AF_UNIX)
                client.connect(shared.path)
                with open('/dev/null', 'rb') as null:
                    with contextlib.suppress(OSError):
                        socket.send_fds(client, [b'x'], [null.fileno()] * count)
                        socket.send_fds(client, [b'x' * 8], [null.fileno()] * count)
                client.close()
            same(shared.run('exit 6').returncode, 6, 'a session after them')

    def full_pipe_that_two_share():
        with share() as shared:
            reader, writer = os.pipe()
            flood = subprocess.Popen(shared.command('echo here; yes'), env=shared.passenger.env, stdin=subprocess.DEVNULL, stdout=writer)
            same(os.read(reader, 5), b'here\n', 'the first line')
            # Another session with the same open file ends, and leaves it as it was: waiting for its reader.
            done = subprocess.run(shared.command('exit 4'), env=shared.passenger.env, stdin=subprocess.DEVNULL, stdout=writer,
                                  timeout=SOON, check=False)
            same(done.returncode, 4, 'exit status')
            expect(os.get_blocking(writer), 'a pipe of the user has changed')
            # Room for a part of what waits.
            os.read(reader, 5000)
            time.sleep(0.3)
            same(shared.run('echo on').stdout, b'on\n', 'a session beside one whose output nobody reads')
            flood.kill()
            flood.wait()
            os.close(reader)
            os.close(writer)

    def more_connections_than_the_soft_limit():
        with tempfile.TemporaryDirectory() as folder, tunnels.Service(tunnels.digest) as service, contextlib.ExitStack() as stack:
            port, told = ports.free_port(), os.path.join(folder, 'told')
            options = ['PermitLocalCommand=yes', f'LocalCommand=ulimit -Sn >> {told}', f'KnownHostsCommand=/bin/sh -c "ulimit -Sn >> {told}"']
            shared = stack.enter_context(share(limit=100, options=options))
            shared.order('forward', '-L', f'{port}:127.0.0.1:{service.port}')
            for _ in range(300):
                stack.enter_context(tunnels.connect(port))
            tunnels.ask(port)
            same(shared.run('exit 6').returncode, 6, 'a session beside them')
            with open(told, encoding='ascii') as file:
                same(set(file.read().split()), {'100'}, 'limits of what the master starts')

    mine = [nonsense, full_pipe_that_two_share, more_connections_than_the_soft_limit]
    return [killed_passenger, killed_master, interrupted, descriptors_that_nobody_asked_for] + (mine if ours else [])


def persist_cases(bench, client):
    """ControlPersist, and masters by `auto`, of one client."""
    def options(path, time_):
        return ['ControlMaster=auto', f'ControlPath={path}', f'ControlPersist={time_}', 'SendEnv=none']

    def place():
        return str(bench.folder / f'persist.{os.urandom(4).hex()}')

    def gone(path):
        end = time.monotonic() + SOON
        while os.path.exists(path) and time.monotonic() < end:
            time.sleep(0.05)
        expect(not os.path.exists(path), 'the master is still there')

    def goes_when_idle():
        path = place()
        same(client.run('exit 7', options=options(path, '2')).returncode, 7, 'exit status of the first')
        expect(os.path.exists(path), 'no master is left')
        done = client.run('cat', options=['ProxyCommand=false', *options(path, '2')], input=DATA)
        expect(done.stdout == DATA, 'a second session')
        gone(path)

    def stays_and_is_told_to_go():
        path = place()
        done = client.run('echo in; echo err >&2', options=options(path, 'yes'))
        same((done.stdout, done.stderr), (b'in\n', b'err\n'), 'streams of the first')
        time.sleep(1)
        done = client.run(options=[f'ControlPath={path}'], flags=['-O', 'exit'])
        same(done.returncode, 0, 'exit')
        gone(path)

    def in_the_background():
        path = place()
        same(client.run(options=options(path, 'yes'), flags=['-N', '-f']).returncode, 0, 'exit status')
        same(client.run('exit 5', options=['ProxyCommand=false', f'ControlPath={path}']).returncode, 5, 'a session')
        same(client.run(options=[f'ControlPath={path}'], flags=['-O', 'stop']).returncode, 0, 'stop')
        gone(path)

    def stale_socket():
        path = place()
        dead = socket.socket(socket.AF_UNIX)
        dead.bind(path)
        dead.close()
        same(client.run('exit 3', options=['ControlMaster=auto', f'ControlPath={path}']).returncode, 3, 'exit status')
        expect(not os.path.exists(path), 'the socket is left')

    def taken():
        path = place()
        with open(path, 'w', encoding='ascii'):
            pass
        done = client.run('exit 3', options=['ControlMaster=yes', f'ControlPath={path}'])
        same(done.returncode, 3, 'exit status')
        expect(f'ControlSocket {path} already exists, disabling multiplexing'.encode() in done.stderr, f'it says {done.stderr!r}')

    def own_session_waits_for_passengers():
        path = place()
        first = subprocess.Popen(client.command('sleep 1; exit 2', options=['ControlMaster=yes', f'ControlPath={path}']),
                                 env=client.env, stdin=subprocess.DEVNULL)
        end = time.monotonic() + SOON
        while not os.path.exists(path) and time.monotonic() < end:
            time.sleep(0.01)
        second = client.run('sleep 2; exit 4', options=['ProxyCommand=false', f'ControlPath={path}'])
        same((second.returncode, first.wait(SOON)), (4, 2), 'exit statuses')

    def asks():
        path = place()
        for answer, want in (('yes', 0), ('no', 255)):
            program = bench.folder.write(f'ask.{answer}', f'#!/bin/sh\n[ {answer} = yes ]\n', 0o755)
            env = {**client.env, 'SSH_ASKPASS': program, 'SSH_ASKPASS_REQUIRE': 'force'}
            master = subprocess.Popen(client.command(flags=['-N', '-MM', '-S', path]), env=env, stdin=subprocess.DEVNULL)
            try:
                end = time.monotonic() + SOON
                while not os.path.exists(path) and time.monotonic() < end:
                    time.sleep(0.01)
                done = client.run('true', options=['ProxyCommand=false', f'ControlPath={path}'])
                same(done.returncode, want, f'status when the user says {answer} ({done.stderr!r})')
            finally:
                master.terminate()
                master.wait(SOON)

    return [goes_when_idle, stays_and_is_told_to_go, in_the_background, stale_socket, taken, own_session_waits_for_passengers, asks]


def hops(bench, client, other, daemons):
    """A configuration with three hosts in a row, and this client's ssh for each of them or, in the middle, `other`'s."""
    lines = []
    for number, daemon in enumerate(daemons, 1):
        known = fixture.known_hosts(bench.folder, f'hop{number}.{client.suite.label}.known_hosts', daemon.port, bench.keys)
        lines += [f'Host hop{number}', 'HostName 127.0.0.1', f'Port {daemon.port}', f'UserKnownHostsFile {known}']
    lines += ['Host *', f'User {bench.user.name}', f'IdentityFile {bench.keys.path("user", "ed25519")}', 'GlobalKnownHostsFile /dev/null',
              'StrictHostKeyChecking yes', 'BatchMode yes', 'LogLevel ERROR']
    name = f'hops.{client.suite.label}.{other.suite.label}.{os.urandom(3).hex()}'
    return bench.folder.write(name, '\n'.join(lines) + '\n')


def jump_cases(bench, client, other, row):
    """Jumps; the hops' daemons are ours and OpenSSH's in turn."""
    def run(*words, **rest):
        config = hops(bench, client, other, row)
        return fixture.run([client.suite.ssh, '-F', config, *words], env=client.env, **rest)

    def one_and_two_hops():
        for jump in ('hop1', 'hop1,hop2', f'{bench.user.name}@hop1', 'ssh://hop1', 'hop2,hop1'):
            done = run('-J', jump, 'hop3', 'cat; exit 3', input=DATA)
            same((done.returncode, done.stdout == DATA), (3, True), f'-J {jump} ({done.stderr!r})')

    def by_keyword_and_none():
        done = run('-o', 'ProxyJump=hop1', 'hop2', 'exit 3')
        same(done.returncode, 3, 'exit status')
        done = run('-o', 'ProxyJump=none', '-o', 'ProxyCommand=false', 'hop2', 'exit 3')
        same(done.returncode, 3, 'exit status: none is an answer, too')

    def hop_that_is_not_there():
        closed = ports.free_port()
        done = run('-J', f'127.0.0.1:{closed}', 'hop2', 'true')
        same(done.returncode, 255, 'exit status')
        expect(b'Connection refused' in done.stderr, f'it says {done.stderr!r}')

    def mixed_programs():
        config = hops(bench, client, other, row)
        command = f'{other.suite.ssh} -F {config} -W [%h]:%p hop1'
        done = fixture.run([client.suite.ssh, '-F', config, '-o', f'ProxyCommand={command}', 'hop2', 'cat'], env=client.env, input=DATA)
        expect(done.stdout == DATA, f'through {other.suite.label} -W: {done.stderr!r}')

    def passed_descriptor():
        daemon = row[0]
        dialer = bench.folder.write('dialer.py', 'import socket, sys\ns = socket.create_connection(("127.0.0.1", int(sys.argv[1])))\n'
                                    'socket.send_fds(socket.socket(fileno=1), [b"\\0"], [s.fileno()])\n', 0o755)
        done = run('-o', f'ProxyCommand=python3 {dialer} {daemon.port}', '-o', 'ProxyUseFdpass=yes', 'hop1', 'exit 4')
        same(done.returncode, 4, f'exit status ({done.stderr!r})')

    def over_standard_input():
        daemon = row[0]
        config = hops(bench, client, other, row)
        with socket.create_connection(('127.0.0.1', daemon.port)) as peer:
            process = subprocess.Popen([client.suite.ssh, '-F', config, '-o', 'ProxyCommand=-', '-n', 'hop1', 'echo seen >&2; exit 4'],
                                       env=client.env, stdin=peer, stdout=peer, stderr=subprocess.PIPE)
            text = process.communicate(timeout=SOON)[1]
        same(process.returncode, 4, f'exit status ({text!r})')

    return [one_and_two_hops, by_keyword_and_none, hop_that_is_not_there, mixed_programs, passed_descriptor, over_standard_input]


def agent_cases(bench, client, other, row):
    """The agent through three hops, with a key that may go no other way; and through a master."""
    def through_a_master():
        daemon = bench.daemon('ours')
        with Agent(bench) as agent:
            agent.add()
            path = str(bench.folder / f'agent.{os.urandom(4).hex()}')
            env = {**client.env, 'SSH_AUTH_SOCK': agent.path}
            for value, wanted in (('yes', True), (agent.path, True), ('$SSH_AUTH_SOCK', True), ('no', False)):
                options = ['ControlMaster=auto', f'ControlPath={path}', 'ControlPersist=1', f'ForwardAgent={value}']
                for _ in range(2):
                    done = fixture.run(client.command(f'{bench.tools}/ssh-add -l', options=options), env=env)
                    same(done.returncode == 0, wanted, f'ForwardAgent {value}: {done.stdout!r} {done.stderr!r}')
                end = time.monotonic() + SOON
                while os.path.exists(path) and time.monotonic() < end:
                    time.sleep(0.05)
            expect(daemon.port, 'a daemon')

    def three_hops():
        # The three have the same host key: what matters is whether the key may go further than from here to there.
        # A place that the user of the hops can read.
        home = bench.user.home
        config = os.path.join(home, f'three.{client.suite.label}')
        with open(config, 'w', encoding='ascii') as file, open(f'{config}.known', 'w', encoding='ascii') as known:
            for number, daemon in enumerate(row, 1):
                with open(fixture.known_hosts(bench.folder, f'three.{number}', daemon.port, bench.keys), encoding='ascii') as lines:
                    known.writelines(f'hop{number} {line.split(" ", 1)[1]}' for line in lines)
                file.write(f'Host hop{number}\nHostName 127.0.0.1\nPort {daemon.port}\nHostKeyAlias hop{number}\n')
            file.write(f'Host *\nUser {bench.user.name}\nIdentityFile none\nUserKnownHostsFile {config}.known\n'
                       'GlobalKnownHostsFile /dev/null\nStrictHostKeyChecking yes\nBatchMode yes\nLogLevel ERROR\n')
        for path in (config, f'{config}.known'):
            os.chmod(path, 0o644)
        inner = f'{bench.tools}/ssh -F {config}'
        for places, want in ((('hop1', 'hop1>hop2', 'hop2>hop3'), 6), (('hop1', 'hop2', 'hop3'), 255)):
            with Agent(bench) as agent:
                agent.add(*(word for place in places for word in ('-h', place)), known=f'{config}.known')
                env = {**client.env, 'SSH_AUTH_SOCK': agent.path}
                done = fixture.run([client.suite.ssh, '-F', config, '-A', 'hop1', f'{inner} -A hop2 {inner} hop3 exit 6'], env=env)
                same(done.returncode, want, f'with a key for {places}: {done.stderr!r}')

    return [through_a_master, three_hops]


class Agent:
    """OpenSSH's agent with one key."""

    def __init__(self, bench):
        self.bench = bench
        self.path = str(bench.folder / f'agentsock.{os.urandom(4).hex()}')
        self.process = subprocess.Popen([os.path.join(bench.tools, 'ssh-agent'), '-D', '-a', self.path], stdout=subprocess.DEVNULL)

    def add(self, *flags, known=None):
        """Adds the user's key; destinations are looked up in this file of known hosts."""
        expect(ports.wait_for_path(self.path, gone=lambda: self.process.poll() is not None), 'the agent does not listen')
        more = ['-H', known] if known else []
        done = fixture.run([os.path.join(self.bench.tools, 'ssh-add'), *more, *flags, self.bench.keys.path('user', 'ed25519')],
                           env={**os.environ, 'SSH_AUTH_SOCK': self.path})
        same(done.returncode, 0, f'ssh-add ({done.stderr!r})')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def group(bench, names=(('ours', 'ours'), ('ours', 'openssh10'), ('openssh10', 'ours'), ('ours', 'openssh'), ('openssh', 'ours'))):
    """All of it: each pair is a master and its passenger."""
    cases = []
    daemon = bench.daemon('ours')
    clients = {name: bench.client(name, daemon, 'mux') for name in {name for pair in names for name in pair}
               if not bench.suites[name].lacks('ssh')}
    for master, passenger in names:
        if master not in clients or passenger not in clients:
            continue

        def share(master=master, passenger=passenger, limit=None, **more):
            client = clients[master] if limit is None else Scarce(clients[master], limit)
            return Shared(bench, client, clients[passenger], **more)
        checks = session_cases(share) + forward_cases(share) + trouble_cases(share, master == 'ours')
        cases += [Case(f'mux {master}<-{passenger} {check.__name__.replace("_", " ")}', check) for check in checks]
    row = [bench.daemon(name, [f'# {number}'], f'hop{number}', plain=True) for number, name in enumerate(('ours', 'openssh10', 'ours'))]
    for name, other in (('ours', 'openssh10'), ('openssh10', 'ours')):
        if name in clients and other in clients:
            checks = persist_cases(bench, clients[name]) + jump_cases(bench, clients[name], clients[other], row)
            checks += agent_cases(bench, clients[name], clients[other], row)
            cases += [Case(f'mux {name} {check.__name__.replace("_", " ")}', check) for check in checks]
    return 'mux', cases

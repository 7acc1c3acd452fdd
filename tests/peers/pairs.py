"""A client and a daemon that both speak SSH: every algorithm that both have, and what a session does."""
import fcntl
import hashlib
import os
import select
import struct
import subprocess
import termios
import time

import fixture
import procs
from report import Case, Skip, expect, same

# Which key file and which algorithm a login by public key takes.
USER_ALGORITHMS = (('ssh-ed25519', 'ed25519'), ('ecdsa-sha2-nistp256', 'ecdsa256'), ('ecdsa-sha2-nistp384', 'ecdsa384'),
                   ('ecdsa-sha2-nistp521', 'ecdsa521'), ('rsa-sha2-256', 'rsa'), ('rsa-sha2-512', 'rsa'), ('ssh-rsa', 'rsa'))
SMALL = os.urandom(150_000)
LARGE = os.urandom(1 << 20) * 12
COMPRESSIBLE = b'the quick brown fox jumps over the lazy dog\n' * 40_000 + SMALL


def algorithm_options(suite):
    """sshd_config lines that switch on everything a suite has."""
    lists = {what: ','.join(fixture.query(suite, what)) for what in ('kex', 'cipher', 'mac')}
    signatures = ','.join(name for name, _ in USER_ALGORITHMS)
    return [f'KexAlgorithms {lists["kex"]}', f'Ciphers {lists["cipher"]}', f'MACs {lists["mac"]}',
            f'HostKeyAlgorithms {signatures}', f'PubkeyAcceptedAlgorithms {signatures}']


def echo(client, data, options=(), flags=()):
    """Sends data through a remote `cat` and compares what comes back."""
    done = client.run('cat', options=options, flags=flags, input=data)
    expect(done.returncode == 0, f'exit {done.returncode}: {fixture.report.shorten(done.stderr)}')
    expect(done.stdout == data, f'{len(done.stdout)} of {len(data)} bytes came back, or others: '
           + fixture.report.shorten(done.stderr))


def both(first, second):
    """What two lists share, in the first one's order."""
    return [name for name in first if name in second]


def algorithm_cases(client, server_suite):
    """One login for each algorithm that both sides have."""
    def make(name, **options):
        return Case(name, lambda: echo(client, SMALL, **options))

    shared = {what: both(client.query(what), fixture.query(server_suite, what))
              for what in ('kex', 'cipher', 'mac', 'cipher-auth')}
    cases = [make(f'kex {name}', options=[f'KexAlgorithms={name}']) for name in shared['kex']]
    cases += [make(f'cipher {name}', options=[f'Ciphers={name}']) for name in shared['cipher']]
    cases += [make(f'mac {name}', options=['Ciphers=aes128-ctr', f'MACs={name}']) for name in shared['mac']]
    cases += [make(f'cbc with {name}', options=['Ciphers=aes256-cbc', f'MACs={name}']) for name in shared['mac']
              if 'aes256-cbc' in shared['cipher'] and name in ('hmac-sha2-256', 'hmac-sha2-512-etm@openssh.com', 'umac-64@openssh.com')]
    cases += [make(f'host key {name}', options=[f'HostKeyAlgorithms={name}']) for name, _ in USER_ALGORITHMS]
    return cases, shared


def key_cases(client, keys):
    """A login with each kind of user key, and with keys that ask for something first."""
    def by_key(algorithm, kind):
        return lambda: echo(client, b'key', options=[f'IdentityFile={keys.path("user", kind)}',
                                                     f'PubkeyAcceptedAlgorithms={algorithm}'])

    def compressed():
        echo(client, COMPRESSIBLE, options=['Compression=yes'])
        echo(client, COMPRESSIBLE, options=['Compression=yes', 'RekeyLimit=256K', 'Ciphers=aes128-ctr'])

    def bound(word):
        return Case(f'PubkeyAuthentication {word}', lambda: echo(client, b'key', options=[f'PubkeyAuthentication={word}']))

    return [Case(f'user key {algorithm}', by_key(algorithm, kind)) for algorithm, kind in USER_ALGORITHMS] + [
        bound('unbound'), bound('host-bound'),
        Case('compression', compressed), Case('no compression', lambda: echo(client, COMPRESSIBLE, options=['Compression=no']))]


def askpass(folder, name, answer):
    """An SSH_ASKPASS program with a fixed answer, as environment variables."""
    path = folder.write(name, f'#!/bin/sh\nprintf "%s\\n" "{answer}"\n', 0o755)
    return {'SSH_ASKPASS': path, 'SSH_ASKPASS_REQUIRE': 'force', 'DISPLAY': ':0'}


def login_cases(client, folder, user, methods):
    """Logins that need an answer. `methods` are those that the daemon at the other end offers here."""
    def answered(method, answer, wanted):
        def check():
            env = askpass(folder, f'askpass.{client.suite.label}.{method}.{wanted}', answer)
            done = client.run('echo in', env=env, options=[
                'BatchMode=no', f'PreferredAuthentications={method}', 'PubkeyAuthentication=no',
                'NumberOfPasswordPrompts=1', 'PasswordAuthentication=yes', 'KbdInteractiveAuthentication=yes'])
            same((done.returncode, done.stdout), wanted, f'{method} login ({fixture.report.shorten(done.stderr)})')
        return check

    cases = []
    for method in methods:
        cases += [Case(f'login by {method}', answered(method, user.password, (0, b'in\n'))),
                  Case(f'{method} refused when wrong', answered(method, 'not it', (255, b'')))]
    return cases


def session_cases(client):
    """What a session does: streams, status, signals, environment."""
    def exits(number):
        def check():
            same(client.run(f'exit {number}').returncode, number, 'exit status')
        return check

    def streams():
        wanted = hashlib.sha256(LARGE).hexdigest()
        done = client.run('d=$(mktemp); cat >$d; cat $d & cat $d >&2; wait; rm $d', input=LARGE)
        same(done.returncode, 0, 'exit status')
        same(hashlib.sha256(done.stdout).hexdigest(), wanted, f'standard output ({len(done.stdout)} bytes)')
        same(hashlib.sha256(done.stderr).hexdigest(), wanted, f'standard error ({len(done.stderr)} bytes)')

    def signalled():
        done = client.run('kill -TERM $$; sleep 5')
        same(done.returncode, 255, 'exit status of a command ended by a signal')

    def environment():
        done = client.run('echo "$CARRICK_A-$CARRICK_B-$NOT_A-$USER-$HOME"; test -n "$SSH_CONNECTION"',
                          env={'CARRICK_A': 'one two', 'CARRICK_B': '2', 'NOT_A': '3'}, options=['SendEnv=CARRICK_* NOT_A'])
        same(done.stdout.decode(), f'one two-2--{client.user.name}-{client.user.home}\n', 'environment')
        same(done.returncode, 0, 'SSH_CONNECTION')

    def eof():
        begin = time.monotonic()
        done = client.run('exec 1>&- 2>&-; sleep 1; exit 9')
        same(done.returncode, 9, 'status after the streams closed')
        expect(time.monotonic() - begin > 0.9, 'did not wait for the command')

    def early_exit():
        done = client.run('head -c 10', input=LARGE)
        same((done.returncode, done.stdout), (0, LARGE[:10]), 'a command that stops reading')

    def no_input():
        same(client.run('cat; echo end', flags=['-n']).stdout, b'end\n', '-n')

    def no_newline():
        same(client.run("printf 'a\\0b\\r\\nc'").stdout, b'a\0b\r\nc', 'output byte for byte')

    def subsystem():
        with subprocess.Popen(client.command('sftp', flags=['-s']), env=client.env, stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as sftp:
            try:
                # The server may leave at end of file without an answer, so the input stays open until it has come.
                sftp.stdin.write(b'\0\0\0\5\1\0\0\0\3')
                sftp.stdin.flush()
                answer = os.read(sftp.stdout.fileno(), 9) if select.select([sftp.stdout], [], [], 15)[0] else b''
                expect(answer[4:] == b'\2\0\0\0\3', f'sftp version: {answer!r}')
                out, err = sftp.communicate(timeout=15)
                same(sftp.returncode, 0, f'exit status of the subsystem ({len(out)} bytes more, {err!r})')
            finally:
                sftp.kill()

    def together():
        crowd = [subprocess.Popen(client.command(f'cat; exit {n}'), env=client.env, stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE) for n in range(12)]
        try:
            for n, one in enumerate(crowd):
                out, err = one.communicate(SMALL, 60)
                same((one.returncode, out == SMALL), (n, True), f'one of twelve ({err[:200]!r})')
        finally:
            for one in crowd:
                one.kill()
                one.wait()

    return [*(Case(f'exit status {n}', exits(n)) for n in (0, 1, 127, 255)), Case('streams at once', streams),
            Case('signal', signalled), Case('environment', environment), Case('streams closed before exit', eof),
            Case('reader that stops', early_exit), Case('no input', no_input), Case('bytes', no_newline),
            Case('subsystem', subsystem), Case('twelve at once', together, alone=True)]


def rekey_cases(client, shared):
    """Key exchanges while data flows both ways."""
    def rekey(*options):
        return lambda: echo(client, LARGE, options=['RekeyLimit=1M', *options])

    wanted = ('chacha20-poly1305@openssh.com', 'aes128-gcm@openssh.com', 'aes256-ctr', 'aes128-cbc')
    return [Case(f'rekey under load, {name}', rekey(f'Ciphers={name}')) for name in both(wanted, shared['cipher'])] + [
        Case(f'rekey under load, {name}', rekey(f'KexAlgorithms={name}', 'RekeyLimit=3M'))
        for name in both(('diffie-hellman-group-exchange-sha256', 'ecdh-sha2-nistp384'), shared['kex'])]


class Terminal:
    """A client in a pseudo-terminal of ours. `client` is anything with `command(*words, flags=)` and `env`."""

    def __init__(self, client, *words, flags=('-tt',), size=(41, 97)):
        self.master, self.slave = os.openpty()
        self.resize(size)
        self.before = termios.tcgetattr(self.slave)
        self.seen = b''
        self.process = subprocess.Popen(['setsid', '--ctty', '--wait', *client.command(*words, flags=flags)],
                                        stdin=self.slave, stdout=self.slave, stderr=self.slave,
                                        env={**client.env, 'TERM': 'xterm-256color'})

    def resize(self, size):
        """Gives the terminal another size."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack('HHHH', *size, 0, 0))

    def send(self, text):
        """Types."""
        os.write(self.master, text)

    def wait_for(self, text, seconds=15):
        """Reads until a text shows up."""
        end = time.monotonic() + seconds
        while text not in self.seen:
            expect(time.monotonic() < end, f'no {text!r} in {self.seen[-400:]!r}')
            if select.select([self.master], [], [], 0.1)[0]:
                self.seen += os.read(self.master, 65536)
            elif self.process.poll() is not None and not select.select([self.master], [], [], 0.1)[0]:
                expect(text in self.seen, f'ended with {self.process.returncode}, no {text!r} in {self.seen[-400:]!r}')

    def end(self, seconds=15):
        """Waits for the end of the client: (exit code, whether the terminal is as it was)."""
        end = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < end:
            if select.select([self.master], [], [], 0.1)[0]:
                self.seen += os.read(self.master, 65536)
        expect(self.process.poll() is not None, f'still there: {self.seen[-300:]!r}')
        return self.process.returncode, termios.tcgetattr(self.slave) == self.before

    def close(self):
        """Ends the client if need be."""
        for pid in procs.descendants(self.process.pid):
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                pass
        self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def terminal_cases(client):
    """Shells and commands with a pty."""
    def shell():
        with Terminal(client, flags=('-tt',)) as term:
            term.send(b'echo up$((1+1)); stty size; tty; echo $TERM\r')
            term.wait_for(b'up2')
            term.wait_for(b'41 97')
            term.wait_for(b'/dev/pts/')
            term.wait_for(b'xterm-256color')
            term.resize((50, 132))
            time.sleep(0.3)
            term.send(b'stty size\r')
            term.wait_for(b'50 132')
            term.send(b'exit 7\r')
            same(term.end(), (7, True), f'exit status and terminal ({term.seen[-200:]!r})')

    def interrupt():
        with Terminal(client, 'echo go; trap "echo caught; exit 5" INT; sleep 20 & wait') as term:
            term.wait_for(b'go')
            time.sleep(0.2)
            term.send(b'\x03')
            term.wait_for(b'caught')
            same(term.end(), (5, True), 'exit status and terminal')

    def escape():
        with Terminal(client, 'echo go; sleep 20') as term:
            term.wait_for(b'go')
            term.send(b'\r~.')
            same(term.end(), (255, True), 'after ~.')

    def flood():
        with Terminal(client, 'stty -onlcr; head -c 3000000 /dev/zero | tr "\\0" z; echo; echo flood over') as term:
            term.wait_for(b'flood over', 30)
            same(term.seen.count(b'z'), 3_000_000, 'bytes through the pty')
            same(term.end(), (0, True), 'exit status and terminal')

    def hangup():
        with Terminal(client, 'echo $$ pid; exec sleep 300') as term:
            term.wait_for(b'pid')
            # setsid has become the client, or waits for it.
            os.kill((procs.descendants(term.process.pid) or [term.process.pid])[0], 15)
            _, restored = term.end()
            expect(restored, 'the terminal stays raw after SIGTERM')

    def modes():
        with Terminal(client, 'stty -a; echo done') as term:
            term.wait_for(b'done')
            expect(b'intr = ^C' in term.seen and b'erase = ' in term.seen, f'modes: {term.seen[-400:]!r}')
            same(term.end()[0], 0, 'exit status')

    return [Case('shell with a pty', shell), Case('interrupt character', interrupt), Case('escape ~.', escape),
            Case('much output through a pty', flood), Case('terminal restored after a signal', hangup),
            Case('terminal modes', modes)]


def agent_cases(client, keys, folder, tools, ours):
    """Signing by an agent (OpenSSH's, or ours), and keys with a passphrase."""
    def agent(whose):
        sock = folder / f'agent.{client.suite.label}.{client.port}.{"ours" if whose == ours else "stock"}'
        with fixture.agent(whose, sock, [keys.path('user', kind) for kind in ('rsa', 'ecdsa384', 'ed25519')]) as env:
            for algorithm in ('rsa-sha2-512', 'ecdsa-sha2-nistp384', 'ssh-ed25519'):
                done = client.run('echo in', env=env, options=[
                    'IdentityFile=/nonexistent', 'IdentitiesOnly=no', f'PubkeyAcceptedAlgorithms={algorithm}'])
                same((done.returncode, done.stdout), (0, b'in\n'), f'{algorithm} by agent ({done.stderr[-200:]!r})')

    def passphrase(kind, *form):
        def check():
            path = folder / f'locked.{client.suite.label}.{client.port}.{kind}{"".join(form)}'
            with open(keys.path('user', kind), 'rb') as source:
                folder.write(os.path.basename(path), source.read(), 0o600)
            done = fixture.run([os.path.join(tools, 'ssh-keygen'), '-q', '-p', *form, '-N', 'open sesame', '-f', path])
            same(done.returncode, 0, f'ssh-keygen -p {done.stderr!r}')
            options = [f'IdentityFile={path}', 'BatchMode=no', 'NumberOfPasswordPrompts=1',
                       f'PubkeyAcceptedAlgorithms={"rsa-sha2-256" if kind == "rsa" else "ssh-ed25519"}',
                       'PreferredAuthentications=publickey']
            # The config's own key must not be the one that logs in.
            text = open(client.config, encoding='utf-8').read()  # pylint: disable=consider-using-with
            config = folder.write(os.path.basename(path) + '.config', '\n'.join(
                line for line in text.splitlines() if not line.startswith('IdentityFile')) + '\n')
            for answer, wanted in (('open sesame', (0, b'in\n')), ('close sesame', (255, b''))):
                env = askpass(folder, os.path.basename(path) + answer.split()[0], answer)
                command = client.command('echo in', options=options)
                command[2] = config
                done = fixture.run(command, env={**client.env, **env})
                same((done.returncode, done.stdout), wanted, f'passphrase {answer!r} ({done.stderr[-300:]!r})')
        return check

    return [Case('login by OpenSSH\'s agent', lambda: agent(tools)), Case('login by our agent', lambda: agent(ours)),
            Case('passphrase', passphrase('ed25519')),
            Case('passphrase, PEM', passphrase('rsa', '-m', 'PEM')), Case('passphrase, PKCS8', passphrase('rsa', '-m', 'PKCS8'))]


def needs_password(user):
    """Skips what needs a password where no user could be made."""
    if not user.password:
        raise Skip('not root: no user with a known password')

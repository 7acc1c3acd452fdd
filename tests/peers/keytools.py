"""ssh-keyscan beside OpenSSH's on the same hosts, and ssh-copy-id into accounts of several daemons and shells."""
import os
import pwd
import re
import shutil
import socket
import stat
import time

import fixture
import others
import pairs
import ports
import programs
from report import Case, expect, same

SCANS = {
    'default': (), 'one type': ('-t', 'rsa'), 'types': ('-t', 'ed25519,ecdsa'), 'quiet': ('-q',), 'certificates': ('-c',),
    'dns': ('-D',), 'dns, sha256': ('-D', '-O', 'hashalg=sha256'), 'none of a type': ('-t', 'ed25519-sk'),
}
LISTS = ('127.0.0.1', '127.0.0.1 Name,Other', '127.0.0.0/30', '127.1', '127.0.0.1,localhost', '# none', '', ' 127.0.0.2 # that')


def scan(program, port, *words, text=None):
    """One scan: exit status, sorted lines, errors. Lines come in no fixed order."""
    done = fixture.run([program, '-T', '20', '-p', str(port), *words], input=(text or '').encode())
    return done.returncode, sorted(done.stdout.splitlines()), done.stderr


def scan_cases(bench, name, port):
    """Ours must find and say what OpenSSH's does."""
    ours, theirs = bench.suites['ours'].tool('ssh-keyscan'), bench.suites['openssh10'].tool('ssh-keyscan')

    def beside(*words, text=None):
        got, wanted = scan(ours, port, *words, text=text), scan(theirs, port, *words, text=text)
        for number, what in enumerate(('exit status', 'lines', 'errors')):
            same(got[number], wanted[number], f'{what} of {words}')

    def hashed():
        code, lines, _ = scan(ours, port, '-q', '-H', '-t', 'ed25519', '127.0.0.1 a,b')
        expect(code == 0 and len(lines) == 2, f'two hashed lines: {lines}')
        path = bench.folder.write(f'hashed.{name}', b'\n'.join(lines) + b'\n')
        for host in ('a', 'b'):
            done = fixture.run([bench.suites['openssh10'].keygen, '-F', f'[{host}]:{port}', '-f', path])
            expect(done.returncode == 0 and b'found' in done.stdout, f'ssh-keygen -F finds {host}: {done.stderr}')

    cases = [Case(f'scan {what}', lambda w=words: beside(*w, '127.0.0.1')) for what, words in SCANS.items()]
    cases += [Case('scan a list', lambda: beside('-q', '-f', '-', text='\n'.join(LISTS))), Case('scan hashed', hashed)]
    return cases


def failing_scans(bench):
    """What goes wrong is said as OpenSSH says it."""
    ours, theirs = bench.suites['ours'].tool('ssh-keyscan'), bench.suites['openssh10'].tool('ssh-keyscan')
    port = fixture.ports.free_port()
    table = {
        'nothing listens': ('127.0.0.1',), 'no such name': ('no-such-host.invalid',), 'wrong family': ('-6', '127.0.0.1'),
        'no hosts': (), 'bad type': ('-t', 'dsa', 'h'), 'bad option': ('-O', 'x', 'h'), 'bad port': ('-p', '0', 'h'),
        'bad timeout': ('-T', '0', 'h'), 'no file': ('-f', '/nonexistent'), 'bad flag': ('-z',),
    }

    def check(words):
        same(scan(ours, port, *words), scan(theirs, port, *words), f'status, lines, errors of {words}')
    return [Case(f'scan {what}', lambda w=words: check(w)) for what, words in table.items()]


def hostile_cases(bench):
    """Hosts that want to hold up the scan, fill the memory or reach the terminal."""
    ours = bench.suites['ours'].tool('ssh-keyscan')

    def against(behave, most, wanted=None):
        """A scan of a host that does this to each connection must end in time, without a key or a control character."""
        def check():
            listener = socket.create_server(('127.0.0.1', 0), backlog=64)

            ports.serve_each(listener, behave)
            begin = time.monotonic()
            done = fixture.run([ours, '-T', '1', '-t', 'rsa,ed25519', '-p', str(listener.getsockname()[1]), '127.0.0.1'])
            seconds = time.monotonic() - begin
            listener.close()
            expect(seconds < most, f'it took {seconds:.1f} s')
            same(done.returncode, 1, f'exit status ({done.stderr})')
            said = done.stdout + done.stderr.replace(b'\r\n', b'\n')
            expect(not re.search(rb'[\x00-\x09\x0b-\x1f\x7f]', said), f'control characters: {said!r}')
            if wanted is not None:
                expect(wanted in done.stdout, f'{wanted} in {done.stdout!r}')
        return check

    def drip(connection):
        while True:
            connection.sendall(b'x')
            time.sleep(0.3)

    def flood(connection):
        while True:
            connection.sendall(b'Welcome, friend.\r\n' * 1000)

    def dead_network():
        with socket.create_server(('0.0.0.0', 0), backlog=1024) as listener:
            begin = time.monotonic()
            done = fixture.run([ours, '-T', '1', '-p', str(listener.getsockname()[1]), '127.103.0.0/25'])
            seconds = time.monotonic() - begin
        same((done.returncode, done.stdout, done.stderr), (1, b'', b''), 'exit status, output, errors')
        expect(seconds < 20, f'128 dead hosts took {seconds:.1f} s')

    def after_ident(data):
        return lambda connection: (connection.sendall(b'SSH-2.0-x\r\n' + data), time.sleep(30))

    return [
        Case('scan of a silent host', against(lambda _: time.sleep(30), 15)),
        Case('scan of a mute host', against(after_ident(b''), 15, b'SSH-2.0-x\n')),
        Case('scan of a host that drips', against(drip, 45)),
        Case('scan of a host without end', against(flood, 30)),
        Case('scan of a host that types', against(lambda c: c.sendall(b'\x1b[2J\r\nSSH-2.0-\x1b]0;x\x07\x9b\r\n'), 15)),
        Case('scan of a host that types well', against(lambda c: c.sendall('SSH-2.0-\x1b]0;x\x07\x9by\r\n'.encode()), 15,
                                                       rb'SSH-2.0-\033]0;x\007\233y')),
        Case('scan of a host with a huge packet', against(after_ident(b'\xff' * 64), 15)),
        Case('scan of a host that talks nonsense', against(after_ident(b'\0\0\0\x0c\x04' + bytes(11)), 15)),
        Case('scan of a dead network', dead_network, alone=True),
    ]


class Account:
    """The test user's account as ssh-copy-id finds it, and a user's home folder at this end."""

    def __init__(self, bench, daemon, shell, name):
        self.bench, self.user, self.daemon = bench, bench.user, daemon
        self.folder = os.path.join(bench.folder.path, f'copy {name}')
        os.makedirs(os.path.join(self.folder, '.ssh'))
        for left in ('.ssh', 'a b'):
            shutil.rmtree(os.path.join(self.user.home, left), ignore_errors=True)
        if shell != pwd.getpwnam(self.user.name).pw_shell:
            fixture.run(['usermod', '-s', shell, self.user.name])
        self.env = {key: value for key, value in os.environ.items() if key != 'SSH_AUTH_SOCK'}
        self.env.update(pairs.askpass(bench.folder, f'copy.{name.replace(" ", ".")}', self.user.password), HOME=self.folder)

    def key(self, kind='ed25519'):
        """A new key: its file, and its line."""
        path = os.path.join(self.folder, f'key {kind}')
        done = fixture.run([self.bench.suites['openssh10'].keygen, '-q', '-N', '', '-t', kind, '-C', "it's mine", '-f', path])
        expect(done.returncode == 0, f'ssh-keygen: {done.stderr}')
        with open(path + '.pub', encoding='ascii') as file:
            return path, file.read()

    def options(self):
        """What keeps ssh from the files of whoever runs this."""
        return ['-F', '/dev/null', '-o', f'UserKnownHostsFile="{self.folder}/known hosts"', '-o', 'StrictHostKeyChecking=no',
                '-o', 'GlobalKnownHostsFile=/dev/null']

    def copy(self, *words, env=None):
        """Runs our ssh-copy-id."""
        command = [self.bench.suites['ours'].tool('ssh-copy-id'), *words, '-p', str(self.daemon.port), *self.options(),
                   f'{self.user.name}@127.0.0.1']
        done = fixture.run(command, env={**self.env, **(env or {})})
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def added(self, count, *words, env=None):
        """Runs it and expects so many keys to be added."""
        code, out, err = self.copy(*words, env=env)
        same((code, re.findall(r'Number of key\(s\) added: (\d+)', out)), (0, [str(count)]), f'status, keys added ({err})')

    def path(self, name='.ssh/authorized_keys'):
        """A file of the account."""
        return os.path.join(self.user.home, name)

    def holds(self, text, mode=0o600, name='.ssh/authorized_keys'):
        """The file must have this text and mode, and belong to the user."""
        with open(self.path(name), encoding='utf-8') as file:
            same(file.read(), text, 'the file')
        status = os.stat(self.path(name))
        same((stat.S_IMODE(status.st_mode), status.st_uid), (mode, self.user.uid), 'mode and owner')

    def logs_in(self, key):
        """The key must let in by itself."""
        done = fixture.run([self.bench.suites['ours'].ssh, '-i', key, '-p', str(self.daemon.port), *self.options(), '-o',
                            'BatchMode=yes', '-o', 'IdentitiesOnly=yes', f'{self.user.name}@127.0.0.1', 'echo in'], env=self.env)
        same((done.returncode, done.stdout), (0, b'in\n'), f'login with the new key ({done.stderr})')


def copy_case(bench, daemon, shell, label):
    """Into an empty account, again, and into a file whose last line does not end."""
    def check():
        pairs.needs_password(bench.user)
        account = Account(bench, daemon(), shell, label)
        key, line = account.key()
        account.added(1, '-i', key)
        account.holds(line)
        same(stat.S_IMODE(os.stat(account.path('.ssh')).st_mode), 0o700, 'mode of the folder')
        account.logs_in(key)
        code, _, err = account.copy('-i', key)
        expect(code == 0 and 'All keys were skipped' in err, f'nothing to add: {code} {err}')
        account.added(0, '-f', '-i', key)
        account.holds(line)
        with open(account.path(), 'w', encoding='ascii') as file:
            file.write('# mine\n' + line.rstrip('\n'))
        os.chmod(account.path(), 0o640)
        other, second = account.key('ecdsa')
        code, out, _ = account.copy('-n', '-i', other)
        expect(code == 0 and second in out, f'a dry run shows the key: {out}')
        account.holds('# mine\n' + line.rstrip('\n'), 0o640)
        account.added(1, '-i', other + '.pub')
        account.holds('# mine\n' + line + second, 0o640)
        account.added(1, '-f', '-t', "a b/it's $HOME", '-i', other)
        account.holds(second, name="a b/it's $HOME")
        code, _, err = account.copy('-f', '-i', other, env=pairs.askpass(bench.folder, f'wrong.{label}', 'not it'))
        expect(code == 1 and 'Permission denied' in err, f'a wrong password: {code} {err}')
    return check


def agent_case(bench, daemon):
    """Only those of the agent's keys that do not let in yet."""
    def check():
        pairs.needs_password(bench.user)
        account = Account(bench, daemon(), '/bin/sh', 'agent')
        lines = {kind: account.key(kind) for kind in ('ed25519', 'ecdsa', 'rsa')}
        with fixture.agent(bench.tools, bench.folder / 'copy-agent', [path for path, _ in lines.values()]) as env:
            account.added(1, '-i', lines['ecdsa'][0])
            account.added(2, env=env)
            account.holds(''.join(lines[kind][1] for kind in ('ecdsa', 'ed25519', 'rsa')))
            code, _, err = account.copy(env=env)
            expect(code == 0 and 'All keys were skipped' in err, f'nothing to add: {code} {err}')
    return check


def sftp_case(bench, daemon, name):
    """By sftp alone, into an account without a file and with one."""
    def check():
        pairs.needs_password(bench.user)
        account = Account(bench, daemon(), '/bin/sh', f'sftp {name}')
        key, line = account.key()
        account.added(1, '-s', '-i', key)
        account.holds(line)
        other, second = account.key('ecdsa')
        os.chmod(account.path(), 0o640)
        account.added(1, '-s', '-i', other)
        account.holds(line + second, 0o640)
        account.added(0, '-s', '-f', '-i', other)
    return check


def shells(bench):
    """Login shells to try, by name: two that must be there, and what else is."""
    found = {name: others.program(name) for name in ('dash', 'busybox')}
    found['busybox'] = bench.folder.write('busybox-sh', f'#!/bin/sh\nexec {found["busybox"]} sh "$@"\n', 0o755)
    more = {name: programs.find(name) for name in ('bash', 'tcsh', 'fish', 'ksh', 'zsh')}
    return found | {name: path for name, path in more.items() if path}


def group(bench):
    """All of it."""
    def daemon(name):
        return lambda: bench.daemon(name, ['AuthorizedKeysFile .ssh/authorized_keys'], 'copy')

    def dropbear():
        key = ('dropbear', '')
        if key not in bench.daemons:
            bench.daemons[key] = others.start_dropbear(bench)
        return bench.daemons[key]

    cases = [Case(f'{name}: {case.name}', case.check) for name in ('openssh10', 'ours')
             for case in scan_cases(bench, name, bench.daemon(name).port)]
    cases += failing_scans(bench) + hostile_cases(bench)
    if not bench.user.made:
        return 'keytools', cases
    for name in ('openssh10', 'ours'):
        for shell, path in shells(bench).items():
            label = f'copy-id {name} {shell}'
            cases.append(Case(label, copy_case(bench, daemon(name), path, label), alone=True))
        cases.append(Case(f'copy-id {name} sftp', sftp_case(bench, daemon(name), name), alone=True))
    cases += [Case('copy-id dropbear', copy_case(bench, dropbear, '/bin/sh', 'copy-id dropbear'), alone=True),
              Case('copy-id agent', agent_case(bench, daemon('openssh10')), alone=True)]
    return 'keytools', cases

"""The daemon as an administrator meets it: signals, configuration, accounts, and that its defaults are OpenSSH's."""
import os
import signal
import subprocess
import time

import fixture
import pairs
import ports
import procs
import rawssh
from report import Case, Skip, expect, same

# Defaults of OpenSSH releases after the 10.0 that is the peer here (10.5's host key list has it).
SINCE_10_0 = {'webauthn-sk-ecdsa-sha2-nistp256@openssh.com', 'webauthn-sk-ecdsa-sha2-nistp256-cert-v01@openssh.com'}

# What `sshd -T` must print as OpenSSH 10 does for the same file.
DUMPED = ('port', 'addressfamily', 'listenaddress', 'logingracetime', 'maxauthtries', 'maxsessions', 'maxstartups', 'ciphers', 'macs',
          'kexalgorithms', 'permitrootlogin', 'pubkeyauthentication', 'passwordauthentication', 'kbdinteractiveauthentication',
          'loglevel', 'strictmodes', 'authorizedkeysfile', 'acceptenv', 'pidfile', 'rekeylimit', 'clientaliveinterval',
          'clientalivecountmax', 'tcpkeepalive', 'compression', 'allowusers', 'banner', 'permituserenvironment', 'modulifile')


class Own:
    """A daemon of a case's own, with a client for it."""

    def __init__(self, bench, server, label, options=()):
        self.bench, self.label = bench, label
        self.daemon = fixture.sshd(bench.suites[server], bench.folder, bench.keys, bench.user, options, label)
        self.config = bench.folder / f'{bench.suites[server].label}.{label}_config'
        self.pidfile = bench.folder / f'{bench.suites[server].label}{label}.pid'
        self.client = bench.client('openssh10', self.daemon, label)

    def change(self, *lines):
        """Puts lines at the top of its configuration."""
        with open(self.config, encoding='utf-8') as file:
            text = file.read()
        with open(self.config, 'w', encoding='utf-8') as file:
            file.write('\n'.join(lines) + '\n' + text)

    def hold(self):
        """A session that stays open."""
        held = subprocess.Popen(self.client.command('cat'), env=self.client.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL)
        speak(held)
        return held

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.daemon.stop()


def speak(held):
    """A held session is alive."""
    held.stdin.write(b'hello\n')
    held.stdin.flush()
    same(held.stdout.readline(), b'hello\n', 'the session that stays')


def let_go(held):
    """Ends a held session."""
    held.stdin.close()
    try:
        held.wait(10)
    except subprocess.TimeoutExpired:
        held.kill()
        held.wait()
    held.stdout.close()


def signal_cases(bench, server):
    """SIGHUP and SIGTERM."""
    def hangup():
        with Own(bench, server, 'hup', [f'Banner {bench.folder.write("banner1", "first banner" + chr(10))}']) as own:
            client = bench.client('openssh10', own.daemon, 'hup')
            flags = {'options': ['LogLevel=INFO']}
            same(client.run('true', **flags).stderr, b'first banner\n', 'banner')
            held = own.hold()
            try:
                with open(own.config, encoding='utf-8') as file:
                    text = file.read()
                path = bench.folder.write('banner2', 'second banner\n')
                with open(own.config, 'w', encoding='utf-8') as file:
                    file.write(text.replace(bench.folder / 'banner1', path))
                own.daemon.process.send_signal(signal.SIGHUP)
                end = time.monotonic() + 10
                while (seen := client.run('true', **flags).stderr) != b'second banner\n' and time.monotonic() < end:
                    time.sleep(0.1)
                same(seen, b'second banner\n', 'banner after SIGHUP')
                expect(own.daemon.process.poll() is None, 'the daemon has ended')
                with open(own.pidfile, encoding='ascii') as file:
                    same(int(file.read()), own.daemon.pid, 'PidFile after SIGHUP')
                speak(held)
            finally:
                let_go(held)

    def terminate():
        with Own(bench, server, 'term') as own:
            with open(own.pidfile, encoding='ascii') as file:
                same(int(file.read()), own.daemon.pid, 'PidFile')
            held = own.hold()
            try:
                own.daemon.process.terminate()
                own.daemon.process.wait(10)
                expect(not os.path.exists(own.pidfile), 'the PidFile is still there')
                expect(not ports.wait_for(own.daemon.port, 0.2), 'the port is still open')
                speak(held)
            finally:
                let_go(held)

    return [Case('SIGHUP', hangup), Case('SIGTERM', terminate)]


def config_cases(bench, server):
    """Configuration files, good and bad."""
    suite, folder, keys = bench.suites[server], bench.folder, bench.keys
    host = f'HostKey {keys.path("host", "ed25519")}\nPort {ports.free_port()}\nListenAddress 127.0.0.1\n' + '\n'.join(suite.extra_sshd) + '\n'

    def refused(name, text, *words):
        path = folder.write(f'daemon.{server}.{name.replace(" ", "-")}', text)

        def check():
            done = fixture.run([suite.sshd, '-D', '-e', '-f', path], timeout=10)
            said = done.stderr.decode(errors='replace')
            expect(done.returncode not in (0, -15), f'exit status {done.returncode}')
            for word in words:
                expect(word.lower() in said.lower(), f'no {word!r} in {said[-400:]!r}')
        return Case(name, check)

    def busy():
        with Own(bench, server, 'busy') as own:
            done = fixture.run([suite.sshd, '-D', '-e', '-f', own.config], timeout=10)
            expect(done.returncode != 0 and b'in use' in done.stderr.lower(), f'second daemon: {done.returncode} {done.stderr[-300:]!r}')

    def dump():
        lines = host + 'RekeyLimit 2G 1h\nMaxStartups 5\nAcceptEnv A_* B\nAllowUsers one two@192.0.2.*\nLoginGraceTime 2m\nBanner none\n'
        mine, theirs = folder.write(f'dump.{server}', lines), folder.write('dump.stock', host.replace(
            '\n'.join(suite.extra_sshd), '\n'.join(bench.suites['openssh10'].extra_sshd)) + lines[len(host):])

        def settings(program, path):
            done = fixture.run([program, '-T', '-f', path])
            expect(done.returncode == 0, f'-T: {done.stderr[-300:]!r}')
            found = {}
            for line in done.stdout.decode().splitlines():
                key, _, value = line.partition(' ')
                found.setdefault(key, []).append(value)
            return found
        ours, stock = settings(suite.sshd, mine), settings(bench.suites['openssh10'].sshd, theirs)
        different = {key: (ours.get(key), stock.get(key)) for key in DUMPED if key in stock and ours.get(key) != stock[key]}
        expect(not different, f'sshd -T (ours, OpenSSH): {different}')

    open_key = folder / f'open_host_key.{server}'
    with open(keys.path('host', 'ed25519'), 'rb') as file:
        folder.write(os.path.basename(open_key), file.read(), 0o644)
    return [refused('unknown keyword', host + 'NoSuchKeyword yes\n', 'NoSuchKeyword', f'line {host.count(chr(10)) + 1}'),
            refused('bad value', 'MaxAuthTries lots\n' + host, 'line 1'),
            refused('no host key', host.replace(keys.path('host', 'ed25519'), '/nonexistent/key'), '/nonexistent/key'),
            refused('over-permissive host key', host.replace(keys.path('host', 'ed25519'), open_key), 'UNPROTECTED PRIVATE KEY FILE', open_key),
            Case('no file', lambda: expect(fixture.run([suite.sshd, '-t', '-f', '/nonexistent/config']).returncode not in (0, -15),
                                           'a missing file was taken')),
            Case('port in use', busy), Case('dump by -T', dump)]


def auth_cases(bench, server):
    """Who gets in and how."""
    user, keys, folder = bench.user, bench.keys, bench.folder

    def several():
        pairs.needs_password(user)
        with Own(bench, server, 'several', ['AuthenticationMethods publickey,password']) as own:
            interactive = ['BatchMode=no', 'NumberOfPasswordPrompts=1']
            right = pairs.askpass(folder, f'several.{server}', user.password)
            done = own.client.run('echo in', options=interactive, env=right)
            same((done.returncode, done.stdout), (0, b'in\n'), f'key and password ({done.stderr[-200:]!r})')
            wrong = pairs.askpass(folder, f'several.wrong.{server}', 'not it')
            same(own.client.run('echo in', options=interactive, env=wrong).returncode, 255, 'key and a wrong password')
            same(own.client.run('echo in', options=[*interactive, 'PubkeyAuthentication=no'], env=right).returncode, 255, 'password alone')
            same(own.client.run('echo in').returncode, 255, 'key alone')

    def rekeys():
        with Own(bench, server, 'rekeys', ['RekeyLimit 1M']) as own:
            pairs.echo(own.client, pairs.LARGE)
            done = own.client.run(f'head -c {len(pairs.LARGE)} /dev/zero', options=['LogLevel=DEBUG1'])
            same((done.returncode, len(done.stdout)), (0, len(pairs.LARGE)), 'download')
            exchanges = done.stderr.count(b'SSH2_MSG_NEWKEYS received')
            expect(exchanges > 5, f'{exchanges} key exchanges for 12 MB at 1 MB each')

    def options():
        line = 'command="echo forced",no-pty ' + keys.public('user', 'ed25519')
        path = folder.write(f'options.{server}', line)
        with Own(bench, server, 'options', [f'AuthorizedKeysFile {path}']) as own:
            done = own.client.run('echo free')
            expect(b'free' not in done.stdout, f'the option of an authorized_keys line was ignored: {done.stdout!r}')

    def loose_files():
        if not user.made:
            raise Skip('not root: no user whose files could be loosened')
        user.authorize(keys.authorized)
        path = os.path.join(user.home, '.ssh', 'authorized_keys')
        with Own(bench, server, 'strict', ['StrictModes yes', 'AuthorizedKeysFile .ssh/authorized_keys']) as own:
            same(own.client.run('echo in').stdout, b'in\n', 'login')
            os.chmod(path, 0o666)
            same(own.client.run('echo in').returncode, 255, 'with authorized_keys that all may write')
            os.chmod(path, 0o600)
            os.chmod(user.home, 0o777)
            same(own.client.run('echo in').returncode, 255, 'with a home that all may write')
            os.chmod(user.home, 0o755)
            same(own.client.run('echo in').stdout, b'in\n', 'login again')

    def not_listed():
        with Own(bench, server, 'listed', ['AllowUsers somebody-else']) as own:
            same(own.client.run('echo in').returncode, 255, 'a user that AllowUsers does not name')
        with Own(bench, server, 'denied', [f'DenyUsers {user.name}', 'AllowUsers *']) as own:
            same(own.client.run('echo in').returncode, 255, 'a user that DenyUsers names')

    def root():
        if os.geteuid() != 0:
            raise Skip('not root')
        for value, code in (('no', 255), ('prohibit-password', 0), ('yes', 0)):
            with Own(bench, server, f'root-{value}', [f'PermitRootLogin {value}', 'AllowUsers root']) as own:
                same(own.client.run('true', options=['User=root']).returncode, code, f'PermitRootLogin {value}')

    def account(change, undo):
        def check():
            if not user.made:
                raise Skip('not root: no account to change')
            with Own(bench, server, 'account') as own:
                same(own.client.run('true').returncode, 0, 'before')
                fixture.run([*change, user.name])
                try:
                    same(own.client.run('true').returncode, 255, 'login')
                finally:
                    fixture.run([*undo, user.name])
                same(own.client.run('true').returncode, 0, 'afterwards')
        return check

    return [Case('several methods', several), Case('rekey by the daemon', rekeys), Case('options of keys', options),
            Case('users not listed', not_listed), Case('PermitRootLogin', root),
            Case('files that others may write', loose_files, alone=True),
            Case('locked account', account(['usermod', '-L'], ['usermod', '-U']), alone=True),
            Case('expired account', account(['chage', '-E', '1'], ['chage', '-E', '-1']), alone=True)]


def unprivileged(bench, server):
    """A daemon without root serves its own user, and nobody else."""
    suite, user, folder = bench.suites[server], bench.user, bench.folder

    def check():
        if os.geteuid() != 0 or not user.made:
            raise Skip('not root: every other case here runs without root already')
        home = folder / f'unprivileged.{server}'
        os.makedirs(home, exist_ok=True)
        key = os.path.join(home, 'host')
        with open(bench.keys.path('host', 'ed25519'), 'rb') as source, open(key, 'wb') as target:
            target.write(source.read())
        os.chmod(key, 0o600)
        port = ports.free_port()
        config = os.path.join(home, 'config')
        with open(config, 'w', encoding='utf-8') as file:
            file.write('\n'.join([f'Port {port}', 'ListenAddress 127.0.0.1', f'HostKey {key}', 'StrictModes no', f'PidFile {home}/pid',
                                  f'AuthorizedKeysFile {bench.keys.authorized}', 'UsePAM no', *suite.extra_sshd]) + '\n')
        for path in (home, key, config):
            os.chown(path, user.uid, user.gid)
        command = ['setpriv', '--reuid', str(user.uid), '--regid', str(user.gid), '--clear-groups', suite.sshd, '-D', '-e', '-f', config]
        daemon = fixture.Daemon(suite.label, command, port, folder / f'unprivileged.{server}.log')
        try:
            client = bench.client('openssh10', daemon, 'unprivileged')
            done = client.run('id -un')
            same((done.returncode, done.stdout), (0, user.name.encode() + b'\n'), f'own user ({done.stderr[-200:]!r} {daemon.said()})')
            pairs.echo(client, pairs.SMALL)
            expect(client.run('id -un', options=['User=root']).stdout == b'', 'root got in through a daemon without root')
        finally:
            daemon.stop()
    return Case('without root', check)


def default_cases(bench, server):
    """What is proposed by default, in which order: as OpenSSH 10, but for what is not built yet."""
    def offered(name):
        return rawssh.probe(bench.daemon(name, label='plain', plain=True).port)

    def proposed(name):
        listener = rawssh.Listener()
        try:
            running = subprocess.Popen([bench.suites[name].ssh, '-F', '/dev/null', '-o', 'BatchMode=yes', '-p', str(listener.port),
                                        '-o', 'UserKnownHostsFile=/dev/null', '127.0.0.1', 'true'], stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            with listener.accept() as peer:
                peer.read_ident()
                lists = peer.read_kexinit()
            running.kill()
            running.wait()
            return lists
        finally:
            listener.close()

    def compare(lists):
        def check():
            mine, theirs = lists(server), lists('openssh10')
            for what in rawssh.LISTS:
                got = [name for name in mine[what] if name in theirs[what]]
                same(','.join(got), ','.join(theirs[what]), what)
                extra = [name for name in mine[what] if name not in theirs[what] and name not in SINCE_10_0]
                expect(not extra, f'{what}: more than OpenSSH offers by default: {extra}')
        return check
    return [Case("a daemon's defaults", compare(offered)), Case("a client's defaults", compare(proposed))]


def nothing_left(bench):
    """All daemons of this group are gone with all their processes."""
    def check():
        mine = bench.kept.union(d.pid for d in bench.daemons.values())
        left = [pid for pid in procs.children(os.getpid()) if pid not in mine and procs.alive(pid)]
        expect(not left, '; '.join(f'{pid} {procs.command_line(pid)}' for pid in left))
    return Case('nothing left behind', check, alone=True)


def group(bench, server):
    """All the cases about one suite's daemon."""
    cases = signal_cases(bench, server) + config_cases(bench, server) + auth_cases(bench, server)
    cases += [unprivileged(bench, server), *default_cases(bench, server), nothing_left(bench)]
    for case in cases:
        case.name = f'daemon {server}: {case.name}'
    return f'daemon {server}', cases

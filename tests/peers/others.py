"""Clients and servers that are not OpenSSH: Dropbear, PuTTY, asyncssh, paramiko."""
import json
import os
import types

import fixture
import pairs
import ports
import programs
import rawssh
from report import Case, Skip, expect, same

DATA = os.urandom(1 << 20) * 3
DROPBEAR_KEYS = (('ed25519', 'ed25519'), ('ecdsa256', 'ecdsa'), ('rsa', 'rsa'))
PUTTY_CIPHERS = {'aes': 'aes256-ctr', 'chacha20': 'chacha20-poly1305@openssh.com', 'aesgcm': 'aes256-gcm@openssh.com',
                 '3des': '3des-cbc', 'blowfish': 'blowfish-cbc'}
PUTTY_KEX = {'ntru-curve25519': 'sntrup761x25519-sha512@openssh.com', 'ecdh': 'curve25519-sha256',
             'dh-gex-sha1': 'diffie-hellman-group-exchange-sha256', 'dh-group14-sha1': 'diffie-hellman-group14-sha256',
             'dh-group16-sha512': 'diffie-hellman-group16-sha512', 'dh-group18-sha512': 'diffie-hellman-group18-sha512',
             'dh-group1-sha1': 'diffie-hellman-group1-sha1'}


def program(name):
    """A peer's program."""
    path = programs.find(name)
    if not path:
        packages = {'plink': 'putty-tools', 'puttygen': 'putty-tools', 'busybox': 'busybox', 'dash': 'dash'}
        absent(name, packages.get(name, 'dropbear-bin'))
    return path


def absent(name, package):
    """What is not there skips a group where it cannot be had, and is a fault otherwise."""
    why = programs.unavailable(package)
    if why:
        raise Skip(f'{name}: {why}')
    raise AssertionError(f'{name} is not installed ({programs.missing().get(package, "run tests/setup")})')


def check_echo(command, env, what):
    """A remote cat must give back what it got."""
    done = fixture.run(command, env=env, input=DATA)
    same((done.returncode, len(done.stdout), done.stdout == DATA), (0, len(DATA), True),
         f'{what}: exit status, bytes, equal ({fixture.report.shorten(done.stderr)})')


def dbclient_cases(bench, daemon, lists):
    """Dropbear's client."""
    folder, user = bench.folder, bench.user
    home = folder / f'dropbear-{daemon.label}'
    os.makedirs(home, exist_ok=True)
    env = {**os.environ, 'HOME': home}
    client = program('dbclient')
    keys = {}
    for kind, name in DROPBEAR_KEYS:
        keys[kind] = os.path.join(home, name)
        done = fixture.run([program('dropbearconvert'), 'openssh', 'dropbear', bench.keys.path('user', kind), keys[kind]])
        expect(done.returncode == 0, f'dropbearconvert {kind}: {done.stderr!r}')

    def command(*words, flags=(), key='ed25519'):
        return [client, '-y', '-y', '-i', keys[key], *flags, '-p', str(daemon.port), f'{user.name}@127.0.0.1', *words]

    def available(flag):
        said = fixture.run([client, flag, 'help'])
        return (said.stdout + said.stderr).decode().split(': ')[2].split('\n')[0].strip().split(',')

    def status():
        same(fixture.run(command('exit 44'), env=env).returncode, 44, 'exit status')

    def terminal():
        with pairs.Terminal(types.SimpleNamespace(command=command, env=env), flags=['-t']) as term:
            term.send(b'tty; stty size\r')
            term.wait_for(b'/dev/pts/')
            term.wait_for(b'41 97')
            term.send(b'exit 3\r')
            same(term.end(), (3, True), 'exit status and terminal')

    def shell():
        done = fixture.run(command(flags=['-T']), env=env, input=b'echo $((6*7)); exit 6\n')
        same((done.returncode, done.stdout), (6, b'42\n'), 'shell without a pty')

    def errors():
        done = fixture.run(command('head -c 1000000 /dev/zero >&2; echo out; sleep 0.3'), env=env)
        same((done.stdout, done.stderr.count(b'\0')), (b'out\n', 1_000_000), 'standard error apart from output')

    def password():
        pairs.needs_password(user)
        plain = [part for part in command('echo in') if part not in ('-i', keys['ed25519'])]
        done = fixture.run(plain, env={**env, 'DROPBEAR_PASSWORD': user.password})
        same((done.returncode, done.stdout), (0, b'in\n'), f'password ({done.stderr!r})')

    # dbclient waits for ever if its channel is closed while it has output left to write (OpenSSH's daemon sees that too):
    # the command ends a little later than its output.
    remote = 'cat; sleep 0.3'
    echo = command(remote)
    cases = [Case(f'key {kind}', lambda k=kind: check_echo(command(remote, key=k), env, k)) for kind in keys]
    for what, flag in (('cipher', '-c'), ('mac', '-m')):
        wanted = [name for name in available(flag) if name in lists[what]]
        expect(wanted, f'dbclient has no {what} of ours: {available(flag)}')
        extra = {'-c': [], '-m': ['-c', 'aes128-ctr']}[flag]
        cases += [Case(f'{what} {name}', lambda f=flag, n=name, x=extra: check_echo([*echo[:5], *x, f, n, *echo[5:]], env, n))
                  for name in wanted]
    cases += [Case('exit status', status), Case('pty', terminal), Case('shell', shell), Case('standard error', errors),
              Case('password', password)]
    return named('dbclient', cases)


def plink_cases(bench, daemon, lists):
    """PuTTY's client: its algorithms are chosen by saved sessions."""
    folder, user = bench.folder, bench.user
    home = folder / f'putty-{daemon.label}'
    os.makedirs(os.path.join(home, 'sessions'), exist_ok=True)
    env = {**os.environ, 'PUTTYDIR': home, 'HOME': home}
    client = program('plink')
    hostkeys = []
    for kind, _ in fixture.KEY_TYPES:
        said = fixture.run([bench.suites['openssh10'].keygen, '-l', '-f', bench.keys.path('host', kind)]).stdout.decode()
        hostkeys += ['-hostkey', said.split()[1]]
    keys = {}
    for kind in ('ed25519', 'ecdsa384', 'rsa'):
        keys[kind] = os.path.join(home, kind + '.ppk')
        done = fixture.run([program('puttygen'), bench.keys.path('user', kind), '-O', 'private', '-o', keys[kind]])
        expect(done.returncode == 0, f'puttygen {kind}: {done.stderr!r}')

    def session(name, *lines):
        with open(os.path.join(home, 'sessions', name), 'w', encoding='ascii') as file:
            file.write('\n'.join(['Protocol=ssh', 'HostName=127.0.0.1', 'SshProt=3', *lines]) + '\n')
        return name

    plain = session('plain')

    def command(*words, flags=(), load=plain, login=None):
        return [client, '-batch', '-load', load, '-P', str(daemon.port), '-l', user.name, *hostkeys,
                *(login or ['-i', keys['ed25519']]), *flags, *words]

    def by_session(label, *lines):
        name = session(label, *lines)
        return Case(label.replace('_', ' '), lambda: check_echo(command('cat', load=name), env, label))

    def status():
        same(fixture.run(command('exit 44'), env=env).returncode, 44, 'exit status')

    def terminal():
        done = fixture.run(command('tty; exit 3', flags=['-t']), env=env)
        same((done.returncode, done.stdout.startswith(b'/dev/pts/')), (3, True), f'pty ({done.stdout!r})')

    def errors():
        done = fixture.run(command('head -c 1000000 /dev/zero | tr "\\0" e >&2; echo out'), env=env)
        same((done.stdout, done.stderr.count(b'e') >= 1_000_000), (b'out\n', True), 'standard error apart from output')

    def password():
        pairs.needs_password(user)
        path = folder.write(f'putty.{daemon.label}.password', user.password + '\n', 0o600)
        done = fixture.run(command('echo in', login=['-pwfile', path]), env=env)
        same((done.returncode, done.stdout), (0, b'in\n'), f'password ({done.stderr!r})')

    def last(order, name):
        return ','.join([name, 'WARN', *(other for other in order if other != name)])

    cases = [by_session(f'cipher_{name}', f'Cipher={last(PUTTY_CIPHERS, name)}')
             for name, ours in PUTTY_CIPHERS.items() if ours in lists['cipher']]
    cases += [by_session(f'kex_{name}', f'KEX={last(PUTTY_KEX, name)}') for name, ours in PUTTY_KEX.items() if ours in lists['kex']]
    cases += [by_session('compression', 'Compression=1'), by_session('rekey', 'RekeyBytes=1M')]
    cases += [Case(f'key {kind}', lambda k=kind: check_echo(command('cat', login=['-i', keys[k]]), env, k)) for kind in keys]
    cases += [Case('exit status', status), Case('pty', terminal), Case('standard error', errors), Case('password', password)]
    return named('plink', cases)


def named(prefix, cases):
    """Puts a peer's name before its cases."""
    for case in cases:
        case.name = f'{prefix} {case.name}'
    return cases


def python_script(bench, daemon, module, more):
    """Runs a script in the Python environment, with these facts and those on the daemon: it prints
    `pass|fail|skip NAME[: why]` a case."""
    python = os.path.join(programs.PEERS, 'python', 'bin', 'python')
    if not os.access(python, os.X_OK):
        absent(python, 'python')
    known = fixture.known_hosts(bench.folder, f'{module}.{daemon.label}.{daemon.port}.known_hosts', daemon.port, bench.keys)
    facts = {'port': daemon.port, 'user': bench.user.name, 'password': bench.user.password, 'known_hosts': known,
             'keys': {kind: bench.keys.path('user', kind) for kind, _ in fixture.KEY_TYPES}, **more}
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), f'{module}.py')
    done = fixture.run([python, '-W', 'ignore', script], input=json.dumps(facts).encode(), timeout=300)
    label, results = module.removesuffix('_cases'), []
    for line in done.stdout.decode(errors='replace').splitlines():
        result, _, rest = line.partition(' ')
        if result in ('pass', 'fail', 'skip'):
            name, _, why = rest.partition(': ')
            results.append((f'{label} {name}', result, why))
    if done.returncode or not results:
        results.append((label, 'fail', f'exit {done.returncode}: {fixture.report.shorten(done.stderr, 600)}'))
    return results


def python_cases(bench, daemon, lists, module):
    """The cases of a Python peer with every algorithm of these lists."""
    return [Case(module, lambda: python_script(bench, daemon, f'{module}_cases', {'lists': lists}))]


def clients(bench, server):
    """Every other client to one suite's daemon."""
    daemon = bench.daemon(server)
    lists = {what: fixture.query(bench.suites[server], what) for what in ('kex', 'cipher', 'mac', 'compression')}
    # Without PAM OpenSSH has no keyboard-interactive.
    lists['methods'] = ['password'] + (['keyboard-interactive'] if server == 'ours' else [])
    cases = dbclient_cases(bench, daemon, lists) + plink_cases(bench, daemon, lists)
    for module in ('asyncssh', 'paramiko'):
        cases += python_cases(bench, daemon, lists, module)
    cases.append(Case('ssh-audit', lambda: audit(bench, server)))
    return f'others->{server}', named(f'to {server}:', cases)


def audit(bench, server):
    """ssh-audit must find nothing in our defaults that it does not find in OpenSSH 10's."""
    def failures(name):
        port = bench.daemon(name, label='plain', plain=True).port
        done = fixture.run([os.path.join(programs.PEERS, 'python', 'bin', 'ssh-audit'), '-j', '-p', str(port), '127.0.0.1'])
        found = json.loads(done.stdout)
        return {(kind, entry['algorithm']) for kind in ('kex', 'key', 'enc', 'mac') for entry in found[kind]
                if entry['notes'].get('fail')}

    more = failures(server) - failures('openssh10')
    expect(not more, f'ssh-audit fails {sorted(more)}')


def running_dropbear(bench):
    """The Dropbear daemon that groups share, which lets the test user in with the keys of all tests, whatever a group
    before has made of their authorized_keys."""
    key = ('dropbear', '')
    if key not in bench.daemons:
        bench.daemons[key] = start_dropbear(bench)
    bench.user.authorize(bench.keys.authorized)
    return bench.daemons[key]


def start_dropbear(bench):
    """A Dropbear daemon for the test user."""
    if not bench.user.made:
        raise Skip('not root: no user whose authorized_keys could be set')
    port, home = ports.free_port(), bench.folder / 'dropbear-server'
    os.makedirs(home, exist_ok=True)
    hostkeys = []
    for kind, name in DROPBEAR_KEYS:
        path = os.path.join(home, name)
        if not os.path.exists(path):
            done = fixture.run([program('dropbearconvert'), 'openssh', 'dropbear', bench.keys.path('host', kind), path])
            expect(done.returncode == 0, f'dropbearconvert {kind}: {done.stderr!r}')
        hostkeys += ['-r', path]
    command = [program('dropbear'), '-F', '-E', '-m', '-p', f'127.0.0.1:{port}', '-P', os.path.join(home, 'pid'), *hostkeys]
    return fixture.Daemon('dropbear', command, port, bench.folder / 'dropbear.log')


def dropbear(bench, client_name):
    """One suite's client to Dropbear's daemon."""
    daemon = running_dropbear(bench)
    client = bench.client(client_name, daemon)
    offer = rawssh.probe(daemon.port)

    def make(name, **options):
        return Case(name, lambda: pairs.echo(client, pairs.SMALL, **options))

    def shared(what, offered):
        return pairs.both(client.query(what), offer[offered])

    cases = [make(f'kex {name}', options=[f'KexAlgorithms={name}']) for name in shared('kex', 'kex')]
    cases += [make(f'cipher {name}', options=[f'Ciphers={name}']) for name in shared('cipher', 'cipher')]
    cases += [make(f'mac {name}', options=['Ciphers=aes128-ctr', f'MACs={name}']) for name in shared('mac', 'mac')]
    cases += [make(f'host key {name}', options=[f'HostKeyAlgorithms={name}']) for name, _ in pairs.USER_ALGORITHMS
              if name in offer['key']]
    # Dropbear takes no environment, no rsa-sha2-512 from a user, and five connections at once that are not logged in.
    unable = ('environment', 'subsystem', 'twelve at once', 'user key rsa-sha2-512')
    cases += [case for case in pairs.key_cases(client, bench.keys) + pairs.terminal_cases(client)
              + pairs.session_cases(client) if case.name not in unable]
    cases += pairs.login_cases(client, bench.folder, bench.user, ['password'])
    return f'{client_name}->dropbear', named(f'{client_name}->dropbear', cases)

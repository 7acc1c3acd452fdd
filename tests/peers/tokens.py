"""Keys in hardware: FIDO by the dummy authenticator of OpenSSH's tests, PKCS#11 by SoftHSM. Ours and OpenSSH 10's
programs with each other's helpers."""
import os
import subprocess
import threading

import fixture
import ports
import programs
from pairs import askpass
from report import Case, Skip, expect, same

DUMMY = os.path.join(programs.OPENSSH10, 'lib', 'openssh', 'regress', 'misc', 'sk-dummy', 'sk-dummy.so')
HELPERS = os.path.join(programs.OPENSSH10, 'lib', 'openssh')
MODULES = ('/usr/lib/softhsm/libsofthsm2.so', '/usr/lib64/pkcs11/libsofthsm2.so', '/usr/local/lib/softhsm/libsofthsm2.so')
PIN = '1234'
# The last is one that OpenSSH 10.0 does not read.
TOKEN_KEYS = (('rsa', 'RSA:2048'), ('p256', 'EC:prime256v1'), ('p384', 'EC:secp384r1'), ('p521', 'EC:secp521r1'),
              ('ed25519', 'EC:edwards25519'))


def ok(command, **options):
    """Runs a command that must succeed; its output."""
    done = fixture.run(command, **options)
    expect(done.returncode == 0, f'{" ".join(command)}: exit {done.returncode}: {done.stderr[-300:]!r}')
    return done.stdout


def environment(**more):
    """The environment without what would lead a program elsewhere."""
    env = {key: value for key, value in os.environ.items() if key not in ('SSH_AUTH_SOCK', 'SSH_ASKPASS', 'DISPLAY')}
    return {**env, **more}


class Token:
    """A SoftHSM token with a key of each type. `flags` are pkcs11-tool's for each key."""

    def __init__(self, folder, name='tokens', flags=()):
        self.module = next((path for path in MODULES if os.path.exists(path)), None)
        tool, util = programs.find('pkcs11-tool'), programs.find('softhsm2-util')
        if not (self.module and tool and util):
            why = programs.unavailable('softhsm2') or programs.unavailable('opensc')
            if why:
                raise Skip(why)
            raise AssertionError('no SoftHSM: run tests/setup')
        os.mkdir(folder / name)
        config = folder.write(f'{name}.conf', f'directories.tokendir = {folder / name}\nobjectstore.backend = file\n'
                              'log.level = ERROR\nslots.removable = false\n')
        self.env = environment(SOFTHSM2_CONF=config)
        ok([util, '--init-token', '--free', '--label', 'carrick', '--pin', PIN, '--so-pin', '12345678'], env=self.env)
        for number, (label, kind) in enumerate(TOKEN_KEYS, 1):
            ok([tool, '--module', self.module, '--token-label', 'carrick', '--login', '--pin', PIN, '--keypairgen',
                '--key-type', kind, '--id', f'{number:02}', '--label', label, *flags], env=self.env)

    def public(self, keygen, label):
        """The line of the key with that label, as our ssh-keygen lists it."""
        lines = ok([keygen, '-D', self.module], env=self.env).decode().splitlines()
        return next(line for line in lines if line.endswith(' ' + label)) + '\n'


def copied(bench, kind, name):
    """A copy of a user's public key: a certificate beside the key itself would go along into every agent."""
    with open(bench.keys.path('user', kind) + '.pub', encoding='utf-8') as file:
        return bench.folder.write(f'{name}.pub', file.read())


class Agent:
    """An ssh-agent in the foreground."""

    def __init__(self, program, sock, env):
        self.env = {**env, 'SSH_AUTH_SOCK': sock}
        # pylint: disable-next=consider-using-with
        self.process = subprocess.Popen([program, '-D', '-a', sock, '-P', '/*'], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)
        expect(ports.wait_for_path(sock, gone=lambda: self.process.poll() is not None), 'the agent does not listen')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def sk_cases(bench, ours, stock):
    """Security keys."""
    folder = bench.folder
    helpers = {'ours': folder / 'bin/ssh-sk-helper', 'stock': os.path.join(HELPERS, 'ssh-sk-helper')}
    keygens = {'ours': ours.keygen, 'stock': stock.keygen}
    bins = {'ours': folder / 'bin', 'stock': os.path.join(programs.OPENSSH10, 'bin')}

    def made(kind, program, helper):
        env = environment(SSH_SK_HELPER=helpers[helper])
        path = folder / f'{kind}.{program}.{helper}'

        def check():
            out = ok([keygens[program], '-t', kind, '-w', DUMMY, '-N', '', '-C', 'c', '-f', path, '-O', 'application=ssh:x',
                      '-O', 'verify-required', '-O', 'resident', '-O', 'user=me'], env=env)
            expect(b'You may need to touch your authenticator to authorize key generation.' in out, out)
            same(ok([ours.keygen, '-l', '-v', '-f', path]), ok([stock.keygen, '-l', '-v', '-f', path]), '-l')
            same(ok([ours.keygen, '-y', '-f', path]), ok([stock.keygen, '-y', '-f', path]), '-y')
        return Case(f'make {kind}: keygen {program}, helper {helper}', check)

    def login(kind, program, helper):
        def check():
            path = folder / f'login.{kind}.{program}.{helper}'
            ok([stock.keygen, '-q', '-t', kind, '-w', DUMMY, '-N', '', '-f', path])
            authorized = folder.write(os.path.basename(path) + '.keys', open(path + '.pub', encoding='utf-8').read())
            daemon = bench.daemon('openssh10', [f'AuthorizedKeysFile {authorized}'], os.path.basename(path), plain=True)
            client = bench.client('ours' if program == 'ours' else 'openssh10', daemon, os.path.basename(path))
            done = client.run('echo in', options=[f'IdentityFile={path}', f'SecurityKeyProvider={DUMMY}'],
                              env={'SSH_SK_HELPER': helpers[helper]})
            same((done.returncode, done.stdout), (0, b'in\n'), f'{done.stderr[-300:]!r}')
        return Case(f'log in with {kind}: client {program}, helper {helper}', check)

    def agent(kind, program, helper):
        def check():
            path = folder / f'agent.{kind}.{program}.{helper}'
            ok([stock.keygen, '-q', '-t', kind, '-w', DUMMY, '-N', '', '-f', path])
            ok([stock.keygen, '-q', '-s', bench.keys.path('user', 'ed25519'), '-I', 'x', '-n', 'x', path + '.pub'])
            env = environment(SSH_SK_HELPER=helpers[helper])
            with Agent(os.path.join(bins[program], 'ssh-agent'), path + '.sock', env) as running:
                ok([os.path.join(bins['ours'], 'ssh-add'), '-q', '-S', DUMMY, path], env=running.env)
                for public in (path + '.pub', path + '-cert.pub'):
                    ok([os.path.join(bins['stock'], 'ssh-add'), '-T', public], env=running.env)
        return Case(f'{kind} and its certificate: agent {program}, helper {helper}', check)

    def signature(kind):
        def check():
            path = folder / f'sign.{kind}'
            ok([ours.keygen, '-q', '-t', kind, '-w', DUMMY, '-N', '', '-f', path])
            env = environment(SSH_SK_PROVIDER=DUMMY)
            message = folder.write(f'message.{kind}', 'hello')
            done = fixture.run([ours.keygen, '-Y', 'sign', '-n', 'file', '-f', path, message], env=env)
            same(done.returncode, 0, f'{done.stderr!r}')
            expect(f'Confirm user presence for key {kind.upper()} SHA256:'.encode() in done.stderr, done.stderr)
            ok([stock.keygen, '-Y', 'check-novalidate', '-n', 'file', '-s', message + '.sig'], input=b'hello')
            public = copied(bench, 'rsa', f'by.{kind}')
            ok([ours.keygen, '-q', '-s', path, '-I', 'x', '-n', 'x', public], env=env)
            listed = ok([stock.keygen, '-L', '-f', public.removesuffix('.pub') + '-cert.pub'])
            expect(b'Signing CA: ' + kind.upper().encode() in listed, listed)
        return Case(f'ssh-keygen: sign and certify with {kind}', check)

    cases = []
    for kind in ('ed25519-sk', 'ecdsa-sk'):
        cases += [made(kind, *pair) for pair in (('ours', 'ours'), ('ours', 'stock'), ('stock', 'ours'))]
        cases += [login(kind, *pair) for pair in (('ours', 'ours'), ('ours', 'stock'), ('stock', 'ours'))]
        cases += [agent(kind, *pair) for pair in (('ours', 'ours'), ('ours', 'stock'), ('stock', 'ours'))]
        cases.append(signature(kind))

    def absent():
        for keygen in (ours.keygen, stock.keygen):
            done = fixture.run([keygen, '-q', '-t', 'ed25519-sk', '-N', '', '-f', folder / 'absent', '-O', 'device=/nonexistent'],
                               env=environment())
            same((done.returncode, done.stderr.replace(b'\r', b'')), (255, b'Key enrollment failed: device not found\n'), keygen)
    return cases + [Case('no security key is there', absent)]


def token_cases(bench, ours, stock):
    """PKCS#11 tokens."""
    folder = bench.folder
    token = Token(folder)
    bins = {'ours': folder / 'bin', 'stock': os.path.join(programs.OPENSSH10, 'bin')}
    helpers = {'ours': folder / 'bin/ssh-pkcs11-helper', 'stock': os.path.join(HELPERS, 'ssh-pkcs11-helper')}
    cases = []

    def add(program, helper):
        """Adds the token's keys to an agent with one helper, and has it sign."""
        def check():
            sock = folder / f'token.{program}.{helper}.sock'
            env = {**token.env, 'SSH_PKCS11_HELPER': helpers[helper]}
            with Agent(os.path.join(bins[program], 'ssh-agent'), sock, env) as running:
                pin = {**running.env, **askpass(folder, f'pin.{program}.{helper}', PIN)}
                ok([os.path.join(bins[program], 'ssh-add'), '-s', token.module], env=pin)
                listed = ok([os.path.join(bins['stock'], 'ssh-add'), '-L'], env=running.env).decode().splitlines()
                same(len(listed), 5 if (program, helper) == ('ours', 'ours') else 4, 'keys')
                for number, line in enumerate(listed):
                    public = folder.write(f'token.{program}.{helper}.{number}.pub', line + '\n')
                    ok([os.path.join(bins['stock'], 'ssh-add'), '-T', public], env=running.env)
                ok([os.path.join(bins[program], 'ssh-add'), '-e', token.module], env=running.env)
                same(fixture.run([os.path.join(bins['ours'], 'ssh-add'), '-l'], env=running.env).returncode, 1, 'after -e')
        return Case(f'PKCS#11: agent {program}, helper {helper}', check)

    def authority():
        """Certificates by a token's key."""
        for label, _ in TOKEN_KEYS:
            public = folder.write(f'ca.{label}.pub', token.public(ours.keygen, label))
            key = copied(bench, 'ecdsa256', f'by.{label}')
            pin = {**token.env, **askpass(folder, f'pin.ca.{label}', PIN)}
            ok([ours.keygen, '-q', '-s', public, '-D', token.module, '-I', 'x', '-n', 'x', key], env=pin)
            expect(b'Signing CA: ' in ok([stock.keygen, '-L', '-f', key.removesuffix('.pub') + '-cert.pub']), label)
            wrong = {**token.env, **askpass(folder, f'pin.wrong.{label}', '9')}
            done = fixture.run([ours.keygen, '-q', '-s', public, '-D', token.module, '-I', 'x', '-n', 'x', key], env=wrong)
            expect(done.returncode == 255 and b'PIN incorrect' in done.stderr, f'wrong PIN: {done}')
        said = [fixture.run([keygen, '-s', bench.keys.path('user', 'rsa') + '.pub', '-D', token.module, '-I', 'x', '-n', 'x',
                             bench.keys.path('user', 'ecdsa256') + '.pub'], env=token.env) for keygen in (ours.keygen, stock.keygen)]
        same(said[0].returncode, said[1].returncode, 'a key that is not there')
        expect(said[0].stderr.split(b'\r')[0] in said[1].stderr, f'{said[0].stderr!r} beside {said[1].stderr!r}')

    def login(label):
        def check():
            authorized = folder.write(f'{label}.keys', token.public(ours.keygen, label))
            daemon = bench.daemon('openssh10', [f'AuthorizedKeysFile {authorized}'], f'token-{label}', plain=True)
            client = bench.client('ours', daemon, f'token-{label}')
            config = folder.write(f'{label}.config', '\n'.join(
                each for each in open(client.config, encoding='utf-8').read().splitlines()
                if not each.startswith(('IdentityFile', 'IdentitiesOnly'))) + '\n')
            command = client.command('echo in', flags=['-I', token.module], options=['IdentityFile=none', 'BatchMode=no',
                                                                                     'PreferredAuthentications=publickey'])
            command[2] = config
            for pin, wanted in ((PIN, (0, b'in\n')), ('9999', (255, b''))):
                env = {**client.env, **token.env, **askpass(folder, f'login.{label}.{pin}', pin)}
                done = fixture.run(command, env=env)
                same((done.returncode, done.stdout), wanted, f'PIN {pin}: {done.stderr[-300:]!r}')
        return Case(f'PKCS#11: log in with {label}', check)

    def each_time():
        """Keys of CKA_ALWAYS_AUTHENTICATE. OpenSSH 10.0 does not ask again right after a login, which SoftHSM refuses."""
        strict = Token(folder, 'strict', ('--always-auth',))
        for label, _ in TOKEN_KEYS:
            public = folder.write(f'strict.{label}.pub', strict.public(ours.keygen, label))
            keys = [copied(bench, 'ecdsa256', f'strict.{label}.{number}') for number in range(3)]
            asked = folder.write(f'strict.{label}.asked', '')
            for pin, questions, wanted in (('9', 1, 255), (PIN, 3, 0)):
                script = folder.write(f'strict.{label}.{pin}', f'#!/bin/sh\necho "$1" >>"{asked}"\necho {pin}\n', 0o755)
                folder.write(f'strict.{label}.asked', '')
                env = {**strict.env, 'SSH_ASKPASS': script, 'SSH_ASKPASS_REQUIRE': 'force'}
                done = fixture.run([ours.keygen, '-q', '-s', public, '-D', strict.module, '-I', 'x', '-n', 'x', *keys], env=env)
                same(done.returncode, wanted, f'{label}, PIN {pin}: {done.stderr!r}')
                with open(asked, encoding='utf-8') as file:
                    same(file.read(), "Enter PIN for 'carrick': \n" * questions, f'{label}, PIN {pin}')
            for key in keys:
                expect(b'Signing CA: ' in ok([stock.keygen, '-L', '-f', key.removesuffix('.pub') + '-cert.pub']), label)

    def listed():
        mine, theirs = (set(ok([keygen, '-D', token.module], env=token.env).splitlines()) for keygen in (ours.keygen, stock.keygen))
        same((len(mine), len(theirs), theirs - mine), (5, 4, set()), 'keys')

    def refused():
        for path in ('/nonexistent.so', DUMMY):
            said = []
            for keygen in (ours.keygen, stock.keygen):
                done = fixture.run([keygen, '-D', path], env=token.env)
                said.append((done.returncode, done.stderr.replace(b'\r', b'')))
            same(said[0], said[1], path)

    cases += [add(*pair) for pair in (('ours', 'ours'), ('ours', 'stock'), ('stock', 'ours'), ('stock', 'stock'))]
    cases += [Case('PKCS#11: list', listed), Case('PKCS#11: no module', refused), Case('PKCS#11: certify', authority)]
    cases += [Case('PKCS#11: certify with keys that want the PIN each time', each_time)]
    cases += [login(label) for label, _ in TOKEN_KEYS]
    # SoftHSM notes wrong PINs in the token's files, which another process must not be reading just then.
    turn = threading.Lock()

    def alone(check):
        def run():
            with turn:
                check()
        return run
    return [Case(case.name, alone(case.check)) for case in cases]


def group(bench):
    """All cases about keys in hardware."""
    ours, stock = bench.suites['ours'], bench.suites['openssh10']
    cases = sk_cases(bench, ours, stock)
    try:
        cases += token_cases(bench, ours, stock)
    except Skip as reason:
        why = str(reason)

        def skip():
            raise Skip(why)
        cases.append(Case('PKCS#11', skip))
    for case in cases:
        case.name = f'tokens: {case.name}'
    return 'tokens', cases

"""Certificates with programs that are not OpenSSH 10: PuTTY's and asyncssh's clients and OpenSSH 9.2's at our daemon, asyncssh's server."""
import json
import os
import shutil
import subprocess

import fixture
import others
import programs
from clientcerts import Authority, user_cases
from report import Case, expect, same

# Key kinds, and certificates that must not do.
KINDS = ('ed25519', 'ecdsa256', 'rsa')
BAD = {'another principal': ['-n', 'nobody'], 'expired': ['-V', '19800101:19900101']}


def python():
    """The interpreter of the virtual environment."""
    path = os.path.join(programs.PEERS, 'python', 'bin', 'python')
    if not os.access(path, os.X_OK):
        others.absent(path, 'python')
    return path


SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'asyncssh_certs.py')


def users(bench, authority):
    """Keys with certificates, by name: the path, and whether it gets in."""
    me = bench.user.name
    made = {kind: (authority.user(f'other.{kind}', kind), True) for kind in KINDS}
    for name, options in BAD.items():
        options = options if '-n' in options else ['-n', me, *options]
        made[name] = (authority.user(f'other.{name.replace(" ", "")}', 'ed25519', *options), False)
    return made


def plink(bench, daemon, made):
    """PuTTY takes the key and the certificate apart."""
    home = bench.folder / 'putty-certs'
    os.makedirs(home, exist_ok=True)
    env = {**os.environ, 'PUTTYDIR': home, 'HOME': home}
    host_keys = []
    for kind, _ in fixture.KEY_TYPES:
        said = fixture.run([bench.suites['openssh10'].keygen, '-l', '-f', bench.keys.path('host', kind)]).stdout.decode()
        host_keys += ['-hostkey', said.split()[1]]

    def case(name, path, wanted):
        def check():
            key = path + '.ppk'
            done = fixture.run([others.program('puttygen'), path, '-O', 'private', '-o', key])
            expect(done.returncode == 0, f'puttygen: {done.stderr!r}')
            done = fixture.run([others.program('plink'), '-batch', '-noagent', '-P', str(daemon.port), '-l', bench.user.name, *host_keys,
                                '-i', key, '-cert', path + '-cert.pub', '127.0.0.1', 'echo in'], env=env)
            same((done.returncode == 0, done.stdout), (wanted, b'in\n' if wanted else b''), f'plink: {done.stderr[-300:]!r}')
        return Case(f'plink {name}', check)
    return [case(name, *of) for name, of in made.items()]


def asyncssh_client(bench, daemon, made, authority):
    """asyncssh logs in with each, and knows the host by its certificate."""
    facts = {'role': 'client', 'port': daemon.port, 'user': bench.user.name, 'host_ca': authority.path('host_ca.pub'),
             'user_keys': {name: path for name, (path, _) in made.items()}, 'wanted': {name: wanted for name, (_, wanted) in made.items()}}

    def check():
        done = fixture.run([python(), '-W', 'ignore', SCRIPT], input=json.dumps(facts).encode() + b'\n', timeout=120)
        results = []
        for line in done.stdout.decode(errors='replace').splitlines():
            word, _, rest = line.partition(' ')
            name, _, why = rest.partition(': ')
            results.append((f'asyncssh {name}', word, why))
        expect(done.returncode == 0 and len(results) == len(made), f'exit {done.returncode}: {done.stderr[-600:]!r}')
        return results
    return Case('asyncssh client', check)


def asyncssh_server(bench, client, authority):
    """Our client at asyncssh's server: the host known by its certificate, the user by theirs."""
    label = 'asyncssh-certs'
    host_key = authority.path('asyncssh_host')
    shutil.copy(bench.keys.path('host', 'ed25519'), host_key)
    os.chmod(host_key, 0o600)
    facts = {'role': 'server', 'user': bench.user.name, 'user_ca': authority.text('user_ca.pub').strip(), 'host_key': host_key,
             'host_cert': authority.host('-n', '127.0.0.1')}
    known = bench.folder.write(f'{label}.known', '@cert-authority * ' + authority.text('host_ca.pub'))
    made = users(bench, authority)

    def check():
        with subprocess.Popen([python(), '-W', 'ignore', SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
            try:
                server.stdin.write(json.dumps(facts).encode() + b'\n')
                server.stdin.flush()
                port = server.stdout.readline().decode().strip()
                expect(port.isdigit(), 'the server did not start')
                for name, (path, wanted) in made.items():
                    done = client.run('echo in', options=[f'Port={port}', f'UserKnownHostsFile={known}', 'IdentitiesOnly=yes',
                                                          f'IdentityFile={path}', 'StrictHostKeyChecking=yes', 'BatchMode=yes'])
                    same((done.returncode, done.stdout), (0, b'in\n') if wanted else (255, b''), f'{name}: {done.stderr[-300:]!r}')
            finally:
                server.stdin.close()
                server.wait(10)
    return Case('asyncssh server', check)


def group(bench):
    """All of it."""
    label = 'othercerts'
    authority = Authority(bench, label)
    none = bench.folder.write(f'{label}.none', '')
    host = [f'HostCertificate {authority.host("-n", "127.0.0.1")}', f'HostKey {bench.keys.path("host", "ed25519")}']
    daemon = bench.daemon('ours', [f'TrustedUserCAKeys {authority.path("user_ca.pub")}', f'AuthorizedKeysFile {none}', *host], label, plain=True)
    made = users(bench, authority)
    cases = plink(bench, daemon, made) + [asyncssh_client(bench, daemon, made, authority)]
    client = bench.client('ours', daemon, 'asyncssh')
    client.config = bench.folder.write(f'{label}.config', f'User {bench.user.name}\nHostName 127.0.0.1\nGlobalKnownHostsFile /dev/null\n')
    cases.append(asyncssh_server(bench, client, authority))
    for name in ('openssh', 'openssh10'):
        for case in user_cases(bench, name, 'ours'):
            case.name = f'{name} {case.name}'
            cases.append(case)
    for case in cases:
        case.name = 'other certificates: ' + case.name
    return 'other certificates', cases

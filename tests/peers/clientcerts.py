"""Certificates at the client: logging in with them, and knowing hosts by them. The daemons are OpenSSH's."""
import os
import shutil

import fixture
from forwarding import Agent
from report import Case, expect, same


class Authority:
    """A user CA and a host CA, made with OpenSSH's generator, and what they sign."""

    def __init__(self, bench, label):
        self.bench, self.keygen = bench, os.path.join(bench.tools, 'ssh-keygen')
        self.folder = bench.folder / f'{label}.ca'
        os.mkdir(self.folder)
        for name in ('user_ca', 'host_ca'):
            self.make('-q', '-t', 'ed25519', '-N', '', '-f', self.path(name))

    def path(self, name):
        """A file of ours."""
        return os.path.join(self.folder, name)

    def make(self, *words):
        """Runs ssh-keygen."""
        done = fixture.run([self.keygen, *words])
        expect(done.returncode == 0, f'ssh-keygen {words}: {done.stderr!r}')

    def user(self, name, kind, *options):
        """A copy of a user's key with a certificate beside it: the key's path."""
        path = self.path(name)
        for suffix in ('', '.pub'):
            shutil.copy(self.bench.keys.path('user', kind) + suffix, path + suffix)
        os.chmod(path, 0o600)
        options = options or ('-n', self.bench.user.name)
        self.make('-q', '-s', self.path('user_ca'), '-I', name, *options, path + '.pub')
        return path

    def host(self, *options):
        """A certificate of the daemon's ed25519 key: its path."""
        path = self.path('host_key.pub')
        shutil.copy(self.bench.keys.path('host', 'ed25519') + '.pub', path)
        self.make('-q', '-h', '-s', self.path('host_ca'), '-I', 'a host', *options, path)
        return self.path('host_key-cert.pub')

    def text(self, name):
        """A public key's line."""
        with open(self.path(name), encoding='utf-8') as file:
            return file.read()


def user_cases(bench, client_name, server_name):
    """Logging in with a certificate where no key is authorized."""
    label = f'usercert.{client_name}.{server_name}'
    authority = Authority(bench, label)
    empty = bench.folder.write(f'{label}.none', '')
    daemon = bench.daemon(server_name, [f'TrustedUserCAKeys {authority.path("user_ca.pub")}',
                                        f'AuthorizedKeysFile {empty}'], label, plain=True)
    client = bench.client(client_name, daemon, label)
    config = open(client.config, encoding='utf-8').read()  # pylint: disable=consider-using-with
    client.config = bench.folder.write(f'{label}.config', '\n'.join(
        line for line in config.splitlines() if not line.startswith('IdentityFile')) + '\n')

    def logs_in(name, wanted, options, env=None):
        def check():
            done = client.run('echo in', options=options(), env=env)
            same((done.returncode, done.stdout), (0, b'in\n') if wanted else (255, b''), f'{name} ({done.stderr[-300:]!r})')
        return Case(name, check)

    def moved(kind):
        path = authority.user(f'moved.{kind}', kind)
        os.rename(path + '-cert.pub', authority.path(f'elsewhere.{kind}'))
        return path, authority.path(f'elsewhere.{kind}')

    def in_agent():
        with Agent(bench, label) as agent:
            path = authority.user('for_agent', 'ed25519')
            done = fixture.run([agent.add, '-q', path], env={**os.environ, **agent.env})
            expect(done.returncode == 0, f'ssh-add: {done.stderr!r}')
            options = ['IdentityFile=none', 'IdentitiesOnly=no']
            done = client.run('echo in', options=options, env=agent.env)
            same(done.stdout, b'in\n', f'certificate in the agent ({done.stderr[-300:]!r})')
            key, cert = moved('rsa')
            os.remove(key)
            options = [f'CertificateFile={cert}', 'IdentityFile=none', 'IdentitiesOnly=no']
            done = client.run('echo in', options=options, env=agent.env)
            same(done.stdout, b'in\n', f'certificate in a file, key in the agent ({done.stderr[-300:]!r})')

    def beside(name, kind, *options):
        return lambda: [f'IdentityFile={authority.user(name, kind, *options)}']

    def by_certificate_file():
        key, cert = moved('ecdsa256')
        return [f'IdentityFile={key}', f'CertificateFile={cert}']

    me = bench.user.name
    cases = [logs_in(f'beside {kind}', True, beside(f'beside.{kind}', kind)) for kind in ('ed25519', 'ecdsa384', 'rsa')]
    cases += [logs_in('CertificateFile', True, by_certificate_file),
              logs_in('another principal', False, beside('other', 'ed25519', '-n', 'nobody')),
              logs_in('expired', False, beside('expired', 'ed25519', '-n', me, '-V', '19800101:19900101')),
              logs_in('a host certificate', False, beside('host', 'ed25519', '-h', '-n', me)),
              Case('agent', in_agent)]
    return cases


def host_cases(bench, server_name):
    """Hosts that show a certificate: the same outcome and words as OpenSSH's client."""
    label = f'hostcert.{server_name}'
    authority = Authority(bench, label)
    forms = {'good': (['-n', '127.0.0.1'], True), 'all hosts': ([], True), 'wrong name': (['-n', 'elsewhere'], False),
             'expired': (['-n', '127.0.0.1', '-V', '19800101:19900101'], False)}

    def check(name, options, good):
        daemon = fixture.sshd(bench.suites[server_name], bench.folder, bench.keys, bench.user,
                              [f'HostCertificate {authority.host(*options)}', f'HostKey {bench.keys.path("host", "ed25519")}'],
                              f'{label}.{name.replace(" ", "")}')
        said = []
        try:
            for client_name in ('ours', 'openssh10'):
                client = bench.client(client_name, daemon, f'{label}.{name.replace(" ", "")}')
                known = bench.folder.write(f'{label}.{client_name}.known', '@cert-authority * ' + authority.text('host_ca.pub'))
                options = [f'UserKnownHostsFile={known}']
                done = client.run('echo in', options=options)
                same(done.returncode, 0 if good else 255, f'{client_name}: {done.stderr!r}')
                said.append(done.stderr.replace(known.encode(), b'KNOWN'))
                # With its authority revoked no certificate counts.
                revoked = client.run('echo in', options=[*options, f'RevokedHostKeys={authority.path("host_ca.pub")}'])
                same(revoked.returncode, 255, f'{client_name} with a revoked authority')
                said.append(revoked.stderr)
            same(said[:2], said[2:], 'the words of both clients')
        finally:
            daemon.stop()

    def case(name, options, good):
        return Case(name, lambda: check(name, options, good))
    return [case(name, *form) for name, form in forms.items()]


def group(bench):
    """All of it."""
    cases = []
    for client_name, server_name in (('ours', 'openssh10'), ('ours', 'openssh'), ('openssh10', 'openssh10')):
        for made in user_cases(bench, client_name, server_name):
            made.name = f'user {client_name}->{server_name} {made.name}'
            cases.append(made)
    for server_name in ('openssh10', 'openssh'):
        for made in host_cases(bench, server_name):
            made.name = f'host {server_name} {made.name}'
            made.alone = True
            cases.append(made)
    for case in cases:
        case.name = 'client certificates ' + case.name
    return 'client certificates', cases

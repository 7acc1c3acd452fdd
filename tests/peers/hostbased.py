"""Host-based login: our ssh and ssh-keysign and OpenSSH's, in every mix, with OpenSSH's daemon.

The host's keys, the system's configuration and ssh-keysign lie at fixed places. Each command runs in a mount name space of
its own, in which a folder of ours stands there: the machine's own files are not touched.
"""
import base64
import os
import shutil
import socket
import struct

import fixture
import programs
from report import Case, Skip, expect, same

KEYSIGN = '/usr/lib/openssh/ssh-keysign'


class Place:
    """What stands in the place of /etc/ssh, and set-uid copies of both ssh-keysigns."""

    def __init__(self, bench):
        self.bench = bench
        self.etc = bench.folder / 'hb.etc'
        os.mkdir(self.etc)
        os.chmod(self.etc, 0o755)
        for kind in ('ed25519', 'rsa'):
            path = os.path.join(self.etc, f'ssh_host_{kind}_key')
            shutil.copy(bench.keys.path('host', kind), path)
            os.chmod(path, 0o600)
            shutil.copy(bench.keys.path('host', kind) + '.pub', path + '.pub')
        self.write('ssh_config', 'EnableSSHKeysign yes\n')
        names = f'localhost,{socket.gethostname()}'
        self.write('ssh_known_hosts', ''.join(f'{names} {bench.keys.public("host", kind)}' for kind in ('ed25519', 'rsa')))
        self.write('shosts.equiv', f'localhost\n{socket.gethostname()}\n')
        # Beside each ssh-keysign our ssh, which looks for it there.
        self.programs = {}
        for label, keysign in (('ours', os.path.join(programs.RELEASE, 'carrick')),
                               ('openssh10', os.path.join(programs.OPENSSH10, 'lib/openssh/ssh-keysign'))):
            folder = bench.folder / f'hb.{label}'
            os.mkdir(folder)
            os.chmod(folder, 0o755)
            shutil.copy(os.path.join(programs.RELEASE, 'carrick'), os.path.join(folder, 'ssh'))
            shutil.copy(keysign, os.path.join(folder, 'ssh-keysign'))
            os.chmod(os.path.join(folder, 'ssh-keysign'), 0o4755)
            self.programs[label] = folder

    def write(self, name, text):
        """A file of /etc/ssh."""
        with open(os.path.join(self.etc, name), 'w', encoding='utf-8') as file:
            file.write(text)

    def inside(self, keysign, command):
        """The command, in a name space of its own with these files in place."""
        script = 'mount --bind "$1" /etc/ssh && { [ ! -e "$3" ] || mount --bind "$2" "$3"; } && shift 3 && exec "$@"'
        return ['unshare', '-m', 'sh', '-c', script, 'sh', self.etc, os.path.join(self.programs[keysign], 'ssh-keysign'),
                KEYSIGN, *command]

    def as_user(self, command):
        """The command, as the test's user."""
        user = self.bench.user
        return ['setpriv', f'--reuid={user.uid}', f'--regid={user.gid}', '--clear-groups', *command]


def ask_keysign(place, keysign, data, number=3):
    """Hands a request to a set-uid ssh-keysign, as the test's user."""
    body = struct.pack('>BI', 2, number) + struct.pack('>I', len(data)) + data
    message = struct.pack('>I', len(body)) + body
    program = os.path.join(place.programs[keysign], 'ssh-keysign')
    return fixture.run(place.inside(keysign, place.as_user(['sh', '-c', 'exec "$0" 3</dev/null', program])), input=message)


def request(bench, user, host, method=b'hostbased'):
    """The data of a host-based login."""
    def string(value):
        return struct.pack('>I', len(value)) + value


    blob = base64.b64decode(bench.keys.public('host', 'ed25519').split()[1])
    fields = (user, b'ssh-connection', method, b'ssh-ed25519', blob, host, user)
    return string(b'i' * 32) + bytes([50]) + b''.join(string(field) for field in fields)


def group(bench):
    """All of it."""
    if os.geteuid() != 0 or not bench.user.made:
        raise Skip('host-based login needs root')
    if fixture.run(['unshare', '-m', 'true']).returncode != 0:
        raise Skip('no mount name spaces here')
    place = Place(bench)
    daemon_options = ['HostbasedAuthentication yes', 'HostbasedUsesNameFromPacketOnly yes', 'PubkeyAuthentication no',
                      'PasswordAuthentication no', 'KbdInteractiveAuthentication no']
    suite = bench.suites['openssh10']
    plain = suite.sshd

    def login(client_name, keysign, algorithm):
        wrapped = bench.folder.write(f'hb.sshd.{client_name}.{keysign}.{algorithm}',
                                     '#!/bin/sh\nexec ' + ' '.join(
                                         f"'{word}'" for word in place.inside(keysign, [plain])) + ' "$@"\n', 0o755)
        suite_inside = programs.Suite('hb', suite.ssh, wrapped, suite.keygen, suite.extra_sshd)
        daemon = fixture.sshd(suite_inside, bench.folder, bench.keys, bench.user, daemon_options,
                              f'hb.{client_name}.{keysign}.{algorithm}')
        try:
            ssh = os.path.join(place.programs[keysign], 'ssh') if client_name == 'ours' else bench.suites['openssh'].ssh
            known = fixture.known_hosts(bench.folder, f'hb.{client_name}.{keysign}.{algorithm}.known', daemon.port, bench.keys)
            command = [ssh, '-v', '-F', 'none', '-p', str(daemon.port), '-o', f'UserKnownHostsFile={known}', '-o',
                       'GlobalKnownHostsFile=none', '-o', 'HostbasedAuthentication=yes', '-o',
                       f'HostbasedAcceptedAlgorithms={algorithm}', '-o', 'BatchMode=yes', '127.0.0.1', 'id -un']
            done = fixture.run(place.inside(keysign, place.as_user(command)))
            same((done.returncode, done.stdout.decode().strip()), (0, bench.user.name),
                 f'{fixture.report.shorten(done.stderr, 900)} / {daemon.said()}')
            expect(b'using "hostbased"' in done.stderr, 'another method')
        finally:
            daemon.stop()

    def refuses(keysign):
        me, name = bench.user.name.encode(), socket.gethostname().encode() + b'.'
        good = ask_keysign(place, keysign, request(bench, me, name))
        expect(good.returncode == 0 and good.stdout[4:5] == b'\x02', f'{good!r}')
        for what, data in (('another user', request(bench, b'root', name)), ('another host', request(bench, me, b'other.')),
                           ('no dot', request(bench, me, name[:-1])), ('another method', request(bench, me, name, b'publickey')),
                           ('trailing bytes', request(bench, me, name) + b'x'), ('nothing', b'')):
            bad = ask_keysign(place, keysign, data)
            expect(bad.returncode != 0 and not bad.stdout, f'{what}: {bad!r}')
        for number in (0, 1, 2):
            bad = ask_keysign(place, keysign, request(bench, me, name), number)
            expect(bad.returncode != 0 and not bad.stdout, f'descriptor {number}: {bad!r}')

    def disabled():
        place.write('ssh_config', '')
        try:
            me, name = bench.user.name.encode(), socket.gethostname().encode() + b'.'
            said = [ask_keysign(place, keysign, request(bench, me, name)) for keysign in ('openssh10', 'ours')]
            same((said[1].returncode, said[1].stdout, said[1].stderr.strip()),
                 (said[0].returncode, said[0].stdout, said[0].stderr.strip()), 'what it says when it is not enabled')
        finally:
            place.write('ssh_config', 'EnableSSHKeysign yes\n')

    def by_another_name():
        # Set-uid, it is ssh-keysign whatever it is called.
        program = os.path.join(place.programs['ours'], 'ssh-keysign')
        for name in ('ssh', 'ssh-keygen', 'carrick'):
            script = f'exec -a {name} {program} -V'
            done = fixture.run(place.inside('ours', place.as_user(['bash', '-c', script])))
            same((done.returncode, done.stdout), (255, b''), f'as {name}: {done.stderr!r}')
            expect(b'ssh-keysign' in done.stderr, f'as {name}: {done.stderr!r}')

    cases = []
    for client_name, keysign in (('ours', 'ours'), ('ours', 'openssh10'), ('openssh', 'ours'), ('openssh', 'openssh10')):
        if client_name == 'openssh' and not os.path.exists(KEYSIGN):
            continue
        for algorithm in ('ssh-ed25519', 'rsa-sha2-512'):
            cases.append(Case(f'{client_name} with ssh-keysign of {keysign}, {algorithm}',
                              lambda c=client_name, k=keysign, a=algorithm: login(c, k, a)))
    cases += [Case(f'what ssh-keysign of {keysign} refuses', lambda k=keysign: refuses(k)) for keysign in ('ours', 'openssh10')]
    cases += [Case('by another name', by_another_name), Case('not enabled', disabled, alone=True)]
    for case in cases:
        case.name = 'hostbased ' + case.name
    return 'hostbased', cases

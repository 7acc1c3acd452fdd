"""Whole networks through a connection: tunnels of network devices (`-w`), and `ssh --vpn`, between namespaces."""
import contextlib
import os
import signal
import subprocess
import sys
import time

import fixture
import netns
import procs
from report import Case, Skip, expect, same, shorten

CASE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'networks_case.py')
PAIRS = (('ours', 'ours'), ('ours', 'openssh10'), ('openssh10', 'ours'))
SERVER = '192.0.2.2'


def read(path):
    """A file's text."""
    with open(path, encoding='utf-8', errors='replace') as file:
        return file.read()


def inside(machine, *words, **options):
    """Runs a part of networks_case.py on a machine: what it prints."""
    done = machine.run(sys.executable, CASE, *words, timeout=300, **options)
    expect(done.returncode == 0, f'{words}: {shorten(done.stderr)}')
    return done.stdout.decode().strip()


class Lab:
    """A net with a daemon on its server, and the ways of a client to it."""

    def __init__(self, bench, client, server, options=(), user='root'):
        self.bench, self.suite, self.server_suite = bench, bench.suites[client], bench.suites[server]
        self.options, self.user = options, user
        self.running = []

    def __enter__(self):
        self.net = netns.Net()
        try:
            os.makedirs('/run/sshd', mode=0o755, exist_ok=True)
            folder, keys = self.bench.folder, self.bench.keys
            stem = self.net.server.name
            lines = [*self.options, 'Port 22', 'UsePAM no', 'StrictModes no', 'PermitRootLogin yes', 'LogLevel DEBUG1',
                     f'PidFile {folder / (stem + ".pid")}', f'HostKey {keys.path("host", "ed25519")}',
                     f'AuthorizedKeysFile {keys.authorized}', *self.server_suite.extra_sshd]
            config = folder.write(f'{stem}.sshd_config', '\n'.join(lines) + '\n')
            self.log = folder / f'{stem}.sshd.log'
            with open(self.log, 'wb') as log:
                self.running.append(self.net.server.start(self.server_suite.sshd, '-D', '-e', '-f', config, stderr=log,
                                                            tun=True))
            hosts = folder.write(f'{stem}.known_hosts', f'{SERVER} ' + keys.public('host', 'ed25519'))
            self.flags = ['-F', 'none', '-o', f'UserKnownHostsFile={hosts}', '-o', 'GlobalKnownHostsFile=/dev/null',
                          '-o', 'BatchMode=yes', '-o', 'IdentitiesOnly=yes', '-i', keys.path('user', 'ed25519')]
            netns.until(lambda: self.net.client.reaches(SERVER, 22), f'the daemon does not listen: {self.said()}')
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in reversed(self.running):
            procs.end_with_all(process)
        self.net.remove()

    def said(self):
        """The end of the daemon's log."""
        return shorten(read(self.log)[-600:], 600)

    def words(self, *flags):
        """A client's argument list."""
        return [self.suite.ssh, *self.flags, *flags, f'{self.user}@{SERVER}']

    def start(self, *flags, resolv=None):
        """Starts a client, whose errors go to a file."""
        self.errors = self.bench.folder / f'{self.net.client.name}.{len(self.running)}.err'
        with open(self.errors, 'wb') as errors:
            process = self.net.client.start(*self.words(*flags), stderr=errors, resolv=resolv)
        self.running.append(process)
        return process

    def run(self, command, *flags):
        """Runs a client to its end."""
        return self.net.client.run(*self.words(*flags), *command)

    def serve(self, machine, *places):
        """Starts servers on a machine."""
        process = machine.start(sys.executable, CASE, 'serve', *places, stdout=subprocess.PIPE)
        self.running.append(process)
        same(process.stdout.readline(), b'ready\n', 'servers')
        process.stdout.close()


def ends_of(lab, near, far):
    """The two ends of a tunnel, as `wired` takes them."""
    return (lab.net.client, near, '10.7.0.1'), (lab.net.server, far, '10.7.0.2')


def wired(machine, device, address, mtu=None):
    """Waits for an end of a tunnel and gives it an address. The kernel says nothing there of its own: what it says of IPv6
    might come to an end that is not switched on yet."""
    machine.wait_for(device)
    machine.ip('addr', 'add', f'{address}/30', 'dev', device)
    machine.ip('link', 'set', device, 'addrgenmode', 'none', *(['mtu', str(mtu)] if mtu else []))


def addressed(lab, near, far, mtu=None):
    """Gives the two ends of a tunnel addresses, and switches them on."""
    for each in ends_of(lab, near, far):
        wired(*each, mtu)
        machine, device, _ = each
        machine.ip('link', 'set', device, 'up')


def device_cases(bench, client, server):
    """`-w` of one client with one daemon."""
    title = f'{client}->{server}'

    def carries(mode, near, far, mtu):
        def check():
            with Lab(bench, client, server, [f'PermitTunnel {mode}']) as lab:
                process = lab.start('-N', '-o', f'Tunnel={mode}', '-w', '5:6')
                addressed(lab, near, far, mtu)
                # One that fits, one as long as a frame may be, and fragments.
                same(inside(lab.net.client, 'ping', '10.7.0.2', '56', str((mtu or 1500) - 28), '9000'), '3', 'echoes')
                lab.serve(lab.net.server, '10.7.0.2:7')
                same(inside(lab.net.client, 'copy', '10.7.0.2', '7', '20000000'), 'same', 'copy')
                process.terminate()
                process.wait(60)
                netns.until(lambda: not lab.net.client.has(near) and not lab.net.server.has(far), 'a device is left')
        return check

    def refused():
        with Lab(bench, client, server) as lab:
            done = lab.run([], '-N', '-w', '5:6', '-o', 'ExitOnForwardFailure=yes')
            same(done.returncode, 255, 'exit status')
            expect(b'Tunnel forwarding failed' in done.stderr, f'{done.stderr!r}')
            expect(not lab.net.server.has('tun6'), 'a device at the server')

    def other_layer():
        with Lab(bench, client, server, ['PermitTunnel ethernet']) as lab:
            done = lab.run([], '-N', '-w', 'any', '-o', 'ExitOnForwardFailure=yes')
            same(done.returncode, 255, 'exit status')

    def one_for_the_key():
        key = bench.keys.public('user', 'ed25519')
        path = bench.folder.write(f'{client}.{server}.tunnel.keys', f'tunnel="6" {key}')
        with Lab(bench, client, server, ['PermitTunnel yes', f'AuthorizedKeysFile {path}']) as lab:
            done = lab.run([], '-N', '-w', '5:7', '-o', 'ExitOnForwardFailure=yes')
            same(done.returncode, 255, 'exit status for another device')
            lab.start('-N', '-w', '5:any')
            lab.net.server.wait_for('tun6')

    def told():
        with Lab(bench, client, server, ['PermitTunnel yes']) as lab:
            words = lab.words('-w', 'any:any', '-o', 'PermitLocalCommand=yes', '-o', 'LocalCommand=echo %T')
            process = lab.net.client.start(*words, 'echo $SSH_TUNNEL', stdout=subprocess.PIPE)
            lab.running.append(process)
            said = process.stdout.readline() + process.stdout.readline()
            same(said, b'tun0\ntun0\n', 'the interfaces, as LocalCommand and SSH_TUNNEL say')
            # The command has ended, and the tunnel has not.
            with contextlib.suppress(subprocess.TimeoutExpired):
                same(process.wait(1), None, 'exit status of a client whose tunnel is open')
            process.stdout.close()

    def a_users_own():
        if not bench.user.made:
            raise Skip('no user was made for the run')
        with Lab(bench, client, server, ['PermitTunnel yes'], bench.user.name) as lab:
            none = lab.run([], '-N', '-w', '5:any', '-o', 'ExitOnForwardFailure=yes')
            same(none.returncode, 255, 'exit status without a device')
            lab.net.server.ip('tuntap', 'add', 'dev', 'tun9', 'mode', 'tun', 'user', bench.user.name)
            lab.start('-N', '-w', '5:9')
            addressed(lab, 'tun5', 'tun9')
            same(inside(lab.net.client, 'ping', '10.7.0.2', '56', '1000'), '2', 'echoes')

    def with_a_master():
        with Lab(bench, client, server, ['PermitTunnel yes']) as lab:
            shared = ['-S', bench.folder / f'{lab.net.client.name}.ctl']
            # One that stays for a second only, were it not for its tunnel.
            done = lab.run(['true'], *shared, '-o', 'ControlMaster=yes', '-o', 'ControlPersist=1', '-w', '5:6')
            same(done.returncode, 0, 'exit status of the first')
            time.sleep(3)
            # Who shares a connection has no device of its own, and is not told.
            done = lab.run(['true'], *shared, '-w', '7:8')
            same(done.returncode, 0, 'exit status of a passenger')
            expect(b'unnel' not in done.stderr, f'{done.stderr!r}')
            expect(lab.net.client.has('tun5') and lab.net.server.has('tun6'), 'the master has not stayed for its tunnel')
            expect(not lab.net.client.has('tun7'), 'a device for the passenger')
            same(lab.run([], *shared, '-O', 'exit').returncode, 0, 'exit status of -O exit')
            netns.until(lambda: not lab.net.client.has('tun5') and not lab.net.server.has('tun6'), 'a device is left')

    def off(end):
        def check():
            with Lab(bench, client, server, ['PermitTunnel yes']) as lab:
                process = lab.start('-N', '-w', '5:6')
                ends = ends_of(lab, 'tun5', 'tun6')
                for each in ends:
                    wired(*each)
                (machine, on, _), (other, off_yet, address) = ends[::-1] if end == 'near' else ends
                machine.ip('link', 'set', on, 'up')
                # Nobody has switched the other end on: what comes for it, as much as no window takes, is dropped.
                script = 'import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); ' \
                    f'[s.sendto(bytes(1400), ("{address}", 9)) for _ in range(5000)]'
                same(machine.run(sys.executable, '-c', script).returncode, 0, 'flood')
                other.ip('link', 'set', off_yet, 'up')
                # The flood's end may stand before the first.
                netns.until(lambda: inside(lab.net.client, 'ping', '10.7.0.2', '56') == '1', 'no echo', 120)
                expect(process.poll() is None, 'the client has ended')
        return check

    # OpenSSH reads no more than 16 KiB of a device at once.
    long = 20000 if client == server == 'ours' else 9000
    named = [('point-to-point', carries('point-to-point', 'tun5', 'tun6', None)),
             ('point-to-point with long packets', carries('point-to-point', 'tun5', 'tun6', long)),
             ('ethernet', carries('ethernet', 'tap5', 'tap6', None)), ('not permitted', refused),
             ('the other layer', other_layer), ('a device for the key', one_for_the_key), ('told by name', told),
             ("a user's own device", a_users_own), ('with a master', with_a_master)]
    # OpenSSH's end of a tunnel is dead from the first frame on that finds its device switched off.
    named += [(f'a {end} end that is off', off(end)) for end, suite in (('near', client), ('far', server)) if suite == 'ours']
    return [Case(f'{title} -w {name}', check, alone=True) for name, check in named]


def routes(machine):
    """What a machine's packets go by."""
    return machine.ip('route') + machine.ip('-6', 'route')


def vpn_cases(bench, server):
    """`--vpn` with one daemon."""
    title = f'ours->{server} --vpn'

    @contextlib.contextmanager
    def running(*flags, networks='10.1.0.0/16,fd99::/64', user='root'):
        with Lab(bench, 'ours', server, user=user) as lab:
            before = routes(lab.net.client)
            lab.resolv = bench.folder.write(f'{lab.net.client.name}.resolv', 'nameserver 203.0.113.9\noptions timeout:5\n')
            lab.serve(lab.net.far, '10.1.0.9:7', 'fd99::9:7', '10.1.0.9:53')
            lab.process = lab.start('-v', '--vpn', networks, *flags, resolv=lab.resolv)

            def started():
                text = read(lab.errors)
                expect(lab.process.poll() is None, f'it has ended: {shorten(text[-500:])}')
                return 'Entering interactive session' in text
            netns.until(started, 'it does not start')
            expect(routes(lab.net.client) != before, 'no routes')
            yield lab
            lab.process.terminate()
            same(lab.process.wait(60), 0, 'exit status')
            same(routes(lab.net.client), before, 'routes after the end')
            same(read(lab.resolv), 'nameserver 203.0.113.9\noptions timeout:5\n', 'resolv.conf after the end')

    def carries():
        with running(user=bench.user.name) as lab:
            client = lab.net.client
            same(inside(client, 'copy', '10.1.0.9', '7', '1000'), 'same', 'IPv4')
            same(inside(client, 'copy', 'fd99::9', '7', '1000000'), 'same', 'IPv6')
            same(inside(client, 'copy', '10.1.0.9', '7', '50000000'), 'same', '50 MB')
            same(inside(client, 'many', '10.1.0.9', '7', '100'), '100', '100 at once')

    def refuses():
        with running() as lab:
            client = lab.net.client
            same(inside(client, 'connect', '10.1.0.9', '8'), 'ECONNREFUSED', 'a port where nobody listens')
            same(inside(client, 'connect', '10.1.0.77', '7'), 'EHOSTUNREACH', 'a machine that is not there')
            same(inside(client, 'udp', '10.1.0.9', '123'), 'ECONNREFUSED', 'UDP')
            same(inside(client, 'udp', 'fd99::9', '443'), 'ECONNREFUSED', 'UDP over IPv6')
            same(inside(client, 'ping', '10.1.0.9', '56'), '0', 'echoes')

    def asks_names():
        with running('--vpn-dns=10.1.0.9') as lab:
            got = inside(lab.net.client, 'names', 'intranet.example', 'long.example', resolv=lab.resolv)
            same(got, '1 10.1.0.9\n100 10.1.0.9', 'names')
            same(inside(lab.net.client, 'copy', 'intranet.example', '7', '1000', resolv=lab.resolv), 'same', 'by name')

    def servers_names():
        lines = read('/etc/resolv.conf').splitlines()
        wanted = next((line.split()[1] for line in lines if line.startswith('nameserver')), None)
        if not wanted:
            raise Skip('this machine has no resolver')
        with running('--vpn-dns', networks='10.1.0.0/16') as lab:
            # The daemon sees this machine's resolv.conf: whatever it says, the client must have asked for it.
            text = read(lab.errors)
            expect(f'names are asked for at {wanted}' in text, f'{wanted}: {shorten(text[-500:])}')

    def everything():
        with running(networks='0/0,::/0') as lab:
            client = lab.net.client
            expect('192.0.2.2 dev wire0' in routes(client), 'no way to the server')
            same(inside(client, 'copy', '10.1.0.9', '7', '100000'), 'same', 'copy')
            same(inside(client, 'copy', 'fd99::9', '7', '100000'), 'same', 'copy over IPv6')

    def killed():
        with Lab(bench, 'ours', server) as lab:
            client, before = lab.net.client, routes(lab.net.client)
            resolv = bench.folder.write(f'{client.name}.resolv', 'nameserver 203.0.113.9\n')
            process = lab.start('--vpn', '0/0', '--vpn-dns=10.1.0.9', resolv=resolv)
            netns.until(lambda: '10.1.0.9' in read(resolv), 'it does not start')
            process.kill()
            process.wait()
            netns.until(lambda: not client.has('carrick0'), 'the device is left')
            expect('198.18' not in routes(client), 'routes of the device are left')
            expect(routes(client) != before, 'nothing is left, and so nothing is tested')
            # It ends at once, as nobody listens there; what was left is undone all the same.
            done = client.run(lab.suite.ssh, *lab.flags, '-p', '9', '--vpn', '10.9.0.0/16', f'root@{SERVER}', resolv=resolv)
            same(done.returncode, 255, 'exit status')
            same(routes(client), before, 'routes after the next start')
            same(read(resolv), 'nameserver 203.0.113.9\n', 'resolv.conf after the next start')

    def ended_early():
        with Lab(bench, 'ours', server) as lab:
            client, before = lab.net.client, routes(lab.net.client)
            resolv = bench.folder.write(f'{client.name}.resolv', 'nameserver 203.0.113.9\n')
            # When all is changed, and nothing has begun.
            command = 'cat /etc/resolv.conf >&2; kill -TERM $PPID'
            process = lab.start('--vpn', '0/0', '--vpn-dns=10.1.0.9', '-o', 'PermitLocalCommand=yes', '-o',
                                f'LocalCommand={command}', '-o', 'SessionType=default', '-o', 'RemoteCommand=sleep 60',
                                resolv=resolv)
            same(process.wait(60), 255, 'exit status')
            expect('nameserver 10.1.0.9' in read(lab.errors), 'the resolver was not changed, and so nothing is tested')
            same(routes(client), before, 'routes after the end')
            same(read(resolv), 'nameserver 203.0.113.9\n', 'resolv.conf after the end')

    def a_dead_link():
        with Lab(bench, 'ours', server) as lab:
            client, before = lab.net.client, routes(lab.net.client)
            lab.serve(lab.net.far, '10.1.0.9:7')
            process = lab.start('-v', '-o', 'ServerAliveInterval=3', '-o', 'ServerAliveCountMax=2', '--vpn', '10.1.0.0/16')
            netns.until(lambda: routes(client) != before, 'no routes')
            holder = client.start(sys.executable, CASE, 'hold', '10.1.0.9', '7', stdout=subprocess.PIPE)
            lab.running.append(holder)
            same(holder.stdout.readline(), b'held\n', 'a connection')
            # The server is there no more, and nobody says so.
            lab.net.server.ip('addr', 'del', f'{SERVER}/24', 'dev', 'wire1')
            same(process.wait(60), 255, 'exit status')
            same(holder.stdout.readline(), b'ECONNRESET\n', 'what the program is told')
            holder.stdout.close()
            same(routes(client), before, 'routes after the end')

    def in_the_background():
        with Lab(bench, 'ours', server) as lab:
            client, before = lab.net.client, routes(lab.net.client)
            lab.serve(lab.net.far, '10.1.0.9:7')
            done = lab.run([], '-f', '-E', bench.folder / f'{client.name}.log', '--vpn', '10.1.0.0/16')
            same(done.returncode, 0, 'exit status')
            try:
                same(inside(client, 'copy', '10.1.0.9', '7', '1000000'), 'same', 'copy')
            finally:
                found = fixture.run(['ip', 'netns', 'pids', client.name]).stdout.split()
                for pid in found:
                    os.kill(int(pid), signal.SIGTERM)
            netns.until(lambda: routes(client) == before, 'routes are left')

    def not_permitted():
        with Lab(bench, 'ours', server) as lab:
            if not bench.user.made:
                raise Skip('no user was made for the run')
            done = lab.net.client.run('setpriv', f'--reuid={bench.user.uid}', f'--regid={bench.user.gid}', '--clear-groups',
                                      lab.suite.ssh, '--vpn', '10.1.0.0/16', SERVER)
            same(done.returncode, 255, 'exit status')
            expect(b'this system gives us no network device' in done.stderr, f'{done.stderr!r}')

    named = [('carries', carries), ('refuses', refuses), ('asks for names', asks_names), ("the server's resolver", servers_names),
             ('everything', everything), ('killed', killed), ('ended before it begins', ended_early),
             ('a dead link', a_dead_link), ('in the background', in_the_background),
             ('not permitted', not_permitted)]
    return [Case(f'{title} {name}', check, alone=True) for name, check in named]


def group(bench, pairs=PAIRS, vpn=('ours', 'openssh10')):
    """All of it."""
    cases = [case for client, server in pairs for case in device_cases(bench, client, server)]
    cases += [case for server in vpn for case in vpn_cases(bench, server)]
    return 'networks', cases

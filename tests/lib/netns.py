"""Network namespaces of a test: machines with wires between them, of which nothing is seen outside."""
import itertools
import os
import subprocess
import time

import fixture
from report import Skip, expect

_numbers = itertools.count()


class Machine:
    """A network namespace."""

    def __init__(self, name):
        self.name = name
        done = fixture.run(['ip', 'netns', 'add', name])
        if done.returncode:
            raise Skip(f'no network namespaces here: {done.stderr.decode().strip()}')
        self.ip('link', 'set', 'lo', 'up')

    def ip(self, *words, check=True):
        """`ip` in it: what it prints."""
        done = fixture.run(['ip', '-n', self.name, *words])
        expect(not check or done.returncode == 0, f'ip {" ".join(words)}: {done.stderr!r}')
        return done.stdout.decode()

    def command(self, *words, resolv=None, tun=False):
        """The argument list that runs a command in it, with a file in the place of /etc/resolv.conf if one is named, and
        with /dev/net/tun for everybody if wanted, as most systems have it."""
        words = ['nsenter', f'--net=/run/netns/{self.name}', *words]
        if tun:
            script = 'mount -t tmpfs none /dev/net && mknod -m 666 /dev/net/tun c 10 200 && exec "$@"'
            words = ['unshare', '--mount', 'sh', '-c', script, 'sh', *words]
        if resolv:
            script = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'
            words = ['unshare', '--mount', 'sh', '-c', script, resolv, *words]
        return words

    def run(self, *words, resolv=None, **options):
        """Runs a command in it."""
        return fixture.run(self.command(*words, resolv=resolv), **options)

    def start(self, *words, resolv=None, tun=False, **options):
        """Starts a command in it."""
        options = {'stdin': subprocess.DEVNULL, 'stdout': subprocess.DEVNULL, 'stderr': subprocess.DEVNULL, **options}
        return subprocess.Popen(self.command(*words, resolv=resolv, tun=tun), **options)

    def has(self, interface):
        """Whether it has an interface of that name."""
        return fixture.run(['ip', '-n', self.name, 'link', 'show', interface]).returncode == 0

    def wait_for(self, interface, seconds=60):
        """Waits until it has one."""
        until(lambda: self.has(interface), f'no {interface} in {self.name}', seconds)

    def reaches(self, address, port):
        """Whether a TCP connection can be made from it."""
        script = f'exec 3<>/dev/tcp/{address}/{port}'
        return self.run('bash', '-c', script).returncode == 0


def until(true, wrong, seconds=60):
    """Waits until something is so."""
    end = time.monotonic() + seconds
    while not true():
        expect(time.monotonic() < end, wrong() if callable(wrong) else wrong)
        time.sleep(0.05)


class Net:
    """A client, a server that it reaches, and behind that a machine which only the server reaches.

    client 192.0.2.1 - 192.0.2.2 server 10.1.0.1, fd99::1 - 10.1.0.9, fd99::9 far
    """

    def __init__(self):
        if os.geteuid() != 0:
            raise Skip('network namespaces are made by root')
        if not os.path.exists('/dev/net/tun'):
            raise Skip('no network devices for programs here (/dev/net/tun)')
        stem = f'carrick{os.getpid()}x{next(_numbers)}'
        self.machines = []
        try:
            for name in 'csf':
                self.machines.append(Machine(stem + name))
            self.client, self.server, self.far = self.machines
            self.wire(self.client, self.server, 'wire0', 'wire1', ['192.0.2.1/24'], ['192.0.2.2/24'])
            self.wire(self.server, self.far, 'wire2', 'wire3', ['10.1.0.1/16', 'fd99::1/64'], ['10.1.0.9/16', 'fd99::9/64'])
        except BaseException:
            self.remove()
            raise

    @staticmethod
    def wire(one, two, name_one, name_two, addresses_one, addresses_two):
        """A wire between two machines."""
        done = fixture.run(['ip', 'link', 'add', name_one, 'netns', one.name, 'type', 'veth', 'peer', 'name', name_two,
                            'netns', two.name])
        if done.returncode:
            raise Skip(f'no veth devices here: {done.stderr.decode().strip()}')
        for machine, name, addresses in ((one, name_one, addresses_one), (two, name_two, addresses_two)):
            for address in addresses:
                machine.ip('addr', 'add', address, 'dev', name, *(['nodad'] if ':' in address else []))
            machine.ip('link', 'set', name, 'up')

    def remove(self):
        """Removes all of it. Devices go with their machines."""
        for machine in self.machines:
            fixture.run(['ip', 'netns', 'del', machine.name])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.remove()

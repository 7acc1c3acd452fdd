"""What a test needs around it: a folder, a user, keys, daemons and a relay; all of it gone afterwards."""
import collections
import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import ports
import procs
import programs
import report

KEY_TYPES = (('ed25519', ()), ('ecdsa256', ('-t', 'ecdsa', '-b', '256')), ('ecdsa384', ('-t', 'ecdsa', '-b', '384')),
             ('ecdsa521', ('-t', 'ecdsa', '-b', '521')), ('rsa', ('-t', 'rsa', '-b', '2048')))


def run(command, **options):
    """subprocess.run that never waits for ever and never reads our stdin."""
    options.setdefault('timeout', 60)
    options.setdefault('capture_output', True)
    if 'input' not in options:
        options.setdefault('stdin', subprocess.DEVNULL)
    options.setdefault('check', False)
    return subprocess.run(command, **options)


class Folder:
    """A temporary folder that the test user may enter."""

    def __init__(self, prefix='carrick-test.'):
        self.path = tempfile.mkdtemp(prefix=prefix)
        os.chmod(self.path, 0o755)

    def __truediv__(self, name):
        return os.path.join(self.path, name)

    def write(self, name, text, mode=0o644):
        """Writes a file and returns its path."""
        path = self / name
        with open(path, 'wb' if isinstance(text, bytes) else 'w') as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    def remove(self):
        """Removes the folder."""
        shutil.rmtree(self.path, ignore_errors=True)


class User:
    """The user that logs in: as root one made for the test, with a password and a plain shell; else whoever runs it."""

    def __init__(self):
        self.made = os.geteuid() == 0
        self.password = None
        if self.made:
            self.name = f'carrick{os.getpid()}'
            self.password = secrets.token_urlsafe(12)
            done = run(['useradd', '-m', '-s', '/bin/sh', self.name])
            report.expect(done.returncode == 0, f'useradd: {done.stderr!r}')
            done = run(['chpasswd'], input=f'{self.name}:{self.password}\n'.encode())
            report.expect(done.returncode == 0, f'chpasswd: {done.stderr!r}')
        else:
            self.name = pwd.getpwuid(os.geteuid()).pw_name
        entry = pwd.getpwnam(self.name)
        self.home, self.uid, self.gid = entry.pw_dir, entry.pw_uid, entry.pw_gid

    def authorize(self, path):
        """Puts keys where a daemon without a setting of ours looks for them. Only for a user made here."""
        folder = os.path.join(self.home, '.ssh')
        os.makedirs(folder, mode=0o700, exist_ok=True)
        target = os.path.join(folder, 'authorized_keys')
        shutil.copy(path, target)
        for each in (folder, target):
            os.chown(each, self.uid, self.gid)
        os.chmod(target, 0o600)

    def remove(self):
        """Removes a user that was made here, with what is left of its processes."""
        if not self.made:
            return
        for _ in range(20):
            left = [int(p) for p in os.listdir('/proc') if p.isdigit() and owner(p) == self.uid]
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            if not left:
                break
            time.sleep(0.1)
        run(['userdel', '-r', self.name])


def owner(pid):
    """The uid that a process runs as, or None."""
    try:
        return os.stat(f'/proc/{pid}').st_uid
    except OSError:
        return None


class Keys:
    """A host key and a user key of each type, made with the given ssh-keygen."""

    def __init__(self, folder, keygen):
        self.folder = folder
        for kind, options in KEY_TYPES:
            for role in ('host', 'user'):
                options = options or ('-t', 'ed25519')
                done = run([keygen, '-q', '-N', '', *options, '-C', f'{role} {kind}', '-f', self.path(role, kind)])
                report.expect(done.returncode == 0, f'ssh-keygen {kind}: {done.stderr!r}')
        lines = ''.join(self.public('user', kind) for kind, _ in KEY_TYPES)
        self.authorized = folder.write('authorized_keys', lines)

    def path(self, role, kind):
        """The private key's file."""
        return self.folder / f'{role}_{kind}'

    def public(self, role, kind):
        """The public key's line."""
        with open(self.path(role, kind) + '.pub', encoding='utf-8') as file:
            return file.read()


class Daemon:
    """A daemon in the foreground on a loopback port."""

    def __init__(self, label, command, port, log):
        self.label, self.port, self.log = label, port, log
        self.output = open(log, 'wb')  # pylint: disable=consider-using-with
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.output,
                                        start_new_session=True)
        if not ports.wait_for(port, 15, lambda: self.process.poll() is not None):
            self.stop()
            raise AssertionError(f'{label} does not listen: {self.said()}')

    @property
    def pid(self):
        """The listener's process."""
        return self.process.pid

    def said(self, most=600):
        """The end of its log."""
        with open(self.log, encoding='utf-8', errors='replace') as file:
            return report.shorten(file.read()[-most:], most)

    def stop(self):
        """Ends the daemon and every process below it."""
        procs.end_with_all(self.process)
        self.output.close()


def sshd(suite, folder, keys, user, options=(), name='sshd'):
    """Starts a suite's sshd with all host keys; `options` take the place of the usual line with their keyword."""
    if os.geteuid() == 0:
        os.makedirs('/run/sshd', mode=0o755, exist_ok=True)
    port = ports.free_port()
    base = [f'Port {port}', 'ListenAddress 127.0.0.1', 'StrictModes no', 'UsePAM no',
            f'PidFile {folder / (suite.label + name + ".pid")}', f'AuthorizedKeysFile {keys.authorized}',
            'MaxStartups 200:30:300', 'MaxSessions 100', 'LogLevel VERBOSE', 'AcceptEnv CARRICK_*',
            f'AllowUsers {user.name}',
            *(f'HostKey {keys.path("host", kind)}' for kind, _ in KEY_TYPES), *suite.extra_sshd]
    given = {line.split()[0] for line in options}
    base = [line for line in base if line.split()[0] not in given]
    config = folder.write(f'{suite.label}.{name}_config', '\n'.join([*options, *base]) + '\n')
    checked = run([suite.sshd, '-t', '-f', config])
    report.expect(checked.returncode == 0, f'{suite.label} sshd -t: {report.shorten(checked.stderr)}')
    return Daemon(suite.label, [suite.sshd, '-D', '-e', '-f', config], port, folder / f'{suite.label}.{name}.log')


@contextlib.contextmanager
def agent(tools, sock, keys):
    """The agent of the folder `tools` on `sock` with these keys in it: gives the environment that names it."""
    running = subprocess.Popen([os.path.join(tools, 'ssh-agent'), '-D', '-a', sock], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        report.expect(ports.wait_for_path(sock, gone=lambda: running.poll() is not None), 'the agent does not listen')
        env = {'SSH_AUTH_SOCK': sock}
        for key in keys:
            done = run([os.path.join(tools, 'ssh-add'), '-q', key], env={**os.environ, **env})
            report.same(done.returncode, 0, f'ssh-add {done.stderr!r}')
        yield env
    finally:
        running.terminate()
        running.wait()


class Relay:
    """A TCP relay: holds every byte back by `delay` seconds each way, and may flip a bit of the byte with this number
    on the way up to the server or down to the client."""

    def __init__(self, target, delay=0.0, flip_up=None, flip_down=None):
        self.target, self.delay, self.flip_up, self.flip_down = target, delay, flip_up, flip_down
        self.listener = socket.create_server(('127.0.0.1', 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        """Takes no more connections."""
        self.listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
                server = socket.create_connection(('127.0.0.1', self.target))
            except OSError:
                return
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._pump(client, server, self.flip_up)
            self._pump(server, client, self.flip_down)

    def _pump(self, source, sink, flip):
        queue, ready = collections.deque(), threading.Condition()

        def take():
            passed = 0
            while True:
                try:
                    data = source.recv(1 << 20)
                except OSError:
                    data = b''
                if flip is not None and passed <= flip < passed + len(data):
                    data = bytearray(data)
                    data[flip - passed] ^= 1
                passed += len(data)
                with ready:
                    queue.append((time.monotonic() + self.delay, data))
                    ready.notify()
                if not data:
                    return

        def give():
            while True:
                with ready:
                    while not queue:
                        ready.wait()
                    due, data = queue.popleft()
                wait = due - time.monotonic()
                if wait > 0:
                    time.sleep(wait)
                try:
                    if not data:
                        sink.shutdown(socket.SHUT_WR)
                        return
                    sink.sendall(data)
                except OSError:
                    return

        for work in (take, give):
            threading.Thread(target=work, daemon=True).start()


def known_hosts(folder, name, port, keys, kinds=None):
    """A known_hosts file that holds the host keys for a port of this machine."""
    lines = ''.join(f'[127.0.0.1]:{port} ' + keys.public('host', kind)
                    for kind, _ in KEY_TYPES if kinds is None or kind in kinds)
    return folder.write(name, lines)


class Client:
    """A suite's ssh, set up for one daemon."""

    def __init__(self, suite, folder, keys, user, port, name, log_level='ERROR'):
        self.suite, self.user, self.port = suite, user, port
        self.env = {key: value for key, value in os.environ.items() if key not in ('SSH_AUTH_SOCK', 'SSH_ASKPASS', 'DISPLAY')}
        self.known_hosts = known_hosts(folder, f'{name}.known_hosts', port, keys)
        self.config = folder.write(f'{name}.ssh_config', '\n'.join([
            'Host target', 'HostName 127.0.0.1', f'Port {port}', 'Host *', f'User {user.name}',
            f'IdentityFile {keys.path("user", "ed25519")}', 'IdentitiesOnly yes',
            f'UserKnownHostsFile {self.known_hosts}', 'GlobalKnownHostsFile /dev/null', 'StrictHostKeyChecking yes',
            'BatchMode yes', f'LogLevel {log_level}']) + '\n')

    def command(self, *words, options=(), flags=()):
        """The argument list for a remote command."""
        pairs = [word for option in options for word in ('-o', option)]
        return [self.suite.ssh, '-F', self.config, *pairs, *flags, 'target', *words]

    def run(self, *words, options=(), flags=(), env=None, **rest):
        """Runs a remote command."""
        return run(self.command(*words, options=options, flags=flags), env={**self.env, **(env or {})}, **rest)

    def query(self, what):
        """A list by -Q."""
        done = run([self.suite.ssh, '-Q', what])
        report.expect(done.returncode == 0, f'{self.suite.label} ssh -Q {what}: {report.shorten(done.stderr)}')
        return done.stdout.decode().split()


def query(suite, what):
    """A suite's list by `ssh -Q`."""
    done = run([suite.ssh, '-Q', what])
    report.expect(done.returncode == 0, f'{suite.label} ssh -Q {what}: {report.shorten(done.stderr)}')
    return done.stdout.decode().split()


# Packages name their programs' places through this module, so that a peer's file needs one import.
find = programs.find

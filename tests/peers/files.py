"""Other people's sftp, scp and sshfs at our daemon, with our sftp-server as a program, inside the daemon, and in a root
directory of its own: what arrives is compared byte for byte with what was sent."""
import contextlib
import os
import shutil
import stat
import subprocess
import time

import fixture
import others
import programs
from report import Case, Skip, expect, same

ODD = [b'a space', b'"quotes"', b"it's", b'new\nline', 'ümläut'.encode(), b'\xff\xfe', b'-dash', b'back\\slash', b'*?[]']


def make_tree(root):
    """Files of all kinds that can be copied."""
    os.makedirs(os.path.join(root, 'sub', 'deeper'))
    for name in ODD:
        write(os.path.join(os.fsencode(root), b'sub', name), name * 100)
    write(os.path.join(root, 'empty'), b'')
    write(os.path.join(root, 'big'), os.urandom(3_000_001))
    write(os.path.join(root, 'sub', 'deeper', 'mode'), b'x', 0o751)
    with open(os.path.join(root, 'sparse'), 'wb') as file:
        file.seek(5_000_000)
        file.write(b'end')
    for at, (folder, _, names) in enumerate(os.walk(root)):
        for name in names:
            os.utime(os.path.join(folder, name), (1_000_000_000 + at, 1_100_000_000 + at))
    return root


def write(path, content, mode=0o644):
    """A file."""
    with open(path, 'wb') as file:
        file.write(content)
    os.chmod(path, mode)


def read(path):
    """A file's content."""
    with open(path, 'rb') as file:
        return file.read()


def tree(root, times=False):
    """All below a folder: path -> (kind, mode, content or target, times)."""
    root, found = os.fsencode(root), {}
    for folder, names, files in os.walk(root):
        for name in names + files:
            path = os.path.join(folder, name)
            status = os.lstat(path)
            kind, content = stat.S_IFMT(status.st_mode), None
            if stat.S_ISREG(status.st_mode):
                content = read(path)
            elif stat.S_ISLNK(status.st_mode):
                content = os.readlink(path)
            mode = stat.S_IMODE(status.st_mode) if times and content is not None else None
            found[os.path.relpath(path, root)] = (kind, mode, content, int(status.st_mtime) if times and content is not None else None)
    return found


def same_tree(got, wanted, what, times=False):
    """Fails where two trees differ, with the first path that does."""
    got, wanted = tree(got, times), tree(wanted, times)
    for path in sorted(set(got) | set(wanted)):
        expect(got.get(path) == wanted.get(path), f'{what}: {path!r} differs: {str(got.get(path))[:80]} {str(wanted.get(path))[:80]}')


class Server:
    """A daemon of ours whose sftp is served in one of the ways, and where its files are."""

    def __init__(self, bench, way):
        self.bench, self.way, self.user = bench, way, bench.user
        program = os.path.join(os.path.dirname(bench.suites['ours'].ssh), 'sftp-server')
        self.root = ''
        options = [f'Subsystem sftp {"internal-sftp" if way != "program" else program}']
        if way == 'chroot':
            if not bench.user.made:
                raise Skip('not root: no other root directory')
            # /tmp can be written by others, and so can what is below it be put in another's place.
            self.root = f'/var/lib/carrick-peers.{os.getpid()}'
            os.makedirs(self.root, 0o755)
            bench.on_exit.callback(shutil.rmtree, self.root, ignore_errors=True)
            options += ['ChrootDirectory ' + self.root, 'ForceCommand internal-sftp -d /files']
        self.daemon = fixture.sshd(bench.suites['ours'], bench.folder, bench.keys, bench.user, options, f'sftp-{way}')
        bench.daemons[('ours', f'sftp-{way}')] = self.daemon
        self.home = self.root + '/files' if way == 'chroot' else bench.user.home
        if way == 'chroot':
            os.makedirs(self.home)
            os.chown(self.home, bench.user.uid, bench.user.gid)
            os.makedirs(self.home + self.user.home)
        self.count = 0

    def place(self):
        """A fresh folder of the user's on the server: its name to the client, and here."""
        self.count += 1
        name = f'place-{self.way}-{self.count}'
        path = os.path.join(self.home, name)
        os.makedirs(path)
        os.chown(path, self.user.uid, self.user.gid)
        return name, path

    def give(self, path):
        """Has the user own all below a path."""
        for folder, names, files in os.walk(path):
            for name in ['.', *names, *files]:
                os.chown(os.path.join(folder, name), self.user.uid, self.user.gid, follow_symlinks=False)

    def client(self, name):
        """A suite's client."""
        return self.bench.client(name, self.daemon, f'sftp-{self.way}')


def quoted(name):
    """A name for sftp's command line."""
    return b'"' + name.replace(b'\\', b'\\\\').replace(b'"', b'\\"') + b'"'


class OpenSsh:
    """OpenSSH's sftp and scp of one release."""

    def __init__(self, server, suite, folder):
        self.server, self.folder = server, folder
        os.makedirs(folder, exist_ok=True)
        self.client = server.client(suite)
        tools = programs.OPENSSH10 + '/bin' if suite == 'openssh10' else os.path.dirname(programs.find('sftp'))
        self.sftp, self.scp = os.path.join(tools, 'sftp'), os.path.join(tools, 'scp')

    def batch(self, *lines, flags=(), wanted=0):
        """Runs commands; what was printed."""
        commands = b''.join((line if isinstance(line, bytes) else line.encode()) + b'\n' for line in lines)
        command = [self.sftp, '-S', self.client.suite.ssh, '-F', self.client.config, *flags, '-b', '-', 'target']
        done = fixture.run(command, input=commands, env=self.client.env, timeout=120)
        same(done.returncode, wanted, f'sftp {commands[:200]!r}: {done.stderr[-300:]!r}')
        return done.stdout

    def copy(self, *words, wanted=0):
        """Runs scp."""
        done = fixture.run([self.scp, '-S', self.client.suite.ssh, '-F', self.client.config, *words], env=self.client.env, timeout=120)
        same(done.returncode, wanted, f'scp {words}: {done.stderr[-300:]!r}')

    def whole_tree(self):
        """A tree there and back, with times and modes."""
        name, path = self.server.place()
        local = make_tree(os.path.join(self.folder, name))
        self.batch(f'put -rp {local} {name}/there')
        same_tree(os.path.join(path, 'there'), local, 'put', times=True)
        self.batch(f'get -rp {name}/there {local}-back')
        same_tree(local + '-back', local, 'get', times=True)

    def odd_names(self):
        """Names that need quotes, one by one."""
        name, path = self.server.place()
        source = self.folder + '/' + name
        write(source, b'content')
        for odd in ODD:
            if b'\n' in odd:
                # A command is a line.
                continue
            inside = f'{name}/'.encode() + odd.replace(b'*', b'\\*').replace(b'?', b'\\?').replace(b'[', b'\\[')
            self.batch(b'put ' + source.encode() + b' ' + quoted(f'{name}/'.encode() + odd))
            same(read(os.path.join(path.encode(), odd)), b'content', repr(odd))
            if b'\\' not in odd and b'[' not in odd:
                self.batch(b'get ' + quoted(inside) + b' ' + (source + '-back').encode())
                same(read(source + '-back'), b'content', repr(odd))

    def commands(self):
        """All that sftp can ask."""
        name, path = self.server.place()
        at = lambda what: os.path.join(path, what)
        source = self.folder + '/' + name
        write(source, b'first')
        self.batch(f'cd {name}', f'put {source} f', 'mkdir d', 'chmod 640 f', 'rename f d/g', 'ln d/g hard', 'ln -s d/g soft',
                   'cp d/g copied', f'put -f {source} d/synced', 'ls -la', 'ls -l d', 'df', 'df -h', 'pwd', '-rm nothing', 'rm copied')
        same((read(at('d/g')), stat.S_IMODE(os.stat(at('d/g')).st_mode)), (b'first', 0o640), 'renamed')
        same((os.stat(at('hard')).st_nlink, os.readlink(at('soft')), os.path.exists(at('copied'))), (2, 'd/g', False), 'links')
        self.batch(f'cd {name}', 'rmdir d', wanted=1)
        self.batch(f'cd {name}', 'rm d/*', 'rmdir d', 'rm soft', 'rm hard')
        same(os.listdir(path), [], 'what is left')

    def resumed(self):
        """reget and reput go on where they stopped."""
        name, path = self.server.place()
        source, content = self.folder + '/' + name, os.urandom(1_000_000)
        write(source, content)
        write(path + '/half', content[:300_000])
        self.server.give(path)
        self.batch(f'reput {source} {name}/half')
        same(read(path + '/half'), content, 'reput')
        write(source + '-back', content[:600_001])
        self.batch(f'reget {name}/half {source}-back')
        same(read(source + '-back'), content, 'reget')

    def failures(self):
        """What may not be had is an error, and leaves the rest."""
        name, path = self.server.place()
        source = self.folder + '/' + name
        write(source, b'x')
        write(path + '/mine', b'x', 0o600)
        os.mkfifo(path + '/fifo')
        self.batch(f'get {name}/nothing {source}-a', wanted=1)
        if self.server.user.made:
            # Root's, and not the user's to read.
            self.batch(f'get {name}/mine {source}-b', wanted=1)
        self.batch(f'put {source} {name}/none/x', wanted=1)
        self.batch(f'ls {name}')

    def remote_copy(self):
        """scp both ways."""
        name, path = self.server.place()
        local = make_tree(os.path.join(self.folder, name))
        self.copy('-rp', local, f'target:{name}/there')
        same_tree(os.path.join(path, 'there'), local, 'scp there', times=True)
        self.copy('-rp', f'target:{name}/there', local + '-back')
        same_tree(local + '-back', local, 'scp back', times=True)
        self.copy(f'target:{name}/there/big', f'target:{name}/there/empty', self.folder)
        self.copy(f'target:{name}/nothing', self.folder, wanted=1)

    def cases(self):
        """By name."""
        for case in (self.whole_tree, self.odd_names, self.commands, self.resumed, self.failures, self.remote_copy):
            yield Case(case.__name__.replace('_', ' '), case)


def putty_cases(server, folder):
    """PuTTY's psftp and pscp."""
    bench = server.bench
    os.makedirs(folder + '/sessions', exist_ok=True)
    hostkeys = []
    for kind, _ in fixture.KEY_TYPES:
        said = fixture.run([bench.suites['openssh10'].keygen, '-l', '-f', bench.keys.path('host', kind)]).stdout.decode()
        hostkeys += ['-hostkey', said.split()[1]]
    key = folder + '/key.ppk'
    done = fixture.run([others.program('puttygen'), bench.keys.path('user', 'ed25519'), '-O', 'private', '-o', key])
    expect(done.returncode == 0, f'puttygen: {done.stderr!r}')
    env = {**os.environ, 'PUTTYDIR': folder, 'HOME': folder}
    login = ['-batch', '-P', str(server.daemon.port), '-l', server.user.name, *hostkeys, '-i', key]

    def run(command, **more):
        done = fixture.run(command, env=env, timeout=120, **more)
        same(done.returncode, 0, f'{command[0]}: {done.stdout[-300:]!r} {done.stderr[-300:]!r}')
        return done.stdout

    def psftp():
        name, path = server.place()
        source, content = folder + '/' + name, os.urandom(1_000_000)
        write(source, content)
        lines = [f'cd {name}', f'lcd {folder}', f'put {name} there', 'mkdir sub', 'mv there "sub/with space"', 'ls', 'ls sub', 'chmod 600 "sub/with space"',
                 f'get "sub/with space" {name}-back', 'reget "sub/with space" ' + name + '-back', 'quit']
        run([others.program('psftp'), *login, '127.0.0.1'], input='\n'.join(lines).encode() + b'\n')
        same((read(path + '/sub/with space'), read(source + '-back')), (content, content), 'content')

    def pscp():
        name, path = server.place()
        local = folder + '/' + name
        os.makedirs(local + '/sub')
        write(local + '/big', os.urandom(2_000_000))
        write(local + '/sub/small', b'x')
        run([others.program('pscp'), *login, '-sftp', '-r', '-p', local, f'127.0.0.1:{name}'])
        same_tree(os.path.join(path, name), local, 'pscp there')
        run([others.program('pscp'), *login, '-sftp', '-r', '-p', f'127.0.0.1:{name}/{name}', local + '-back'])
        same_tree(local + '-back', local, 'pscp back')

    return [Case('psftp', psftp), Case('pscp', pscp)]


def sshfs_case(server, folder):
    """The server's files as a file system here."""
    program = programs.find('sshfs')
    if not program:
        others.absent('sshfs', 'sshfs')
    if not os.path.exists('/dev/fuse'):
        raise Skip('sshfs: no /dev/fuse')
    mount = folder + '/mount'
    os.makedirs(mount)
    name, path = server.place()
    client = server.client('openssh10')
    command = [program, '-f', '-F', client.config, '-o', f'ssh_command={client.suite.ssh} -F {client.config}', f'target:{name}', mount]
    with subprocess.Popen(command, env=client.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as running:
        try:
            for _ in range(100):
                if os.path.ismount(mount) or running.poll() is not None:
                    break
                time.sleep(0.1)
            if not os.path.ismount(mount):
                running.terminate()
                said = running.stdout.read().decode(errors='replace')
                if 'Operation not permitted' in said or 'mount failed' in said:
                    raise Skip(f'sshfs: {said.strip()}')
                raise AssertionError(f'sshfs: {said}')
            local = make_tree(folder + '/tree')
            shutil.copytree(local, mount + '/there', symlinks=True)
            same_tree(path + '/there', local, 'copied in', times=True)
            same_tree(mount + '/there', local, 'read back')
            os.rename(mount + '/there/empty', mount + '/there/full')
            with open(mount + '/there/full', 'ab') as file:
                file.write(b'more')
            os.truncate(mount + '/there/big', 10)
            os.symlink('full', mount + '/there/link')
            same((read(path + '/there/full'), os.path.getsize(path + '/there/big'), os.readlink(path + '/there/link')),
                 (b'more', 10, 'full'), 'changes')
            expect(os.statvfs(mount).f_blocks > 0, 'figures')
            shutil.rmtree(mount + '/there')
            same(os.listdir(path), [], 'what is left')
        finally:
            fixture.run([programs.find('fusermount3') or programs.find('fusermount') or 'umount', '-u', mount])
            with contextlib.suppress(subprocess.TimeoutExpired):
                running.wait(5)
            running.kill()


def session_cases(server):
    """What a session is beside its files."""
    client = server.client('openssh10')

    def shell():
        done = client.run('echo in')
        if server.way == 'chroot':
            same((done.returncode, done.stdout), (1, b'This service allows sftp connections only.\n'), 'a shell')
        else:
            same((done.returncode, done.stdout), (0, b'in\n'), 'a shell')

    def leaves():
        before = running(server.user.uid)
        held = subprocess.Popen([client.suite.ssh, '-F', client.config, '-s', 'target', 'sftp'], env=client.env,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        held.stdin.write(b'\0\0\0\5\1\0\0\0\3')
        held.stdin.flush()
        same(held.stdout.read(9)[4:], b'\2\0\0\0\3', 'the first answer')
        expect(running(server.user.uid) > before, 'no process of the user')
        held.kill()
        held.wait()
        for _ in range(100):
            if running(server.user.uid) <= before:
                return
            time.sleep(0.1)
        raise AssertionError('a process of the user is left')

    def outside():
        ours = OpenSsh(server, 'openssh10', server.bench.folder / 'outside')
        said = ours.batch('pwd', 'ls -1 /', 'cd /../../..', 'pwd', '-ls /etc/passwd')
        same(b'/etc' in said.replace(b'ls /etc/passwd', b'').replace(b'-ls', b''), False, said.decode())
        expect(b'working directory: /files' in said and b'working directory: /\n' in said, f'{said!r}')

    cases = [Case('shell', shell), Case('a lost client leaves nothing', leaves, alone=True)]
    return cases + ([Case('nothing outside', outside)] if server.way == 'chroot' else [])


def running(uid):
    """How many processes a user has; one that has ended and whose parent is gone is the system's."""
    return sum(1 for pid in os.listdir('/proc') if pid.isdigit() and fixture.owner(pid) == uid and not ended(pid))


def ended(pid):
    """Whether a process only waits to be taken note of."""
    try:
        return read(f'/proc/{pid}/stat').rpartition(b')')[2].split()[0] == b'Z'
    except OSError:
        return True


def bad_chroot(bench):
    """A root directory that others could have changed, or that is not there, ends the login."""
    if not bench.user.made:
        raise Skip('not root: no other root directory')
    for label, path, words in (('loose', bench.folder.path, 'bad ownership or modes for chroot directory component "/tmp"'),
                               ('none', '/nonexistent/x', 'stat(component "/nonexistent"): No such file or directory'),
                               ('relative', 'x', 'chroot path does not begin at root')):
        daemon = fixture.sshd(bench.suites['ours'], bench.folder, bench.keys, bench.user,
                              ['ChrootDirectory ' + path, 'ForceCommand internal-sftp'], 'bad-' + label)
        try:
            done = bench.client('openssh10', daemon, 'bad-' + label).run('true', timeout=20)
            expect(done.returncode == 255, f'{label}: exit code {done.returncode}')
            time.sleep(0.3)
            expect(words in daemon.said(3000), f'{label}: {daemon.said(3000)}')
        finally:
            daemon.stop()


def tokens(bench):
    """%u and %h in ChrootDirectory."""
    if not bench.user.made:
        raise Skip('not root: no other root directory')
    root = f'/var/lib/carrick-tokens.{os.getpid()}'
    os.makedirs(f'{root}/{bench.user.name}{bench.user.home}')
    bench.on_exit.callback(shutil.rmtree, root, ignore_errors=True)
    daemon = fixture.sshd(bench.suites['ours'], bench.folder, bench.keys, bench.user,
                          [f'ChrootDirectory {root}/%u', 'ForceCommand internal-sftp', 'Subsystem sftp internal-sftp'], 'tokens')
    try:
        client = bench.client('openssh10', daemon, 'tokens')
        done = fixture.run([programs.OPENSSH10 + '/bin/sftp', '-S', client.suite.ssh, '-F', client.config, '-b', '-', 'target'],
                           input=b'pwd\n', env=client.env)
        expect(f'working directory: {bench.user.home}\n'.encode() in done.stdout, f'{done.stdout!r} {done.stderr!r}')
    finally:
        daemon.stop()


def group(bench):
    """All clients, all ways."""
    cases = [Case('a bad root directory', lambda: bad_chroot(bench)), Case('tokens', lambda: tokens(bench))]
    for way in ('program', 'internal', 'chroot'):
        try:
            server = Server(bench, way)
        except Skip as why:
            reason = str(why)
            cases.append(Case(way, lambda r=reason: (_ for _ in ()).throw(Skip(r))))
            continue
        made = []
        for suite in ('openssh10', 'openssh'):
            made += others.named(f'{suite} sftp:', list(OpenSsh(server, suite, bench.folder / f'sftp-{way}-{suite}').cases()))
        made += putty_cases(server, bench.folder / f'putty-sftp-{way}')
        for module in ('paramiko_sftp', 'asyncssh_sftp'):
            made += others.python_cases(bench, server.daemon, server.place()[0], module)
        folder = bench.folder / f'sshfs-{way}'
        made.append(Case('sshfs', lambda s=server, f=folder: sshfs_case(s, f)))
        made += session_cases(server)
        cases += others.named(f'{way}:', made)
    return 'files', cases

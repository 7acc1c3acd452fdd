"""scp: ours with others' far ends, others with ours, in both protocols; and servers that lie."""
import contextlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import time

import fixture
import others
import programs
from report import Case, Skip, expect, same

LIAR = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib', 'liar.py')
sys.path.insert(0, os.path.dirname(LIAR))
import liar  # noqa: E402

NAMES = [b'plain', b'two words', b"quote'd", b'dou"ble', b'back\\slash', b'$HOME', b'`id`', b'a;b&c|d', b'*star', b'[set]',
         b'{x,y}', b'-dash', b'#hash', b'~tilde', b'a:b', '\u00e9\u65e5'.encode(), b'\xff\xfe', b'tab\there', b'.hidden', b'x' * 255]
# In the legacy protocol it would end the record: OpenSSH sends it in other letters.
NEWLINE = b'new\nline'
# A file's mode, and when it was changed and read.
MODES = {b'plain': (0o640, 1_000_000_000), b'two words': (0o755, 1_111_111_111), b'.hidden': (0o400, 1_222_222_222)}


def grow(root, newline):
    """A tree with all kinds of names, sizes, modes and times."""
    os.makedirs(root + b'/deep/er/empty')
    for number, name in enumerate([*NAMES, *([NEWLINE] if newline else [])]):
        with open(root + b'/' + name, 'wb') as file:
            file.write(os.urandom(100) * (number * number * 30))
        mode, when = MODES.get(name, (0o644, 1_333_333_333))
        os.chmod(root + b'/' + name, mode)
        os.utime(root + b'/' + name, (when, when))
    shutil.copy(root + b'/two words', root + b'/deep/er/copy')
    with open(root + b'/sparse', 'wb') as file:
        file.truncate(30_000_000)
        file.seek(20_000_000)
        file.write(b'end of the hole')
    os.chmod(root + b'/deep', 0o750)
    os.utime(root + b'/deep/er', (1_444_444_444, 1_444_444_444))


def look(root, kept):
    """What is in a tree: content, and with `kept` modes and times."""
    seen = {}
    for folder, _, files in os.walk(root):
        seen[os.path.relpath(folder, root)] = (stat.S_IMODE(os.stat(folder).st_mode),) if kept else ()
        for name in files:
            path = os.path.join(folder, name)
            about = os.stat(path)
            with open(path, 'rb') as file:
                content = file.read()
            seen[os.path.relpath(path, root)] = (content, *((stat.S_IMODE(about.st_mode), int(about.st_mtime)) if kept else ()))
    return seen


def check_tree(got, wanted, kept):
    """Compares two trees, and names what differs."""
    left, right = look(got, kept), look(wanted, kept)
    wrong = sorted({name for name in left.keys() | right.keys() if left.get(name) != right.get(name)})
    expect(not wrong, f'{len(wrong)} of {len(right)} differ: {wrong[:5]}')


class Scp:
    """A suite's scp, for one daemon in one protocol."""

    def __init__(self, bench, client, mode):
        self.bench, self.client, self.mode = bench, client, mode
        self.program = client.suite.tool('scp')

    def command(self, *words, flags=()):
        flag = ['-O'] if self.mode == 'legacy' else ['-s']
        return [self.program, *flag, '-q', '-F', self.client.config, '-S', self.client.suite.ssh, *flags, '--', *words]

    def run(self, *words, flags=(), **rest):
        return fixture.run(self.command(*words, flags=flags), env=self.client.env, **rest)

    def well(self, *words, flags=(), **rest):
        """A copy that must go well, without a word."""
        done = self.run(*words, flags=flags, **rest)
        same((done.returncode, done.stderr), (0, b''), 'exit status and errors')

    def remote(self, path):
        """A remote path, such that it means one name."""
        path = os.fsencode(path)
        if self.mode == 'legacy':
            quoted = b''.join(bytes([b]) if b in b'/._+,:@%=-' or chr(b).isalnum() or b >= 128 else b'\\' + bytes([b]) for b in path)
        else:
            quoted = b''.join(b'\\' + bytes([b]) if b in b'*?[\\' else bytes([b]) for b in path)
        return b'target:' + quoted


@contextlib.contextmanager
def room(bench, name):
    """A folder here and one of the test user's, both gone afterwards."""
    here = bench.folder / ('scp-' + name.translate({ord(c): '_' for c in ' /->'}))
    os.makedirs(here + '/here')
    os.makedirs(here + '/there')
    os.chown(here + '/there', bench.user.uid, bench.user.gid)
    try:
        yield here + '/here', here + '/there'
    finally:
        shutil.rmtree(here, ignore_errors=True)


def copy_cases(bench, scp, title):
    """What any two scps must be able to do."""
    def case(name):
        def add(check):
            def run():
                with room(bench, f'{title} {name}') as (here, there):
                    check(here, there)
            cases.append(Case(f'{title} {name}', run))
        return add

    cases = []
    user = bench.user

    def hand_over(path):
        """What lies `there` belongs to the user, as if it had come by a login."""
        for folder, folders, files in os.walk(path):
            for entry in ['.', *folders, *files]:
                os.chown(os.path.join(folder, entry), user.uid, user.gid, follow_symlinks=False)

    for kept in (False, True):
        flags = ('-rp',) if kept else ('-r',)

        @case(f'tree up {flags[0]}')
        def _(here, there, kept=kept, flags=flags):
            grow(os.fsencode(here) + b'/t', scp.mode == 'sftp')
            scp.well(here + '/t', f'target:{there}/new', flags=flags)
            check_tree(os.fsencode(there) + b'/new', os.fsencode(here) + b'/t', kept)

        @case(f'tree down {flags[0]}')
        def _(here, there, kept=kept, flags=flags):
            grow(os.fsencode(there) + b'/t', scp.mode == 'sftp')
            hand_over(there)
            scp.well(f'target:{there}/t', here, flags=flags)
            check_tree(os.fsencode(here) + b'/t', os.fsencode(there) + b'/t', kept)

    @case('every name by itself')
    def _(here, there):
        grow(os.fsencode(there) + b'/t', scp.mode == 'sftp')
        hand_over(there)
        wanted = look(os.fsencode(there) + b'/t', False)
        # The shell there has the last word on these, and OpenSSH's check of names on what comes.
        unlike = (b'~tilde', b'{x,y}', b'a:b') if scp.mode == 'legacy' else (b'{x,y}',)
        names = [name for name in NAMES if name not in unlike] + ([NEWLINE] if scp.mode == 'sftp' else [])
        scp.well(*(scp.remote(os.fsencode(there) + b'/t/' + name) for name in names), here)
        for name in names:
            with open(os.fsencode(here) + b'/' + name, 'rb') as file:
                same(file.read() == wanted[name][0], True, f'{name!r}: same content')
        os.makedirs(there + '/up', 0o777)
        os.chown(there + '/up', user.uid, user.gid)
        scp.well(*(os.fsencode(here) + b'/' + name for name in names), f'target:{there}/up')
        check_tree(os.fsencode(there) + b'/up', os.fsencode(here), False)

    @case('in place, cut at the end')
    def _(here, there):
        for first, second, way in ((here, there, 'up'), (there, here, 'down')):
            with open(f'{first}/f', 'wb') as file:
                file.write(b'short')
            with open(f'{second}/f', 'wb') as file:
                file.write(b'longer than that' * 100_000)
            hand_over(there)
            inode = os.stat(f'{second}/f').st_ino
            scp.well(*((f'{here}/f', f'target:{there}/f') if way == 'up' else (f'target:{there}/f', f'{here}/f')))
            with open(f'{second}/f', 'rb') as file:
                same((file.read(), os.stat(f'{second}/f').st_ino), (b'short', inode), f'{way}: content and inode')
            os.remove(f'{here}/f')
            os.remove(f'{there}/f')

    @case('what fails is told, the rest is copied')
    def _(here, there):
        os.makedirs(there + '/t/sub')
        for name in ('a', 'b', 'sub/c'):
            with open(f'{there}/t/{name}', 'wb') as file:
                file.write(b'x')
        hand_over(there)
        os.chmod(f'{there}/t/b', 0)
        done = scp.run(f'target:{there}/t', here, flags=['-r'])
        expect(done.returncode == 1 and b'b' in done.stderr and b'Permission denied' in done.stderr, f'{done}')
        same(sorted(look(os.fsencode(here), False)), [b'.', b't', b't/a', b't/sub', b't/sub/c'], 'what came')

    @case('missing, and no folder')
    def _(here, there):
        with open(here + '/f', 'wb') as file:
            file.write(b'x')
        done = scp.run(f'target:{there}/none', here)
        expect(done.returncode == 1 and b'none: No such file or directory' in done.stderr, f'{done}')
        done = scp.run(here + '/f', f'target:{there}/no/such')
        expect(done.returncode == 1 and b'No such file or directory' in done.stderr, f'{done}')
        with open(there + '/f', 'wb') as file:
            file.write(b'old')
        done = scp.run(here + '/f', here + '/f', f'target:{there}/f')
        expect(done.returncode != 0, f'several files to a file: {done}')
        with open(there + '/f', 'rb') as file:
            same(file.read(), b'old', 'the file that is no folder')

    @case('full disk there')
    def _(here, there):
        with open(here + '/big', 'wb') as file:
            file.write(os.urandom(3 << 20))
        with disk(there):
            done = scp.run(here + '/big', f'target:{there}')
            expect(done.returncode == 1 and b'big' in done.stderr, f'{done}')

    @case('from host to host')
    def _(_, there):
        grow(os.fsencode(there) + b'/t', scp.mode == 'sftp')
        hand_over(there)
        scp.well(f'target:{there}/t', f'target:{there}/new', flags=['-r'])
        check_tree(os.fsencode(there) + b'/new', os.fsencode(there) + b'/t', False)

    return cases


@contextlib.contextmanager
def disk(folder, megabytes=1):
    """A file system of so many megabytes."""
    done = fixture.run(['mount', '-t', 'tmpfs', '-o', f'size={megabytes}m,mode=777', 'tmpfs', folder])
    if done.returncode != 0:
        raise Skip(f'no tmpfs can be mounted here: {done.stderr!r}')
    try:
        yield
    finally:
        fixture.run(['umount', folder])


def our_cases(bench, scp, title):
    """What ours promises beyond OpenSSH's."""
    def full():
        with room(bench, title + ' full') as (here, there):
            with open(there + '/big', 'wb') as file:
                file.write(os.urandom(3 << 20))
            os.chmod(there + '/big', 0o644)
            with disk(here):
                done = scp.run(f'target:{there}/big', here)
                expect(done.returncode == 1 and b'big' in done.stderr and b'No space left on device' in done.stderr, f'{done}')

    def lost():
        with room(bench, title + ' lost') as (here, there):
            with open(there + '/big', 'wb') as file:
                file.write(os.urandom(8 << 20))
            os.chmod(there + '/big', 0o644)
            with open(here + '/big', 'wb') as file:
                file.write(b'longer' * (2 << 20))
            running = subprocess.Popen(scp.command(f'target:{there}/big', here, flags=['-l', '8000']), env=scp.client.env,
                                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            time.sleep(2)
            ssh = fixture.procs.descendants(running.pid)
            expect(ssh, 'scp has no ssh')
            os.kill(ssh[0], signal.SIGKILL)
            _, err = running.communicate(timeout=20)
            expect(running.returncode in (1, 255) and b'big' in err, f'{running.returncode} {err!r}')
            with open(here + '/big', 'rb') as got, open(there + '/big', 'rb') as wanted:
                came = got.read()
                # What stays is a beginning, from which a transfer can go on.
                expect(0 < len(came) < 8 << 20 and wanted.read().startswith(came), f'{len(came)} bytes stay')

    def ended():
        with room(bench, title + ' ended') as (here, there):
            with open(there + '/big', 'wb') as file:
                file.truncate(8 << 20)
            os.chmod(there + '/big', 0o644)
            running = subprocess.Popen(scp.command(f'target:{there}/big', here, flags=['-l', '8000']), env=scp.client.env,
                                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            time.sleep(1)
            ssh = fixture.procs.descendants(running.pid)
            running.send_signal(signal.SIGTERM)
            running.communicate(timeout=20)
            same(running.returncode, 1, 'exit status')
            expect(ssh and not any(os.path.exists(f'/proc/{pid}') for pid in ssh), 'ssh is still there')

    def itself():
        with room(bench, title + ' itself') as (_, there):
            with open(there + '/f', 'wb') as file:
                file.write(b'content')
            os.chown(there + '/f', bench.user.uid, bench.user.gid)
            scp.well(f'target:{there}/f', f'target:{there}/f')
            with open(there + '/f', 'rb') as file:
                same(file.read(), b'content', 'a file copied onto itself')

    cases = [Case(f'{title} full disk here', full), Case(f'{title} lost connection', lost, alone=True),
             Case(f'{title} ended by a signal', ended, alone=True)]
    return cases + ([Case(f'{title} onto itself', itself)] if scp.mode == 'sftp' else [])


def liar_cases(bench):
    """Ours, with servers that lie."""
    program = bench.suites['ours'].tool('scp')

    def lied(mode, lie, source, flags):
        with room(bench, f'liar {mode} {lie} {" ".join(flags)}') as (here, there):
            target = here + '/target'
            os.makedirs(target + '/dir')
            for name, to in (('out', there), ('key', there + '/precious')):
                os.symlink(to, f'{target}/dir/{name}')
            with open(there + '/precious', 'w', encoding='ascii') as file:
                file.write('precious')
            before = (look(there, True), sorted(os.listdir(here)), stat.S_IMODE(os.stat(target).st_mode))
            mark = there + '-mark'
            flag = ['-O'] if mode == 'legacy' else []
            done = fixture.run([program, *flag, *flags, '-S', os.path.abspath(LIAR), f'host:{source}', target],
                               env={**os.environ, 'LIE': lie, 'MARK': mark})
            expect(os.path.exists(mark), f'the liar was not run: {done}')
            same((look(there, True), sorted(os.listdir(here)), stat.S_IMODE(os.stat(target).st_mode)), before, 'outside of the target')
            expect(not os.path.exists('/tmp/carrick-stolen'), 'an absolute name was taken')
            expect(b'\x1b' not in done.stdout + done.stderr and b'\x07' not in done.stdout + done.stderr,
                   f'escapes to the terminal: {done.stderr[:200]!r}')
            expect(len(done.stderr) < 100_000, f'{len(done.stderr)} bytes of errors')
            expect(done.returncode >= 0, f'ended by signal {-done.returncode}')
            expect(b'panicked' not in done.stderr, f'{done.stderr[:300]!r}')
            for folder, _, files in os.walk(target):
                for name in files:
                    asked = source == 'dir' and folder.startswith(target + '/dir')
                    expect(asked or name not in ('.bashrc', 'authorized_keys', 'stolen'), f'{name} was not asked for')
                    mode_there = os.lstat(os.path.join(folder, name)).st_mode
                    expect(not mode_there & 0o7000, f'{name} has mode {mode_there:o}')
            if lie in HARMLESS or source.endswith('*') and lie in LEFT_OUT:
                same(done.returncode, 0, f'exit status ({done.stderr[:300]!r})')
            else:
                expect(done.returncode != 0, f'exit status 0 ({done.stderr[:300]!r})')

    cases = []
    for lie in liar.LEGACY:
        for source, flags in (('wanted', []), ('dir', ['-r'])):
            if (lie, source) in IN_ORDER:
                continue
            name = f'liar legacy {" ".join(flags)} {lie}'
            cases.append(Case(name, lambda a=lie, s=source, f=flags: lied('legacy', a, s, f)))
    for lie in (*liar.LISTED, *liar.BROKEN):
        if (lie, 'dir') in IN_ORDER:
            continue
        name = f'liar sftp -r {lie}'
        cases.append(Case(name, lambda a=lie: lied('sftp', a, 'dir', ['-r'])))
    for lie in ('a wildcard finds more', 'outside by name', 'escapes in a name', 'absolute'):
        name = f'liar sftp wildcard {lie}'
        cases.append(Case(name, lambda a=lie: lied('sftp', a, 'dir/*', [])))
    return cases


# Where Dropbear looks for it.
DROPBEAR_SFTP = '/usr/lib/sftp-server'
# Lies that change nothing that was asked for.
HARMLESS = ('set-uid', 'nothing', 'the same name often', 'endless data')
# Names that no pattern finds.
LEFT_OUT = ('a wildcard finds more', 'outside by name', 'absolute')
# Not a lie for this request.
IN_ORDER = [('set-uid', 'dir'), ('a wildcard finds more', 'dir')]


def putty_cases(bench, daemon):
    """PuTTY's pscp with our far end."""
    home = bench.folder / 'pscp'
    os.makedirs(home, exist_ok=True)
    env = {**os.environ, 'PUTTYDIR': home, 'HOME': home}
    key = os.path.join(home, 'key.ppk')
    done = fixture.run([others.program('puttygen'), bench.keys.path('user', 'ed25519'), '-O', 'private', '-o', key])
    expect(done.returncode == 0, f'puttygen: {done.stderr!r}')
    said = fixture.run([bench.suites['openssh10'].keygen, '-l', '-f', bench.keys.path('host', 'ed25519')]).stdout.decode()
    pscp = others.program('pscp') if programs.find('pscp') else others.absent('pscp', 'putty-tools')

    def run(*words):
        command = [pscp, '-batch', '-scp', '-r', '-p', '-q', '-P', str(daemon.port), '-i', key, '-hostkey', said.split()[1], *words]
        done = fixture.run(command, env=env)
        same(done.returncode, 0, f'exit status of pscp ({done.stderr!r} {done.stdout!r})')

    def trees():
        with room(bench, 'pscp') as (here, there):
            os.makedirs(here + '/t/sub')
            for name in ('a', 'two words', "q'uote", '\u00e9', 'sub/x', 'empty'):
                with open(f'{here}/t/{name}', 'wb') as file:
                    file.write(os.urandom(200_000 if name != 'empty' else 0))
            run(here + '/t', f'{bench.user.name}@127.0.0.1:{there}/')
            check_tree(there + '/t', here + '/t', False)
            run(f'{bench.user.name}@127.0.0.1:{there}/t', here + '/back')
            check_tree(here + '/back', here + '/t', False)

    return [Case('pscp legacy both ways', trees)]


def dropbear_cases(bench):
    """Ours with Dropbear's daemon, which runs OpenSSH's sftp-server and whatever scp there is."""
    def all_cases():
        server = others.running_dropbear(bench)
        client = bench.client('ours', server, 'scp')
        for mode in ('sftp', 'legacy'):
            if mode == 'sftp' and not os.access(DROPBEAR_SFTP, os.X_OK) or mode == 'legacy' and not programs.find('scp'):
                continue
            scp = Scp(bench, client, mode)
            yield from copy_cases(bench, scp, f'scp ours->dropbear {mode}')

    try:
        found = list(all_cases())
    except Skip as why:
        reason = str(why)

        def skip():
            raise Skip(reason)
        return [Case('scp ours->dropbear', skip)]
    return found


def group(bench):
    """All of it."""
    def daemon(name):
        folder = os.path.dirname(bench.suites[name].tool('scp')) if bench.suites[name].ssh else '/usr/bin'
        return bench.daemon(name, [f'SetEnv PATH={folder}:/usr/bin:/bin'], 'scp')

    cases = liar_cases(bench)
    for client_name, server_name in (('ours', 'openssh10'), ('ours', 'openssh'), ('ours', 'ours'), ('openssh10', 'ours'),
                                     ('openssh', 'ours')):
        if bench.suites[client_name].lacks('ssh') or bench.suites[server_name].lacks('sshd'):
            continue
        client = bench.client(client_name, daemon(server_name), 'scp')
        for mode in ('legacy', 'sftp'):
            title = f'scp {client_name}->{server_name} {mode}'
            scp = Scp(bench, client, mode)
            cases += copy_cases(bench, scp, title)
            if client_name == 'ours':
                cases += our_cases(bench, scp, title)
    cases += dropbear_cases(bench)
    cases += putty_cases(bench, daemon('ours'))
    return 'scp', cases

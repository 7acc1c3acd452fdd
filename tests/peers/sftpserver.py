"""Our sftp-server beside OpenSSH's: the same requests, by hand, to both, in folders made alike.

Answers and log lines must be equal, handles, times and the folder's name aside, and what we do on purpose otherwise:
- VERSION announces `check-file` too; lists are longer than 100 names.
- A message that makes no sense, or is not known, is answered (OpenSSH ends, or says nothing).
- A fifo is opened without waiting; RENAME never replaces a dangling link; a copy of a file onto itself by another name fails.
- Some FAILUREs have the reason behind the word.
"""
import hashlib
import os
import re
import stat
import subprocess
import time

import fixture
import programs
from rawsftp import APPEND, CREAT, EXCL, READ, TRUNC, WRITE, Reader, Server, attrs, text, u32, u64
from report import Case, expect, same

STOCK = os.path.join(programs.OPENSSH10, 'lib', 'openssh', 'sftp-server')
ODD = [b'a space', b'"quotes"', b"it's", b'new\nline', 'ümläut'.encode(), b'\xff\xfe', b'-dash', b'back\\slash', b'*?[]']


class Scene:
    """A folder with files of all kinds, and a server in it whose answers are kept."""

    def __init__(self, folder, command, flags=('-e',), env=None, limit=60):
        self.folder = folder
        os.makedirs(folder)
        for name, content in (('f', b'hello'), ('c1', b'0123456789' * 10), ('r1', b'1'), ('r2', b'2')):
            self.write(name, content)
        for name in ('d', 'rd1', 'rd2', 'deep/er'):
            os.makedirs(self.path(name))
        self.write('rd2/x', b'')
        os.symlink('f', self.path('l'))
        os.symlink('nowhere', self.path('dang'))
        os.symlink('loop', self.path('loop'))
        os.symlink('../f', self.path('deep/up'))
        os.mkfifo(self.path('p'))
        for name in ODD:
            self.write(os.fsdecode(name), name)
        for at, name in enumerate(sorted(os.listdir(folder))):
            os.utime(self.path(name), (1_000_000 + at, 2_000_000 + at), follow_symlinks=False)
        self.kept, self.handles = [], {}
        self.server = Server([*command, *flags], cwd=folder, env={'TZ': 'UTC', 'HOME': '/nonexistent', **(env or {})}, limit=limit)

    def path(self, name):
        """A path in the folder."""
        return os.path.join(self.folder, name)

    def write(self, name, content):
        """Makes a file."""
        with open(self.path(name), 'wb') as file:
            file.write(content)

    def keep(self, what, answer):
        """Keeps an answer, without what differs from run to run."""
        self.kept.append((what, self.plain(list(answer))))
        return answer

    def plain(self, value):
        """Replaces times that are now, and the folder's name; sorts a list of files."""
        if isinstance(value, bytes):
            return value.replace(os.fsencode(self.folder), b'HERE')
        if isinstance(value, dict):
            return {key: self.recent(item) if key == 'times' else item for key, item in value.items()}
        if value and value[0] == 'handle':
            return ['handle']
        if value and value[0] == 'status' and value[2].startswith(b'Failure: '):
            return [*value[:2], b'Failure', value[3]]
        if value and value[0] == 'name':
            return ['name', sorted((self.plain(name), self.long(line), self.plain(more)) for name, line, more in value[1])]
        return [self.plain(item) if isinstance(item, (bytes, dict)) else item for item in value]

    @staticmethod
    def recent(times):
        """Times of now are all the same."""
        return tuple('now' if time.time() - when < 600 else when for when in times)

    def long(self, line):
        """A line of a list without a time of now, and without how many links and bytes a folder has."""
        line = re.sub(rb' [A-Z][a-z]{2} [ 0-9]{2} [0-9]{2}:[0-9]{2} ', b' NOW ', self.plain(line))
        return re.sub(rb'^(d.{9} +)\d+( +\S+ +\S+ +)\d+', rb'\1N\2N', line)

    def ask(self, name, *parts):
        """A request."""
        return self.keep(name, self.server.ask(name, *parts))

    def extended(self, name, *parts):
        """An extended request."""
        return self.keep(name, self.server.extended(name, *parts))

    def open(self, path, flags, **given):
        """Opens a file; its handle, or one that means nothing."""
        answer = self.ask('open', text(path), u32(flags), attrs(**given))
        return text(answer[1]) if answer[0] == 'handle' else text(b'')

    def opendir(self, path):
        """Opens a folder; its handle."""
        answer = self.ask('opendir', text(path))
        return text(answer[1]) if answer[0] == 'handle' else text(b'')

    def list(self, path):
        """A whole folder as one answer."""
        handle, names = self.opendir(path), []
        while True:
            answer = self.server.ask('readdir', handle)
            if answer[0] != 'name':
                break
            names += answer[1]
        self.keep('list', ('name', [entry for entry in names if entry[0] not in (b'.', b'..')]))
        self.keep('end', answer)
        self.ask('close', handle)
        return names

    def end(self):
        """Ends the server; its log without what differs from run to run."""
        code, log = self.server.end()
        expect(code == 0, f'exit code {code}: {log[-300:]!r}')
        return log.decode().replace('\r', '').replace(self.folder, 'HERE').splitlines()


def opening(s):
    """OPEN in all ways, READ, WRITE, CLOSE."""
    for path in ('f', 'nofile', 'd', 'l', 'dang', 'loop', '', 'f/x', 'x' * 300, '/'):
        for flags in (READ, WRITE):
            s.open(path, flags)
    h = s.open('new', WRITE | CREAT | EXCL, mode=0o640, size=7)
    s.ask('write', h, u64(3), text('abc'))
    s.ask('fstat', h)
    s.ask('read', h, u64(0), u32(5))
    s.ask('close', h)
    s.ask('close', h)
    for what in ('read', 'write', 'fstat', 'readdir'):
        s.ask(what, h, *({'read': (u64(0), u32(5)), 'write': (u64(0), text('x'))}.get(what, ())))
    s.open('new', WRITE | CREAT | EXCL, mode=0o640)
    h = s.open('new', WRITE | APPEND)
    s.ask('write', h, u64(0), text('ZZ'))
    h = s.open('new', READ | APPEND)
    s.ask('write', h, u64(0), text('ZZ'))
    s.ask('read', h, u64(0), u32(100))
    for flags in (0, CREAT, CREAT | TRUNC | APPEND, EXCL, READ | TRUNC, 0xffffff00 | READ):
        s.open(f'flags{flags}', flags, mode=0o7777)
        s.open('new', flags)
        s.ask('lstat', text(f'flags{flags}'))
    s.ask('lstat', text('new'))


def transfer(s):
    """READ and WRITE at the edges."""
    h = s.open('c1', READ | WRITE)
    for offset, size in ((0, 0), (100, 0), (5, 1 << 31), (95, 10), (100, 5), (1 << 40, 5), (1 << 63, 5), ((1 << 64) - 1, 5)):
        s.ask('read', h, u64(offset), u32(size))
    s.ask('write', h, u64(0), text(''))
    s.ask('write', h, u64(1 << 63), text('x'))
    s.ask('write', h, u64(200), text('far'))
    s.ask('read', h, u64(90), u32(200))
    big = bytes(range(256)) * 1020
    h = s.open('big', READ | WRITE | CREAT)
    for at in range(3):
        s.ask('write', h, u64(at * len(big)), text(big))
    for size in (0x40000, 0x3fc00, 0x3fbff, 32768):
        s.ask('read', h, u64(7), u32(size))
    d = s.open('d', READ)
    s.ask('read', d, u64(0), u32(10))
    s.ask('fstat', d)
    s.ask('readdir', d)


def settings(s):
    """SETSTAT and its like."""
    h = s.open('f', READ | WRITE)
    for given in ({'size': 4, 'mode': 0o600, 'times': (5, 7)}, {'size': 1 << 63}, {}, {'mode': 0o104755}, {'owner': (5, 6)}):
        s.ask('fsetstat', h, attrs(**given))
        s.ask('fstat', h)
        for path in ('c1', 'l', 'none', 'd', 'dang', 'p'):
            s.ask('setstat', text(path), attrs(**given))
            s.extended('lsetstat@openssh.com', text(path), attrs(**given))
            s.ask('lstat', text(path))
            s.ask('stat', text(path))
    s.ask('fsetstat', text('xx'), attrs())
    s.ask('setstat', text('f'), attrs(size=2, mode=0o4711, times=(10, 11), owner=(5, 6)))
    s.ask('stat', text('f'))
    s.ask('fsetstat', s.open('f', READ), attrs(size=1, mode=0o640))
    s.ask('stat', text('f'))


def folders(s):
    """OPENDIR, READDIR, MKDIR, RMDIR, REMOVE."""
    os.chown(s.path('f'), 77777, 77778)
    os.chmod(s.path('c1'), 0o7000)
    s.list('.')
    s.list('d')
    for path in ('f', 'nodir', '', 'l'):
        s.opendir(path)
    h = s.opendir('.')
    for what, parts in (('fstat', ()), ('fsetstat', (attrs(mode=0o700),)), ('read', (u64(0), u32(5))), ('write', (u64(0), text('x')))):
        s.ask(what, h, *parts)
    for name in ('fsync@openssh.com', 'fstatvfs@openssh.com'):
        s.extended(name, h)
    s.ask('close', h)
    s.ask('readdir', h)
    for path, given in (('m', {}), ('m', {}), ('m2', {'mode': 0o7777}), ('m/x/y', {}), ('m3', {'mode': 0o100777}), ('', {})):
        s.ask('mkdir', text(path), attrs(**given))
        s.ask('lstat', text(path))
    for what in ('rmdir', 'remove'):
        for path in ('m', 'm', 'f', 'rd2', 'none', '.', '..', '', 'l', 'p', 'dang', 'd/'):
            s.ask(what, text(path))
    s.list('.')


def paths(s):
    """REALPATH, READLINK, SYMLINK, and paths of others' users."""
    for path in ('.', '', 'f', 'nofile', 'nodir/x', 'f/..', 'f/x', 'l', 'd/../f', '/', '//', '/../', '/tmp/../nofile', 'dang', './d/.',
                 'd/', 'd/nofile', 'd/nofile/x', 'f/', 'nofile/', 'loop', 'loop/x', 'deep/up', 'deep/up/..', 'deep/er/../../l',
                 'x' * 300, 'x/' * 3000, '/proc/self/cwd/f'):
        s.ask('realpath', text(path))
        s.extended('expand-path@openssh.com', text(path))
    for path in ('~', '~/x', '~root', '~root/y', '~/', '~root/', '~//x', '~/../z', '~nosuch/x', '~nosuch'):
        s.extended('expand-path@openssh.com', text(path))
    for path in ('l', 'f', 'none', 'loop', 'd'):
        s.ask('readlink', text(path))
    for target, link in (('target', 'ln'), ('target', 'ln'), ('', 'ln3'), ('x' * 300, 'ln4'), ('a', 'none/b')):
        s.ask('symlink', text(target), text(link))
        s.ask('readlink', text(link))
    for user in ('', 'root', 'nosuch'):
        s.extended('home-directory', text(user))
    s.extended('users-groups-by-id@openssh.com', text(u32(0) + u32(77777)), text(u32(0) + u32(1) + u32(99999)))
    s.extended('users-groups-by-id@openssh.com', text(''), text(''))


def renames(s):
    """RENAME, posix-rename, hardlink."""
    for old, new in (('r1', 'r2'), ('r1', 'r3'), ('none', 'r4'), ('rd1', 'rd3'), ('rd3', 'rd2'), ('r3', 'nodir/x'), ('l', 'ln2'),
                     ('r3', 'r3'), ('ln2', 'r3'), ('rd3', 'rd4'), ('rd4', 'rd4'), ('rd4', 'rd4/x'), ('r3', 'd'), ('d', 'r3')):
        s.ask('rename', text(old), text(new))
    for old, new in (('r3', 'r2'), ('r3', 'r2'), ('rd2', 'r2'), ('ln2', 'f'), ('rd4', 'rd2'), ('rd2', 'rd4')):
        s.extended('posix-rename@openssh.com', text(old), text(new))
    for old, new in (('r2', 'hl'), ('r2', 'hl'), ('rd2', 'hl2'), ('dang', 'hl3'), ('none', 'hl4')):
        s.extended('hardlink@openssh.com', text(old), text(new))
        s.ask('lstat', text(new))
    s.list('.')


def extensions(s):
    """The rest."""
    s.extended('limits@openssh.com')
    s.extended('statvfs@openssh.com', text('none'))
    s.extended('fstatvfs@openssh.com', text('xx'))
    # The figures of a file system that is in use change.
    for path in ('/proc', '/sys'):
        s.extended('statvfs@openssh.com', text(path))
    s.extended('fstatvfs@openssh.com', s.open('/proc/version', READ))
    s.extended('nosuch@example.com')
    s.extended('nosuch@example.com', text('abc'))
    a, b = s.open('c1', READ), s.open('c2', WRITE | CREAT)
    for source, at, size, target, to in ((a, 5, 10, b, 2), (a, 95, 0, b, 0), (a, 95, 10, b, 0), (a, 200, 0, b, 0), (a, 0, 0, a, 0),
                                         (b, 0, 0, a, 0), (text('zz'), 0, 0, a, 0), (a, 1 << 63, 10, b, 1), (a, 0, 0, b, 50)):
        s.extended('copy-data', source, u64(at), u64(size), target, u64(to))
    other = s.open('c1', READ | WRITE)
    s.extended('copy-data', a, u64(0), u64(10), other, u64(5))
    s.ask('read', s.open('c2', READ), u64(0), u32(1000))
    for handle in (b, text('zz')):
        s.extended('fsync@openssh.com', handle)
    s.ask('close', text(''))


SEQUENCES = (opening, transfer, settings, folders, paths, renames, extensions)


def version(scene):
    """The first answer, without what only we announce."""
    answer = scene.server.init()
    scene.kept.append(('version', [answer[0], [pair for pair in answer[2] if pair[0] != b'check-file']]))


def both(bench, ours, name, sequence, flags):
    """A sequence at both servers: what they answered and logged."""
    out = []
    for label, command in (('their', [STOCK]), ('ours-', [ours])):
        # Lines are cut at a length: names of one length.
        scene = Scene(bench.folder / f'sftp-{name}-{label}', command, flags, {'SSH_CONNECTION': '192.0.2.1 5 192.0.2.2 22'})
        version(scene)
        sequence(scene)
        log = scene.end()
        out.append((scene.kept, log))
    return out


def first_difference(what, stock, ours):
    """Fails a case at the first difference."""
    for at, (wanted, got) in enumerate(zip(stock, ours)):
        before = stock[max(0, at - 2):at]
        expect(got == wanted, f'{what} {at}: got {got!r}, wanted {wanted!r}, after {before!r}')
    same(len(ours), len(stock), f'number of {what}s')


# What OpenSSH words by the name of a function of its own, or has no sense elsewhere.
INNER = re.compile(r'process_extended_copy_data|^copy-data: |^debug3: process_read: allocate|read change len|users-groups-by-id: |'
                   r'process_extended_get_users|refusing to advertise|handle (-1|4294967295)|sent names count|readdir "|sent handle|'
                   r'\(handle \d+\)|close handle|fsetstat handle|check-file')


def compare(bench, ours, sequence):
    """Equal answers, and equal lines at the level that has them all."""
    (stock, stock_log), (got, got_log) = both(bench, ours, sequence.__name__, sequence, ('-e', '-l', 'debug3'))
    first_difference('answer', stock, got)
    lines = [[line for line in log if not INNER.search(line)] for log in (stock_log, got_log)]
    first_difference('line', *lines)


def levels(bench, ours, level):
    """Equal lines at each level."""
    name = f'level-{level}'
    (_, stock), (_, got) = both(bench, ours, name, renames, ('-e', '-l', level))
    first_difference('line', stock, got)


def refusals(bench, ours, name, flags):
    """What may not be done is refused alike."""
    def sequence(s):
        h = s.open('f', READ)
        for how in (READ | WRITE, READ | CREAT, READ | TRUNC, READ | APPEND):
            s.open('f', how)
        s.ask('read', h, u64(0), u32(5))
        s.ask('write', h, u64(0), text('x'))
        s.ask('setstat', text('f'), attrs())
        s.ask('fsetstat', h, attrs())
        for what in ('remove', 'rmdir', 'stat', 'lstat', 'readlink', 'realpath'):
            s.ask(what, text('f'))
        s.ask('mkdir', text('m'), attrs())
        for what in ('rename', 'symlink'):
            s.ask(what, text('f'), text('g'))
        for what in ('posix-rename@openssh.com', 'hardlink@openssh.com'):
            s.extended(what, text('f'), text('g'))
        s.extended('fsync@openssh.com', h)
        s.extended('lsetstat@openssh.com', text('f'), attrs())
        s.extended('copy-data', h, u64(0), u64(0), h, u64(0))
        s.extended('limits@openssh.com')
        s.extended('nosuch')
        s.ask('close', h)
        s.list('.')

    (stock, stock_log), (got, got_log) = both(bench, ours, name, sequence, ('-e', '-l', 'verbose', *flags))
    first_difference('answer', stock, got)
    lines = [[line for line in log if 'check-file' not in line] for log in (stock_log, got_log)]
    first_difference('line', *lines)


def usage(ours, *args, env=None):
    """Flags that end the program, and what it says: (exit code, output, errors)."""
    out = []
    for program in (STOCK, ours):
        done = fixture.run([program, *args], input=b'', env={'PATH': '/bin', **(env or {})})
        out.append((done.returncode, done.stdout.replace(b'check-file\n', b''), done.stderr.replace(b'\r', b'')))
    same(out[1], out[0], ' '.join(args))


def ends(ours, data, wanted):
    """What ends the conversation while the client stays: the exit code, and the line that says why."""
    for program in (STOCK, ours):
        server = Server([program, '-e', '-l', 'info'], env={'PATH': '/bin'})
        server.process.stdin.write(data)
        server.process.stdin.flush()
        server.process.wait(20)
        code, log = server.end()
        same((code, wanted[1] in log), (wanted[0], True), f'{program} exit code, {wanted[1]!r} in {log!r}')


def answered(bench, ours):
    """A message that is not known, or makes no sense, is answered, and the next one too."""
    scene = Scene(bench.folder / 'sftp-odd', [ours])
    version(scene)
    for message, code in ((bytes([99]) + u32(7), 8), (bytes([17]) + u32(7), 5), (bytes([17]) + u32(7) + text('f') + b'more', 5),
                          (bytes([3]) + u32(7) + text('f') + u32(1) + u32(0x10), 5), (bytes([16]) + u32(7) + text(b'a\0b'), 5)):
        scene.server.raw(message)
        same(scene.server.receive()[:3], (7, 'status', code), f'answer to {message!r}')
    same(scene.ask('stat', text('f'))[0], 'attrs', 'the next answer')
    scene.end()


def fifo(bench, ours):
    """A fifo without another end holds nobody up."""
    scene = Scene(bench.folder / 'sftp-fifo', [ours])
    version(scene)
    begin = time.monotonic()
    for flags in (READ, WRITE):
        scene.ask('close', scene.open('p', flags))
    scene.extended('check-file-name', text('p'), text('md5'), u64(0), u64(0), u32(0))
    expect(time.monotonic() - begin < 5, 'a fifo blocks')
    scene.end()


def hashes(bench, ours):
    """check-file, by all its names."""
    scene = Scene(bench.folder / 'sftp-hashes', [ours])
    version(scene)
    content = os.urandom(700_001)
    scene.write('data', content)
    handle = scene.open('data', READ)
    for name, who in (('check-file', handle), ('check-file-handle', handle), ('check-file-name', text('data'))):
        for algorithm in ('md5', 'sha1', 'sha256', 'sha384', 'sha512'):
            for start, length, block in ((0, 0, 0), (5, 600_000, 0), (0, 0, 65536), (699_999, 500, 256)):
                answer = scene.server.extended(name, who, text(f'crc99,{algorithm},md5'), u64(start), u64(length), u32(block))
                expect(answer[0] == 'reply', f'{name} {algorithm}: {answer}')
                reader = Reader(answer[1])
                same((reader.text(), reader.text()), (b'check-file', algorithm.encode()), 'names')
                part = content[start:start + length if length else None]
                pieces = [part[at:at + block] for at in range(0, len(part), block)] if block else [part]
                wanted = b''.join(hashlib.new(algorithm, piece).digest() for piece in pieces)
                same(reader.data, wanted, f'{name} {algorithm} {start} {length} {block}')
    for algorithm, block, code in (('crc32', 0, 4), ('md5', 255, 5)):
        answer = scene.server.extended('check-file', handle, text(algorithm), u64(0), u64(0), u32(block))
        same(answer[:2], ('status', code), f'{algorithm} {block}')
    scene.end()


def many(bench, ours):
    """A folder of 100,000 names, whole, and no slower than OpenSSH lists it."""
    names, seconds = {f'name {at}'.encode() for at in range(100_000)}, []
    scene = Scene(bench.folder / 'sftp-many', [ours], limit=300)
    other = Scene(bench.folder / 'sftp-many-other', [STOCK], limit=300)
    os.makedirs(scene.path('many'))
    for name in names:
        os.close(os.open(os.path.join(scene.path('many').encode(), name), os.O_CREAT | os.O_WRONLY))
    for each in (other, scene):
        version(each)
        begin = time.monotonic()
        listed = [entry[0] for entry in each.list(scene.path('many'))]
        seconds.append(time.monotonic() - begin)
        same((len(listed), set(listed) - {b'.', b'..'} == names), (100_002, True), 'names, once each')
        each.end()
    expect(seconds[1] < 1.5 * seconds[0] + 1, f'{seconds[1]:.1f} s for a list, OpenSSH {seconds[0]:.1f} s')


def most_memory(pid):
    """The most memory that a process has held, in KiB."""
    with open(f'/proc/{pid}/status', encoding='ascii') as file:
        return int(next(line for line in file if line.startswith('VmHWM:')).split()[1])


def memory(bench, ours):
    """A file of 300 MB passes through a few MiB, both ways; descriptors and all."""
    scene = Scene(bench.folder / 'sftp-memory', [ours])
    version(scene)
    piece, count = os.urandom(0x3fc00), 1200
    write = scene.open('big', WRITE | CREAT)
    for at in range(count):
        expect(scene.server.ask('write', write, u64(at * len(piece)), text(piece))[1] == 0, 'a write')
    read, digest = scene.open('big', READ), hashlib.sha256()
    for at in range(count):
        digest.update(scene.server.ask('read', read, u64(at * len(piece)), u32(len(piece)))[1])
    same(digest.digest(), hashlib.sha256(piece * count).digest(), 'what was read')
    held = most_memory(scene.server.process.pid)
    expect(held < 16 * 1024, f'{held} KiB held')
    scene.end()
    return [(f'sftp-server memory {held} KiB', 'pass', '')]


def pipelined(bench, ours):
    """Hundreds of requests before the first answer is read: answers in order, and none lost."""
    scene = Scene(bench.folder / 'sftp-pipelined', [ours])
    version(scene)
    content = os.urandom(4_000_000)
    scene.write('data', content)
    handle, size = scene.open('data', READ), 32768
    asked = [scene.server.send('read', handle, u64(at), u32(size)) for at in range(0, len(content), size)]
    got = [scene.server.receive() for _ in asked]
    same([answer[0] for answer in got], asked, 'the order of answers')
    expect(b''.join(answer[2] for answer in got) == content, 'what was read')
    scene.end()


def umask(bench, ours):
    """-u holds for files and folders."""
    for mask, modes in (('077', (0o600, 0o700)), ('002', (0o664, 0o775))):
        scene = Scene(bench.folder / f'sftp-umask{mask}', [ours], ('-u', mask))
        version(scene)
        scene.open('new', WRITE | CREAT)
        scene.ask('mkdir', text('newdir'), attrs())
        same(tuple(stat.S_IMODE(os.stat(scene.path(name)).st_mode) for name in ('new', 'newdir')), modes, f'modes under {mask}')
        scene.end()


def start_folder(bench, ours):
    """-d, and a -d that is not there."""
    for flag, log in (('%d/../tmp', b''), ('/nonexistent', b'chdir to "/nonexistent" failed: No such file or directory')):
        out = []
        for label, program in (('stock', STOCK), ('ours', ours)):
            scene = Scene(bench.folder / f'sftp-start{len(flag)}{label}', [program], ('-e', '-d', flag))
            version(scene)
            scene.ask('realpath', text('.'))
            _, said = scene.server.end()
            expect(log in said, f'{said!r}')
            out.append(scene.kept)
        first_difference('answer', *out)


def lost_client(bench, ours):
    """A client that goes away leaves no process behind, even one that reads no answers."""
    scene = Scene(bench.folder / 'sftp-lost', [ours])
    version(scene)
    handle = scene.open('c1', READ)
    for _ in range(50):
        scene.server.send('read', handle, u64(0), u32(100))
    scene.server.process.stdout.close()
    scene.server.process.stdin.close()
    try:
        scene.server.process.wait(10)
    except subprocess.TimeoutExpired:
        raise AssertionError('it stays') from None


def group(bench):
    """All of it."""
    ours = os.path.join(os.path.dirname(bench.suites['ours'].ssh), 'sftp-server')
    cases = [Case(f'as OpenSSH: {sequence.__name__}', lambda s=sequence: compare(bench, ours, s)) for sequence in SEQUENCES]
    cases += [Case(f'log at {level}', lambda x=level: levels(bench, ours, x)) for level in ('error', 'info', 'verbose', 'quiet')]
    for name, flags in (('read-only', ('-R',)), ('denied', ('-P', 'open,fsync,nosuch,stat')),
                        ('allowed', ('-p', 'open,stat,limits,opendir,readdir,close,read')),
                        ('denied and allowed', ('-p', 'stat,fsync', '-P', 'stat')), ('allowed read-only', ('-R', '-p', 'write,stat'))):
        cases.append(Case(f'refused: {name}', lambda n=name, f=flags: refusals(bench, ours, n.replace(' ', '-'), f)))
    for args in (('-h',), ('-Z',), ('-Q', 'requests'), ('-Q', 'x'), ('-Q',), ('-l', 'x'), ('-f', 'x'), ('extra', '-Z'), ('-e', '-d', '/'),
                 ('-e', '-l', 'info', '-p', 'nosuch'), ('-ehR',), ('-c',)):
        cases.append(Case('flags ' + ' '.join(args), lambda a=args: usage(ours, *a)))
    for value in ('1.2.3.4 55 6.7.8.9 22', '1.2.3.4', ''):
        cases.append(Case(f'SSH_CONNECTION={value}', lambda v=value: usage(ours, '-e', '-l', 'info', env={'SSH_CONNECTION': v})))
    init = u32(5) + b'\1' + u32(3)
    for name, data, wanted in (('too long', init + b'\xff' * 8, (11, b'bad message from UNKNOWN local user root')),
                               ('no init', u32(9) + b'\x11' + u32(1) + u32(0), (255, b'Received 17 request before init'))):
        cases.append(Case(f'ends: {name}', lambda d=data, w=wanted: ends(ours, d, w)))
    for check in (answered, fifo, hashes, many, memory, pipelined, umask, start_folder, lost_client):
        cases.append(Case(check.__name__.replace('_', ' '), lambda c=check: c(bench, ours), alone=check in (many, memory)))
    return 'sftp-server', cases

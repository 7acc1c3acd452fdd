"""What is large: 100,000 files, and 5 GB with holes, there and back. Compared by hash; each case under a minute."""
import hashlib
import os
import shutil
import subprocess
import tempfile

import programs
import report

FOLDERS, FILES = 100, 1000
SIZE = 5_000_000_000
# Where the large file has content, and how much.
ISLANDS = (0, 1_234_567_890, 2_147_483_600, 4_294_967_290, SIZE - 70_000)
ISLAND = 70_000


class Room:
    """A folder in memory, if there is one with room: it is about programs, not disks."""

    def __init__(self):
        self.path = tempfile.mkdtemp(prefix='carrick-bulk.', dir='/dev/shm' if os.access('/dev/shm', os.W_OK) else None)

    def __enter__(self):
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)


def grow(root):
    """100,000 files with content that names them, and modes."""
    for folder in range(FOLDERS):
        os.makedirs(f'{root}/d{folder}')
        for name in range(FILES):
            with open(f'{root}/d{folder}/f{name}', 'wb') as file:
                file.write(b'%d in %d\n' % (name, folder) * (name % 7))


def tree_hash(root):
    """How many files there are, and a hash over names and content."""
    total, count = hashlib.sha256(), 0
    for folder, folders, files in os.walk(root):
        folders.sort()
        for name in sorted(files):
            path, count = os.path.join(folder, name), count + 1
            with open(path, 'rb') as file:
                content = file.read()
            total.update(b'%s\0%d\0%s' % (os.fsencode(os.path.relpath(path, root)), len(content), content))
    return count, total.hexdigest()


def large(path):
    """5 GB, nearly all of it a hole."""
    with open(path, 'wb') as file:
        for number, at in enumerate(ISLANDS):
            file.seek(at)
            file.write(hashlib.shake_128(b'%d' % number).digest(ISLAND))
        file.truncate(SIZE)


def file_hash(path):
    """A hash of the content."""
    with open(path, 'rb') as file:
        return os.path.getsize(path), hashlib.file_digest(file, 'blake2b').hexdigest()


def move(command, batch):
    """sftp with a batch, in peace."""
    done = subprocess.run(command, input=batch.encode(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=100)
    report.same((done.returncode, done.stderr), (0, b''), 'exit status and errors')


def many(command):
    """100,000 files there and back."""
    with Room() as room:
        grow(room + '/a')
        wanted = tree_hash(room + '/a')
        report.same(wanted[0], FOLDERS * FILES, 'files')
        move(command, f'put -r {room}/a {room}/b\n')
        report.same(tree_hash(room + '/b'), wanted, 'put')
        shutil.rmtree(room + '/a')
        move(command, f'get -r {room}/b {room}/c\n')
        report.same(tree_hash(room + '/c'), wanted, 'got')


def holes(command, verb):
    """5 GB one way: the right bytes, and where there was a hole, a hole."""
    with Room() as room:
        large(room + '/a')
        wanted = file_hash(room + '/a')
        if verb == 'get':
            move(command, f'get {room}/a {room}/b\n')
            blocks = os.stat(room + '/b').st_blocks * 512
            report.expect(blocks < 100_000_000, f'{blocks} bytes on the disk')
        else:
            # Somebody else's server writes its zeros: into a file that has them already.
            with open(room + '/b', 'wb') as file:
                file.write(b'x' * ISLAND)
            if os.statvfs(room).f_bavail * os.statvfs(room).f_frsize < SIZE + 1_000_000_000:
                raise report.Skip('no room for 5 GB')
            move(command, f'put {room}/a {room}/b\n')
        report.same(file_hash(room + '/b'), wanted, 'content')


def group(bench):
    """All cases: by our sftp, with both servers."""
    sftp = bench.suites['ours'].tool('sftp')
    servers = {'ours': bench.suites['ours'].tool('sftp-server'),
               'openssh10': os.path.join(programs.OPENSSH10, 'lib', 'openssh', 'sftp-server')}
    cases = []
    for name, server in servers.items():
        command = [sftp, '-q', '-D', server, '-b', '-']
        cases.append(report.Case(f'100,000 files -> {name}', lambda c=command: many(c), alone=True))
        for verb in ('get', 'put'):
            cases.append(report.Case(f'5 GB {verb} -> {name}', lambda c=command, v=verb: holes(c, v), alone=True))
    return 'bulk', cases

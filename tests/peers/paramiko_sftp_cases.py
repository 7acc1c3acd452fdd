"""paramiko's sftp: reads what to test from standard input, prints one result a case."""
import hashlib
import io
import json
import logging
import os
import socket
import stat
import sys

import paramiko

logging.getLogger('paramiko').setLevel(logging.CRITICAL)
FACTS = json.load(sys.stdin)
# The folder that is there for this.
PLACE = FACTS['lists']
ODD = ['a space', '"quotes"', "it's", 'new\nline', 'ümläut', '-dash', 'back\\slash', '*?[]']


def same(got, wanted, what):
    """Fails a case."""
    if got != wanted:
        raise AssertionError(f'{what}: got {got!r}, wanted {wanted!r}')


def connect():
    """A conversation in a folder of its own."""
    transport = paramiko.Transport(socket.create_connection(('127.0.0.1', FACTS['port'])))
    transport.start_client(timeout=20)
    transport.auth_publickey(FACTS['user'], paramiko.Ed25519Key.from_private_key_file(FACTS['keys']['ed25519']))
    sftp = paramiko.SFTPClient.from_transport(transport)
    sftp.chdir(PLACE)
    return transport, sftp


def content(sftp):
    """A large file there and back, pipelined and not."""
    data = os.urandom(3_000_001)
    for pipelined in (False, True):
        with sftp.open('big', 'wb') as file:
            file.set_pipelined(pipelined)
            file.write(data)
    out = io.BytesIO()
    sftp.getfo('big', out)
    same(out.getvalue() == data, True, 'what came back')
    with sftp.open('big', 'rb') as file:
        file.seek(1_000_000)
        same(file.read(10), data[1_000_000:1_000_010], 'from the middle')
        same([bytes(part) for part in file.readv([(5, 7), (2_999_999, 2)])], [data[5:12], data[2_999_999:]], 'parts')


def hashes(sftp):
    """`check` as paramiko asks for it."""
    data = os.urandom(100_000)
    with sftp.open('sums', 'wb') as file:
        file.write(data)
    with sftp.open('sums', 'rb') as file:
        for name in ('md5', 'sha1'):
            same(file.check(name), hashlib.new(name, data).digest(), name)
        blocks = b''.join(hashlib.sha1(data[at:at + 4096]).digest() for at in range(0, len(data), 4096))
        same(file.check('sha1', 0, 0, 4096), blocks, 'blocks')


def names(sftp):
    """Odd names, listed and used."""
    sftp.mkdir('names')
    for name in ODD:
        with sftp.open('names/' + name, 'w') as file:
            file.write(name)
    same(sorted(sftp.listdir('names')), sorted(ODD), 'names')
    same(sorted(entry.filename for entry in sftp.listdir_iter('names')), sorted(ODD), 'names, read ahead')
    for name in ODD:
        with sftp.open('names/' + name) as file:
            same(file.read().decode(), name, name)
        sftp.remove('names/' + name)
    sftp.rmdir('names')


def attributes(sftp):
    """Modes, times, sizes, links."""
    with sftp.open('f', 'w') as file:
        file.write('12345')
    sftp.chmod('f', 0o640)
    sftp.utime('f', (1_000_000_000, 1_100_000_000))
    sftp.truncate('f', 3)
    found = sftp.stat('f')
    same((stat.S_IMODE(found.st_mode), found.st_size), (0o640, 3), 'mode and size')
    sftp.symlink('f', 'link')
    same((sftp.readlink('link'), stat.S_ISLNK(sftp.lstat('link').st_mode)), ('f', True), 'link')
    same(sftp.normalize('link').endswith(PLACE + '/f'), True, 'real path')
    sftp.rename('f', 'g')
    with sftp.open('h', 'w') as file:
        file.write('other')
    try:
        sftp.rename('g', 'h')
        raise AssertionError('a rename replaced a file')
    except OSError:
        pass
    sftp.posix_rename('g', 'h')
    same(sftp.stat('h').st_size, 3, 'replaced')


def failures(sftp):
    """Errors have their kinds."""
    for call, kind in ((lambda: sftp.stat('none'), FileNotFoundError), (lambda: sftp.open('none'), FileNotFoundError),
                       (lambda: sftp.open('/root/none' if FACTS['user'] != 'root' else 'none/x'), OSError),
                       (lambda: sftp.rmdir('none'), FileNotFoundError), (lambda: sftp.mkdir('.'), OSError)):
        try:
            call()
        except kind:
            continue
        raise AssertionError(f'no {kind.__name__}')


for run in (content, hashes, names, attributes, failures):
    try:
        link, client = connect()
        try:
            run(client)
        finally:
            link.close()
        print('pass', run.__name__, flush=True)
    except Exception as wrong:  # pylint: disable=broad-exception-caught
        print(f'fail {run.__name__}: {type(wrong).__name__} {wrong}'.replace('\n', ' ')[:400], flush=True)

"""asyncssh's sftp: reads what to test from standard input, prints one result a case."""
import asyncio
import json
import os
import shutil
import sys
import tempfile

import asyncssh

FACTS = json.load(sys.stdin)
# The folder that is there for this.
PLACE = FACTS['lists']
ODD = [b'a space', b'"quotes"', b"it's", b'new\nline', 'ümläut'.encode(), b'\xff\xfe', b'-dash', b'*?[]']


def same(got, wanted, what):
    """Fails a case."""
    if got != wanted:
        raise AssertionError(f'{what}: got {got!r}, wanted {wanted!r}')


async def content(sftp, folder):
    """A tree there and back, many requests at a time."""
    os.makedirs(folder + '/tree/sub')
    for at in range(100):
        with open(f'{folder}/tree/sub/{at}', 'wb') as file:
            file.write(os.urandom(at * 100))
    with open(folder + '/tree/big', 'wb') as file:
        file.write(os.urandom(3_000_001))
    await sftp.put(folder + '/tree', 'tree', recurse=True, preserve=True)
    await sftp.get('tree', folder + '/back', recurse=True, preserve=True)
    for path, _, names in os.walk(folder + '/tree'):
        for name in names:
            source = os.path.join(path, name)
            other = folder + '/back' + source[len(folder + '/tree'):]
            with open(source, 'rb') as one, open(other, 'rb') as two:
                same(one.read() == two.read(), True, source)


async def names(sftp, _):
    """Odd names, as bytes."""
    await sftp.mkdir('names')
    for name in ODD:
        async with sftp.open(b'names/' + name, 'wb', encoding=None) as file:
            await file.write(name)
    listed = [name for name in await sftp.listdir(b'names') if name not in (b'.', b'..')]
    same(sorted(listed), sorted(ODD), 'names')
    for name in ODD:
        async with sftp.open(b'names/' + name, 'rb') as file:
            same(await file.read(), name, repr(name))
    await sftp.rmtree('names')


async def extensions(sftp, _):
    """Those of OpenSSH that it knows."""
    async with sftp.open('f', 'wb') as file:
        await file.write(b'12345')
        await file.fsync()
    await sftp.link('f', 'hard')
    await sftp.posix_rename('f', 'hard2')
    await sftp.chmod('hard', 0o600)
    same((await sftp.stat('hard')).nlink in (None, 2), True, 'links')
    figures = await sftp.statvfs('.')
    same(figures.namemax > 0, True, 'figures')
    await sftp.remote_copy('hard', 'copied')
    async with sftp.open('copied', 'rb') as file:
        same(await file.read(), b'12345', 'copied there')
    async with sftp.open('copied', 'ab') as file:
        await file.write(b'678')
    same((await sftp.stat('copied')).size, 8, 'appended')


async def failures(sftp, _):
    """Errors have their kinds."""
    for work, kind in ((sftp.stat('none'), asyncssh.SFTPNoSuchFile), (sftp.mkdir('.'), asyncssh.SFTPFailure),
                       (sftp.readlink('/'), asyncssh.SFTPBadMessage)):
        try:
            await work
        except kind:
            continue
        raise AssertionError(f'no {kind.__name__}')


async def main():
    """One conversation a case."""
    for run in (content, names, extensions, failures):
        folder = tempfile.mkdtemp(prefix='carrick-asyncssh.')
        try:
            async with asyncssh.connect('127.0.0.1', FACTS['port'], username=FACTS['user'], known_hosts=FACTS['known_hosts'],
                                        client_keys=[FACTS['keys']['ed25519']], config=None) as link:
                async with link.start_sftp_client() as sftp:
                    await sftp.chdir(PLACE)
                    await run(sftp, folder)
            print('pass', run.__name__, flush=True)
        except Exception as wrong:  # pylint: disable=broad-exception-caught
            print(f'fail {run.__name__}: {type(wrong).__name__} {wrong}'.replace('\n', ' ')[:400], flush=True)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


asyncio.run(main())

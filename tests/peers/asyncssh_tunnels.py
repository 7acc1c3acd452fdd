"""asyncssh as a client that forwards: reads what to reach from standard input, prints one result a case."""
import asyncio
import hashlib
import json
import os
import sys

import asyncssh

FACTS = json.load(sys.stdin)
DATA = os.urandom(1 << 20) * 3


def connect():
    """A connection."""
    return asyncssh.connect('127.0.0.1', FACTS['port'], username=FACTS['user'], known_hosts=FACTS['known_hosts'],
                            config=None, agent_path=None, client_keys=[FACTS['keys']['ed25519']])


async def ask(reader, writer):
    """Asks a digest service, and checks what it says."""
    async def send():
        writer.write(DATA)
        writer.write_eof()
    sender = asyncio.ensure_future(send())
    answer = await reader.read(-1)
    await sender
    if answer != hashlib.sha256(DATA).digest() + DATA:
        raise AssertionError(f'{len(answer)} bytes of {len(DATA) + 32}, or others')
    writer.close()


async def local():
    """A port here."""
    async with connect() as conn:
        listener = await conn.forward_local_port('127.0.0.1', 0, '127.0.0.1', FACTS['service'])
        for _ in range(3):
            await ask(*await asyncio.open_connection('127.0.0.1', listener.get_port()))


async def direct():
    """A channel without a port."""
    async with connect() as conn:
        reader, writer = await conn.open_connection('127.0.0.1', FACTS['service'], encoding=None)
        await ask(reader, writer)


async def remote():
    """A port there, of the server's choice."""
    async with connect() as conn:
        listener = await conn.forward_remote_port('127.0.0.1', 0, '127.0.0.1', FACTS['service'])
        for _ in range(3):
            await ask(*await asyncio.open_connection('127.0.0.1', listener.get_port()))
        listener.close()
        await listener.wait_closed()


async def socks():
    """SOCKS, by asyncssh's own proxy."""
    async with connect() as conn:
        listener = await conn.forward_socks('127.0.0.1', 0)
        proxy = f'127.0.0.1:{listener.get_port()}'
        done = await asyncio.create_subprocess_exec('curl', '-sS', '--max-time', '15', '--socks5-hostname', proxy,
                                                    f'http://localhost:{FACTS["page"]}/', stdout=asyncio.subprocess.PIPE)
        page, _ = await done.communicate()
        if page != b'a page\n':
            raise AssertionError(f'{page!r}')


async def refused():
    """A port that nobody has."""
    async with connect() as conn:
        try:
            await conn.open_connection('127.0.0.1', 1)
        except asyncssh.ChannelOpenError as why:
            if why.code != asyncssh.OPEN_CONNECT_FAILED:
                raise
            return
        raise AssertionError('opened')


async def main():
    """Runs the cases one by one."""
    for case in (local, direct, remote, socks, refused):
        try:
            await asyncio.wait_for(case(), 40)
            print('pass', case.__name__, flush=True)
        except Exception as wrong:  # pylint: disable=broad-exception-caught
            print(f'fail {case.__name__}: {type(wrong).__name__} {wrong}'.replace('\n', ' '), flush=True)


asyncio.run(main())

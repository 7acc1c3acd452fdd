"""asyncssh as a client: reads what to test from standard input, prints one result a case."""
import asyncio
import json
import os
import sys

import asyncssh
from asyncssh import encryption, kex, mac

FACTS = json.load(sys.stdin)
DATA = os.urandom(1 << 18) * 4


def connect(key='ed25519', **options):
    """A connection, by the key of that kind unless the options say otherwise."""
    if 'password' not in options and 'client_factory' not in options:
        options['client_keys'] = [FACTS['keys'][key]]
    else:
        options['client_keys'] = None
    return asyncssh.connect('127.0.0.1', FACTS['port'], username=FACTS['user'], known_hosts=FACTS['known_hosts'],
                            config=None, agent_path=None, **options)


def same(got, wanted, what):
    """Fails a case."""
    if got != wanted:
        raise AssertionError(f'{what}: got {got!r}, wanted {wanted!r}')


async def echo(**options):
    """A remote cat gives back what it got, twice on one connection."""
    async with connect(**options) as conn:
        for _ in range(2):
            done = await conn.run('cat', input=DATA, encoding=None)
            same((done.exit_status, done.stdout == DATA), (0, True), 'exit status, equal')


async def status():
    """Exit statuses and the streams apart."""
    async with connect() as conn:
        for wanted in (0, 1, 200):
            done = await conn.run(f'echo out; echo err >&2; exit {wanted}')
            same((done.exit_status, done.stdout, done.stderr), (wanted, 'out\n', 'err\n'), 'exit')


async def signal_out():
    """A command that a signal ends is told as exit-signal."""
    async with connect() as conn:
        done = await conn.run('kill -TERM $$; sleep 5')
        same(done.exit_signal[0] if done.exit_signal else done.exit_status, 'TERM', 'exit signal')


async def signal_in():
    """A signal request reaches the command."""
    async with connect() as conn:
        async with conn.create_process('trap "echo got; exit 3" INT; echo up; sleep 20 & wait') as process:
            same(await process.stdout.readline(), 'up\n', 'first line')
            process.send_signal('INT')
            same(await asyncio.wait_for(process.stdout.readline(), 10), 'got\n', 'after the signal')
            done = await process.wait()
            same(done.exit_status, 3, 'exit status')


async def pty():
    """A shell with a pty, its size, a change of size."""
    async with connect() as conn:
        async with conn.create_process(term_type='vt100', term_size=(77, 33)) as process:
            process.stdin.write('stty size; echo $TERM\n')
            await asyncio.wait_for(process.stdout.readuntil('33 77'), 10)
            await asyncio.wait_for(process.stdout.readuntil('vt100'), 10)
            process.change_terminal_size(100, 50)
            await asyncio.sleep(0.2)
            process.stdin.write('stty size; exit 4\n')
            await asyncio.wait_for(process.stdout.readuntil('50 100'), 10)
            done = await process.wait()
            same(done.exit_status, 4, 'exit status')


async def many():
    """Ten sessions at once on one connection; a slow one does not stop the others."""
    async with connect() as conn:
        slow = await conn.create_process('cat /dev/zero', encoding=None)
        results = await asyncio.gather(*(conn.run('cat', input=DATA, encoding=None) for _ in range(10)))
        same([r.stdout == DATA for r in results], [True] * 10, 'ten sessions')
        slow.close()


async def password():
    """A password login, and a wrong one."""
    async with connect(password=FACTS['password'], preferred_auth=['password']) as conn:
        same((await conn.run('echo in')).stdout, 'in\n', 'output')
    try:
        async with connect(password='not it', preferred_auth=['password']):
            raise AssertionError('a wrong password got in')
    except asyncssh.PermissionDenied:
        pass


class Answers(asyncssh.SSHClient):
    """Answers every prompt with the password."""

    def kbdint_auth_requested(self):
        return ''

    def kbdint_challenge_received(self, name, instructions, lang, prompts):
        return [FACTS['password'] for _ in prompts]


async def keyboard_interactive():
    """A keyboard-interactive login."""
    async with connect(client_factory=Answers, preferred_auth=['keyboard-interactive']) as conn:
        same((await conn.run('echo in')).stdout, 'in\n', 'output')


async def window():
    """A small window: data in many pieces, both ways."""
    async with connect() as conn:
        done = await conn.run('cat', input=DATA, encoding=None, window=4096, max_pktsize=1000)
        same(done.stdout == DATA, True, 'equal')


def names(listed, ours):
    """What asyncssh has and we have."""
    return [name.decode() for name in listed if name.decode() in FACTS['lists'][ours]]


def cases():
    """Name and coroutine function of each case."""
    for name in names(kex.get_kex_algs(), 'kex'):
        yield f'kex {name}', lambda n=name: echo(kex_algs=[n])
    for name in names(encryption.get_encryption_algs(), 'cipher'):
        yield f'cipher {name}', lambda n=name: echo(encryption_algs=[n])
    for name in names(mac.get_mac_algs(), 'mac'):
        yield f'mac {name}', lambda n=name: echo(encryption_algs=['aes128-ctr'], mac_algs=[n])
    for name in ('none', 'zlib@openssh.com', 'zlib'):
        if name in FACTS['lists']['compression']:
            yield f'compression {name}', lambda n=name: echo(compression_algs=[n])
    for key in FACTS['keys']:
        yield f'key {key}', lambda k=key: echo(key=k)
    for name in ('ssh-ed25519', 'ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp521', 'rsa-sha2-256', 'rsa-sha2-512'):
        yield f'host key {name}', lambda n=name: echo(server_host_key_algs=[n])
    yield 'rekey', lambda: echo(rekey_bytes=200_000)
    for case in (status, signal_out, signal_in, pty, many, window):
        yield case.__name__.replace('_', ' '), case
    if FACTS['password']:
        yield 'password', password
        if 'keyboard-interactive' in FACTS['lists']['methods']:
            yield 'keyboard-interactive', keyboard_interactive


async def main():
    """Runs the cases one by one."""
    for name, case in cases():
        try:
            await asyncio.wait_for(case(), 40)
            print('pass', name, flush=True)
        except Exception as wrong:  # pylint: disable=broad-exception-caught
            print(f'fail {name}: {type(wrong).__name__} {wrong}'.replace('\n', ' '), flush=True)


asyncio.run(main())

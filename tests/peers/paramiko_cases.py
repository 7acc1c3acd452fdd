"""paramiko as a client: reads what to test from standard input, prints one result a case."""
import json
import logging
import os
import socket
import sys
import time

import paramiko

logging.getLogger('paramiko').setLevel(logging.CRITICAL)
FACTS = json.load(sys.stdin)
DATA = os.urandom(1 << 18) * 4
LOADERS = {'ed25519': paramiko.Ed25519Key, 'ecdsa256': paramiko.ECDSAKey, 'ecdsa384': paramiko.ECDSAKey,
           'ecdsa521': paramiko.ECDSAKey, 'rsa': paramiko.RSAKey}


def same(got, wanted, what):
    """Fails a case."""
    if got != wanted:
        raise AssertionError(f'{what}: got {got!r}, wanted {wanted!r}')


class Session:
    """A transport that is logged in."""

    def __init__(self, key='ed25519', login=True, **options):
        self.transport = paramiko.Transport(socket.create_connection(('127.0.0.1', FACTS['port'])))
        security = self.transport.get_security_options()
        for name, value in options.items():
            if name == 'compression':
                self.transport.use_compression(value)
            else:
                setattr(security, name, (value,))
        self.transport.start_client(timeout=20)
        if login:
            self.transport.auth_publickey(FACTS['user'], LOADERS[key].from_private_key_file(FACTS['keys'][key]))

    def echo(self):
        """A remote cat gives back what it got."""
        channel = self.transport.open_session()
        channel.exec_command('cat')
        got, sent = b'', 0
        channel.settimeout(20)
        while sent < len(DATA):
            sent += channel.send(DATA[sent:sent + 100_000])
            while channel.recv_ready():
                got += channel.recv(1 << 20)
        channel.shutdown_write()
        while more := channel.recv(1 << 20):
            got += more
        same((channel.recv_exit_status(), got == DATA), (0, True), 'exit status, equal')
        return channel

    def settled(self, channel):
        """The channel's CLOSE is answered: paramiko's thread would wait for a key exchange with that, which it alone can go on with."""
        for _ in range(1000):
            if channel.closed:
                break
            time.sleep(0.01)
        same(channel.closed, True, 'closed')
        self.transport.global_request('keepalive@openssh.com', wait=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.transport.close()


def echo(**options):
    """An echo on a connection of its own."""
    with Session(**options) as session:
        session.echo()


def rekey():
    """Key exchanges between and during transfers."""
    with Session() as session:
        session.settled(session.echo())
        session.transport.renegotiate_keys()
        session.echo()


def pty():
    """A shell with a pty."""
    with Session() as session:
        channel = session.transport.open_session()
        channel.get_pty('vt100', 90, 44)
        channel.invoke_shell()
        channel.settimeout(10)
        channel.send(b'stty size; exit 5\n')
        seen = b''
        while b'44 90' not in seen:
            seen += channel.recv(4096)
        same(channel.recv_exit_status(), 5, 'exit status')


def status():
    """Status and standard error."""
    with Session() as session:
        channel = session.transport.open_session()
        channel.exec_command('echo err >&2; exit 77')
        same((channel.makefile_stderr().read(), channel.recv_exit_status()), (b'err\n', 77), 'standard error, exit status')


def password():
    """A password login, and a wrong one."""
    with Session(login=False) as session:
        session.transport.auth_password(FACTS['user'], FACTS['password'], fallback=False)
        session.echo()
    with Session(login=False) as session:
        try:
            session.transport.auth_password(FACTS['user'], 'not it', fallback=False)
            raise AssertionError('a wrong password got in')
        except paramiko.AuthenticationException:
            pass


def keepalive():
    """Global requests with no meaning to the peer are answered."""
    with Session() as session:
        session.transport.set_keepalive(1)
        time.sleep(1.5)
        session.echo()


def cases():
    """Name and function of each case."""
    lists, have = FACTS['lists'], paramiko.Transport
    for name in have._preferred_kex:
        if name in lists['kex']:
            yield f'kex {name}', lambda n=name: echo(kex=n)
    for name in have._preferred_ciphers:
        if name in lists['cipher']:
            yield f'cipher {name}', lambda n=name: echo(ciphers=n)
    for name in have._preferred_macs:
        if name in lists['mac']:
            yield f'mac {name}', lambda n=name: echo(ciphers='aes128-ctr', digests=n)
    for name in have._preferred_keys:
        yield f'host key {name}', lambda n=name: echo(key_types=n)
    for key in FACTS['keys']:
        yield f'key {key}', lambda k=key: echo(key=k)
    if 'zlib@openssh.com' in lists['compression']:
        yield 'compression', lambda: echo(compression=True)
    for case in (rekey, pty, status, keepalive) + ((password,) if FACTS['password'] else ()):
        yield case.__name__, case


for title, run in cases():
    try:
        run()
        print('pass', title, flush=True)
    except Exception as wrong:  # pylint: disable=broad-exception-caught
        print(f'fail {title}: {type(wrong).__name__} {wrong}'.replace('\n', ' '), flush=True)

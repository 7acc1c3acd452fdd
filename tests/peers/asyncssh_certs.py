"""asyncssh with certificates, as a client or as a server: reads what to do from standard input.

As a client it prints one result a case. As a server it prints its port, and serves until its input ends.
"""
import asyncio
import json
import os
import sys

import asyncssh

FACTS = json.loads(sys.stdin.readline())


async def log_in(name):
    """Whether a key with its certificate gets in, the host's certificate being what its key is trusted for."""
    path = FACTS['user_keys'][name]
    known = ([], [FACTS['host_ca']], [])
    options = {'known_hosts': known if FACTS['host_ca'] else None, 'config': None, 'agent_path': None, 'username': FACTS['user'],
               'client_keys': [(path, path + '-cert.pub')]}
    try:
        async with asyncssh.connect('127.0.0.1', FACTS['port'], **options) as conn:
            return (await conn.run('echo in')).stdout == 'in\n'
    except asyncssh.PermissionDenied:
        return False


async def client():
    """Each key, and whether it should get in."""
    for name, wanted in FACTS['wanted'].items():
        try:
            got = await asyncio.wait_for(log_in(name), 40)
            word = 'pass' if got == wanted else 'fail'
            print(f'{word} client {name}: logged in: {got}', flush=True)
        except Exception as wrong:  # pylint: disable=broad-exception-caught
            print(f'fail client {name}: {type(wrong).__name__} {wrong}'.replace('\n', ' '), flush=True)


class Server(asyncssh.SSHServer):
    """Takes the certificates of one authority."""

    def begin_auth(self, username):
        return True


async def serve():
    """Serves `echo` until nobody wants it."""
    def session(process):
        process.stdout.write('in\n')
        process.exit(0)
    allowed = asyncssh.import_authorized_keys(f'cert-authority,principals="{FACTS["user"]}" {FACTS["user_ca"]}')
    key = FACTS['host_key']
    server = await asyncssh.create_server(Server, '127.0.0.1', 0, server_host_keys=[(key, FACTS['host_cert'])], process_factory=session,
                                          authorized_client_keys=allowed)
    print(server.get_port(), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, os.read, 0, 1)
    server.close()


asyncio.run(serve() if FACTS['role'] == 'server' else client())

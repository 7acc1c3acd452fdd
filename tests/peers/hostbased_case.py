"""A login by the word of this host, with asyncssh: the facts as JSON on standard input, what the command said on standard output."""
import asyncio
import json
import sys

import asyncssh

FACTS = json.load(sys.stdin)


async def main():
    """Exit status 0 if the login came about."""
    async with asyncssh.connect('127.0.0.1', FACTS['port'], username=FACTS['user'], known_hosts=None, config=None, agent_path=None,
                                client_keys=None, client_host_keys=[FACTS['key']], client_host=FACTS['host'],
                                client_username=FACTS['local'], preferred_auth=['hostbased']) as conn:
        print((await conn.run('echo in')).stdout, end='')

try:
    asyncio.run(main())
except asyncssh.PermissionDenied:
    sys.exit(255)

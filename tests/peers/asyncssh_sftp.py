"""asyncssh's SFTP server on standard input and output, as sftp -D wants it. It lives without an SSH connection: what it asks
of one is answered here."""
import asyncio
import os
import sys

import asyncssh
from asyncssh import logging, sftp


class Channel:
    """What the server wants to know of its channel."""
    logger = logging.logger

    def is_closing(self):
        """Never before the end."""
        return False

    def get_extra_info(self, _name, default=None):
        """Nothing is known."""
        return default

    def get_environment(self):
        """Nothing is set."""
        return {}


class Writer:
    """To standard output."""
    channel = Channel()

    def write(self, data):
        """All of it, at once."""
        while data:
            data = data[os.write(1, data):]

    def close(self):
        """The end."""


async def main():
    """Serves until the client has gone."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    reader.logger, reader.get_extra_info = logging.logger, lambda _name, default=None: default
    await sftp.run_sftp_server(asyncssh.SFTPServer(Channel()), reader, Writer(), 3)


asyncio.run(main())

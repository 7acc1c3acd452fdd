"""Transfers that are killed and resumed: our sftp against several servers. What arrives is right each time."""
import filecmp
import os
import random
import shutil
import signal
import subprocess

import programs
import report

SIZE = 30_000_000
KILLS = 20


def servers(bench):
    """The servers by name, where they are there."""
    found = {'ours': [bench.suites['ours'].tool('sftp-server')],
             'openssh10': [os.path.join(programs.OPENSSH10, 'lib', 'openssh', 'sftp-server')],
             'openssh': ['/usr/lib/openssh/sftp-server']}
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'asyncssh_sftp.py')
    found['asyncssh'] = [os.path.join(programs.PEERS, 'python', 'bin', 'python'), '-W', 'ignore', script]
    return {name: command for name, command in found.items() if os.access(command[0], os.X_OK)}


class Place:
    """A folder with the source of a transfer, and its target to be."""

    def __init__(self, bench, name):
        self.folder = bench.folder / f'resuming-{name}'
        os.makedirs(self.folder)
        self.source, self.target = os.path.join(self.folder, 'source'), os.path.join(self.folder, 'target')
        with open(self.source, 'wb') as file:
            file.write(random.Random(name).randbytes(SIZE))

    def remove(self):
        """Removes it."""
        shutil.rmtree(self.folder)


def start(bench, server, batch, **streams):
    """Our sftp with a batch, over a server on this machine, in a group of its own."""
    command = [bench.suites['ours'].tool('sftp'), '-D', ' '.join(server), '-b', '-']
    running = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True, **streams)
    running.stdin.write(batch.encode())
    running.stdin.close()
    return running


def finish(bench, server, place, verb):
    """Resumes, and compares: what was said."""
    with start(bench, server, f'{verb} {place.source} {place.target}\n', stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as running:
        said = running.stdout.read()
        status = running.wait(60)
    report.expect(filecmp.cmp(place.source, place.target, shallow=False), f'{verb}: another content: {report.shorten(said)}')
    return status, said


def killed(bench, name, server, verb):
    """Killed at random moments, resumed, compared."""
    place, moments, cut = Place(bench, f'{name}-{verb}'), random.Random(verb + name), 0
    for _ in range(KILLS):
        with start(bench, server, f'{verb} {place.source} {place.target}\n', stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL) as running:
            try:
                running.wait(moments.uniform(0, 0.25))
            except subprocess.TimeoutExpired:
                os.killpg(running.pid, signal.SIGKILL)
                running.wait()
        if not os.path.exists(place.target) or os.path.getsize(place.target) != SIZE:
            cut += 1
            status, said = finish(bench, server, place, f're{verb}')
            report.same(status, 0, f're{verb}: {report.shorten(said)}')
        os.remove(place.target)
    place.remove()
    report.expect(cut > 0, 'no transfer was cut short')


def flipped(bench, name, server, verb):
    """A wrong byte in what is there already is noticed and mended."""
    place = Place(bench, f'{name}-{verb}-flipped')
    with open(place.source, 'rb') as source, open(place.target, 'wb') as target:
        part = bytearray(source.read(SIZE // 2))
        part[SIZE // 3] ^= 4
        target.write(part)
    status, said = finish(bench, server, place, f're{verb}')
    report.same(status, 0, report.shorten(said))
    report.expect(b'differs' in said, f'not noticed: {report.shorten(said)}')
    place.remove()


def group(bench):
    """All cases."""
    if 'sftp' not in programs.ours():
        raise AssertionError('our sftp is not there')
    cases = []
    for name, server in servers(bench).items():
        for verb in ('get', 'put'):
            for what in (killed, flipped):
                cases.append(report.Case(f'resuming {verb} {what.__name__} {name}',
                                         lambda n=name, s=server, v=verb, w=what: w(bench, n, s, v)))
    return 'resuming', cases

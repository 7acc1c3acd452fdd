"""Agents: our ssh-agent and ssh-add beside OpenSSH 10's, each with the other, and other clients with our agent."""
import os
import pty
import re
import select
import signal
import socket
import stat
import struct
import subprocess
import sys
import threading
import time

import fixture
import procs
import programs
from report import Case, Skip, expect, same

# Types that every suite makes keys of.
KINDS = ('ed25519', 'ecdsa256', 'ecdsa384', 'ecdsa521', 'rsa')
PYTHON = os.path.join(programs.PEERS, 'python', 'bin', 'python')


def wait_for(path):
    """Waits until somebody listens."""
    for _ in range(1000):
        with socket.socket(socket.AF_UNIX) as peer:
            if peer.connect_ex(path) == 0:
                return
        time.sleep(0.01)
    raise AssertionError(f'nobody listens at {path}')


class Agent:
    """A running agent in the foreground, at a socket of its own."""
    count = 0

    def __init__(self, folder, program, *flags, env=None):
        Agent.count += 1
        self.path = folder / f'agent.{Agent.count}'
        self.log = open(self.path + '.log', 'wb')  # pylint: disable=consider-using-with
        self.process = subprocess.Popen([program, '-D', '-a', self.path, *flags], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=self.log, env={**os.environ, **(env or {})})
        wait_for(self.path)
        self.env = {**os.environ, 'SSH_AUTH_SOCK': self.path}
        for name in ('DISPLAY', 'WAYLAND_DISPLAY', 'SSH_ASKPASS_REQUIRE'):
            self.env.pop(name, None)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)
        self.log.close()

    def run(self, *command, **options):
        """Runs a command that uses this agent."""
        return fixture.run(list(command), env={**self.env, **options.pop('env', {})}, **options)

    def connect(self):
        """A raw connection."""
        peer = socket.socket(socket.AF_UNIX)
        peer.settimeout(20)
        peer.connect(self.path)
        return peer


def ask(peer, body):
    """One request and its answer, raw."""
    peer.sendall(struct.pack('>I', len(body)) + body)
    return answer(peer)


def answer(peer):
    """One answer, raw; None at the end."""
    head = peer.recv(4, socket.MSG_WAITALL)
    return peer.recv(struct.unpack('>I', head)[0], socket.MSG_WAITALL) if head else None


def said(done):
    """What a program did that others can see, its own name left out."""
    text = done.stderr.replace(b'\r', b'')
    # 10.5 says hours, minutes and seconds, and keeps certificates no longer than they are valid.
    return done.returncode, done.stdout, re.sub(rb'Lifetime set to .*\n', b'', text)


CERTIFY = threading.Lock()


def certified(bench, kind):
    """A copy of a user key with a certificate beside it that ends in an hour. Made once: cases run side by side."""
    folder, stock = bench.folder, bench.suites['openssh10'].keygen
    path = folder / f'certified.{kind}'
    with CERTIFY:
        if not os.path.exists(path + '-cert.pub'):
            for suffix, mode in (('', 0o600), ('.pub', 0o644)):
                with open(bench.keys.path('user', kind) + suffix, 'rb') as file:
                    folder.write(f'certified.{kind}{suffix}', file.read(), mode)
            done = fixture.run([stock, '-q', '-s', bench.keys.path('host', 'ed25519'), '-I', f'{kind} id', '-n', 'x', '-V', '-1h:+1h',
                                path + '.pub'])
            same(done.returncode, 0, f'certify {done.stderr!r}')
    return path


def conversation(bench, add, agent):
    """Everything that ssh-add does with keys from files: (what was run, what it said)."""
    keys, out = bench.keys, []

    def run(*words, **options):
        out.append((words, said(agent.run(add, *words, **options))))

    run('-l')
    run('-L')
    run('-d', keys.path('user', 'rsa'))
    for kind in KINDS:
        run(keys.path('user', kind))
    run('-t', '1h', keys.path('user', 'rsa'))
    run('-q', keys.path('user', 'rsa'), '/nonexistent')
    for flags in (('-l',), ('-L',), ('-l', '-E', 'md5')):
        run(*flags)
    for kind in KINDS:
        run('-T', keys.path('user', kind) + '.pub')
    run('-T', '/nonexistent')
    run('-T')
    for kind in ('ed25519', 'rsa'):
        path = certified(bench, kind)
        run(path)
        run('-k', path)
        run('-T', path + '-cert.pub')
        run('-dk', path)
    run('-L')
    run('-d', certified(bench, 'ed25519'))
    with open(certified(bench, 'rsa') + '-cert.pub', 'rb') as cert:
        run('-d', '-', input=cert.read() + b'# a comment\nnot a key\n')
    with open(keys.path('user', 'ecdsa256'), 'rb') as private:
        run('-', input=private.read())
    run('-l')
    for words in (('-lL',), ('-l', '-D'), ('-E', 'x'), ('-t', 'x'), ('-z',), ('-D',), ('-l',), ('-qD',), ('-h', 'nowhere.example', 'x')):
        run(*words)
    return out


def files(bench, add, agent):
    """ssh-add beside OpenSSH's, with the same agent."""
    def check():
        with Agent(bench.folder, agent) as first, Agent(bench.folder, agent) as second:
            mine, theirs = conversation(bench, add, first), conversation(bench, programs.OPENSSH10 + '/bin/ssh-add', second)
        for (words, ours), (_, stock) in zip(mine, theirs):
            # The usage is OpenSSH 10.5's, and so are lifetimes by the end of a certificate.
            if words == ('-z',):
                ours, stock = ours[:2], stock[:2]
            same(ours, stock, f'ssh-add {" ".join(words)}')
    return check


def lifetimes(bench, add, agent):
    """A certificate is kept to its end and a little longer, unless -N."""
    def check():
        path = certified(bench, 'ed25519')
        with Agent(bench.folder, agent) as running:
            done = running.run(add, path)
            lines = done.stderr.decode().replace('\r', '').splitlines()
            expect(lines[0].startswith('Identity added:') and lines[1].startswith('Certificate added:'), lines)
            expect(len(lines) == 3 and lines[2].startswith('Lifetime set to 01:0'), lines)
            done = running.run(add, '-C', path)
            expect(b'Identity' not in done.stderr and done.stderr.startswith(b'Certificate added:'), done.stderr)
            for flags, end in ((('-t', '10'), '00:00:10'), (('-N', '-t', '1d'), '1d00h00m')):
                done = running.run(add, *flags, path)
                expect(done.stderr.decode().count(f'Lifetime set to {end}') == 2, done.stderr)
    return check


def in_terminal(command, env, answers):
    """Runs a command at a terminal, gives an answer at each prompt; (exit status, all it showed)."""
    pid, master = pty.fork()
    if pid == 0:
        os.execve(command[0], command, env)
    shown, answers, limit = b'', list(answers), time.monotonic() + 30
    while time.monotonic() < limit:
        if select.select([master], [], [], 0.2)[0]:
            try:
                part = os.read(master, 4096)
            except OSError:
                break
            if not part:
                break
            shown += part
            if answers and shown.endswith(b': '):
                os.write(master, answers.pop(0) + b'\n')
    os.close(master)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.replace(b'\r', b'').replace(b'\n\n', b'\n')


def passphrases(bench, add, agent):
    """Prompts: the passphrase is tried on the next file, asked again when wrong; locks."""
    def check():
        folder, stock = bench.folder, bench.suites['openssh10'].keygen
        paths = []
        for kind in ('ed25519', 'rsa'):
            with open(bench.keys.path('user', kind), 'rb') as file:
                paths.append(folder.write(f'locked.{"stock" if agent.startswith(programs.OPENSSH10) else "ours"}.{kind}.agent', file.read(), 0o600))
            done = fixture.run([stock, '-q', '-p', '-N', 'sesame', '-f', paths[-1]])
            same(done.returncode, 0, f'ssh-keygen -p {done.stderr!r}')
        results = []
        for program in (add, programs.OPENSSH10 + '/bin/ssh-add'):
            with Agent(folder, agent) as running:
                results.append([in_terminal([program, *words], running.env, answers) for words, answers in (
                    (paths, [b'wrong', b'sesame']), (['-c', *paths], [b'sesame']), (paths, [b'', b'']), (['-l'], []),
                    (['-x'], [b'one', b'two']), (['-x'], [b'one', b'one']), (['-l'], []), (['-D'], []), (['-x'], [b'a', b'a']),
                    (['-X'], [b'wrong']), (['-X'], [b'one']), (['-X'], [b'one']), (['-l'], []))])
        for mine, theirs in zip(*results):
            same(mine, theirs, 'prompts')
    return check


def exit_without_agent(bench, add):
    """Exit status 2 and why."""
    def check():
        results = []
        for program in (add, programs.OPENSSH10 + '/bin/ssh-add'):
            for path in ('', '/nonexistent'):
                results.append(said(fixture.run([program, '-l'], env={**os.environ, 'SSH_AUTH_SOCK': path})))
        same(results[:2], results[2:], 'without an agent')
        same([result[0] for result in results[:2]], [2, 2], 'exit status')
    return check


def confirm(bench, add, agent):
    """-c asks at each use, through the askpass program."""
    def check():
        for code, wanted in ((0, 0), (1, 1)):
            asked = bench.folder / f'asked.{Agent.count}.{code}'
            script = bench.folder.write(f'askpass.{Agent.count}.{code}',
                                        f'#!/bin/sh\necho "$SSH_ASKPASS_PROMPT" "$1" >{asked}\nexit {code}\n', 0o755)
            with Agent(bench.folder, agent, env={'SSH_ASKPASS': script, 'SSH_ASKPASS_REQUIRE': 'force'}) as running:
                same(running.run(add, '-qc', bench.keys.path('user', 'ed25519')).returncode, 0, 'ssh-add -c')
                same(running.run(add, '-T', bench.keys.path('user', 'ed25519') + '.pub').returncode, wanted, f'askpass exits with {code}')
            with open(asked, encoding='utf-8') as file:
                text = file.read()
            expect(text.startswith('confirm Allow use of key user ed25519?\nKey fingerprint SHA256:'), f'asked {text!r}')
    return check


def beside_a_dialog(bench, add, agent):
    """While the user is asked, other clients are served, and so is the same key without a question."""
    def check():
        slow = bench.folder.write(f'askpass.slow.{Agent.count}', '#!/bin/sh\nsleep 3\n', 0o755)
        with Agent(bench.folder, agent, env={'SSH_ASKPASS': slow, 'SSH_ASKPASS_REQUIRE': 'force'}) as running:
            asked, free = bench.keys.path('user', 'ed25519'), bench.keys.path('user', 'rsa')
            same(running.run(add, '-qc', asked).returncode, 0, 'ssh-add -c')
            same(running.run(add, '-q', free).returncode, 0, 'ssh-add')
            with subprocess.Popen([add, '-T', asked + '.pub'], env=running.env, stdin=subprocess.DEVNULL) as waiting:
                time.sleep(0.3)
                begin = time.monotonic()
                same(running.run(add, '-T', free + '.pub').returncode, 0, 'another key meanwhile')
                expect(time.monotonic() - begin < 2, 'another client waited for the dialog')
                same(waiting.poll(), None, 'the dialog is over too soon')
                same(waiting.wait(20), 0, 'after the dialog')
    return check


def shell_words(bench, agent):
    """What is printed for shells, where sockets are, -k, and that nothing is left behind."""
    def check():
        home = bench.folder / f'home.{os.path.basename(os.path.dirname(agent))}'
        os.makedirs(home)
        results = []
        for program in (agent, programs.OPENSSH10 + '/bin/ssh-agent'):
            for words in (('-s',), ('-c',), ('-s', '-T'), ('-s', '-a', bench.folder / 'spelled out')):
                if program != agent and '-T' in words:
                    words = ('-s',)
                env = {**os.environ, 'HOME': home, 'TMPDIR': bench.folder.path, 'SHELL': '/bin/sh'}
                done = fixture.run([program, *words], env=env)
                same(done.returncode, 0, f'{words} {done.stderr!r}')
                lines = done.stdout.decode().splitlines()
                pid = int(lines[-1].split()[-1].rstrip(';'))
                path = lines[0].split(';')[0].partition('=' if '-s' in words else 'SOCK ')[2].strip("'\"")
                results.append([line.replace(path, 'PATH').replace(str(pid), 'PID').replace("'", '').replace('"', '') for line in lines])
                expect(stat.S_ISSOCK(os.stat(path).st_mode), path)
                same(stat.S_IMODE(os.stat(path).st_mode), 0o600, 'mode of the socket')
                if program == agent and words in (('-s',), ('-c',)):
                    expect(path.startswith(home + '/.ssh/agent/s.') and path.count('.agent.') == 1, path)
                    same(stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode), 0o700, 'mode of the folder')
                if program != agent:
                    # OpenSSH's names its process before that has handlers: ended
                    # too soon, it leaves its socket. Who answers has them.
                    fixture.run([programs.OPENSSH10 + '/bin/ssh-add', '-l'], env={**env, 'SSH_AUTH_SOCK': path})
                killed = fixture.run([program, '-k', *(['-c'] if '-c' in words else [])], env={**env, 'SSH_AGENT_PID': str(pid)})
                results[-1] += killed.stdout.decode().replace(str(pid), 'PID').splitlines()
                for _ in range(200):
                    if not os.path.exists(path):
                        break
                    time.sleep(0.02)
                expect(not os.path.exists(path), f'{path} is left behind by {program}')
                same(killed.returncode, 0, f'-k {killed.stderr!r}')
        same(results[:4], results[4:], 'words for the shell')
        expect(not [name for name in os.listdir(bench.folder.path) if name.startswith('ssh-')], 'a folder is left behind')
        for pid in ('', '1', 'x', '4194305'):
            env = {**os.environ, 'SSH_AGENT_PID': pid} if pid else {k: v for k, v in os.environ.items() if k != 'SSH_AGENT_PID'}
            mine, theirs = (said(fixture.run([program, '-k'], env=env)) for program in (agent, programs.OPENSSH10 + '/bin/ssh-agent'))
            same(mine, theirs, f'-k with SSH_AGENT_PID={pid!r}')
    return check


def command(bench, agent):
    """An agent ends with its command, at once, and takes its exit status along."""
    def check():
        env = {**os.environ, 'HOME': bench.folder.path}
        done = fixture.run([agent, 'sh', '-c', 'echo $SSH_AGENT_PID $SSH_AUTH_SOCK; exit 7'], env=env)
        same(done.returncode, 7, 'exit status of the command')
        pid, path = done.stdout.decode().split()
        begin = time.monotonic()
        while procs.alive(int(pid)) and time.monotonic() - begin < 10:
            time.sleep(0.02)
        expect(time.monotonic() - begin < 5 and not os.path.exists(path), 'the agent outlives its command')
        same(fixture.run([agent, '/nonexistent'], env=env).returncode, 1, 'no such command')
    return check


def activated(bench, add, agent):
    """A socket that a supervisor made."""
    def check():
        path = bench.folder / f'activated.{Agent.count}'
        Agent.count += 1
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen()
            # Puts the socket where the protocol wants it, and tells its own pid.
            script = ('import os, sys; os.dup2(int(sys.argv[1]), 3); os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid())); '
                      'os.execv(sys.argv[2], [sys.argv[2], "-D"])')
            with subprocess.Popen([sys.executable, '-c', script, str(listener.fileno()), agent], pass_fds=[listener.fileno()],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
                same(fixture.run([add, '-l'], env={**os.environ, 'SSH_AUTH_SOCK': path}).returncode, 1, 'ssh-add -l')
                process.terminate()
                same((process.wait(20), process.stdout.read()), (0, b''), 'told to end by its supervisor')
            expect(os.path.exists(path), "the supervisor's socket is gone")
        for fds, pid in (('2', '$$'), ('1', '1'), ('1', 'x')):
            done = fixture.run(['sh', '-c', f'LISTEN_FDS={fds} LISTEN_PID={pid} exec "$0" -D', agent])
            same(done.returncode, 255, f'LISTEN_FDS={fds} LISTEN_PID={pid}')
    return check


def drop_keys(bench, add, agent):
    """SIGUSR1 drops all keys."""
    def check():
        with Agent(bench.folder, agent) as running:
            same(running.run(add, '-q', bench.keys.path('user', 'ed25519')).returncode, 0, 'ssh-add')
            running.process.send_signal(signal.SIGUSR1)
            for _ in range(100):
                if running.run(add, '-l').returncode == 1:
                    return
                time.sleep(0.02)
            raise AssertionError('the keys are still there')
    return check


def hidden(bench, add, agent):
    """No core files; memory that another process of the user may not read; other users may not connect."""
    def check():
        with Agent(bench.folder, agent) as running:
            pid = running.process.pid
            same(running.run(add, '-q', bench.keys.path('user', 'ed25519')).returncode, 0, 'ssh-add')
            with open(f'/proc/{pid}/limits', encoding='ascii') as file:
                core = next(line for line in file if line.startswith('Max core file size'))
            same(core.split()[4:6], ['0', '0'], core)
            with open(f'/proc/{pid}/status', encoding='ascii') as file:
                locked = next(line for line in file if line.startswith('VmLck')).split()[1]
            expect(int(locked) > 0, 'nothing is locked in memory')
            if not bench.user.made:
                raise Skip('needs another user')
            # What is not dumpable belongs to root, whoever runs it.
            same(os.stat(f'/proc/{pid}/environ').st_uid, 0, 'owner in /proc')
            os.chmod(running.path, 0o777)
            os.chmod(bench.folder.path, 0o755)
            other = fixture.run(['setpriv', f'--reuid={bench.user.uid}', '--clear-groups', programs.OPENSSH10 + '/bin/ssh-add', '-l'], env=running.env)
            # It may be told of the closed connection by a signal while it still writes.
            told = other.returncode == -signal.SIGPIPE or b'communication with agent failed' in other.stderr
            expect(other.returncode and told and not other.stdout, f'another user: {other}')
        with open(running.path + '.log', encoding='utf-8') as file:
            expect('uid mismatch' in file.read(), 'the log does not tell')
        as_user = ['setpriv', f'--reuid={bench.user.uid}', '--clear-groups']
        path = os.path.join(bench.user.home, 'agent')
        with subprocess.Popen([*as_user, agent, '-D', '-a', path], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
            wait_for(path)
            peek = fixture.run([*as_user, 'cat', f'/proc/{process.pid}/environ'])
            expect(peek.returncode != 0, 'its own user reads its environment')
            process.terminate()
    return check


def hostile(bench, add, agent):
    """Clients that are slow, rude or many cost themselves only."""
    def check():
        with Agent(bench.folder, agent) as running:
            key = bench.keys.path('user', 'ed25519')
            same(running.run(add, '-q', key).returncode, 0, 'ssh-add')
            half, silent, deaf = running.connect(), running.connect(), running.connect()
            half.sendall(b'\0\0\1\0\x0b')
            del silent
            # Answers are not taken: no more is read, and no more is kept.
            deaf.setblocking(False)
            sent = 0
            try:
                while sent < 1 << 24:
                    sent += deaf.send(struct.pack('>IB', 1, 11) * 4096)
            except BlockingIOError:
                pass
            expect(sent < 1 << 22, f'{sent} bytes of requests were taken and never answered')
            for bad in (b'\0\0\0\0', b'\0\4\0\1\x0b', b'\xff\xff\xff\xff'):
                peer = running.connect()
                peer.sendall(bad)
                same(peer.recv(1), b'', f'after {bad!r}')
            peer = running.connect()
            for body in (b'\x00', b'\xc8', b'\x0d', b'\x11', b'\x19\0\0\0\x04abcd', b'\x16', b'\x1b\0\0\0\1x'):
                same(ask(peer, body), b'\x05', f'request {body!r}')
            many = [running.connect() for _ in range(200)]
            for peer in many:
                peer.sendall(struct.pack('>IB', 1, 11) * 3)
            for peer in many:
                same([answer(peer)[0] for _ in range(3)], [12] * 3, 'three at once')
            same(running.run(add, '-T', key + '.pub').returncode, 0, 'the agent is well')
            with open(f'/proc/{running.process.pid}/status', encoding='ascii') as file:
                resident = int(next(line for line in file if line.startswith('VmRSS')).split()[1])
            expect(resident < 64 * 1024, f'{resident} kB resident')
    return check


def few_descriptors(bench, add, agent):
    """When descriptors run out, others wait, and are served when some are free again."""
    def check():
        path = bench.folder / f'few.{Agent.count}'
        Agent.count += 1
        with subprocess.Popen(['sh', '-c', 'ulimit -n 24; exec "$0" -D -a "$1"', agent, path], stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL) as process:
            wait_for(path)
            peers = []
            for _ in range(30):
                peer = socket.socket(socket.AF_UNIX)
                peer.connect(path)
                peers.append(peer)
            same(ask(peers[0], b'\x0b'), b'\x0c\0\0\0\0', 'the first')
            for peer in peers[:-1]:
                peer.close()
            peers[-1].settimeout(10)
            same(ask(peers[-1], b'\x0b'), b'\x0c\0\0\0\0', 'the last')
            process.terminate()
    return check


def library(bench, agent, name, text):
    """A Python library as the agent's client."""
    def check():
        if not os.access(PYTHON, os.X_OK):
            raise Skip(programs.unavailable('python') or f'no {PYTHON}')
        with Agent(bench.folder, agent) as running:
            for kind in KINDS:
                same(running.run(programs.OPENSSH10 + '/bin/ssh-add', '-q', bench.keys.path('user', kind)).returncode, 0, 'ssh-add')
            done = running.run(PYTHON, '-c', text, bench.keys.path('user', 'ed25519'))
            same((done.returncode, done.stdout.decode().split()), (0, ['5', 'signed', 'added', 'removed'] if name == 'asyncssh' else ['5', 'signed']),
                 f'{name} {done.stderr[-400:]!r}')
    return check


PARAMIKO = '''
import paramiko
keys = paramiko.Agent().get_keys()
print(len(keys))
for key in keys:
    for algorithm in (["rsa-sha2-256", "rsa-sha2-512"] if key.get_name() == "ssh-rsa" else [None]):
        signature = paramiko.Message(key.sign_ssh_data(b"data", algorithm))
        public = key.inner_key
        assert public.verify_ssh_sig(b"data", signature), (key.get_name(), algorithm)
print("signed")
'''
ASYNCSSH = '''
import asyncio, asyncssh, sys
async def main():
    agent = await asyncssh.connect_agent()
    keys = await agent.get_keys()
    print(len(keys))
    for key in keys:
        for algorithm in key.sig_algorithms:
            key.set_sig_algorithm(algorithm)
            signature = await key.sign_async(b"data")
            public = asyncssh.public_key.decode_ssh_public_key(key.public_data)
            assert public.verify(b"data", signature), algorithm
    print("signed")
    await agent.remove_all()
    await agent.add_keys([sys.argv[1]], lifetime=100, confirm=False)
    assert len(await agent.get_keys()) == 1
    print("added")
    await agent.lock("x")
    assert len(await agent.get_keys()) == 0
    await agent.unlock("x")
    await agent.remove_keys(await agent.get_keys())
    assert len(await agent.get_keys()) == 0
    print("removed")
    agent.close()
asyncio.run(main())
'''


def group(bench, suite='ours'):
    """All cases. With another suite than ours OpenSSH is in our place, which proves the cases that are not about us alone."""
    bin_folder = os.path.dirname(bench.suites[suite].ssh)
    add, agent = os.path.join(bin_folder, 'ssh-add'), os.path.join(bin_folder, 'ssh-agent')
    stock_add, stock_agent = (os.path.join(programs.OPENSSH10, 'bin', name) for name in ('ssh-add', 'ssh-agent'))
    cases = [Case('files, with OpenSSH\'s agent', files(bench, add, stock_agent)), Case('files', files(bench, add, agent)),
             Case('files, OpenSSH\'s ssh-add', files(bench, stock_add, agent)),
             Case('passphrases and locks', passphrases(bench, add, agent)),
             Case('passphrases and locks, with OpenSSH\'s agent', passphrases(bench, add, stock_agent)),
             Case('without an agent', exit_without_agent(bench, add)),
             Case('confirm', confirm(bench, add, agent)), Case('confirm, OpenSSH\'s ssh-add', confirm(bench, stock_add, agent)),
             Case('SIGUSR1', drop_keys(bench, add, agent)), Case('command', command(bench, agent)),
             Case('socket activation', activated(bench, add, agent)), Case('hostile clients', hostile(bench, add, agent)),
             Case('few descriptors', few_descriptors(bench, add, agent)),
             Case('paramiko', library(bench, agent, 'paramiko', PARAMIKO)), Case('asyncssh', library(bench, agent, 'asyncssh', ASYNCSSH))]
    if suite == 'ours':
        # What OpenSSH 10.0 does otherwise: 10.5's places and lifetimes, its one thread, what it keeps in memory.
        cases += [Case('words for shells', shell_words(bench, agent)), Case('lifetimes of certificates', lifetimes(bench, add, agent)),
                  Case('beside a dialog', beside_a_dialog(bench, add, agent)), Case('hidden memory', hidden(bench, add, agent))]
    for case in cases:
        case.name = f'agents: {case.name}'
    return 'agents', cases

"""Agent forwarding: over one hop and two, with each side ours or OpenSSH's, and what the daemon forbids."""
import contextlib
import os
import signal
import subprocess
import time

import fixture
import ports
from report import Case, expect, same

# What a remote command needs to say whether it has the agent.
LIST = '{add} -l; echo exit $?'


class Agent:
    """OpenSSH's agent with the test's ed25519 and rsa keys."""

    def __init__(self, bench, label):
        self.socket = bench.folder / f'{label}.agent'
        tools = bench.tools
        self.process = subprocess.Popen([os.path.join(tools, 'ssh-agent'), '-D', '-a', self.socket],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        expect(ports.wait_for_path(self.socket, gone=lambda: self.process.poll() is not None), 'the agent does not listen')
        self.env = {'SSH_AUTH_SOCK': self.socket}
        self.add = os.path.join(tools, 'ssh-add')
        for kind in ('ed25519', 'rsa'):
            done = fixture.run([self.add, '-q', bench.keys.path('user', kind)], env={**os.environ, **self.env})
            expect(done.returncode == 0, f'ssh-add: {done.stderr!r}')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def listed(done, count=2):
    """The remote ssh-add listed so many keys."""
    lines = done.stdout.decode().splitlines()
    expect(len([line for line in lines if 'SHA256:' in line]) == count, f'{lines} {fixture.report.shorten(done.stderr)}')


def one_hop(bench, client, label):
    """Cases of one client with one daemon."""
    def with_agent(check):
        def run():
            with Agent(bench, f'{label}.{check.__name__}') as agent:
                check(agent)
        return run

    def command(agent):
        return LIST.format(add=agent.add)

    def lends(agent):
        listed(client.run(command(agent), flags=['-A'], env=agent.env))

    def lends_not(agent):
        done = client.run('echo ${SSH_AUTH_SOCK-none}', env=agent.env)
        same(done.stdout, b'none\n', 'SSH_AUTH_SOCK without -A')
        done = client.run('echo ${SSH_AUTH_SOCK-none}', flags=['-A', '-a'], env=agent.env)
        same(done.stdout, b'none\n', 'SSH_AUTH_SOCK with -a')

    def by_socket(agent):
        for value in (agent.socket, '$OTHER_AGENT'):
            listed(client.run(command(agent), options=[f'ForwardAgent={value}'],
                              env={'OTHER_AGENT': agent.socket, 'SSH_AUTH_SOCK': '/nonexistent'}
                              if client.suite.label == 'carrick' else {'OTHER_AGENT': agent.socket, **agent.env}))

    def no_agent(agent):
        done = client.run('echo ${SSH_AUTH_SOCK-none}', flags=['-A'], env={'SSH_AUTH_SOCK': agent.socket + '.gone'})
        same(done.stdout, b'none\n', 'SSH_AUTH_SOCK without an agent')

    def many(agent):
        script = f'for i in 1 2 3 4 5 6 7 8; do {agent.add} -l >/dev/null & done; wait; {agent.add} -l; echo exit $?'
        listed(client.run(script, flags=['-A'], env=agent.env))

    def gone_after(agent):
        done = client.run('echo $SSH_AUTH_SOCK; stat -c %a $(dirname $SSH_AUTH_SOCK)', flags=['-A'], env=agent.env)
        socket, mode = done.stdout.decode().split()
        same(mode, '700', 'mode of the folder')
        end = time.monotonic() + 5
        while os.path.exists(os.path.dirname(socket)) and time.monotonic() < end:
            time.sleep(0.05)
        expect(not os.path.exists(os.path.dirname(socket)), f'{socket} is left')

    def slow(agent):
        # An agent that is stopped answers nobody; the session goes on.
        held = subprocess.Popen(client.command('cat', flags=['-A']), env={**client.env, **agent.env}, stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            held.stdin.write(b'before\n')
            held.stdin.flush()
            same(held.stdout.readline(), b'before\n', 'session')
            agent.process.send_signal(signal.SIGSTOP)
            held.stdin.write(b'after\n')
            held.stdin.flush()
            same(held.stdout.readline(), b'after\n', 'session beside a stopped agent')
        finally:
            with contextlib.suppress(ProcessLookupError):
                agent.process.send_signal(signal.SIGCONT)
            held.stdin.close()
            held.wait(10)
            held.stdout.close()

    cases = [lends, lends_not, by_socket, no_agent, many, gone_after, slow]
    if client.suite.label != 'carrick':
        cases.remove(no_agent)
    return [Case(check.__name__.replace('_', ' '), with_agent(check)) for check in cases]


def forbidden(bench, client_name, server_name):
    """A daemon that does not forward agents."""
    cases = []
    for option in ('AllowAgentForwarding no', 'DisableForwarding yes'):
        label = 'no' + option.split()[0].lower()

        def check(option=option, label=label):
            daemon = fixture.sshd(bench.suites[server_name], bench.folder, bench.keys, bench.user, [option], label)
            try:
                with Agent(bench, f'{client_name}.{server_name}.{label}') as agent:
                    client = bench.client(client_name, daemon, label)
                    done = client.run('echo ${SSH_AUTH_SOCK-none}', flags=['-A'], env=agent.env)
                    same(done.stdout, b'none\n', 'SSH_AUTH_SOCK')
            finally:
                daemon.stop()
        cases.append(Case(option, check))
    return cases


def link(bench, client_name):
    """AgentSocketLink, which only our daemon has: one name for the agent of whichever connection was made last."""
    def waits(what, why):
        end = time.monotonic() + 10
        while not what() and time.monotonic() < end:
            time.sleep(0.02)
        expect(what(), why)

    def check():
        name = f'agent.link.{client_name}'
        path = os.path.join(bench.user.home, name)
        daemon = fixture.sshd(bench.suites['ours'], bench.folder, bench.keys, bench.user, [f'AgentSocketLink ~/{name}'], name)
        try:
            client = bench.client(client_name, daemon, name)
            with Agent(bench, name) as agent:
                first = subprocess.Popen(client.command('cat', flags=['-A']), env={**client.env, **agent.env},
                                         stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
                waits(lambda: os.path.lexists(path), 'no link')
                older = os.readlink(path)
                done = client.run(f'echo $SSH_AUTH_SOCK; readlink {path}; {agent.add} -l', flags=['-A'], env=agent.env)
                same(done.stdout.decode().splitlines()[0], path, 'SSH_AUTH_SOCK')
                expect(done.stdout.decode().splitlines()[1] != older, 'the link leads to the older agent')
                listed(done)
                # The newer one has ended; who kept the name has the older one.
                waits(lambda: os.path.lexists(path) and os.readlink(path) == older, 'the link is not given back')
                listed(client.run(f'SSH_AUTH_SOCK={path} {agent.add} -l', flags=['-a']))
                first.stdin.close()
                first.wait(10)
                waits(lambda: not os.path.lexists(path), 'the link is left')
                # What is no link stays as it is, and the agent is lent all the same.
                with open(path, 'w', encoding='utf-8') as file:
                    file.write('mine')
                done = client.run(f'echo $SSH_AUTH_SOCK; {agent.add} -l', flags=['-A'], env=agent.env)
                expect(done.stdout.startswith(b'/tmp/ssh-'), done)
                listed(done)
                with open(path, encoding='utf-8') as file:
                    same(file.read(), 'mine', 'the file')
                os.remove(path)
        finally:
            daemon.stop()
    return Case('AgentSocketLink', check)


def two_hops(bench, first, second):
    """From one client by a daemon to another daemon, with the agent all the way: (client, daemon) twice."""
    def check():
        # Files of its own: another case writes its anew while the inner client reads.
        label = '-'.join(first + second)
        clients = [bench.client(client, bench.daemon(server), f'hops.{label}.{n}') for n, (client, server) in enumerate((first, second))]
        with Agent(bench, label) as agent:
            # The second login has no key of its own.
            for path in (clients[1].config, clients[1].known_hosts):
                os.chmod(path, 0o644)
            inner = (f'{clients[1].suite.ssh} -F {clients[1].config} -A -o IdentitiesOnly=no -o IdentityFile=none '
                     f'-o UserKnownHostsFile={clients[1].known_hosts} target "{agent.add} -l"')
            listed(clients[0].run(inner, flags=['-A'], env=agent.env))
    return Case(f'two hops {"->".join(first)}, {"->".join(second)}', check)


def group(bench):
    """All of it."""
    cases = []
    pairs = [('ours', 'ours'), ('ours', 'openssh10'), ('openssh10', 'ours')]
    for client_name, server_name in pairs:
        client = bench.client(client_name, bench.daemon(server_name))
        made = one_hop(bench, client, f'{client_name}.{server_name}')
        if server_name == 'ours':
            made += forbidden(bench, client_name, server_name)
            made.append(link(bench, client_name))
        for case in made:
            case.name = f'{client_name}->{server_name} {case.name}'
        cases += made
    cases += [two_hops(bench, first, second) for first in pairs for second in pairs]
    for case in cases:
        case.name = 'forwarding ' + case.name
    return 'forwarding', cases

"""Bad input: peers that break the rules, and what a person gets wrong. Each case says what must happen, and that all
else goes on: another connection lives through the whole group, and no process stays behind."""
import os
import re
import select
import struct
import subprocess
import threading
import time

import fixture
import pairs
import ports
import procs
import rawssh
from rawssh import Peer, kexinit, packet, string
from report import Case, Skip, expect, same

GRACE = 4
P14 = int('FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B'
          '302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7EDEE386BFB5A899FA5AE9F24117C4B1FE6'
          '49286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB9ED529077096966D'
          '670C354E4ABC9804F1746C08CA18217C32905E462E36CE3BE39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF695581718'
          '3995497CEA956AE515D2261898FA051015728E5A8AACAA68FFFFFFFFFFFFFFFF', 16)


def mpint(value):
    """A non-negative integer as an SSH mpint."""
    return string(value.to_bytes(value.bit_length() // 8 + 1, 'big') if value else b'')


def strangers():
    """What a stranger may send a server instead of a conversation: name -> bytes after his identification."""
    # With strict key exchange asked for, whatever is out of its place ends the connection.
    init = kexinit(kex='curve25519-sha256,kex-strict-c-v00@openssh.com')
    return {
        'packet length 2^31': struct.pack('>I', 0x7fffffff) + bytes(64),
        'packet length 0': bytes(64),
        'packet length 1': struct.pack('>IB', 1, 0) + bytes(64),
        'packet length no multiple of the block': struct.pack('>IB', 13, 4) + bytes(64),
        'padding longer than the packet': struct.pack('>IB', 12, 200) + bytes(64),
        'padding shorter than four': struct.pack('>IB', 12, 1) + bytes(64),
        'user authentication before keys': packet(b'\x32' + string(b'root') + string(b'ssh-connection') + string(b'none')),
        'channel before keys': packet(b'\x5a' + string(b'session') + struct.pack('>III', 0, 1 << 20, 1 << 15)),
        'service request after KEXINIT': packet(init) + packet(b'\x05' + string(b'ssh-userauth')),
        'NEWKEYS before the exchange': packet(init) + packet(b'\x15'),
        'KEXINIT twice': packet(init) + packet(init),
        'KEXINIT cut short': packet(init[:60]),
        'KEXINIT with a list that is too long': packet(init[:17] + struct.pack('>I', 0xffff) + init[21:]),
        'global request before keys': packet(b'\x50' + string(b'keepalive@openssh.com') + b'\1'),
        'channel data after KEXINIT': packet(init) + packet(b'\x5e' + struct.pack('>I', 0) + string(b'x')),
        'IGNORE before KEXINIT': packet(b'\x02' + string(b'padding')) + packet(init),
        'public key of 31 bytes': packet(init) + packet(b'\x1e' + string(bytes([9]) * 31)),
        'public key of zeros': packet(init) + packet(b'\x1e' + string(bytes(32))),
        'public key off the curve': packet(kexinit(kex='ecdh-sha2-nistp256')) + packet(b'\x1e' + string(b'\4' + b'\1' * 64)),
        'DH value 0': packet(kexinit(kex='diffie-hellman-group14-sha256')) + packet(b'\x1e' + mpint(0)),
        'DH value 1': packet(kexinit(kex='diffie-hellman-group14-sha256')) + packet(b'\x1e' + mpint(1)),
        'DH value p-1': packet(kexinit(kex='diffie-hellman-group14-sha256')) + packet(b'\x1e' + mpint(P14 - 1)),
        'group sizes upside down': packet(kexinit(kex='diffie-hellman-group-exchange-sha256'))
                                   + packet(b'\x22' + struct.pack('>III', 8192, 4096, 2048)),
        'KEM key of wrong length': packet(kexinit(kex='mlkem768x25519-sha256')) + packet(b'\x1e' + string(bytes(1215))),
        'trailing bytes after a key': packet(init) + packet(b'\x1e' + string(bytes([9]) * 32) + b'more'),
    }


class Watch:
    """A daemon, a client that stays logged in through all cases, and the processes that belong to it."""

    def __init__(self, bench, server):
        self.bench = bench
        self.daemon = bench.daemon(server, [f'LoginGraceTime {GRACE}', 'MaxAuthTries 2'], 'bad', plain=True)
        self.client = bench.client(server, self.daemon, 'bad')
        self.bystander = subprocess.Popen(self.client.command('cat'), env=self.client.env, stdin=subprocess.PIPE,
                                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.lock, self.lines = threading.Lock(), 0
        self.round_trip()
        self.baseline = len(self.tree())

    def tree(self):
        """The daemon's living processes."""
        return [pid for pid in procs.descendants(self.daemon.pid) if procs.alive(pid)]

    def round_trip(self):
        """The connection that stays is alive: a new line goes out and comes back."""
        with self.lock:
            self.lines += 1
            line, got = b'line %d\n' % self.lines, b''
            os.write(self.bystander.stdin.fileno(), line)
            while not got.endswith(b'\n') and select.select([self.bystander.stdout], [], [], 15)[0]:
                more = os.read(self.bystander.stdout.fileno(), 4096)
                if not more:
                    break
                got += more
            same(got, line, f'the other connection (client: {self.bystander.poll()})')

    def unharmed(self):
        """The daemon serves on, and the other connection too."""
        expect(self.daemon.process.poll() is None, f'the daemon has ended: {self.daemon.said()}')
        done = self.client.run('echo fine')
        same((done.returncode, done.stdout), (0, b'fine\n'), f'a login afterwards ({done.stderr[-300:]!r})')
        self.round_trip()

    def no_leak(self, seconds=GRACE + 6):
        """Every process of finished connections is gone."""
        end = time.monotonic() + seconds
        while len(self.tree()) > self.baseline and time.monotonic() < end:
            time.sleep(0.1)
        left = self.tree()
        expect(len(left) <= self.baseline, f'{len(left)} processes for {self.baseline}: '
               + '; '.join(procs.command_line(p) for p in left))


def server_group(bench, server):
    """A daemon against strangers."""
    watch = Watch(bench, server)
    port = watch.daemon.port

    def stranger(data):
        def check():
            with Peer(port) as peer:
                peer.read_ident()
                peer.send(data)
                seconds, _ = peer.closed_after()
            expect(seconds < GRACE - 1, f'closed only after {seconds:.1f} s')
            watch.round_trip()
        return check

    def ident(data):
        def check():
            with Peer(port, ident=None) as peer:
                peer.send(data)
                try:
                    peer.read_ident()
                except EOFError:
                    return
                seconds, _ = peer.closed_after()
            expect(seconds < GRACE - 1, f'closed only after {seconds:.1f} s')
            watch.round_trip()
        return check

    def nothing_shared(**lists):
        def check():
            with Peer(port) as peer:
                peer.read_ident()
                peer.read_kexinit()
                peer.send(packet(kexinit(**lists)))
                seconds, reason = peer.closed_after()
            expect(seconds < GRACE - 1, f'closed only after {seconds:.1f} s')
            # OpenSSH closes without a word here; a reason, where one is given, must be the right one.
            expect(reason in ((3,) if server == 'ours' else (3, None)), f'DISCONNECT reason {reason}')
        return check

    # OpenSSH adds up to four seconds by chance.
    def held(data):
        def check():
            with Peer(port, ident=None) as peer:
                peer.send(data)
                begin = time.monotonic()
                try:
                    while True:
                        peer.take(1)
                except EOFError:
                    pass
                seconds = time.monotonic() - begin
            expect(GRACE - 1.5 < seconds < GRACE + 5, f'closed after {seconds:.1f} s, LoginGraceTime is {GRACE}')
        return check

    def unknown():
        # RFC 4253 section 11.4 asks for UNIMPLEMENTED; OpenSSH closes, since numbers from 192 on are local.
        with Peer(port) as peer:
            peer.read_ident()
            peer.read_kexinit()
            peer.send(packet(b'\xc8' + b'hello'))
            try:
                expect(peer.read_packet()[0] in (1, 3), 'neither UNIMPLEMENTED nor DISCONNECT')
            except EOFError:
                pass

    def vanish():
        for data in (b'', b'SSH-2.0', rawssh.IDENT, rawssh.IDENT + packet(kexinit())[:100], rawssh.IDENT + packet(kexinit())):
            with Peer(port, ident=None) as peer:
                peer.send(data)
        watch.round_trip()

    def flipped(options):
        def check():
            relay = fixture.Relay(port, flip_up=60_000)
            try:
                command = watch.client.command('cat >/dev/null', options=[f'Port={relay.port}', f'HostKeyAlias=[127.0.0.1]:{port}', *options])
                done = fixture.run(command, env=watch.client.env, input=bytes(300_000))
            finally:
                relay.close()
            same(done.returncode, 255, f'exit status ({done.stderr[-200:]!r})')
            watch.round_trip()
        return check

    def stops_reading():
        before = memory(watch)
        hog = subprocess.Popen(watch.client.command('head -c 400000000 /dev/zero'), env=watch.client.env,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            time.sleep(2)
            grown = memory(watch) - before
            expect(grown < 64 << 10, f'the daemon grew by {grown} KiB')
            watch.unharmed()
            os.kill(hog.pid, 19)
            time.sleep(0.5)
            watch.unharmed()
        finally:
            hog.kill()
            hog.wait()
            hog.stdout.close()

    def too_many_tries():
        # The good key comes last, when the tries are used up.
        done = fixture.run([watch.client.suite.ssh, '-F', '/dev/null', '-p', str(port), '-l', bench.user.name, '-o', 'BatchMode=yes',
                            '-o', f'UserKnownHostsFile={watch.client.known_hosts}', '-o', 'IdentitiesOnly=yes',
                            *(part for kind in ('ecdsa256', 'ecdsa384', 'ecdsa521') for part in ('-i', bench.keys.path('host', kind))),
                            '-i', bench.keys.path('user', 'ed25519'), '127.0.0.1', 'echo in'], env=watch.client.env)
        same((done.returncode, done.stdout), (255, b''), 'after MaxAuthTries')
        expect(b'too many authentication failures' in done.stderr.lower(), f'message: {done.stderr[-300:]!r}')

    def startups():
        daemon = bench.daemon(server, [f'LoginGraceTime {GRACE}', 'MaxStartups 3'], 'startups', plain=True)
        client = bench.client(server, daemon, 'startups')
        # The wait for the port counts as a connection, until the daemon has noticed that it went.
        time.sleep(0.5)
        held_open = [Peer(daemon.port) for _ in range(3)]
        try:
            for peer in held_open:
                peer.read_ident()
            with Peer(daemon.port) as fourth:
                try:
                    line = fourth.read_ident()
                    expect(not line.startswith(b'SSH-'), 'a fourth connection got in')
                except EOFError:
                    pass
        finally:
            for peer in held_open:
                peer.close()
        time.sleep(0.5)
        same(client.run('echo in').stdout, b'in\n', 'a login when the others have gone')

    cases = [Case(name, stranger(data)) for name, data in strangers().items()]
    cases += [Case('garbage for an identification', ident(b'GET / HTTP/1.0\r\n\r\n')),
              Case('binary garbage for an identification', ident(os.urandom(300).replace(b'SSH', b'XXX') + b'\n' + os.urandom(300))),
              Case('identification without an end', ident(b'SSH-2.0-' + b'A' * 100_000)),
              Case('identification of version 1', ident(b'SSH-1.5-old\r\n')),
              Case('message 200', unknown), Case('gone in mid-sentence', vanish)]
    cases += [Case(f'no common {name}', nothing_shared(**{name: 'none-of-yours@example.org'})) for name in ('kex', 'key', 'cipher', 'mac')]
    cases += [Case('held open, silent', held(b'')), Case('held open after the identification', held(rawssh.IDENT)),
              Case('held open in mid-packet', held(rawssh.IDENT + packet(kexinit())[:200]))]
    cases += [Case(f'wrong MAC, {name}', flipped(options)) for name, options in (
        ('chacha20-poly1305', ['Ciphers=chacha20-poly1305@openssh.com']), ('aes128-gcm', ['Ciphers=aes128-gcm@openssh.com']),
        ('etm', ['Ciphers=aes128-ctr', 'MACs=hmac-sha2-256-etm@openssh.com']),
        ('umac', ['Ciphers=aes128-ctr', 'MACs=umac-64@openssh.com']))]
    cases += [Case('too many tries', too_many_tries), Case('MaxStartups', startups),
              Case('peer that stops reading', stops_reading, alone=True),
              Case('others unharmed', watch.unharmed, alone=True), Case('no process left', watch.no_leak, alone=True)]
    for case in cases:
        case.name = f'bad input to {server}: {case.name}'
    return f'bad input to {server}', cases


def memory(watch):
    """The daemon's and its children's proportional memory in KiB, the commands that it runs left out."""
    total = 0
    for pid in [watch.daemon.pid, *watch.tree()]:
        if re.search(r'ssh', procs.command_line(pid)):
            try:
                with open(f'/proc/{pid}/smaps_rollup', encoding='ascii') as file:
                    total += sum(int(line.split()[1]) for line in file if line.startswith('Pss:'))
            except OSError:
                pass
    return total


class Mistakes:
    """A client, and what its user or its server gets wrong."""

    def __init__(self, bench, name):
        self.bench, self.name, self.suite = bench, name, bench.suites[name]
        self.daemon = bench.daemon('openssh10', label='plain', plain=True)
        self.count = 0

    def fresh(self):
        """A client with files of its own, whose known_hosts may be changed."""
        self.count += 1
        return fixture.Client(self.suite, self.bench.folder, self.bench.keys, self.bench.user, self.daemon.port,
                              f'mistakes-{self.name}-{self.count}', log_level='INFO')

    def fails(self, done, *patterns):
        """Exit code 255, nothing on standard output, and a message."""
        text = done.stderr.decode(errors='replace')
        same(done.returncode, 255, f'exit status ({text[-300:]!r})')
        same(done.stdout, b'', 'output')
        for pattern in patterns:
            expect(re.search(pattern, text, re.IGNORECASE), f'no /{pattern}/ in {text[-500:]!r}')

    def with_hosts(self, text, *words, options=(), **rest):
        """Runs `echo in` with this known_hosts: (what came, the file before, the file after)."""
        client = self.fresh()
        with open(client.known_hosts, 'w', encoding='utf-8') as file:
            file.write(text)
        before = (text, os.stat(client.known_hosts).st_mtime_ns, os.stat(client.known_hosts).st_ino)
        done = client.run('echo in', *words, options=options, **rest)
        after = (open(client.known_hosts, encoding='utf-8').read(), os.stat(client.known_hosts).st_mtime_ns,  # pylint: disable=consider-using-with
                 os.stat(client.known_hosts).st_ino)
        return done, before, after


def host_cases(errs):
    """Host keys that are new, changed or revoked."""
    keys, where = errs.bench.keys, f'[127.0.0.1]:{errs.daemon.port}'
    right = f'{where} {keys.public("host", "ed25519")}'
    wrong = f'# mine\n{where} {keys.public("user", "ed25519")}'

    def changed(mode):
        def check():
            done, before, after = errs.with_hosts(wrong, options=[f'StrictHostKeyChecking={mode}'])
            errs.fails(done, 'REMOTE HOST IDENTIFICATION HAS CHANGED', r'known_hosts:2', 'SHA256:', 'host key verification failed')
            same(after, before, 'known_hosts')
        return check

    def unknown():
        for mode in ('ask', 'yes'):
            done, before, after = errs.with_hosts('', options=[f'StrictHostKeyChecking={mode}'])
            errs.fails(done, 'host key verification failed')
            same(after, before, 'known_hosts')

    def accept_new():
        done, _, after = errs.with_hosts('', options=['StrictHostKeyChecking=accept-new'])
        same((done.returncode, done.stdout), (0, b'in\n'), f'first login ({done.stderr[-200:]!r})')
        # A line for each key it saw; the key of this session at least.
        line = next((line for line in after[0].splitlines() if line.startswith(where)), '')
        expect(line.split()[1:2], f'no line for {where} in {after[0]!r}')
        done, before, after = errs.with_hosts(after[0], options=['StrictHostKeyChecking=yes', f'HostKeyAlgorithms={line.split()[1]}'])
        same((done.returncode, done.stdout, after), (0, b'in\n', before), 'second login')

    def hashed():
        done, _, after = errs.with_hosts('', options=['StrictHostKeyChecking=accept-new', 'HashKnownHosts=yes'])
        same(done.returncode, 0, 'login')
        expect(after[0].startswith('|1|'), f'not hashed: {after[0]!r}')

    def revoked():
        done, before, after = errs.with_hosts(f'@revoked * {keys.public("host", "ed25519")}{right}',
                                              options=['HostKeyAlgorithms=ssh-ed25519'])
        errs.fails(done, 'revoked')
        same(after, before, 'known_hosts')

    def asked(answer, code):
        def check():
            client = errs.fresh()
            open(client.known_hosts, 'w', encoding='utf-8').close()
            text = open(client.config, encoding='utf-8').read()  # pylint: disable=consider-using-with
            errs.bench.folder.write(os.path.basename(client.config),
                                    text.replace('StrictHostKeyChecking yes', 'StrictHostKeyChecking ask').replace('BatchMode yes', 'BatchMode no'))
            with pairs.Terminal(client, 'echo got-in', flags=('-T',)) as term:
                term.wait_for(b'(yes/no')
                expect(b'SHA256:' in term.seen, f'no fingerprint in {term.seen!r}')
                term.send(answer + b'\r')
                same(term.end(), (code, True), f'exit status and terminal ({term.seen[-300:]!r})')
            same(os.path.getsize(client.known_hosts) > 0, code == 0, 'known_hosts written')
        return check

    return [*(Case(f'changed host key, {mode}', changed(mode)) for mode in ('yes', 'ask', 'accept-new')),
            Case('unknown host in batch mode', unknown), Case('accept-new', accept_new), Case('hashed names', hashed),
            Case('revoked host key', revoked), Case('asked, yes', asked(b'yes', 0)), Case('asked, no', asked(b'no', 255))]


def no_common(errs):
    """Nothing shared in one of the lists: theirs is named, and with our client ours too."""
    pick = {'kex': ('KexAlgorithms=diffie-hellman-group1-sha1', 'diffie-hellman-group1-sha1', 'key exchange method', 'curve25519-sha256'),
            'cipher': ('Ciphers=3des-cbc', '3des-cbc', 'cipher', 'aes128-ctr'),
            'mac': ('MACs=hmac-md5', 'hmac-md5', 'MAC', 'hmac-sha2-256'),
            'host key': ('HostKeyAlgorithms=ssh-rsa', 'ssh-rsa', 'host key type', 'ssh-ed25519')}

    def check(option, mine, what, theirs):
        def run():
            options = [option] + (['Ciphers=aes128-ctr'] if what == 'MAC' else [])
            done = errs.fresh().run('true', options=options)
            errs.fails(done, f'no matching {what} found', re.escape(theirs), *([re.escape(mine)] if errs.name == 'ours' else []))
        return run
    return [Case(f'no common {name}', check(*facts)) for name, facts in pick.items()]


def key_file_cases(errs):
    """Keys that cannot be used."""
    folder, keys = errs.bench.folder, errs.bench.keys

    def with_key(path, *patterns):
        client = errs.fresh()
        config = open(client.config, encoding='utf-8').read()  # pylint: disable=consider-using-with
        errs.bench.folder.write(os.path.basename(client.config), re.sub('IdentityFile .*', f'IdentityFile {path}', config))
        errs.fails(client.run('echo in'), 'permission denied', *patterns)

    def permissive():
        path = folder / f'permissive.{errs.name}'
        with open(keys.path('user', 'ed25519'), 'rb') as file:
            folder.write(os.path.basename(path), file.read(), 0o644)
        with_key(path, 'UNPROTECTED PRIVATE KEY FILE', '0644', re.escape(path))

    def garbage():
        path = folder.write(f'garbage.{errs.name}', '-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n', 0o600)
        with_key(path, re.escape(path))

    def missing():
        client = errs.fresh()
        done = client.run('echo in', flags=['-i', '/nonexistent/key'])
        # Said, and then the other key is taken.
        same((done.returncode, done.stdout), (0, b'in\n'), 'login with the other key')

    return [Case('over-permissive key', permissive), Case('garbage for a key', garbage), Case('missing key', missing)]


def server_cases(errs):
    """Servers that are not what they should be."""
    def fake(speak, *patterns, seconds=10, options=()):
        def check():
            listener, client = rawssh.Listener(), errs.fresh()
            try:
                begin = time.monotonic()
                running = subprocess.Popen(client.command('true', options=[f'Port={listener.port}', *options]), env=client.env,
                                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                with listener.accept(ident=None) as peer:
                    speak(peer)
                    out, err = running.communicate(timeout=30)
                errs.fails(subprocess.CompletedProcess([], running.returncode, out, err), *patterns)
                expect(time.monotonic() - begin < seconds, f'took {time.monotonic() - begin:.1f} s')
            finally:
                listener.close()
        return check

    def lines(peer):
        peer.send(b'HTTP/1.1 400 Bad Request\r\n\r\n')
        peer.sock.shutdown(1)

    def wrong_mac():
        relay = fixture.Relay(errs.daemon.port, flip_down=200_000)
        try:
            done = errs.fresh().run('head -c 3000000 /dev/zero', options=[
                f'Port={relay.port}', f'HostKeyAlias=[127.0.0.1]:{errs.daemon.port}'])
        finally:
            relay.close()
        same(done.returncode, 255, 'exit status')
        expect(re.search('MAC|authentication code|corrupt|packet', done.stderr.decode(), re.IGNORECASE), f'message: {done.stderr!r}')

    def config(text, *patterns):
        def check():
            path = errs.bench.folder.write(f'bad.{errs.name}.{abs(hash(text))}.config', text)
            errs.fails(fixture.run([errs.suite.ssh, '-F', path, '127.0.0.1', 'true']), *patterns)
        return check

    def command(*words, patterns=()):
        def check():
            errs.fails(fixture.run([errs.suite.ssh, '-F', '/dev/null', *words]), *patterns)
        return check

    closed = ports.free_port()
    return [Case('server that is none', fake(lines, 'identification|banner|protocol|closed')),
            Case('server of version 1', fake(lambda p: p.send(b'SSH-1.5-old\n'), 'protocol|version')),
            Case('endless lines before the identification', fake(lambda p: p.send(b'nothing to see here\r\n' * 40_000), 'banner|identification|line')),
            Case('server that goes at once', fake(lambda p: p.sock.shutdown(1), 'closed|identification')),
            Case('oversized packet', fake(lambda p: p.send(rawssh.IDENT + struct.pack('>I', 0x7fffffff) + bytes(100)), 'packet')),
            Case('KEXINIT cut short', fake(lambda p: p.send(rawssh.IDENT + packet(kexinit()[:40])), '.')),
            Case('channel data instead of KEXINIT', fake(lambda p: p.send(rawssh.IDENT + packet(b'\x5e' + bytes(8))), '.')),
            Case('silent server', fake(lambda p: None, 'timed out|timeout', seconds=6, options=['ConnectTimeout=2'])),
            Case('wrong MAC from the server', wrong_mac),
            Case('nobody listens', command('-p', str(closed), '127.0.0.1', 'true', patterns=['connection refused', str(closed)])),
            Case('no such host', command('no-such-host.invalid', 'true', patterns=['no-such-host.invalid'])),
            Case('no such keyword', config('Host *\n  User x\n  NoSuchKeyword yes\n', 'NoSuchKeyword', r'line 3|:3')),
            Case('bad value', config('Port many\n', r'line 1|:1')),
            Case('bad option', command('-o', 'NoSuchKeyword=yes', '127.0.0.1', patterns=['NoSuchKeyword'])),
            Case('no such config file', command('-F', '/nonexistent/config', '127.0.0.1', 'true', patterns=['/nonexistent/config']))]


def client_group(bench, name):
    """A client against servers and users that err."""
    if 'openssh10' not in bench.suites or bench.suites['openssh10'].lacks():
        raise Skip('no OpenSSH 10 to connect to')
    errs = Mistakes(bench, name)
    cases = host_cases(errs) + no_common(errs) + key_file_cases(errs) + server_cases(errs)
    for case in cases:
        case.name = f'bad input to the client {name}: {case.name}'
    return f'bad input to the client {name}', cases

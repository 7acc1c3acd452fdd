"""Certificates, revocation lists and signatures of ssh-keygen: ours and OpenSSH 10's run side by side, in twin folders.

Both get the same arguments and must give the same output, messages, exit status and files, wherever nothing random is
in them; what one makes the other must take.
"""
import base64
import os
import re
import shutil
import tempfile

import fixture
from report import Case, Skip, expect, same

# Where a KRL has the time at which it was made.
KRL_DATE = slice(20, 28)
DATE_LINE = b'# Generated at '

CERTIFY = (
    # Exit statuses, messages and refusals; the certificates' random bytes make the rest.
    '-s ca -I id -n a,b -z 5 -V 20200101:20300101 ed25519.pub',
    '-s ca -I id ed25519.pub rsa2048.pub ecdsa.pub', '-s ca -I id -z +7 ed25519.pub rsa2048.pub', '-s ca -I id ed25519',
    '-q -s ca -I id ed25519.pub', '-s rsa2048 -I id ed25519.pub', '-s rsa2048 -t rsa-sha2-256 -I id ed25519.pub',
    '-s rsa2048 -t ssh-rsa -I id ed25519.pub', '-s ca -t ssh-ed25519 -I id ed25519.pub', '-s ca -t rsa -I id ed25519.pub',
    '-s ca -t nonsense -I id ed25519.pub', '-s ca -h -I id -n host.example.com,*.example.org ed25519.pub',
    '-s ca -h -I id -O verify-required ed25519.pub', '-s ca.pub -I id ed25519.pub', '-s nope -I id ed25519.pub',
    '-s ca -I id nope', '-s ca ed25519.pub', '-s ca -I id', '-s ca -I id -n a,,b ed25519.pub', '-s ca -I id made-cert.pub',
    '-s ca -I id sk.pub', '-Us ca.pub -I id ed25519.pub', '-s locked -P wrong -I id ed25519.pub',
    '-s locked -P sesame -I id ed25519.pub',
) + tuple(f'-s ca -I id -V {validity} ed25519.pub' for validity in (
    'x', '+x', '+1.5h', ':1', 'a:', '20200101', '20200101:20190101', '20200101:20200101', 'always:forever', '0xzz:1',
    '0x10:0xffffffffffffffff', '0x1:0x1ffffffffffffffff', '20209901:20300101', 'always:20300231', '20200101:+99999w',
    '-9999999w:+1', '-99999d:20300101', '-24000d:20300101', '20200101Z:20300101123000Z', '20200101utc:203001011230', '19700101Z:20200101',
    'forever:always', '+1d:', 'always:203001', '20200101Z:2030010112300Z',
)) + tuple(f'-s ca -I id -z {serial} ed25519.pub' for serial in (
    'x', '5x', '-1', '+', '+x', '18446744073709551615', '18446744073709551616', '0x10',
)) + tuple(f'-s ca -I id {" ".join("-O " + o for o in options.split())} ed25519.pub' for options in (
    'clear', 'zoom', 'critical:', 'critical:=x', 'critical:a=b', 'extension:a', 'extension:b=c=d extension:a extension:b',
    'force-command=', 'force-command=x', 'source-address=', 'source-address=10.0.0.0/8,::1', 'PERMIT-pty clear permit-X11-forwarding',
    'force-command=a force-command=b', 'source-address=::1 source-address=::1', 'source-address=10.0.0.*', 'source-address=10.0.0.1/8', 'source-address=1.2.3.4.5',
    'no-touch-required verify-required', 'no-pty no-user-rc no-x11-forwarding', 'no-agent-forwarding no-port-forwarding',
    'touch-required no-verify-required', 'no-zoom',
))

SHOW = ('-L -f made-cert.pub', '-L -f host-cert.pub', '-L -f options-cert.pub', '-L -f several', '-L -f ed25519.pub',
        '-L -f nope', '-L -f empty', '-L -E md5 -f made-cert.pub', '-L -f ca', '-L -f broken')

KRLS = {
    # name: (flags, spec)
    'plain': ('', '{ed25519.pub}\nkey: {rsa2048.pub}\nSHA1: {ecdsa.pub}\nsha256:{ca.pub}\n'),
    'hash': ('', 'hash: {fingerprint}\n'),
    'serials': ('-s ca.pub', 'serial: 1\nserial: 4\nserial:10\nserial: 0x20-0x2f # hex\nserial: 010\n'),
    'dense': ('-s ca.pub', ''.join(f'serial: {n}\n' for n in range(1, 500, 2))),
    'mixed': ('-s ca.pub', ''.join(f'serial: {n}\n' for n in (1, 2, 3, 90, 91, 99, 150, 151, 152, 400, 1000, 1001, 5000))),
    'wide': ('-s ca.pub', 'serial: 1-700\nserial: 5000-6000000000\nserial: 18446744073709551615\nserial: 6000000002\n'),
    'ids': ('-s ca.pub -z 9 -C comment', 'id: zed\nid: ann b\nid: ann b\n ID:x\n'),
    'any': ('-s none', 'id: id\nserial: 5\n'),
    'certs': ('', '{made-cert.pub}\n{host-cert.pub}\n'),
    'empty': ('', '# nothing\n\n'),
}

BAD_SPECS = ('nonsense', 'ssh-ed25519', 'ssh-ed25519 AAAA', 'ssh-ed25519 !', 'key: x', 'sha256: ', 'serial: 5x', 'serial: 5-',
             'serial: 5 - 6', 'serial: 5-5', 'serial: 9-5', 'serial: 0', 'serial: 0-5', 'serial: 0x', 'serial: 09',
             'serial: 99999999999999999999', 'serial: 1-99999999999999999999', 'hash: sha256:x', 'hash: SHA256:!', 'hash: SHA256:AAAA',
             '\n\nserial: x # why', 'ssh-rsa {blob}')

KRL_FLAGS = ('-k', '-k -f out', '-k -u -f nope', '-k -f out -s nope spec', '-k -f out nospec', '-Q', '-Q -f out nope', '-Q -f nope',
             '-Q -f ed25519.pub', '-k -f nowhere/out', '-Q -lf truncated.krl', '-Q -lf critical.krl', '-Q -lf unknown.krl',
             '-Q -lf version.krl', '-Q -lf extension.krl')

SIGN = ('-Y sign -f ed25519 -n file -', '-Y sign -f ed25519.pub -n file', '-Y sign -f made-cert.pub -n file',
        '-Y sign -f ed25519 -n file -O hashalg=sha256', '-Y sign -f ed25519 -n file -O hashalg=sha1',
        '-Y sign -f ed25519 -n file -O HASHALG=sha512', '-Y sign -f ed25519 -n file -O zoom', '-Y sign -f ed25519 -n file - message',
        '-Y sign -f ed25519 -n file nope', '-Y sign -f nope -n file message', '-Y sign -f ed25519 message', '-Y sign -n x message',
        '-Y sign -f lonely.pub -n file message', '-Y sign -f ed25519 -n file message', '-q -Y sign -f ed25519 -n git other',
        '-Y sign -f rsa2048 -n file message', '-Y sign -f ca -n ns -O hashalg=sha256 message other', '-Y zoom', '-Y signx -f ed25519',
        '-Y sign -U -f ed25519 -n file message', '-Y sign -f mismatch.pub -n file message')

VERIFY = tuple(f'-Y verify -s signature -n file -I {who} -f {signers}' for who, signers in (
    ('ann@x', 'signers'), ('bob@x', 'signers'), ('eve@z', 'signers'), ('ann@z', 'signers'), ('late@x', 'signers'), ('early@x', 'signers'),
    ('space@x', 'signers'), ('ann@x', 'nope'), ('bad1', 'signers'), ('bad2', 'signers'), ('bad3', 'signers'), ('bad4', 'signers'),
    ('bad5', 'signers'), ('bad6', 'signers'), ('bad7', 'signers'), ('bad8', 'signers'), ('quo ted', 'signers'), ('ca@x', 'signers'),
)) + (
    '-Y verify -s nope -n file -I ann@x -f signers', '-Y verify -s signers -n file -I ann@x -f signers',
    '-Y verify -s signature -n git -I ann@x -f signers', '-Y verify -s signature -n file -I ann@x', '-Y verify -n file -I ann@x -f signers',
    '-Y verify -s signature -I ann@x -f signers', '-Y verify -s signature -n file -f signers',
    '-q -Y verify -s signature -n file -I ann@x -f signers', '-q -Y verify -s signature -n file -I nobody -f signers',
    '-Y verify -s signature -n file -I ann@x -f signers -O print-pubkey', '-Y verify -s signature -n file -I ann@x -f signers -O verify-time=x',
    '-Y verify -s signature -n file -I late@x -f signers -O verify-time=20190601', '-Y verify -s signature -n file -I ann@x -f signers -O zoom',
    '-Y verify -s signature -n file -I early@x -f signers -O verify-time=20500101000000Z',
    '-Y verify -s signature -n file -I ann@x -f signers -r ed25519.pub', '-Y verify -s signature -n file -I ann@x -f signers -r rsa2048.pub',
    '-Y verify -s signature -n file -I ann@x -f signers -r nope', '-Y verify -s signature -n file -I ann@x -f signers -r signers',
    '-Y verify -s signature -n file -I ann@x -f signers -r revoked.krl', '-Y verify -s signature -n file -I ann@x -f signers -E md5',
    '-Y check-novalidate -s signature -n file', '-Y check-novalidate -s signature -n git', '-Y check-novalidate -n file',
    '-Y check-novalidate -s signature', '-Y check-novalidate -s certified -n file', '-Y check-novalidate -s trailing -n file',
    '-Y check-novalidate -s version2 -n file', '-Y check-novalidate -s nofooter -n file', '-Y check-novalidate -s notbase64 -n file',
    '-Y verify -s certified -n file -I a -f signers -O verify-time=20210101', '-Y verify -s certified -n file -I a -f signers',
    '-Y verify -s certified -n file -I c -f signers -O verify-time=20210101',
    '-Y verify -s certified -n file -I a -f signers -O verify-time=20310101',
    '-Y find-principals -s certified -f signers -O verify-time=20210101', '-Y find-principals -s certified -f signers -O verify-time=20310101',
    '-Y find-principals -s signature -f signers', '-Y find-principals -s signature -f nope', '-Y find-principals -s signers -f signers',
    '-Y find-principals -f signers', '-Y find-principals -s signature', '-Y find-principals -s signature -f signers -O zoom',
    '-Y match-principals -I ann@x -f signers', '-Y match-principals -I nobody -f signers', '-Y match-principals -I bad3 -f signers',
    '-Y match-principals -f signers', '-Y match-principals -I ann@x', '-Y match-principals -I ann@x -f nope',
    '-Y match-principals -I ann@x -f signers -O verify-time=20200101',
)

SIGNERS = '''# who signs
ann@x,bob@* {ed25519.pub}
*@z,!eve@z namespaces="file,x*" {ed25519.pub}
late@x valid-before="20200101Z" {ed25519.pub}
early@x valid-after="20400101Z",valid-before="20600101Z" {ed25519.pub}
space@x namespaces="other" {ed25519.pub}
bad1
bad2 namespaces="x {ed25519.pub}
bad3 cert-authority
bad4 zoom {ed25519.pub}
bad5 valid-after="soon" {ed25519.pub}
bad6 namespaces="a",namespaces="b" {ed25519.pub}
bad7 ssh-ed25519 AAAA
bad8 valid-after="20300101",valid-before="20200101" {ed25519.pub}
"quo ted" {ed25519.pub}
ca@x cert-authority {ed25519.pub}
?,x cert-authority {ca.pub}
'''


class Twins:
    """Two folders with the same files: one for each program."""

    def __init__(self, bench, ours, stock):
        self.keygen = {'ours': ours, 'stock': stock}
        self.seed = bench.folder / 'certs.seed'
        os.makedirs(self.seed)
        self.parent = bench.folder
        self.fill()

    def stock(self, arguments, **options):
        """OpenSSH's program in the folder that both are copied from."""
        done = fixture.run([self.keygen['stock'], *arguments], cwd=self.seed, env=environment(), **options)
        expect(done.returncode == 0, f'ssh-keygen {arguments}: {done}')
        return done.stdout

    def write(self, name, content):
        """A file in it."""
        with open(os.path.join(self.seed, name), 'wb') as file:
            file.write(content if isinstance(content, bytes) else content.encode())

    def read(self, name):
        """A file of it."""
        with open(os.path.join(self.seed, name), 'rb') as file:
            return file.read()

    def text(self, template):
        """A text with the lines of public keys put in place of their files' names."""
        for name in os.listdir(self.seed):
            if name.endswith('.pub'):
                template = template.replace('{' + name + '}', self.read(name).decode().strip())
        return template.replace('{fingerprint}', self.stock(['-l', '-f', 'ed25519.pub']).decode().split()[1])

    def fill(self):
        """Keys, certificates, lists, signatures, and what is wrong with each."""
        make = ('-q', '-N', '')
        for name, flags in (('ca', '-t ed25519'), ('ed25519', '-t ed25519'), ('rsa2048', '-t rsa -b 2048'), ('ecdsa', '-t ecdsa'),
                            ('lonely', '-t ed25519'), ('mismatch', '-t ed25519')):
            self.stock([*make, *flags.split(), '-C', f'{name} key', '-f', name])
        self.stock(['-q', '-t', 'ed25519', '-N', 'sesame', '-a', '4', '-f', 'locked'])
        os.unlink(os.path.join(self.seed, 'lonely'))
        shutil.copy(os.path.join(self.seed, 'ca.pub'), os.path.join(self.seed, 'mismatch.pub'))
        data = os.path.join(os.path.dirname(__file__), '..', '..', 'crates', 'keys', 'tests', 'data')
        shutil.copy(os.path.join(data, 'sk_ed25519.pub'), os.path.join(self.seed, 'sk.pub'))
        certify = ['-q', '-s', 'ca', '-V', '20200101:20300101']
        for name, flags in (('made', '-I|id|-z|5|-n|a,b'), ('host', '-I|host id|-h|-n|*.example.com|-z|18446744073709551615'),
                            ('options', '-I|all of them|-n|root|-O|force-command=echo hi|-O|source-address=10.0.0.0/8|-O|critical:x@y=z'
                             '|-O|verify-required|-O|extension:a@b|-O|extension:c@d=e|-O|no-touch-required|-O|no-pty')):
            self.stock([*certify, *flags.split('|'), 'ed25519.pub'])
            os.rename(os.path.join(self.seed, 'ed25519-cert.pub'), os.path.join(self.seed, name + '-cert.pub'))
            shutil.copy(os.path.join(self.seed, 'ed25519'), os.path.join(self.seed, name))
        self.write('several', self.text('\n# two\n {made-cert.pub}\n{ed25519.pub}\nnonsense\nssh-ed25519 AAAA\n{host-cert.pub}\n'))
        self.write('empty', '')
        # The end of the base64 holds the signature.
        line = self.read('made-cert.pub').split()
        self.write('broken', b' '.join([line[0], line[1][:-16] + b'AAAAAAAA' + line[1][-8:]]) + b'\n')
        self.write('message', 'hello\n')
        self.write('other', 'other\n')
        self.write('signers', self.text(SIGNERS))
        self.write('signature', self.stock(['-q', '-Y', 'sign', '-f', 'ed25519', '-n', 'file'], input=b'hello\n'))
        self.write('certified', self.stock(['-q', '-Y', 'sign', '-f', 'made-cert.pub', '-n', 'file'], input=b'hello\n'))
        self.damage()

    def damage(self):
        """Signatures and lists that are wrong in one way each."""
        lines = self.read('signature').split(b'\n')
        blob = base64.b64decode(b''.join(lines[1:-2]))

        def armored(content):
            return b'\n'.join([lines[0], base64.b64encode(content), *lines[-2:]])
        self.write('trailing', armored(blob + b'x'))
        self.write('version2', armored(blob[:9] + b'\2' + blob[10:]))
        self.write('nofooter', b'\n'.join(lines[:-2]))
        self.write('notbase64', b'\n'.join([lines[0], b'AAA', *lines[-2:]]))
        self.write('spec', self.text('{ed25519.pub}\n'))
        self.stock(['-q', '-k', '-f', 'revoked.krl', 'spec'])
        krl = self.read('revoked.krl')

        def section(kind, body):
            return bytes([kind]) + len(body).to_bytes(4, 'big') + body
        extension = b'\0\0\0\1a%c\0\0\0\1x'
        self.write('truncated.krl', krl[:-1])
        self.write('extension.krl', krl + section(255, extension % 0))
        self.write('critical.krl', krl + section(255, extension % 1))
        self.write('unknown.krl', krl + section(9, b''))
        self.write('version.krl', krl[:11] + b'\2' + krl[12:])

    def both(self, command, extra=None, **options):
        """Runs both programs in fresh copies of the folder, with some files more. Their results and the files then there."""
        arguments = command.split() if isinstance(command, str) else command
        results = []
        for keygen in self.keygen.values():
            folder = tempfile.mkdtemp(prefix='certs.', dir=self.parent.path)
            shutil.copytree(self.seed, folder, dirs_exist_ok=True)
            for name, content in (extra or {}).items():
                with open(os.path.join(folder, name), 'wb') as file:
                    file.write(content if isinstance(content, bytes) else content.encode())
            done = fixture.run([keygen, *arguments], cwd=folder, env=environment(), **options)
            files = {}
            for each in sorted(os.listdir(folder)):
                with open(os.path.join(folder, each), 'rb') as file:
                    files[each] = file.read()
            results.append((done, files))
            shutil.rmtree(folder)
        return results


def environment():
    """No agent, no display: nobody is asked anything."""
    return {'PATH': '/usr/bin:/bin', 'HOME': '/nonexistent', 'TZ': 'Europe/Zurich', 'LANG': 'C.UTF-8'}


def plain(text):
    """Output without the usage text (its types of keys differ), the time of making a list, and the time now."""
    lines = [line for line in text.split(b'\n') if not line.startswith((b'usage:', b'       ssh-keygen', b'          '))]
    text = b'\n'.join(DATE_LINE if line.startswith(DATE_LINE) else line for line in lines)
    return re.sub(rb'verify time \S+', b'verify time', text)


def alike(ours, stock, what):
    """The same output, messages and exit status."""
    for field in ('stdout', 'stderr'):
        same(plain(getattr(ours, field)), plain(getattr(stock, field)), f'{what}: {field}')
    same(ours.returncode, stock.returncode, f'{what}: exit status')


def listings(twins, files):
    """What OpenSSH says of the certificates among some files."""
    out = {}
    for name in sorted(files):
        if name.endswith('-cert.pub'):
            done = fixture.run([twins.keygen['stock'], '-L', '-f', '-'], input=files[name], env=environment())
            out[name] = (done.returncode, done.stdout, files[name].split()[2:])
    return out


def undated(files):
    """Files, the lists among them without their date."""
    return {name: content[:KRL_DATE.start] + content[KRL_DATE.stop:] if content.startswith(b'SSHKRL') else content
            for name, content in files.items()}


def group(bench, suite='ours'):
    """All of it."""
    twins = Twins(bench, bench.suites[suite].keygen, bench.suites['openssh10'].keygen)
    cases = []

    def certify(command):
        def check():
            (ours, our_files), (stock, stock_files) = twins.both(command)
            alike(ours, stock, 'says')
            same(listings(twins, our_files), listings(twins, stock_files), 'certificates')
        return Case(f'certify: {command}', check)

    def says(command, **options):
        def check():
            (ours, our_files), (stock, stock_files) = twins.both(command, **options)
            alike(ours, stock, 'says')
            same(undated(our_files), undated(stock_files), 'files')
        return Case(f'{command}', check)

    def krl(name, flags, spec):
        def check():
            (ours, our_files), (stock, stock_files) = twins.both(f'-k -f out {flags} made-from', {'made-from': twins.text(spec)})
            alike(ours, stock, 'says')
            same(undated(our_files)['out'], undated(stock_files)['out'], 'list')
            keys = 'ed25519.pub rsa2048.pub ecdsa.pub ca.pub made-cert.pub host-cert.pub lonely.pub'
            for query in (f'-Q -l -f made {keys}', '-k -u -f made spec'):
                (ours, after), (stock, stock_after) = twins.both(query, {'made': our_files['out']})
                alike(ours, stock, query)
                same(after['made'], stock_after['made'], query)
        return Case(f'krl {name}', check)

    def bad_spec(spec):
        def check():
            blob = twins.read('ed25519.pub').split()[1].decode()
            (ours, our_files), (stock, stock_files) = twins.both('-k -f out -s none -', input=spec.replace('{blob}', blob).encode())
            # OpenSSH's standard output is lost when it gives up.
            same((ours.returncode, ours.stderr), (stock.returncode, stock.stderr), 'exit status and messages')
            same(sorted(our_files), sorted(stock_files), 'files')
        return Case(f'krl of {spec!r}', check)

    def long_bitmap():
        # OpenSSH writes one bitmap of 40000 bits here, and cannot read it; ours is readable for both.
        if suite != 'ours':
            raise Skip('OpenSSH cannot')
        spec = ''.join(f'serial: {n}\n' for n in range(2, 40000, 2))
        (ours, files), _ = twins.both('-qk -f out -s ca.pub made-from', {'made-from': spec})
        same(ours.returncode, 0, 'exit status')
        (ours, _), (stock, _) = twins.both('-Q -l -f made made-cert.pub', {'made': files['out']})
        alike(ours, stock, 'says')
        expect(ours.stdout.count(b'\nserial: ') == 19999, 'serials are missing')

    def signed_list():
        # PROTOCOL.krl says that OpenSSH refuses these; its program does not.
        if suite != 'ours':
            raise Skip('OpenSSH does not')
        signed = twins.read('revoked.krl') + b'\4\0\0\0\1k\0\0\0\1s'
        (ours, _), _ = twins.both('-Q -f signed.krl ca.pub', {'signed.krl': signed})
        expect(ours.returncode == 255 and b'signature' in ours.stderr, f'{ours}')

    def agent():
        # Both ask an agent of OpenSSH's.
        tools = os.path.dirname(twins.keygen['stock'])
        script = ('eval $(ssh-agent -s) >/dev/null; trap "ssh-agent -k >/dev/null" EXIT; ssh-add -q ca ed25519 2>/dev/null || exit 9; '
                  'rm ca ed25519; "$0" -q -Us ca.pub -I id -n a -V 20200101:20300101 ed25519.pub && '
                  '"$0" -Y sign -f ed25519.pub -n file <message && "$0" -Y sign -Uf ed25519.pub -n file message && cat message.sig; '
                  '"$0" -Us rsa2048.pub -I id ed25519.pub; "$0" -Y sign -Uf rsa2048.pub -n file message')
        results = []
        for keygen in twins.keygen.values():
            folder = tempfile.mkdtemp(prefix='certs.', dir=bench.folder.path)
            shutil.copytree(twins.seed, folder, dirs_exist_ok=True)
            env = dict(environment(), PATH=f'{tools}:/usr/bin:/bin')
            done = fixture.run(['sh', '-c', script, keygen], cwd=folder, env=env)
            with open(os.path.join(folder, 'ed25519-cert.pub'), 'rb') as file:
                results.append((done, listings(twins, {'ed25519-cert.pub': file.read()})))
        alike(results[0][0], results[1][0], 'says')
        same(results[0][1], results[1][1], 'certificate')
        expect(results[0][0].stdout.count(b'BEGIN SSH SIGNATURE') == 2, f'signatures: {results[0][0]}')

    cases += [certify(command) for command in CERTIFY] + [says(command) for command in SHOW]
    cases += [krl(name, *of) for name, of in KRLS.items()] + [bad_spec(spec) for spec in BAD_SPECS]
    cases += [says(command) for command in KRL_FLAGS]
    cases += [says(command, input=b'hello\n') for command in (*SIGN, *VERIFY)]
    cases += [says(command, input=b'hallo\n') for command in VERIFY[:2]]
    cases += [says(['-Y', 'sign', '-f', 'ed25519', '-n', 'file', 'signature'], input=answer) for answer in (b'y\n', b'n\n', b'')]
    cases += [Case('krl: a long bitmap', long_bitmap), Case('krl: a signed list', signed_list), Case('keys in an agent', agent)]
    for case in cases:
        case.name = f'ssh-keygen: {case.name}'
    return 'certificates', cases

"""Keys in other programs' forms: ours beside OpenSSH 10's ssh-keygen byte for byte where nothing is random, and round
trips with PuTTY's puttygen and with asyncssh in both directions."""
import json
import os

import fixture
import programs
from keyfiles import copy, ok
from others import absent, program
from report import Case, expect, same

KINDS = ('ed25519', 'ecdsa256', 'ecdsa384', 'ecdsa521', 'rsa')
PHRASES = ('', 'sesame')


def half(line):
    """A public key without its comment."""
    return line.split()[:2]


def made(folder, keygen, kind):
    """A new key of our own, made once."""
    path = folder / f'forms.{kind}'
    if not os.path.exists(path):
        name, bits = (kind[:5], ('-b', kind[5:])) if kind.startswith('ecdsa') else (kind, ())
        ok([keygen, '-q', '-t', name, *bits, '-N', '', '-C', 'a comment here', '-f', path])
    return path


def openssl_cases(bench, ours, stock, sources):
    """PEM, PKCS#8 and RFC 4716."""
    folder = bench.folder

    def private(kind, form):
        def check():
            results = []
            for who, keygen in (('ours', ours), ('stock', stock)):
                path = copy(folder, sources[kind], f'openssl.{kind}.{form}.{who}')
                ok([keygen, '-q', '-p', '-m', form, '-N', '', '-f', path])
                results.append(open(path, 'rb').read())
                ok([keygen, '-q', '-p', '-m', form, '-N', 'sesame', '-f', path])
                reader = stock if keygen is ours else ours
                same(half(ok([reader, '-y', '-P', 'sesame', '-f', path])), half(ok([stock, '-y', '-f', sources[kind]])),
                     f'{who} wrote {form} with a passphrase')
                expect(fixture.run([reader, '-y', '-P', 'wrong', '-f', path]).returncode == 255, 'a wrong passphrase opened it')
            if kind != 'ed25519':
                same(results[0], results[1], f'{form} without a passphrase')
        return Case(f'{kind} as {form}', check)

    def public(kind):
        def check():
            for form in ('RFC4716', 'PKCS8', 'PEM'):
                mine, theirs = (fixture.run([keygen, '-e', '-m', form, '-f', sources[kind] + '.pub']) for keygen in (ours, stock))
                same((mine.returncode, mine.stdout, mine.stderr), (theirs.returncode, theirs.stdout, theirs.stderr), f'-e -m {form}')
                if mine.returncode == 0:
                    path = folder.write(f'public.{kind}.{form}', mine.stdout)
                    mine, theirs = (fixture.run([keygen, '-i', '-m', form, '-f', path]) for keygen in (ours, stock))
                    same((mine.returncode, mine.stdout, mine.stderr), (theirs.returncode, theirs.stdout, theirs.stderr), f'-i -m {form}')
        return Case(f'{kind}: public forms', check)

    cases = [private(kind, form) for kind in KINDS for form in ('PEM', 'PKCS8')]
    return cases + [public(kind) for kind in KINDS]


def putty_cases(bench, ours, sources):
    """PuTTY's key files."""
    puttygen, folder = program('puttygen'), bench.folder

    def phrase_file(phrase):
        return folder.write(f'phrase.{len(phrase)}', phrase, 0o600)

    def written(kind, form, phrase):
        def check():
            path = copy(folder, sources[kind], f'putty.{kind}.{form}.{len(phrase)}')
            ok([ours, '-q', '-p', '-m', form, '-N', phrase, '-f', path])
            unlock = ['--old-passphrase', phrase_file(phrase)] if phrase else []
            want = half(open(sources[kind] + '.pub', 'rb').read())
            same(half(ok([puttygen, path, *unlock, '-L'])), want, 'what puttygen reads')
            back = folder / f'putty.{kind}.{form}.{len(phrase)}.back'
            ok([puttygen, path, *unlock, '-O', 'private-openssh-new', '--new-passphrase', phrase_file(''), '-o', back])
            same(half(ok([ours, '-y', '-f', back])), want, 'and hands back')
            same(half(ok([ours, '-y', '-P', phrase, '-f', path])), want, 'and we read ourselves')
            plain = ok([ours, '-e', '-m', form, '-N', '', '-P', phrase, '-f', path])
            if not phrase:
                same(plain, open(path, 'rb').read(), '-e gives the same file')
        return Case(f'{kind} as {form}{" with a passphrase" if phrase else ""} to puttygen', check)

    def read(kind, version, phrase):
        def check():
            path = folder / f'puttygen.{kind}.{version}.{len(phrase)}'
            ok([puttygen, sources[kind], '-O', 'private', '--ppk-param', f'version={version}', '--new-passphrase',
                phrase_file(phrase), '-o', path])
            want = half(open(sources[kind] + '.pub', 'rb').read())
            same(half(ok([ours, '-y', '-P', phrase, '-f', path])), want, '-y')
            expect(kind.encode()[:5].upper() in ok([ours, '-l', '-f', path]), '-l without a passphrase')
            back = folder.write(f'puttygen.{kind}.{version}.{len(phrase)}.back',
                                ok([ours, '-i', '-m', 'PPK', '-P', phrase, '-f', path]), 0o600)
            same(half(ok([bench.suites['openssh10'].keygen, '-y', '-P', phrase, '-f', back])), want, '-i for OpenSSH')
            if not phrase:
                form = 'PPK' if version == 3 else 'PPK2'
                same(ok([ours, '-e', '-m', form, '-f', back]), open(path, 'rb').read(), 'the same file again')
        return Case(f'{kind} as PPK {version}{" with a passphrase" if phrase else ""} from puttygen', check)

    cases = [written(kind, form, phrase) for kind in KINDS for form in ('PPK', 'PPK2') for phrase in PHRASES]
    return cases + [read(kind, version, phrase) for kind in KINDS for version in (2, 3) for phrase in PHRASES]


ASYNCSSH = '''
import asyncssh, json, sys
facts = json.load(sys.stdin)
key = asyncssh.read_private_key(facts['read'], facts['phrase'] or None)
for form, path in facts['write'].items():
    key.write_private_key(path, form, facts['phrase'] or None, **({} if form != 'openssh' else {'rounds': 4}))
print(key.export_public_key('openssh').decode())
'''


def asyncssh_cases(bench, ours, sources):
    """What we write asyncssh reads, and what it then writes we read."""
    python, folder = os.path.join(programs.PEERS, 'python', 'bin', 'python'), bench.folder
    if not os.access(python, os.X_OK):
        absent(python, 'python')

    def there_and_back(kind, form, phrase):
        def check():
            stem = f'asyncssh.{kind}.{form}.{len(phrase)}'
            path = copy(folder, sources[kind], stem)
            ok([ours, '-q', '-p', '-m', form, '-N', phrase, '-a', '4', '-f', path])
            forms = ['openssh', 'pkcs8-pem'] + (['pkcs1-pem'] if kind != 'ed25519' else [])
            write = {name: folder / f'{stem}.{name}' for name in forms}
            facts = json.dumps({'read': path, 'phrase': phrase, 'write': write})
            want = half(open(sources[kind] + '.pub', 'rb').read())
            same(half(ok([python, '-W', 'ignore', '-c', ASYNCSSH], input=facts.encode())), want, 'what asyncssh reads')
            for name, back in write.items():
                os.chmod(back, 0o600)
                same(half(ok([ours, '-y', '-P', phrase, '-f', back])), want, f'what it writes as {name}')
        return Case(f'{kind} as {form}{" with a passphrase" if phrase else ""} to asyncssh and back', check)

    return [there_and_back(kind, form, phrase) for kind in KINDS for form in ('RFC4716', 'PEM', 'PKCS8') for phrase in PHRASES]


def shown_cases(bench, ours, stock, sources):
    """What is printed of a key, and host keys made at once."""
    folder = bench.folder

    def both(kind):
        def check():
            for flags in (['-B'], ['-B', '-v'], ['-l', '-E', 'sha1'], ['-l', '-v', '-E', 'sha512'], ['-r', 'host.example'],
                          ['-r', 'host.example', '-g'], ['-r', 'h', '-O', 'hashalg=sha256'], ['-r', 'h', '-O', 'hashalg=md5'],
                          ['-r', 'h', '-O', 'nonsense=1'], ['-e', '-f', 'none'], ['-i', '-m', 'PKCS8']):
                mine, theirs = (fixture.run([keygen, *flags, '-f', sources[kind] + '.pub']) for keygen in (ours, stock))
                same((mine.returncode, mine.stdout, mine.stderr), (theirs.returncode, theirs.stdout, theirs.stderr), ' '.join(flags))
        return Case(f'{kind}: shown alike', check)

    def host_keys():
        prefix = folder / 'prefix'
        os.makedirs(prefix + '/etc/ssh')
        said = ok([ours, '-A', '-f', prefix])
        expect(said.startswith(b'ssh-keygen: generating new host keys: RSA ECDSA ED25519 '), f'said {said}')
        for kind in ('rsa', 'ecdsa', 'ed25519'):
            path = f'{prefix}/etc/ssh/ssh_host_{kind}_key'
            same(half(ok([stock, '-y', '-f', path])), half(open(path + '.pub', 'rb').read()), kind)
        same(ok([ours, '-A', '-f', prefix]), b'', 'a second run')
        path = f'{prefix}/etc/ssh/ssh_host_ecdsa_key'
        os.truncate(path, 0)
        expect(b'ECDSA' in ok([ours, '-A', '-f', prefix]), 'an empty file was not replaced')

    def composite():
        path = folder / 'composite'
        ok([ours, '-q', '-t', 'mldsa44-ed25519', '-N', 'sesame', '-a', '4', '-C', 'two in one', '-f', path])
        public = open(path + '.pub', 'rb').read()
        expect(public.startswith(b'ssh-mldsa44-ed25519@openssh.com AAAA'), 'type')
        same(ok([ours, '-y', '-P', 'sesame', '-f', path]), public, '-y')
        expect(ok([ours, '-l', '-f', path]).endswith(b' two in one (MLDSA44-ED25519)\n'), '-l')

    return [both(kind) for kind in KINDS] + [Case('-A under a prefix', host_keys), Case('mldsa44-ed25519', composite)]


def group(bench):
    """All of them."""
    ours, stock = bench.suites['ours'].keygen, bench.suites['openssh10'].keygen
    sources = {kind: made(bench.folder, ours, kind) for kind in KINDS}
    cases = openssl_cases(bench, ours, stock, sources) + putty_cases(bench, ours, sources)
    cases += asyncssh_cases(bench, ours, sources) + shown_cases(bench, ours, stock, sources)
    for case in cases:
        case.name = f'key forms: {case.name}'
    return 'key forms', cases

"""Key files and known_hosts: ours beside OpenSSH 10's ssh-keygen, byte for byte where both print the same thing."""
import os
import stat

import fixture
from report import Case, expect, same

TYPES = (('ed25519', ()), ('ecdsa', ('-b', '256')), ('ecdsa', ('-b', '384')), ('ecdsa', ('-b', '521')), ('rsa', ('-b', '2048')))
FORMS = ((), ('-m', 'PEM'), ('-m', 'PKCS8'))


def ok(command, **options):
    """Runs a command that must succeed; its output."""
    done = fixture.run(command, **options)
    expect(done.returncode == 0, f'{os.path.basename(command[0])} {" ".join(command[1:])}: exit {done.returncode}: '
           + fixture.report.shorten(done.stderr or done.stdout))
    return done.stdout


def copy(folder, path, name):
    """A private copy of a key file."""
    with open(path, 'rb') as file:
        return folder.write(name, file.read(), 0o600)


def group(bench, suite='ours'):
    """All cases about files."""
    ours, stock, folder = bench.suites[suite].keygen, bench.suites['openssh10'].keygen, bench.folder
    cases = []

    def generated(kind, options):
        label = f'{kind}{"".join(options[1:])}'

        def check():
            path = folder / f'made.{label}'
            ok([ours, '-q', '-t', kind, *options, '-N', '', '-C', 'a comment here', '-f', path])
            same([stat.S_IMODE(os.stat(p).st_mode) for p in (path, path + '.pub')], [0o600, 0o644], 'modes of the files')
            for flags in (['-l'], ['-l', '-v'], ['-l', '-E', 'md5'], ['-y']):
                same(ok([ours, *flags, '-f', path]), ok([stock, *flags, '-f', path]), ' '.join(flags))
            same(ok([stock, '-y', '-f', path]).split()[:2], open(path + '.pub', 'rb').read().split()[:2], 'public half')
            same(ok([ours, '-l', '-f', path + '.pub']), ok([stock, '-l', '-f', path + '.pub']), '-l of the public file')
        return Case(f'generate {label}', check)

    def locked(kind, options):
        label = f'{kind}{"".join(options[1:])}'

        def check():
            path = folder / f'locked.{label}'
            ok([ours, '-q', '-t', kind, *options, '-N', 'first pass', '-f', path])
            same(ok([stock, '-y', '-P', 'first pass', '-f', path]), ok([ours, '-y', '-P', 'first pass', '-f', path]), '-y')
            expect(fixture.run([ours, '-y', '-P', 'wrong', '-f', path]).returncode != 0, 'opened with a wrong passphrase')
            ok([ours, '-q', '-p', '-P', 'first pass', '-N', 'second pass', '-f', path])
            ok([stock, '-y', '-P', 'second pass', '-f', path])
            ok([stock, '-q', '-p', '-P', 'second pass', '-N', 'third', '-a', '8', '-Z', 'aes256-gcm@openssh.com', '-f', path])
            ok([ours, '-y', '-P', 'third', '-f', path])
            ok([ours, '-q', '-p', '-P', 'third', '-N', '', '-f', path])
            ok([stock, '-y', '-P', '', '-f', path])
        return Case(f'passphrase {label}', check)

    def reads(kind, form, phrase):
        def check():
            path = copy(folder, bench.keys.path('user', kind), f'read.{kind}{"".join(form)}{bool(phrase)}')
            ok([stock, '-q', '-p', *form, '-N', phrase, '-f', path])
            same(ok([ours, '-y', '-P', phrase, '-f', path]).split()[:2], ok([stock, '-y', '-P', phrase, '-f', path]).split()[:2], '-y')
        return Case(f'read {kind} {form[-1] if form else "OpenSSH"}{" with a passphrase" if phrase else ""}', check)

    def hosts():
        keys = bench.keys
        lines = [f'one.example {keys.public("host", "ed25519")}', '# a comment\n', '\n',
                 f'two.example,192.0.2.7 {keys.public("host", "rsa")}', f'[two.example]:2222 {keys.public("host", "rsa")}',
                 f'*.wild.example,!no.wild.example {keys.public("host", "ed25519")}',
                 f'@revoked two.example {keys.public("host", "ecdsa256")}', 'not a line\n']
        plain = folder.write('hosts.plain', ''.join(lines))
        # A file with a line that is none is not hashed.
        hashed = folder.write('hosts.hashed', ''.join(lines[:-1]), 0o600)
        ok([stock, '-H', '-f', hashed])
        for source in (plain, hashed):
            for name in ('one.example', 'two.example', '192.0.2.7', '[two.example]:2222', 'a.wild.example', 'no.wild.example', 'none'):
                mine, theirs = (fixture.run([keygen, '-F', name, '-f', source]) for keygen in (ours, stock))
                same((mine.returncode, mine.stdout), (theirs.returncode, theirs.stdout), f'-F {name} in {os.path.basename(source)}')
            for name in ('two.example', '[two.example]:2222', 'one.example', 'none'):
                results = []
                for who, keygen in (('ours', ours), ('stock', stock)):
                    target = copy(folder, source, f'{os.path.basename(source)}.{who}')
                    done = fixture.run([keygen, '-R', name, '-f', target])
                    old = open(target + '.old', 'rb').read() if os.path.exists(target + '.old') else None
                    results.append((done.returncode, open(target, 'rb').read(), old))
                    for path in (target, target + '.old'):
                        if os.path.exists(path):
                            os.remove(path)
                same(results[0], results[1], f'-R {name} in {os.path.basename(source)}')

    def refuses():
        path = copy(folder, bench.keys.path('user', 'ed25519'), 'open.key')
        os.chmod(path, 0o644)
        done = fixture.run([ours, '-y', '-f', path])
        expect(done.returncode != 0 and b'permissions' in done.stderr.lower(), f'key open to all: {done}')
        done = fixture.run([ours, '-y', '-f', folder.write('garbage.key', os.urandom(400), 0o600)])
        expect(done.returncode != 0 and done.stderr, f'garbage as a key: {done}')
        done = fixture.run([ours, '-l', '-f', folder / 'missing.key'])
        expect(done.returncode != 0 and b'missing.key' in done.stderr + done.stdout, f'missing file: {done}')
        target = copy(folder, bench.keys.path('user', 'ed25519'), 'there.key')
        before = open(target, 'rb').read()
        fixture.run([ours, '-q', '-t', 'ed25519', '-N', '', '-f', target])
        same(open(target, 'rb').read(), before, 'a file that is there, overwritten without a question answered')

    cases += [generated(kind, options) for kind, options in TYPES] + [locked(kind, options) for kind, options in TYPES]
    cases += [reads(kind, form, phrase) for kind in ('rsa', 'ecdsa256', 'ecdsa521') for form in FORMS for phrase in ('', 'sesame')]
    cases += [reads('ed25519', (), 'sesame'), Case('known_hosts: find and remove', hosts), Case('refusals', refuses)]
    for case in cases:
        case.name = f'ssh-keygen: {case.name}'
    return 'key files', cases

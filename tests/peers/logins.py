"""Who gets in, on what terms, and what the log says of it: our daemon beside OpenSSH 10's, on the same files.

Each case starts both daemons with the same configuration and the same files, logs in to both with OpenSSH's client, and
wants the same exit status, the same output, and the same lines on the decision in the log, in the same order.
"""
import json
import difflib
import os
import re

import fixture
import programs
from report import Case, Skip, expect, same

# Lines on the decision, without what every login has.
TELLING = re.compile(r'^Failed|authorized keys|authorized principals|[Pp]rincipal|matching (key|CA) found|key options|principals options|'
                     r'entry expired|Authentication tried|^Accepted|^Postponed|[Cc]ertificate|revoked|Refused|'
                     r'AuthorizedKeysCommand|AuthorizedPrincipalsCommand|environment: |forced command|permitted (open|listen)|'
                     r'[Ff]orced command|not in PubkeyAcceptedAlgorithms|cert-authority flag|clauses|ROOT LOGIN')
# What only one of the two says, or says of itself.
NOISE = re.compile(r'^(debug[123]: )?(sshd version|.*processed \d+/\d+ lines|.*glob |Executing|.*temporarily_use_uid|.*restore_uid|'
                   r'attempt \d|.*userauth-request)|.*CA .* is not listed in')


class Place:
    """The folder of files that a case's daemons look at, with a key, an authority and the means to certify."""

    def __init__(self, bench, name):
        self.bench, self.user = bench, bench.user
        self.folder = fixture.Folder(f'{bench.folder.path}/{name}.')
        self.keygen = bench.suites['openssh10'].keygen
        self.ca, self.key = self.folder / 'logins.ca', self.folder / 'logins.key'
        for path in (self.ca, self.key):
            done = fixture.run([self.keygen, '-q', '-t', 'ed25519', '-N', '', '-C', 'x', '-f', path])
            expect(done.returncode == 0, f'ssh-keygen: {done.stderr!r}')

    def public(self, path):
        """A public key's line."""
        with open(path + '.pub', encoding='utf-8') as file:
            return file.read().strip()

    def fill(self, text):
        """A text with KEY, CA, USER and FOLDER in it."""
        for word, value in (('@KEY@', self.public(self.key)), ('@CA@', self.public(self.ca)), ('@USER@', self.user.name),
                            ('@DIR@', self.folder.path)):
            text = text.replace(word, value)
        return text

    def certify(self, name, options):
        """A certificate over the key; the client's options that show it."""
        key = self.folder / name
        for end in ('', '.pub'):
            with open(self.key + end, encoding='utf-8') as file:
                self.folder.write(name + end, file.read(), 0o600)
        words = [self.fill(word) for word in options]
        done = fixture.run([self.keygen, '-q', '-s', self.ca, '-I', 'an id', '-z', '7', *words, key + '.pub'])
        expect(done.returncode == 0, f'ssh-keygen -s: {done.stderr!r}')
        return key


def told(daemon, place):
    """The lines of a daemon's log on the decision, each once, as both daemons write them."""
    with open(daemon.log, encoding='utf-8', errors='replace') as file:
        text = file.read()
    lines = []
    for line in text.splitlines():
        line = re.sub(r'^(debug[123]|error|fatal): ', '', line.strip())
        line = re.sub(r' \[preauth\]$', '', re.sub(r'port \d+', 'port N', line))
        # Some of OpenSSH's begin with the name of the function that writes them.
        line = re.sub(r'^[a-z0-9_]+: (?=signature algorithm|certificate signature)', '', line)
        if TELLING.search(line) and not NOISE.search(line) and line not in lines:
            lines.append(line.replace(place.folder.path, 'DIR'))
    return lines


def login(place, suite, case):
    """Logs in to a suite's daemon: the exit status, the output, the log's lines."""
    folder = place.folder
    for file, text in case.get('files', {}).items():
        folder.write(file, place.fill(text), case.get('modes', {}).get(file, 0o644))
    own = [place.fill(line) for line in case.get('config', ())]
    options = [*own, 'LogLevel DEBUG1', 'AuthorizedKeysFile @DIR@/logins.keys'.replace('@DIR@', folder.path)]
    given = [line.split()[0] for line in own]
    options = own + [line for line in options[len(own):] if line.split()[0] not in given]
    daemon = fixture.sshd(place.bench.suites[suite], folder, place.bench.keys, place.user, options, f'logins.{suite}')
    try:
        client = fixture.Client(place.bench.suites['openssh10'], folder, place.bench.keys, place.user, daemon.port, f'to-{suite}')
        key = place.certify(f'logins.{suite}.key', case['certificate']) if 'certificate' in case else place.key
        user = [f'User={case["user"]}'] if 'user' in case else []
        done = client.run(case.get('command', 'echo free'), options=[f'IdentityFile={key}', *user, *case.get('client', ())],
                          flags=case.get('flags', ()))
        return done.returncode, done.stdout, told(daemon, place)
    finally:
        daemon.stop()


CERT = ('-n', '@USER@')
CA_FILE = {'config': ['TrustedUserCAKeys @DIR@/logins.ca.pub'], 'files': {'logins.keys': ''}}
PRINCIPALS = {'config': ['TrustedUserCAKeys @DIR@/logins.ca.pub', 'AuthorizedPrincipalsFile @DIR@/logins.principals']}


def keys(text, **more):
    """A case with this authorized_keys."""
    return {'files': {'logins.keys': text}, **more}


def principals(text, **more):
    """A case with a certificate for `admins` and this file of principals."""
    files = {'logins.keys': '', 'logins.principals': text}
    return {**PRINCIPALS, 'files': files, 'certificate': ('-n', 'other,admins'), **more}


def by_command(keyword, line, **more):
    """A case with a command that prints keys or principals."""
    return {'config': [f'{keyword} {line}', f'{keyword}User @USER@', *more.pop('config', ())], 'files': {'logins.keys': ''}, **more}


# Name: what to do, and the exit status that both must give.
CASES = {
    'plain key': (0, keys('@KEY@')),
    'second line': (0, keys('# x\n\n@CA@\n  no-pty @KEY@\n')),
    'command': (0, keys('command="echo forced $SSH_ORIGINAL_COMMAND" @KEY@')),
    'command in quotes': (0, keys('command="echo \\"a  b\\" \\n" @KEY@')),
    'environment refused': (0, keys('environment="A=1" @KEY@', command='echo x$A')),
    'environment': (0, keys('environment="A=1",environment="B=2",environment="A=3" @KEY@', command='echo x$A$B',
                            config=['PermitUserEnvironment yes'])),
    'environment by pattern': (0, keys('environment="A=1",environment="B=2" @KEY@', command='echo x$A$B',
                                       config=['PermitUserEnvironment B*,C'])),
    'from': (0, keys('from="127.0.0.0/8" @KEY@')),
    'from a name': (255, keys('from="*.example.org,!10.0.0.1" @KEY@')),
    'from elsewhere': (255, keys('from="10.0.0.0/8" @KEY@')),
    'from not this': (255, keys('from="!127.0.0.1,127.0.0.0/8" @KEY@')),
    'from nonsense': (255, keys('from="127.0.0.0/33" @KEY@')),
    'expired': (255, keys('expiry-time="20200101" @KEY@')),
    'expires': (0, keys('expiry-time="20990101Z" @KEY@')),
    'restrict': (0, keys('restrict @KEY@')),
    'restrict and pty': (0, keys('restrict,pty @KEY@', flags=('-tt',))),
    'no-pty': (255, keys('no-pty @KEY@', flags=('-tt',), command='test -t 0 && echo tty')),
    'forwarding flags': (0, keys('no-port-forwarding,no-agent-forwarding,no-X11-forwarding,no-user-rc @KEY@')),
    'permitopen': (0, keys('permitopen="host:80",permitopen="[::1]:*",permitlisten="8080",permitlisten="h:1" @KEY@')),
    'tunnel': (0, keys('tunnel="3" @KEY@')),
    'touch': (0, keys('no-touch-required,verify-required @KEY@')),
    'principals on a key': (255, keys('principals="@USER@" @KEY@')),
    'authority as a key': (255, keys('cert-authority @KEY@')),
    'unknown option': (0, keys('unknown @KEY@\nunknown="x" @KEY@\n@KEY@')),
    # OpenSSH reads the options on lines of other keys too, and tells of them again with each key that is tried.
    'bad options': (255, keys('command="a @KEY@\ncommand=a @KEY@\npty,@KEY@\ncommand="a",command="b" @KEY@\n'
                              'tunnel="x" @KEY@\nenvironment="x" @KEY@\nexpiry-time="soon" @KEY@\nfrom="a",from="b" @KEY@\n', once=True)),
    'a comma behind options': (0, keys('no-pty, @KEY@\n')),
    'no file': (255, {'config': ['AuthorizedKeysFile @DIR@/nowhere %h/none']}),
    'several files': (0, {'config': ['AuthorizedKeysFile none @DIR@/logins.a @DIR@/%u.%U.keys @DIR@/logins.b'],
                          'files': {'logins.a': '@CA@', 'logins.b': 'no-pty @KEY@'}}),
    'wildcards': (0, {'config': ['AuthorizedKeysFile @DIR@/logins.w*'],
                      'files': {'logins.w1': '@CA@', 'logins.w2': 'no-pty @KEY@', 'logins.w3': '@KEY@'}}),
    'authority': (0, keys('cert-authority @CA@', certificate=CERT)),
    'authority not marked': (255, keys('@CA@', certificate=CERT)),
    'authority and options': (0, keys('cert-authority,no-pty,command="echo line" @CA@', certificate=CERT)),
    'authority and principals': (0, keys('cert-authority,principals="a,admins" @CA@', certificate=('-n', 'x,admins'))),
    'authority and other principals': (255, keys('cert-authority,principals="a" @CA@', certificate=CERT)),
    # OpenSSH looks at the name last, and logs the certificate's options before that; we judge all of it at once.
    'authority, wrong name': (255, keys('cert-authority @CA@', certificate=('-n', 'somebody'), unlike='key options:')),
    'authority, no names': (0, keys('cert-authority @CA@', certificate=())),
    'authority, same command': (0, keys('cert-authority,command="echo c" @CA@',
                                        certificate=(*CERT, '-O', 'force-command=echo c'))),
    'authority, other command': (255, keys('cert-authority,command="echo c" @CA@',
                                           certificate=(*CERT, '-O', 'force-command=echo d'))),
    'trusted authority': (0, {**CA_FILE, 'certificate': CERT}),
    'trusted, wrong name': (255, {**CA_FILE, 'certificate': ('-n', 'somebody')}),
    'trusted, no names': (255, {**CA_FILE, 'certificate': ()}),
    'trusted, expired': (255, {**CA_FILE, 'certificate': (*CERT, '-V', '20200101:20210101')}),
    'trusted, not yet': (255, {**CA_FILE, 'certificate': (*CERT, '-V', '20990101:21000101')}),
    'trusted, of a host': (255, {**CA_FILE, 'certificate': (*CERT, '-h')}),
    'trusted, forced': (0, {**CA_FILE, 'certificate': (*CERT, '-O', 'force-command=echo cert')}),
    'trusted, from here': (0, {**CA_FILE, 'certificate': (*CERT, '-O', 'source-address=127.0.0.0/8')}),
    'trusted, from elsewhere': (255, {**CA_FILE, 'certificate': (*CERT, '-O', 'source-address=10.0.0.0/8')}),
    'trusted, nothing permitted': (255, {**CA_FILE, 'certificate': (*CERT, '-O', 'clear'), 'flags': ('-tt',),
                                       'command': 'test -t 0 && echo tty'}),
    'trusted, unknown critical option': (255, {**CA_FILE, 'certificate': (*CERT, '-O', 'critical:new@example.com=x')}),
    'trusted, unknown extension': (0, {**CA_FILE, 'certificate': (*CERT, '-O', 'extension:new@example.com=x')}),
    'trusted, other algorithm': (255, {**CA_FILE, 'config': [*CA_FILE['config'], 'CASignatureAlgorithms rsa-sha2-512'],
                                       'certificate': CERT}),
    'principals': (0, principals('# x\nadmins # these\n')),
    'principals with options': (0, principals('nobody\n no-pty,command="echo a b"   admins\n')),
    'principals, nobody': (255, principals('nobody\n@USER@\n')),
    'principals, bad options': (255, principals('blah admins\n')),
    'principals, elsewhere': (255, principals('from="10.0.0.1" admins\n')),
    'principals, an authority': (255, principals('cert-authority admins\n')),
    'principals, no file': (255, {**PRINCIPALS, 'config': [*PRINCIPALS['config'][:1], 'AuthorizedPrincipalsFile @DIR@/nowhere'],
                                  'files': {'logins.keys': ''}, 'certificate': ('-n', 'admins')}),
    'keys command': (0, by_command('AuthorizedKeysCommand', '/bin/echo no-pty,command=\\"echo\\" %t %k')),
    'keys command fails': (255, by_command('AuthorizedKeysCommand', '/bin/false %u')),
    'keys command is not there': (255, by_command('AuthorizedKeysCommand', '/nonexistent/command %u')),
    'keys command unsafe': (255, by_command('AuthorizedKeysCommand', '/tmp %u')),
    'keys command without user': (255, {'config': ['AuthorizedKeysCommand /bin/echo %t %k', 'AuthorizedKeysCommandUser no-such-user'],
                                        'files': {'logins.keys': ''}}),
    'principals command': (0, by_command('AuthorizedPrincipalsCommand', '/bin/echo %u', certificate=CERT,
                                         config=['TrustedUserCAKeys @DIR@/logins.ca.pub'])),
    'principals command, nobody': (255, by_command('AuthorizedPrincipalsCommand', '/bin/echo nobody', certificate=CERT,
                                                   config=['TrustedUserCAKeys @DIR@/logins.ca.pub'])),
    'revoked key': (255, keys('@KEY@', config=['RevokedKeys @DIR@/logins.key.pub'])),
    'revoked authority': (255, {**CA_FILE, 'config': [*CA_FILE['config'], 'RevokedKeys @DIR@/logins.ca.pub'],
                                'certificate': CERT}),
    'revoked file missing': (255, keys('@KEY@', config=['RevokedKeys @DIR@/nowhere'])),
    'not revoked': (0, keys('@KEY@', config=['RevokedKeys @DIR@/logins.ca.pub'])),
    'certificates only': (255, keys('@KEY@', config=['PubkeyAcceptedAlgorithms *-cert-v01@openssh.com'])),
    'ForceCommand first': (0, keys('command="echo key" @KEY@', config=['ForceCommand echo config'])),
    # OpenSSH's two processes disagree here, and its monitor ends the connection; our user may try the next key.
    'forced commands only, root': (255, keys('@KEY@', user='root', config=['PermitRootLogin forced-commands-only', 'AllowUsers root'],
                                             unlike='^Root login accepted|^Failed')),
    'forced command, root': (0, keys('command="echo in" @KEY@', user='root',
                                     config=['PermitRootLogin forced-commands-only', 'AllowUsers root'])),
    'steps': (0, keys('@KEY@', config=['ExposeAuthInfo yes'], command='cat $SSH_USER_AUTH; stat -c %a $SSH_USER_AUTH')),
    'steps of a certificate': (0, {**CA_FILE, 'config': [*CA_FILE['config'], 'ExposeAuthInfo yes'], 'certificate': CERT,
                                   'command': 'cut -c1-40 $SSH_USER_AUTH'}),
}


def beside(bench, name, number, status, case):
    """One case: both daemons."""
    def check():
        if os.geteuid() != 0:
            raise Skip('not root: OpenSSH runs commands only as root')
        place = Place(bench, f'login{number}')
        ours = login(place, 'ours', case)
        theirs = login(place, 'openssh10', case)
        same(theirs[0], status, 'exit status of OpenSSH')
        same(ours[:2], theirs[:2], 'exit status and output')
        unlike = case.get('unlike')
        mine, other = ([line for line in lines if not (unlike and re.search(unlike, line))] for lines in (ours[2], theirs[2]))
        if case.get('once'):
            mine, other = sorted(set(mine)), sorted(set(other))
        expect(mine == other, 'the logs differ:\n' + '\n'.join(difflib.unified_diff(mine, other, 'ours', 'OpenSSH', lineterm='')))
    return Case(f'login: {name}', check)


HOST = 'there.example'
# Name: what the configuration has beside the usual, ~/.shosts, in front of the key in ~/.ssh/known_hosts, and whether that lets in.
HOSTS = {
    'trusted': ([], f'{HOST} ann', HOST, True),
    'another user there': ([], HOST, HOST, False),
    'refused': ([], f'-{HOST} ann', HOST, False),
    'a bare plus': ([], '+ +', HOST, False),
    'unknown key': ([], f'{HOST} ann', 'other.example', False),
    'revoked key': ([], f'{HOST} ann', '@revoked *', False),
    'files ignored': (['IgnoreRhosts yes'], f'{HOST} ann', HOST, False),
    'shosts only': (['IgnoreRhosts shosts-only'], f'{HOST} ann', HOST, True),
    'known hosts ignored': (['IgnoreUserKnownHosts yes'], f'{HOST} ann', HOST, False),
    'by address': (['HostbasedUsesNameFromPacketOnly no'], '127.0.0.1 ann', '127.0.0.1', True),
    'by its own name': (['HostbasedUsesNameFromPacketOnly no'], f'{HOST} ann', HOST, False),
    'other algorithms': (['HostbasedAcceptedAlgorithms rsa-sha2-512'], f'{HOST} ann', HOST, False),
}


def host_files(user, shosts, known):
    """Writes the user's files on hosts."""
    os.makedirs(os.path.join(user.home, '.ssh'), mode=0o700, exist_ok=True)
    paths = [os.path.join(user.home, name) for name in ('.shosts', '.ssh/known_hosts')]
    for path, text in zip(paths, (shosts, known)):
        with open(path, 'w', encoding='utf-8') as file:
            file.write(text + '\n')
        os.chmod(path, 0o600)
    for path in (os.path.join(user.home, '.ssh'), *paths):
        os.chown(path, user.uid, user.gid)
    return paths


def by_host(bench, suite, name, case):
    """A login by the word of a host, which asyncssh gives: its client needs no host key of this machine's."""
    own, shosts, hosts, lets_in = case
    user, keys_ = bench.user, bench.keys

    def check():
        python = os.path.join(programs.PEERS, 'python', 'bin', 'python')
        if not user.made or not os.access(python, os.X_OK):
            raise Skip('not root, or no asyncssh')
        label = f'hosts.{name.replace(" ", "-")}'
        base = ['HostbasedAuthentication yes', 'HostbasedUsesNameFromPacketOnly yes', 'IgnoreRhosts no', 'IgnoreUserKnownHosts no']
        given = [line.split()[0] for line in own]
        options = [*own, *(line for line in base if line.split()[0] not in given)]
        daemon = fixture.sshd(bench.suites[suite], bench.folder, keys_, user, options, label)
        paths = host_files(user, shosts, f'{hosts} {keys_.public("host", "ed25519")}')
        try:
            facts = {'port': daemon.port, 'user': user.name, 'key': keys_.path('host', 'ed25519'), 'host': HOST, 'local': 'ann'}
            script = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'hostbased_case.py')
            done = fixture.run([python, script], input=json.dumps(facts).encode())
            wanted = (0, b'in\n') if lets_in else (255, b'')
            same((done.returncode, done.stdout), wanted, f'login ({done.stderr[-300:]!r} {daemon.said()})')
        finally:
            daemon.stop()
            for path in paths:
                os.remove(path)
    return Case(f'login by host, {suite}: {name}', check, alone=True)


def group(bench):
    """All of them."""
    cases = [beside(bench, name, number, *case) for number, (name, case) in enumerate(CASES.items())]
    cases += [by_host(bench, suite, name, case) for name, case in HOSTS.items() for suite in ('ours', 'openssh10')]
    return 'logins', cases

"""The sftp program: the same commands to ours and to OpenSSH 10's, with the same server, must say and do the same.

Where ours does otherwise on purpose, the scripts below leave it out, and a case of its own says what ours does."""
import contextlib
import itertools
import os
import pty
import re
import select
import shutil
import signal
import stat
import struct
import termios
import time
import fcntl

import fixture
import programs
from report import Case, Skip, expect, same

SETUP = r'''
mkdir -p r/d/sub r/e l
cd r
echo hello > a; echo x > 'b c'; echo q > 'q"uote'; echo s > 'star*'; : > starx; : > .hidden; : > 'back\slash'
echo 1 > d/f1; : > d/.h; echo xx > d/sub/x; printf e > "$(printf 'esc\033[31m')"; : > é; : > "$(printf 'bad\377')"; : > '{m,n}'
ln -s a link; ln -s d dlink; ln -s nowhere broken; ln -s f1 d/lnk; mkfifo fifo
mkdir ../l/n ../l/n/e; echo 1 > ../l/n/f; ln -s f ../l/n/lf; ln -s nowhere ../l/lb; echo 3 > '../l/x*y'; echo 33 > ../l/xzy
touch -d '2020-01-02 03:04:05' a d/f1 'b c' ../l/xzy; touch -d '2021-02-03' d ../l/n; chmod 640 a; chmod 750 d ../l/n
chmod 604 ../l/xzy
'''

# Name -> commands. They are read from standard input, from there as a batch, and line by line as batches.
SCRIPTS = {
    'words': r'''
foo
  PWD
ls a"b
ls 'a
ls a\
# comment
   # comment
- pwd
-@pwd
@-pwd
@ls nosuch
@foo
ls # foo
ls a#b
''
"" pwd
p\wd
"pwd"x
ls ""x
ls x"#"y
ls x\#y
ls a"'"b
ls 'a\'b'
ls "a\*b"
ls a\\*
ls 'a\\*'
ls "a\xb"
ls x\
ls 'x\'
ls 'my\ file'
''',
    'bad': r'''
get
put
reget
reput
get -z a
rename
rename a
ln a
ln -z a b
ln -s
symlink a
rm
rm -f a
mkdir
mkdir -p a
rmdir
chmod
chmod 644
chmod xyz a
chmod 9 a
chmod -644 a
chmod -- -5 a
chown abc a
chown 1x a
chown 99999999999999999999 a
chgrp
lumask
lumask 888
lumask 0x22
lmkdir
df -z a
ls -z
cd -x
copy a
!false
!exit 3
!kill -9 $$
''',
    'ls': r'''
ls
ls -1
ls -a
ls -1a d
ls d
ls d/
ls -1 d/*
ls *a*
ls -1 .h*
ls -1r
ls -1S d
ls -1Sr d
ls -1t d
ls dlink
ls -1 link
ls broken
ls -1 nos*
ls 'star*'
ls star\*
ls -1 star*
ls -1 [a-d]
ls -1 [^a-d]
ls -1 {a,d}
ls -1 d/{f1,sub}
ls ~
ls d*/*
ls -1 d//*
ls -1 d/?h
ls -1 d/.h*
ls q"uote
ls 'q"uote'
ls back\\slash
ls 'back\slash'
ls b\ c
ls -1 esc*
ls -1 -- a
ls -
ls -l
ls -l a d
ls -l d
ls -lh *a*
ls -lt d
ls -l broken
ls -1 a b
''',
    'change': r'''
rm nosuch
rm nosuch*
rm starx d
mkdir d
mkdir d/x/y
mkdir 'new [dir]'
rmdir nosuch
rmdir 'new [dir]'
rmdir e
rmdir a
rename nosuch x
rename a 'b c'
rename -l 'b c' 'q"uote'
rename 'b c' 'x\*y'
ls -1
ln nosuch z
ln 'q"uote' hard
ln -s q sym
symlink zz sym2
copy hard acopy
copy d dcopy
copy nosuch x
chmod 600 hard
chmod -h 600 link
chmod 600 *o*
chown 0 hard
chgrp 0 star*
chown 0 nosuch
rm d/*
''',
    'folders': r'''
pwd
cd d
pwd
cd ..
pwd
cd ../r
cd star*
cd nosuch
cd fifo
cd dlink
pwd
cd sub/
pwd
cd
pwd
lpwd
lcd nosuch
lmkdir foo
lmkdir foo
lmkdir foo/x/y
lcd foo
lls ..
lls -1 ../n
lls nosuch
lcd ..
!pwd
!echo 'a  b' "c"
lumask 22
lumask 1777
version
progress
progress
help
?
''',
    'get': r'''
get a
get a b
get nosuch
get d/nosuch*
get d
get -r d newd
get -pr d pd
get e
get link
get dlink
get -r dlink
get broken
get fifo
get a nosuch/x
get a* n
get *a* n
get *a* nosuch
get d/f1 a
get a n/
get 'star*'
get -p a pa
get -f a
get -a a
reget a
get b\ c
get .hidden
get back\\slash
get é*
get "q\"uote" 'x[y]'
''',
    'put': r'''
lcd ../l
put xzy
put xzy b
put nosuch
put nosuch*
put lb
put n
put -r n nn
put -pr n pn
put x* d
put x* nosuch
put x* a
put xzy nosuch/x
put xzy d/
put 'x*y'
put x\*y q
put -p xzy d/px
put -f xzy
put -a xzy
reput xzy
''',
}

FETCHES = (
    ('../r/a',), ('../r/a', 'x'), ('../r/nosuch',), ('../r/*a*',), ('../r/star\\*',), ('../r/a', 'nosuch/x'), ('../r/*a*', 'nosuch'),
    ('../r/d', 'dd'), ('-r', '../r/d', 'dd'), ('-p', '../r/a', 'pa'), ('-a', '../r/a'), ('-q', '../r/a'), ('../r/d/',), ('../r/d',),
)

FLAGS = (
    '', '-z', '-P', '-P 0 h', '-P x h', '-1 h', '-b /nosuch h', '-b - -b - h', '-B 0 h', '-B x h', '-R 0 h', '-l 0 h', '-l x h', '-X foo h',
    '-X nrequests=x h', '-X nrequests=0 h', '-X buffer=0 h', '-X buffer h', 'a b c', 'sftp://', 'sftp://h:0/', '-h',
)


def dressed(path):
    """A folder's content: name -> (mode, links' target or content, times where they are old)."""
    found = {}
    for folder, folders, files in os.walk(path.encode()):
        for name in folders + files:
            full = os.path.join(folder, name)
            info = os.lstat(full)
            what = b''
            if stat.S_ISLNK(info.st_mode):
                what = os.readlink(full).replace(path.encode(), b'PLACE')
            elif stat.S_ISREG(info.st_mode):
                with open(full, 'rb') as file:
                    what = file.read()
            old = info.st_mtime if info.st_mtime < time.time() - 1e6 else None
            found[os.path.relpath(full, path.encode())] = (oct(info.st_mode), what, old)
    return found


class Place:
    """A fresh pair of folders, `r` for the server and `l` for the client."""

    def __init__(self, bench, label):
        self.path = bench.folder / f'sftp.{label}'
        shutil.rmtree(self.path, ignore_errors=True)
        os.mkdir(self.path)
        done = fixture.run(['sh', '-c', SETUP], cwd=self.path)
        expect(done.returncode == 0, f'set-up: {done.stderr!r}')

    def run(self, sftp, flags, text, cwd='r'):
        """What a program says and leaves: (status, output, errors, files)."""
        env = {**os.environ, 'LC_ALL': 'C.UTF-8', 'SHELL': '/bin/sh'}
        done = fixture.run([sftp, *flags], cwd=os.path.join(self.path, cwd), input=text.encode(), env=env)
        base = self.path.encode()
        # OpenSSH tells of the server's end whenever it notices it.
        out = done.stdout.replace(b'\rConnection closed.  \n', b'').replace(base, b'PLACE')
        return (done.returncode, out, done.stderr.replace(b'\rConnection closed.  \n', b'').replace(base, b'PLACE'), dressed(self.path))


def outcomes(bench, label, flags, text, cwd='r'):
    """What OpenSSH 10's sftp and ours come to, each with folders of its own."""
    stock, ours = os.path.join(programs.OPENSSH10, 'bin', 'sftp'), bench.suites['ours'].tool('sftp')
    for name, sftp in (('stock', stock), ('ours', ours)):
        yield Place(bench, f'{label}.{name}').run(sftp, flags, text, cwd)


def alike(bench, label, flags, text, cwd='r'):
    """Both say and do the same."""
    (status, out, err, files), mine = outcomes(bench, label, flags, text, cwd)
    same(times(mine[1]).splitlines(), times(out).splitlines(), 'output')
    # Ours adds the server's words where they say more.
    err, told = err.splitlines(), mine[2].splitlines()
    same([theirs if one.startswith(theirs + b': ') else one for one, theirs in itertools.zip_longest(told, err, fillvalue=b'-')], err, 'errors')
    same(mine[0], status, 'status')
    same({k: v for k, v in mine[3].items() if files.get(k) != v}, {k: v for k, v in files.items() if mine[3].get(k) != v}, 'files')


def times(output):
    """Times of files that were just made differ, and so do file systems' figures."""
    output = re.sub(rb'[A-Z][a-z][a-z] [ 0-9][0-9] [0-9][0-9]:[0-9][0-9]', b'JUST NOW    ', output)
    return re.sub(rb'(?m)^ +[0-9]+ +[0-9]+ +[0-9]+ +[0-9]+ +[0-9]+%$', b'FIGURES', output)


def servers(bench):
    """Name -> sftp-server."""
    table = {'10.0': os.path.join(programs.OPENSSH10, 'lib', 'openssh', 'sftp-server'), '9.2': '/usr/lib/openssh/sftp-server',
             'ours': os.path.join(os.path.dirname(bench.suites['ours'].ssh), 'sftp-server')}
    python = os.path.join(programs.PEERS, 'python', 'bin', 'python')
    if os.access(python, os.X_OK):
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'asyncssh_sftp.py')
        table['asyncssh'] = bench.folder.write('sftp.asyncssh', f'#!/bin/sh\nexec {python} -W ignore {script}\n', 0o755)
    return {name: path for name, path in table.items() if os.access(path, os.X_OK)}


def script_cases(bench):
    """Each script to each server: from standard input, and as a batch."""
    def whole(name, text, server, path):
        return Case(f'sftp {name} -> {server}', lambda: alike(bench, f'{name}.{server}', ['-D', path], text))

    def batches(name, text, path):
        def check():
            for number, line in enumerate(text.strip().splitlines()):
                alike(bench, f'{name}.{number}', ['-D', path, '-b', '-'], line + '\npwd\n')
        return Case(f'sftp {name}, each line a batch', check)

    cases = [whole(name, text, server, path) for server, path in servers(bench).items() for name, text in SCRIPTS.items()]
    path = servers(bench)['10.0']
    return cases + [batches(name, text, path) for name, text in SCRIPTS.items()]


def command_line_cases(bench):
    """Flags and destinations; ssh is a script that runs a server."""
    ssh = bench.folder.write('sftp.ssh', f'#!/bin/sh\nexec {servers(bench)["10.0"]}\n', 0o755)
    def fetch(number, words):
        flags = [word for word in words if word.startswith('-')]
        operands = [word for word in words if not word.startswith('-')]

        def check():
            (status, out, err, files), mine = outcomes(bench, f'fetch.{number}', ['-S', ssh, *flags, 'h:' + operands[0], *operands[1:]],
                                                       'pwd\n', 'l')
            same((mine[0], mine[1], mine[2]), (status, out, err), 'what it said')
            same(mine[3], files, 'files')
        return Case(f'sftp h:{" ".join(words)}', check)

    def flag(words):
        return Case(f'sftp {words}', lambda: alike(bench, f'flags.{words.replace("/", "_")}', words.split(' ') if words else [], ''))

    def echoed():
        show = bench.folder.write('sftp.echo', '#!/bin/sh\nfor a; do echo "[$a]" >&2; done\nhead -c 9 > /dev/null\n', 0o755)
        for words in ('h', 'u@h', 'u@h:x', '[::1]:x', 'u:x@h', 'sftp://u@h:22/x', 'sftp://h', '-P 9 h', '-vvvv h', '-q h', '-C -4 -6 -A h',
                      '-b /dev/null h', '-s sub h', '-s /x/y h', '-oPort=3 -P 4 h', '-F x -i y -J j -o A=b -c aes h', '-2 -N -a -f -p -r h'):
            told = []
            for _, _, err, _ in outcomes(bench, 'echo', ['-S', show, *words.split(' ')], ''):
                told.append([line for line in err.splitlines() if line.startswith(b'[')])
            same(told[1], told[0], f'ssh of sftp {words}')

    return ([fetch(number, words) for number, words in enumerate(FETCHES)] + [flag(words) for words in FLAGS]
            + [Case('sftp: the words for ssh', echoed)])


class Terminal:
    """A program at a terminal of its own."""

    def __init__(self, command, cwd, size=(24, 80), term='xterm'):
        self.said = b''
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.chdir(cwd)
            os.execve(command[0], command, {**os.environ, 'TERM': term, 'LC_ALL': 'C.UTF-8'})
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack('HHHH', *size, 0, 0))

    def wait_for(self, text, seconds=15):
        """Reads until `text` has come, and takes all up to there."""
        end = time.monotonic() + seconds
        while text not in self.said:
            expect(time.monotonic() < end, f'waiting for {text!r} in {self.said[-500:]!r}')
            if select.select([self.master], [], [], 0.2)[0]:
                try:
                    more = os.read(self.master, 65536)
                except OSError:
                    more = b''
                expect(more, f'ended before {text!r}: {self.said[-500:]!r}')
                self.said += more
        before, self.said = self.said.split(text, 1)
        return before

    def shows(self, line, seconds=10):
        """Waits until the line with the cursor is this one. What it takes of the terminal's language is what the editor uses."""
        end = time.monotonic() + seconds
        while True:
            if select.select([self.master], [], [], 0.2)[0]:
                self.said += os.read(self.master, 65536)
            shown, at = '', 0
            for part in re.findall(r'\x1b\[\??([0-9]*)([A-Za-z])|([^\x1b])', self.said.decode(errors='replace')):
                if part[2] in '\r\n' and part[2]:
                    shown, at = ('' if part[2] == '\n' else shown), 0
                elif part[2] == '\b':
                    at -= 1
                elif part[2] >= ' ':
                    shown, at = shown[:at] + part[2] + shown[at + 1:], at + 1
                elif part[1] in 'CD' and part[1]:
                    at += int(part[0] or 1) * (1 if part[1] == 'C' else -1)
                elif part[1] in 'KJ' and part[1]:
                    shown = shown[:at]
            if shown == line:
                return
            expect(time.monotonic() < end, f'wanted {line!r}, shown is {shown!r}')

    def type(self, text):
        """Types."""
        os.write(self.master, text.encode())

    def status(self):
        """Waits for the program's end, and takes what it said up to there; what it ended with."""
        end = time.monotonic() + 15
        while time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            with contextlib.suppress(OSError):
                while select.select([self.master], [], [], 0 if pid else 0.1)[0]:
                    self.said += os.read(self.master, 65536)
            if pid:
                self.pid = None
                return os.waitstatus_to_exitcode(status)
        raise AssertionError(f'does not end: {self.said[-500:]!r}')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.master)


def terminal_cases(bench):
    """What somebody sees who types."""
    server = servers(bench)['10.0']
    sftp = bench.suites['ours'].tool('sftp')

    def start(label, *flags, **how):
        place = Place(bench, label)
        terminal = Terminal([sftp, *flags, '-D', server], os.path.join(place.path, 'r'), **how)
        terminal.shows('sftp> ')
        terminal.said = b''
        return terminal, place

    def completion():
        terminal, _ = start('tab')
        with terminal:
            for typed, command in (('lp\t', 'lpwd '), ('ls b\t', 'ls b'), ('ls b\\ \t', 'ls b\\ c '), ('ls "b \t', 'ls "b c" '),
                                   ("ls 'q\t", "ls 'q\"uote' "), ('ls d/s\t', 'ls d/sub/'), ('ls dl\t', 'ls dlink/'), ('ls {\t', 'ls \\{m,n} '),
                                   ('put ../l/xz\t', 'put ../l/xzy '), ('put ../l/xzy d/f\t', 'put ../l/xzy d/f1 '),
                                   ('get a ../l/n\t', 'get a ../l/n/'), ('rm nosuch\t', 'rm nosuch')):
                terminal.type(typed)
                terminal.shows('sftp> ' + command)
                # Ctrl-U takes the line away again.
                terminal.type('\x15')
                terminal.shows('sftp> ')
            terminal.type('ls b\t\t')
            terminal.wait_for(b'back\\slash')
            terminal.type('\x15bye\r')
            same(terminal.status(), 0, 'status')

    def interruption():
        terminal, place = start('ctrl-c', '-l', '2000')
        with open(os.path.join(place.path, 'r', 'big'), 'wb') as file:
            file.write(bytes(3_000_000))
        with terminal:
            terminal.type('get big ../l/big\r')
            terminal.wait_for(b'KB/s')
            time.sleep(1)
            terminal.type('\x03')
            terminal.wait_for(b'sftp> ', 10)
            size = os.path.getsize(os.path.join(place.path, 'l', 'big'))
            expect(0 < size < 3_000_000, f'{size} bytes after the interruption')
            terminal.type('pwd\r')
            terminal.wait_for(b'Remote working directory')
            terminal.shows('sftp> ')
            # What is typed ahead of a prompt is another thing: each waits for what came of the one before.
            terminal.type('x')
            terminal.shows('sftp> x')
            terminal.type('\x03')
            terminal.shows('sftp> ')
            terminal.type('\x04')
            same(terminal.status(), 0, 'status')

    def lines_ahead():
        terminal, _ = start('ahead')
        with terminal:
            terminal.type('!sleep 1\r')
            time.sleep(0.3)
            terminal.type('lpwd\rpwd\r')
            terminal.wait_for(b'Local working directory')
            terminal.wait_for(b'Remote working directory')
            # Had again, by the arrow keys.
            terminal.type('\x1b[A\x1b[A\r')
            terminal.wait_for(b'Local working directory')

    def end_ahead():
        """What Ctrl-D comes to: before a command's end it is typed ahead, in the command's time it is the command's."""
        outcomes = []
        for program in (bench.suites['openssh10'].tool('sftp'), sftp):
            said = []
            for typed, later in (('!true\r\x04version\r', ''), ('get a ../l/ahead\r\x04', ''), ('!echo be""gun; sleep 1\r', '\x04'),
                                 ('!echo be""gun; sleep 1\r', 'lpwd\r\x04version\r')):
                place = Place(bench, 'ctrl-d')
                with Terminal([program, '-D', server], os.path.join(place.path, 'r')) as terminal:
                    terminal.wait_for(b'sftp> ')
                    # The editor may prepare the terminal after it has shown that.
                    time.sleep(0.2)
                    terminal.type(typed)
                    if later:
                        terminal.wait_for(b'begun')
                        terminal.type(later)
                        # If it goes on, it is ended by that.
                        terminal.wait_for(b'sftp> ')
                        time.sleep(0.2)
                        terminal.type('help\rbye\r')
                    said.append((terminal.status(), [word in terminal.said for word in (b'SFTP protocol', b'Local working', b'Quit sftp')]))
            outcomes.append(said)
        same(outcomes[1], outcomes[0], 'status and what was done')

    def meter():
        terminal, _ = start('meter')
        with terminal:
            terminal.type('get a ../l/one\r')
            terminal.wait_for(b'a                                             100%    6 ')
            terminal.wait_for(b'sftp> ')
            terminal.type('get *a* ../l/n\r')
            terminal.wait_for(b'5 of 5 files                                  100%    8 ')
            terminal.wait_for(b'sftp> ')
            terminal.type('get nosuch\r')
            expect(b'%' not in terminal.wait_for(b'not found'), 'a meter for nothing')

    def quiet():
        for flags, text in ((['-q'], 'get a ../l/quiet\rbye\r'), (['-b', '-'], 'get a ../l/quiet\rbye\r')):
            place = Place(bench, 'quiet')
            with Terminal([sftp, *flags, '-D', server], os.path.join(place.path, 'r')) as terminal:
                terminal.type(text)
                same(terminal.status(), 0, 'status')
                expect(b'100%' not in terminal.said, f'a meter: {terminal.said!r}')
                expect(os.path.exists(os.path.join(place.path, 'l', 'quiet')), 'not fetched')

    return [Case(f'sftp at a terminal: {check.__name__}', check) for check in (completion, interruption, lines_ahead, end_ahead, meter, quiet)]


def own_cases(bench):
    """Where ours does better."""
    server, sftp = servers(bench)['10.0'], bench.suites['ours'].tool('sftp')

    def run(label, text, *flags):
        return Place(bench, label).run(sftp, ['-D', server, *flags], text)

    def numbers():
        _, out, _, _ = run('numbers', 'ls -l a\nls -n a\n')
        expect(b' root     root ' in out and b' 0        0 ' in out, out)

    def newlines():
        _, out, _, files = run('newline', '!touch "$(printf \'new\\nline\\rx\')"\nls -1 new*\nget new* ../l\n')
        expect(b'new\\012line\\015x\n' in out, out)
        expect(b'l/new\nline\rx' in files, 'fetched under another name')

    def braces():
        status, out, _, files = run('braces', "ls '{m,n}'\nget \\{m,n} ../l\nget {a,d/f1} ../l\n", '-b', '-')
        same(status, 0, 'status')
        expect(b'l/{m,n}' in files and b'l/a' in files and b'l/f1' in files, out)

    def dots():
        _, out, _, _ = run('dots', 'ls -1 .*\nls -1 d/.*\n')
        expect(b'.hidden\n' in out and b'd/.h\n' in out and b'..' not in out, out)

    def fifos():
        status, _, err, _ = run('fifos', 'put ../r/fifo ../l/x\n', '-b', '-')
        same(status, 1, 'status')
        expect(b'not a regular file' in err, err)

    def lost():
        for command in ('/bin/sh -c "exit 1"', f'/bin/sh -c "dd bs=1 count=60 2>&- | {server}"', '/nosuch'):
            status, _, err, _ = Place(bench, 'lost').run(sftp, ['-D', command], 'pwd\nls\n')
            same((status, err.splitlines()[-1]), (255, b'Connection closed'), f'{command}: {err!r}')

    def long_line():
        status, _, err, _ = run('long', 'pwd ' + 'x' * 70000 + '\n', '-b', '-')
        same(status, 1, 'status')
        expect(b'too long' in err, err)

    return [Case(f'sftp: {check.__name__}', check) for check in (numbers, newlines, braces, dots, fifos, lost, long_line)]


def group(bench):
    """All cases."""
    if '10.0' not in servers(bench):
        raise Skip('no sftp-server of OpenSSH 10')
    return 'sftp', script_cases(bench) + command_line_cases(bench) + terminal_cases(bench) + own_cases(bench)

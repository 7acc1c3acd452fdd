"""Where the programs under test and their peers are."""
import contextlib
import functools
import os
import shutil
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PEERS = os.path.abspath(os.environ.get('CARRICK_PEERS', os.path.join(ROOT, 'target', 'peers')))
TARGET = os.path.abspath(os.environ.get('CARGO_TARGET_DIR', os.path.join(ROOT, 'target')))
# CARRICK_BIN: another folder with our programs, a debug build's for instance.
RELEASE = os.path.abspath(os.environ.get('CARRICK_BIN', os.path.join(TARGET, 'release')))
OPENSSH10 = os.path.join(PEERS, 'openssh10', 'usr')


def find(name):
    """A program of the distribution, or None."""
    return shutil.which(name, path=os.environ.get('PATH', '') + ':/usr/sbin:/sbin')


def missing():
    """What tests/setup could not put in place: name -> reason."""
    reasons = {}
    try:
        with open(os.path.join(PEERS, 'missing'), encoding='utf-8') as file:
            for line in file:
                names, _, why = line.strip().partition(': ')
                for name in names.split():
                    reasons[name] = why
    except OSError:
        pass
    return reasons


def unavailable(name):
    """Why something cannot be had on this machine; None where it can, so that its absence is a fault."""
    why = missing().get(name)
    return None if why is None or 'failed' in why else why


class Suite:
    """One implementation's client, daemon and key generator. `extra_sshd` are config lines this daemon needs."""

    def __init__(self, label, ssh, sshd, keygen, extra_sshd=()):
        self.label, self.ssh, self.sshd, self.keygen = label, ssh, sshd, keygen
        self.extra_sshd = list(extra_sshd)

    @property
    def package(self):
        """What tests/setup calls it."""
        return 'openssh-server' if self.label == 'openssh' else self.label

    def tool(self, name):
        """The program of that name beside the client; OpenSSH 10's where this suite has none."""
        path = os.path.join(os.path.dirname(self.ssh), name)
        return path if os.access(path, os.X_OK) else os.path.join(OPENSSH10, 'bin', name)

    def lacks(self, *roles):
        """The programs of this suite that are not there: of these roles ('ssh', 'sshd', 'keygen'), or all."""
        wanted = [getattr(self, role) for role in roles or ('ssh', 'sshd', 'keygen')]
        return [path or 'not installed' for path in wanted if not path or not os.access(path, os.X_OK)]


def openssh10():
    """OpenSSH 10.0, unpacked beside the distribution's: its daemon must be told where its other halves are."""
    lib = os.path.join(OPENSSH10, 'lib', 'openssh')
    return Suite('openssh10', os.path.join(OPENSSH10, 'bin', 'ssh'), os.path.join(OPENSSH10, 'sbin', 'sshd'),
                 os.path.join(OPENSSH10, 'bin', 'ssh-keygen'),
                 [f'SshdSessionPath {lib}/sshd-session', f'SshdAuthPath {lib}/sshd-auth', 'PerSourcePenalties no'])


def distribution():
    """The OpenSSH that the distribution installed."""
    return Suite('openssh', find('ssh'), find('sshd'), find('ssh-keygen'))


@functools.cache
def ours():
    """The names of the programs that our multi-call binary is, as it lists them itself."""
    binary = os.path.join(RELEASE, 'carrick')
    if not os.access(binary, os.X_OK):
        return []
    listed = subprocess.run([binary], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return listed.stderr.decode().partition('programs:\n')[2].split()


def drop_in(folder):
    """Makes `folder` a drop-in bin folder of links, as `carrick --install-links` does."""
    os.makedirs(folder, exist_ok=True)
    small = os.path.join(RELEASE, 'carrick-keygen')
    for name in ours():
        binary = small if name == 'ssh-keygen' and os.access(small, os.X_OK) else os.path.join(RELEASE, 'carrick')
        # Several threads may come here at once.
        with contextlib.suppress(FileExistsError):
            os.symlink(binary, os.path.join(folder, name))
    return folder


def carrick(folder):
    """Our programs, through a drop-in folder made in `folder`."""
    drop_in(folder)
    return Suite('carrick', os.path.join(folder, 'ssh'), os.path.join(RELEASE, 'carrick-sshd'),
                 os.path.join(folder, 'ssh-keygen'), ['PerSourcePenalties no'])

"""Processes of a test: everything a test starts is found again and ended, by pid, even what daemonised."""
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time

PR_SET_CHILD_SUBREAPER = 36
# Set when a signal has told this process to stop: what fails from then on says nothing.
leaving = threading.Event()


def become_subreaper():
    """Orphans of our descendants become our children instead of init's, so that none can get lost."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), 'prctl(PR_SET_CHILD_SUBREAPER)')


def children(pid):
    """The direct children of a process."""
    found = []
    try:
        for task in os.listdir(f'/proc/{pid}/task'):
            with open(f'/proc/{pid}/task/{task}/children', encoding='ascii') as file:
                found += [int(child) for child in file.read().split()]
    except OSError:
        pass
    return found


def descendants(pid):
    """All processes below a process, parents first."""
    found, todo = [], [pid]
    while todo:
        below = children(todo.pop())
        found += below
        todo += below
    return found


def end_with_all(process):
    """Ends a process, and every process below it: a daemon's sessions outlive it."""
    below = descendants(process.pid)
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for pid in below:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def command_line(pid):
    """The command line of a process, for messages; empty for one that is gone."""
    try:
        with open(f'/proc/{pid}/cmdline', 'rb') as file:
            return file.read().replace(b'\0', b' ').decode(errors='replace').strip()
    except OSError:
        return ''


def state(pid):
    """The one-letter state of a process (Z: ended, not yet waited for), or '' when it is gone."""
    try:
        with open(f'/proc/{pid}/stat', encoding='ascii', errors='replace') as file:
            return file.read().rsplit(')', 1)[1].split()[0]
    except (OSError, IndexError):
        return ''


def wait_until_minds(pid, number, limit=15.0):
    """Waits until a process catches or holds a signal back, which does not end it any more."""
    end, bit = time.monotonic() + limit, 1 << (number - 1)
    while time.monotonic() < end:
        with contextlib.suppress(OSError), open(f'/proc/{pid}/status', encoding='ascii', errors='replace') as file:
            masks = [int(line.split()[1], 16) for line in file if line.startswith(('SigBlk:', 'SigCgt:'))]
            if any(mask & bit for mask in masks):
                return
        time.sleep(0.01)
    raise AssertionError(f'{command_line(pid)} does not mind signal {number}')


def alive(pid):
    """Whether a process exists and has not ended."""
    return state(pid) not in ('', 'Z', 'X')


def reap():
    """Collects ended children without waiting."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def end_tree(pid, grace=2.0):
    """Ends every descendant of `pid`: first politely, then not. Returns the command lines of those still there."""
    left = [p for p in descendants(pid) if alive(p)]
    names = [command_line(p) for p in left]
    for sig, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, 5.0)):
        for p in [p for p in descendants(pid) if alive(p)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(p, sig)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if pid == os.getpid():
                reap()
            if not any(alive(p) for p in descendants(pid)):
                return names
            time.sleep(0.02)
    return names


def clean_exit_on_signals():
    """SIGTERM and SIGINT end everything below this process, and then it by way of its `finally`s."""
    def leave(number, _frame):
        leaving.set()
        signal.signal(number, signal.SIG_IGN)
        end_tree(os.getpid(), 1.0)
        sys.exit(128 + number)
    become_subreaper()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)

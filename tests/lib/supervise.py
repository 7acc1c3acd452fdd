"""supervise.py SECONDS OUTPUT COMMAND...: runs a command with a time limit as the root of a process tree of its own.

Whatever the command left running, daemons too, is ended afterwards. The exit code is the command's; 124 out of time.
"""
import os
import subprocess
import sys
import time

import procs


def wait(child, limit):
    """The exit code of `child`, 124 when out of time. Orphans that end meanwhile are reaped, as a system's first process would."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == child.pid:
            return os.waitstatus_to_exitcode(status)
        if pid == 0:
            time.sleep(0.02)
    return 124


def main():
    """Runs the command line's command."""
    limit, out, command = float(sys.argv[1]), sys.argv[2], sys.argv[3:]
    procs.become_subreaper()
    with open(out, 'wb') as file:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
                                 start_new_session=True)
        code = wait(child, limit)
        procs.end_tree(os.getpid())
    return code if code >= 0 else 128 - code


if __name__ == '__main__':
    sys.exit(main())

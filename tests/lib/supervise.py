"""supervise.py SECONDS OUTPUT COMMAND...: runs a command with a time limit as the root of a process tree of its own.

Whatever the command left running, daemons too, is ended afterwards. The exit code is the command's; 124 out of time.
"""
import os
import subprocess
import sys

import procs


def main():
    """Runs the command line's command."""
    limit, out, command = float(sys.argv[1]), sys.argv[2], sys.argv[3:]
    procs.become_subreaper()
    with open(out, 'wb') as file:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
                                 start_new_session=True)
        try:
            code = child.wait(limit)
        except subprocess.TimeoutExpired:
            code = 124
        procs.end_tree(os.getpid())
    return code if code >= 0 else 128 - code


if __name__ == '__main__':
    sys.exit(main())

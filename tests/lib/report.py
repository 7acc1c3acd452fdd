"""Cases, and what came of them."""
import concurrent.futures
import dataclasses
import os
import threading
import time
import typing

import procs


class Skip(Exception):
    """A case that cannot be run here, with the reason."""


@dataclasses.dataclass
class Case:
    """One thing that is either so or not: `check` raises AssertionError, or Skip, or returns.

    What stands for many cases (a script of its own) returns them, each as (name, 'pass' | 'fail' | 'skip', why).
    """
    name: str
    check: typing.Callable[[], typing.Optional[list]]
    # A case that wants the machine, or a daemon, for itself: runs when all others of its group are done.
    alone: bool = False


def expect(truth, message):
    """Fails a case. Unlike `assert` it is there in every mode of the interpreter."""
    if not truth:
        raise AssertionError(message)


def same(got, wanted, what):
    """Fails a case when two values differ, and shows both (shortened)."""
    if got != wanted:
        raise AssertionError(f'{what}: got {shorten(got)}, wanted {shorten(wanted)}')


def shorten(value, most=300):
    """A value as text that fits a line or two."""
    text = value.decode(errors='replace') if isinstance(value, bytes) else str(value)
    text = text.replace('\r', '').strip()
    return text if len(text) <= most else text[:most // 2] + ' ... ' + text[-most // 2:]


class Report:
    """Counts results; each failure and skip is printed at once, passes go to the log (and out, when verbose)."""

    def __init__(self, area, log=None, verbose=False):
        self.area, self.verbose = area, verbose
        self.count = {'pass': 0, 'fail': 0, 'skip': 0}
        self.lock = threading.Lock()
        if log:
            os.makedirs(os.path.dirname(log), exist_ok=True)
        self.log = open(log, 'w', encoding='utf-8') if log else None  # pylint: disable=consider-using-with

    def add(self, name, result, seconds=0.0, why=''):
        """Records one result."""
        line = f'{result:5}{seconds:7.2f} s  {self.area} {name}' + (f': {why}' if why else '')
        with self.lock:
            self.count[result] += 1
            if self.log:
                self.log.write(line + '\n')
                self.log.flush()
            if result != 'pass' or self.verbose:
                print(line, flush=True)

    def run(self, case):
        """Runs one case."""
        begin = time.monotonic()
        try:
            for part in case.check() or ():
                self.add(*part[:2], 0.0, part[2])
            result, why = 'pass', ''
        except Skip as reason:
            result, why = 'skip', str(reason)
        except AssertionError as wrong:
            result, why = 'fail', str(wrong)
        except Exception as wrong:  # pylint: disable=broad-exception-caught
            result, why = 'fail', f'{type(wrong).__name__}: {shorten(wrong)}'
        if not procs.leaving.is_set():
            self.add(case.name, result, time.monotonic() - begin, why)

    def group(self, title, cases, jobs):
        """Runs a list of cases, `jobs` at once, those marked alone at the end and one by one; prints a summary."""
        before, begin = dict(self.count), time.monotonic()
        pool = concurrent.futures.ThreadPoolExecutor(jobs)  # pylint: disable=consider-using-with
        try:
            list(pool.map(self.run, [case for case in cases if not case.alone]))
        finally:
            pool.shutdown(cancel_futures=True)
        for case in cases:
            if case.alone:
                self.run(case)
        made = {key: self.count[key] - before[key] for key in before}
        print(f"      {time.monotonic() - begin:6.1f} s  {self.area} {title}: {made['pass']} passed, "
              f"{made['fail']} failed, {made['skip']} skipped", flush=True)

    def finish(self):
        """Prints the closing line and returns the exit code."""
        print(f"{self.count['pass']} passed, {self.count['fail']} failed, {self.count['skip']} skipped", flush=True)
        return 1 if self.count['fail'] else 0

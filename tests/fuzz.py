"""Try random cases of the property tests until the time is up; ``make fuzz`` runs it.

The first round is that of tests/test_invariance.py, with many times the cases of ``make test``.
Later rounds are those of all other property tests, again and again, each with a seed of its own.
"""

import argparse
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from itertools import count
from pathlib import Path

TESTS = Path(__file__).resolve().parent
INVARIANCE = TESTS / "test_invariance.py"
STOPPED = -1
# for pytest to end once the time is up
GRACE_SECONDS = 60
# where a round writes what has failed
FAILURES = "HIERSEG_LEARN_FUZZ_FAILURES"
# set in the processes that run tests, which report to another one
WORKER = "PYTEST_XDIST_WORKER"


def main(argv=None):
    """Run rounds until one fails or the time is up; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("paths", nargs="*", help="tests of every round (default: see above)")
    parser.add_argument("--seed", type=int, help="of the first round (default: drawn)")
    parser.add_argument("--minutes", type=float, default=18, help="default: %(default)s")
    arguments = parser.parse_args(argv)
    first = secrets.randbelow(2**31) if arguments.seed is None else arguments.seed
    end = time.monotonic() + 60 * arguments.minutes
    for seed in count(first):
        paths = arguments.paths or choose_paths(is_first=seed == first)
        print(f"\nfuzz: round {seed - first + 1}, seed {seed}", flush=True)
        code = run_round(paths, seed, end - time.monotonic())
        if code == STOPPED:
            print(f"fuzz: time is up; no failure was reported with seeds {first} to {seed}")
            return 0
        if code:
            print(f"fuzz: failed; again: make fuzz SEED={seed} TESTS='{' '.join(paths)}'")
            return code


def choose_paths(*, is_first):
    """Return what a round tries if nothing is asked for."""
    return [str(INVARIANCE)] if is_first else [str(TESTS), f"--ignore={INVARIANCE}"]


def run_round(paths, seed, seconds):
    """Run the property tests of some paths; STOPPED if the time was up before they ended."""
    if seconds <= 0:
        return STOPPED
    with tempfile.TemporaryDirectory() as folder:
        failures = Path(folder) / "failures.txt"
        code = run_pytest(paths, seed, seconds, failures)
        if not failures.exists():
            return code
        print(failures.read_text(encoding="utf-8"), flush=True)
        return 1


def pytest_runtest_logreport(report):
    """Write a failure down at once: the time may be up before pytest does, as other tests go on."""
    if report.failed and FAILURES in os.environ and WORKER not in os.environ:
        with open(os.environ[FAILURES], "a", encoding="utf-8") as file:
            file.write(f"\nfuzz: {report.nodeid} failed\n{report.longreprtext}\n")


def run_pytest(paths, seed, seconds, failures):
    """Run pytest; return its exit code, or STOPPED if the time was up before it ended."""
    command = [sys.executable, "-m", "pytest", "-p", "tests.fuzz", "-m", "hypothesis", "-x", "-q"]
    command += ["--no-header", "--numprocesses=auto", "--dist=worksteal"]
    command += [f"--hypothesis-seed={seed}", *paths]
    environment = {**os.environ, "HYPOTHESIS_PROFILE": "fuzz", FAILURES: str(failures)}
    environment.pop(WORKER, None)  # where a test of this file runs in one
    with subprocess.Popen(command, env=environment, start_new_session=True) as process:
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGINT)
        try:
            code = process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return STOPPED
    # 2 is an interrupt, 5 that no test had ended
    return STOPPED if code in (0, 2, 5) else code


if __name__ == "__main__":
    sys.exit(main())

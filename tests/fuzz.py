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
from xml.etree import ElementTree

TESTS = Path(__file__).resolve().parent
INVARIANCE = TESTS / "test_invariance.py"
STOPPED = -1
# for pytest to write down what has failed once the time is up
GRACE_SECONDS = 60


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
        report = Path(folder) / "report.xml"
        code = run_pytest([*paths, f"--junitxml={report}"], seed, seconds)
        # the time may be up while a case that fails is being made smaller
        return 1 if code == STOPPED and has_failures(report) else code


def has_failures(report):
    """Whether a report of pytest, if it was written, holds a failure."""
    if not report.is_file():
        return False
    cases = ElementTree.parse(report).iter("testcase")
    return any(case.find("failure") is not None for case in cases)


def run_pytest(arguments, seed, seconds):
    """Run pytest; return its exit code, or STOPPED if the time was up before it ended."""
    command = [sys.executable, "-m", "pytest", "-m", "hypothesis", "-x", "-q", "--no-header"]
    command += ["--numprocesses=auto", "--dist=worksteal", f"--hypothesis-seed={seed}", *arguments]
    environment = {**os.environ, "HYPOTHESIS_PROFILE": "fuzz"}
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

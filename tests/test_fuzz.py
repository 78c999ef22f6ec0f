"""What ``make fuzz`` reports of a failure."""

from pathlib import Path

import pytest

from tests import fuzz

REPORT = "<testsuites><testsuite><testcase name='toy'>{}</testcase></testsuite></testsuites>"


@pytest.mark.parametrize("code", [1, fuzz.STOPPED])
def test_a_failure_is_reported_with_its_seed(monkeypatch, capsys, code):
    """Also if the time is up while pytest looks for a smaller case that fails."""

    def run_pytest(arguments, seed, seconds):
        path = Path(arguments[-1].removeprefix("--junitxml="))
        path.write_text(REPORT.format("<failure/>"), encoding="utf-8")
        return code

    monkeypatch.setattr(fuzz, "run_pytest", run_pytest)
    assert fuzz.main(["tests/toy.py", "--seed=3"]) == 1
    assert "again: make fuzz SEED=3 TESTS='tests/toy.py'" in capsys.readouterr().out


@pytest.mark.parametrize("report", [None, REPORT.format("")])
def test_no_failure_is_none(monkeypatch, capsys, report):
    def run_pytest(arguments, seed, seconds):
        if report:
            Path(arguments[-1].removeprefix("--junitxml=")).write_text(report, encoding="utf-8")
        return fuzz.STOPPED

    monkeypatch.setattr(fuzz, "run_pytest", run_pytest)
    assert fuzz.main(["--seed=3"]) == 0
    assert "no failure was reported with seeds 3 to 3" in capsys.readouterr().out

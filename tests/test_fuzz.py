"""What ``make fuzz`` reports of a failure."""

import pytest

from tests import fuzz

TOY = """
from hypothesis import given, strategies

@given(strategies.integers())
def test_toy(number):
    assert number < 1000
"""


@pytest.mark.parametrize("code", [1, fuzz.STOPPED])
def test_a_failure_is_reported_with_its_seed(monkeypatch, capsys, code):
    """Also if the time is up before pytest ends, since other tests go on."""

    def run_pytest(paths, seed, seconds, failures):
        failures.write_text("toy failed", encoding="utf-8")
        return code

    monkeypatch.setattr(fuzz, "run_pytest", run_pytest)
    assert fuzz.main(["tests/toy.py", "--seed=3"]) == 1
    printed = capsys.readouterr().out
    assert "toy failed" in printed
    assert "again: make fuzz SEED=3 TESTS='tests/toy.py'" in printed


def test_pytest_writes_failures_down(tmp_path, capsys):
    toy = tmp_path / "test_toy.py"
    toy.write_text(TOY, encoding="utf-8")
    assert fuzz.run_round([str(toy)], 3, 300) == 1
    printed = capsys.readouterr().out
    assert "test_toy.py::test_toy failed" in printed
    assert "number=1000" in printed


def test_no_failure_is_none(monkeypatch, capsys):
    monkeypatch.setattr(fuzz, "run_pytest", lambda *arguments: fuzz.STOPPED)
    assert fuzz.main(["--seed=3"]) == 0
    assert "no failure was reported with seeds 3 to 3" in capsys.readouterr().out

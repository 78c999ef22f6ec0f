"""The progress bar."""

import re
import sys
from itertools import pairwise

import pytest

from hierseg_learn import SegmentTreeTransformer
from hierseg_learn.utils.progress import ProgressBar


@pytest.fixture
def terminal(capsys, monkeypatch):
    monkeypatch.setattr(type(sys.stderr), "isatty", lambda _: True)


FRAME = re.compile(r"(.+) \[(#*)(\.*)\] (\d+)/(\d+) \d+\.\d s")


def frames(text):
    """What the bar showed one after the other: (label, filled, empty, done, total)."""
    assert text.startswith("\r")
    found = [FRAME.fullmatch(part.strip("\n")) for part in text[1:].split("\r")]
    assert all(found), text
    return [(m[1], len(m[2]), len(m[3]), int(m[4]), int(m[5])) for m in found]


def test_silent_without_verbose(capsys):
    with ProgressBar(3, "Working", verbose=0) as bar:
        bar.advance()
        bar.advance(2)
    assert capsys.readouterr() == ("", "")


def test_fills_from_nothing_to_full(capsys, terminal):
    with ProgressBar(4, "Working", verbose=1) as bar:
        bar.advance()
        bar.advance(3)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith("\n")
    shown = frames(err)
    assert [(label, done, total) for label, _, _, done, total in shown] == [
        ("Working", 0, 4),
        ("Working", 1, 4),
        ("Working", 4, 4),
    ]
    widths = [(filled, empty) for _, filled, empty, _, _ in shown]
    width = ProgressBar.WIDTH
    assert widths == [(0, width), (width // 4, width - width // 4), (width, 0)]


def test_the_line_ends_after_an_error_too(capsys, terminal):
    def work():
        with ProgressBar(2, "Working", verbose=2) as bar:
            bar.advance()
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        work()
    err = capsys.readouterr().err
    assert err.endswith("\n")
    assert [done for *_, done, _ in frames(err)] == [0, 1]


def test_nothing_to_do_is_no_error(capsys, terminal):
    with ProgressBar(0, "Working", verbose=1):
        pass
    assert frames(capsys.readouterr().err) == [("Working", 0, ProgressBar.WIDTH, 0, 0)]


def test_the_transformer_draws_one_when_asked(capsys, terminal):
    table = [[0.0, 1.0], [1.0, 0.5]]
    SegmentTreeTransformer(verbose=1).fit_transform(table)
    assert frames(capsys.readouterr().err)[-1][3:] == (2, 2)
    SegmentTreeTransformer().fit_transform(table)
    assert capsys.readouterr() == ("", "")


def test_plain_lines_where_nothing_can_be_drawn_over(capsys, monkeypatch):
    seconds = iter(range(0, 100_000, 5))
    monkeypatch.setattr("time.perf_counter", lambda: float(next(seconds)))
    with ProgressBar(400, "Working", verbose=1) as bar:
        for _ in range(400):
            bar.advance()
    err = capsys.readouterr().err
    assert "\r" not in err
    lines = [re.fullmatch(r"Working: (\d+)/400 \d+\.\d s", line) for line in err.splitlines()]
    assert all(lines), err
    done = [int(line[1]) for line in lines]
    assert done[-1] == 400
    assert done.count(400) == 1
    assert 0 < done[0] < 5
    # the longer it takes, the fewer lines
    steps = [b - a for a, b in pairwise(done[:-1])]
    assert steps[-1] > 3 * steps[0]
    assert len(done) < 60


def test_short_work_is_one_plain_line(capsys):
    with ProgressBar(2, "Working", verbose=1) as bar:
        bar.advance(2)
    with ProgressBar(2, "Ended", verbose=1) as bar:
        bar.advance()
    assert re.fullmatch(r"Working: 2/2 \d+\.\d s\nEnded: 1/2 \d+\.\d s\n", capsys.readouterr().err)

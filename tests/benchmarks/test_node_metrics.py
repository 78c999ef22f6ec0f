"""A fit in a process of its own: how it ends, and what it costs; and which bars that meets."""

import sys

import numpy as np
import pytest

pytest.importorskip("resource", reason="limits and peaks of processes need a POSIX system")

TOYS = """
import time
import numpy as np
from _node_learners import Learner

def load(params):
    def fit(X, y, n_components, max_iter, seed):
        if len(X) == 240:  # the table to warm up with
            return np.eye(X.shape[1])
        if "hold_mb" in params:
            np.ones(int(params["hold_mb"] * 1e6) // 8)
        time.sleep(params.get("sleep", 0))
        if "error" in params:
            raise ValueError(params["error"])
        return np.eye(X.shape[1])[:n_components]
    return fit

LEARNERS = {
    "nothing": Learner(load, "numpy"),
    "large": Learner(load, "numpy", params={"hold_mb": 200}),
    "slow": Learner(load, "numpy", params={"sleep": 60}),
    "wrong": Learner(load, "numpy", params={"error": "no such matrix"}),
    "missing": Learner(load, "surely_not_installed"),
}
"""


@pytest.fixture
def fit(load, tmp_path, monkeypatch):
    """Fit toy learners, alone, to a column that tells two classes and a larger, random one."""
    fits = load("_node_fits")
    (tmp_path / "toy_learners.py").write_text(TOYS)
    monkeypatch.syspath_prepend(str(tmp_path))
    X = np.column_stack([np.arange(20.0), 1e3 * np.random.default_rng(0).permutation(20)])
    y = np.repeat([0, 1], 10)
    fits.store(tmp_path, {"X": X, "y": y, "X_test": X + 0.1, "y_test": y})

    def fit(name, **kwargs):
        params = {"n_components": 1, "source": "toy_learners"} | kwargs
        return fits.fit_alone(tmp_path, name, **params)

    yield fit
    sys.modules.pop("toy_learners", None)


def test_the_map_is_judged_by_its_neighbors(fit):
    found = fit("nothing")
    assert found["status"] == "ok"
    assert found["accuracy"] == 1.0
    assert found["extra_mb"] < 20
    assert fit("nothing", n_components=2)["accuracy"] < 1.0


def test_memory_is_that_of_the_fit(fit):
    # this process holds more than the other one will
    ballast = np.ones(60_000_000)
    assert fit("large")["extra_mb"] == pytest.approx(200, abs=20)
    assert ballast.all()


def test_a_fit_past_its_limit_is_ended(fit):
    found = fit("slow", limit=0.2)
    assert found == {"status": "timeout", "reason": "took more than 0.2 s", "limit_s": 0.2}


def test_too_much_memory_is_refused(fit):
    found = fit("large", memory=0.15)
    assert found == {"status": "memory", "reason": "asked for more than 0.15 GiB of memory"}


def test_what_went_wrong_is_told(fit):
    assert fit("wrong") == {"status": "failed", "reason": "ValueError: no such matrix"}
    reason = "surely_not_installed is not installed"
    assert fit("missing") == {"status": "absent", "reason": reason}


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("pytorch-metric-learning triplets", "pytorch_metric_learning"),
        ("metric-learn NCA", "metric_learn"),
        ("metric-learn LMNN", "metric_learn"),
        ("scikit-learn NCA", "sklearn"),
        ("scikit-learn LDA, shrinkage", "sklearn"),
    ],
)
def test_every_peer_learns_two_clusters(load, name, package):
    pytest.importorskip(package, reason=f"{name} needs {package}")
    learner = load("_node_learners").LEARNERS[name]
    rng = np.random.default_rng(0)
    y = np.arange(100) % 2
    X = rng.standard_normal((100, 4)) * [1, 1, 1, 3]
    X[:, 0] += 6 * y
    L = learner.load(learner.params)(X, y, 2, 10, 0)
    assert L.shape[0] <= 2
    assert load("_node_fits").neighbor_accuracy(L, X[::2], y[::2], X[1::2], y[1::2]) >= 0
    embedded = X @ L.T
    gap = embedded[y == 1].mean(axis=0) - embedded[y == 0].mean(axis=0)
    assert np.linalg.norm(gap) > 1.5 * np.sqrt(embedded[y == 0].var(axis=0).sum())


def ok(seconds, accuracy, megabytes=10.0):
    return {"status": "ok", "fit_s": seconds, "accuracy": accuracy, "extra_mb": megabytes}


TIMEOUT = {"status": "timeout", "reason": "took more than 600 s", "limit_s": 600.0}
ABSENT = {"status": "absent", "reason": "metric_learn is not installed"}


def test_bars(load):
    tables = load("_node_tables")
    fits = {
        "NCA": ok(2.0, 0.86),
        "NCA, small batches": ok(0.5, 0.81),
        "scikit-learn NCA": ok(30.0, 0.8),
        "metric-learn NCA": TIMEOUT,
        "metric-learn LMNN": ABSENT,
    }
    found = [row[2:] for row in tables.speed_bars("5kx50", fits)]
    assert found == [
        ["scikit-learn NCA", "60 times (NCA, small batches: 0.810 against 0.800)", "met"],
        ["scikit-learn NCA", "+6.0 points, 15 times", "missed"],
        [
            "metric-learn NCA",
            "≥ 1200 times (NCA, small batches: 0.810, its own is not known)",
            "met",
        ],
        ["metric-learn NCA", "its accuracy is not known: took more than 600 s", "?"],
        ["metric-learn LMNN", "metric_learn is not installed", "?"],
        ["metric-learn LMNN", "metric_learn is not installed", "?"],
    ]
    fits["scikit-learn NCA"] = ok(300.0, 0.85)
    found = [row[3:] for row in tables.speed_bars("5kx50", fits)]
    assert found[0] == ["150 times (NCA: 0.860 against 0.850)", "met"]
    assert found[1] == ["+1.0 points, 150 times", "missed"]


def test_a_time_out_below_the_bar_tells_nothing(load):
    tables = load("_node_tables")
    assert tables.verdict(TIMEOUT, ok(2.0, 0.8), 200) == "met"
    assert tables.verdict(TIMEOUT, ok(4.0, 0.8), 200) == "?"
    assert tables.verdict(ok(600.0, 0.8), ok(4.0, 0.8), 200) == "missed"


def test_a_time_out_and_a_missing_peer_are_rows(load):
    case = {
        "fits": {"NCA": ok(2.0, 0.86), "metric-learn NCA": TIMEOUT, "metric-learn LMNN": ABSENT}
    }
    rows = load("_node_tables").comparison(case)
    assert rows[1] == ["NCA", "0.860", "2.00", "", "10", ""]
    assert rows[2] == ["metric-learn NCA", "", "≥ 600", "", "", "≥ 300"]
    assert rows[3][:2] == ["metric-learn LMNN", "metric_learn is not installed"]


def test_exponents(load):
    exponent = load("bench_node_metrics").exponent
    assert exponent([10, 100, 1000], [0.2, 2.0, 20.0]) == pytest.approx(1)
    assert exponent([10, 100, 1000], [1.0, 1.0, 1.0]) == pytest.approx(0)
    assert exponent([10, 100, 1000], [1.0, 2.0, np.nan]) is None


def test_runs_of_some_cases_are_merged(load, tmp_path, monkeypatch):
    bench = load("bench_node_metrics")
    monkeypatch.setattr(bench, "compare", lambda *_: {"fits": {}})
    monkeypatch.setattr(bench, "print_table", lambda *_: None)
    monkeypatch.setattr(bench, "plot", lambda *_: None)
    for case in ("digits", "2kx27"):
        bench.main(["--cases", case, "--output", str(tmp_path)])
    arguments = bench.parse_arguments("", ["--output", str(tmp_path)])
    assert list(bench.results_so_far(arguments)["tables"]) == ["digits", "2kx27"]


def test_generated_rows_are_as_hard_as_they_should_be(load):
    table = load("_sized").make_sized(5000, 50, n_test=4000)
    accuracy = load("_node_fits").neighbor_accuracy(np.eye(50), **table)
    assert accuracy == pytest.approx(0.61, abs=0.02)

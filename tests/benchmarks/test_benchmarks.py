"""Every benchmark runs, on a few portraits, and the published tables are those of its numbers."""

import json
from pathlib import Path

import numpy as np
import pytest

from hierseg_learn.audit import group_report

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
TABLES = BENCHMARKS.parent / "docs" / "benchmarks" / "tables"
NAMES = [
    "accuracy",
    "bias",
    "ccp_parts",
    "cifar10_dev",
    "condense",
    "defaults",
    "dense",
    "dictionary",
    "fit",
    "found_segments",
    "nulls",
    "parts",
    "pixels",
    "readers",
    "segments",
]
NEEDS = {
    "bias": ["imblearn"],
    "ccp_parts": ["matplotlib"],
    "parts": ["matplotlib"],
    "readers": ["pycocotools", "torchvision"],
    "scale": ["pyarrow"],
    "explanations": ["shap", "lime"],
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name", [*NAMES, "explanations", "node_metrics", "novelty", "scale", "search", "tables"]
)
def test_quick_run(load, name, tmp_path, capsys):
    for package in NEEDS.get(name, ()):
        pytest.importorskip(package, reason=f"bench_{name}.py needs {package}")
    load(f"bench_{name}").main(["--quick", "--output", str(tmp_path)])
    content = json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))
    assert content["quick"] is True
    assert {"date", "versions", "machine", "settings", "results"} <= set(content)
    assert f"wrote {name}.json" in capsys.readouterr().out
    load("make_tables").main(["--results", str(tmp_path), "--output", str(tmp_path / "tables")])
    assert (tmp_path / "tables" / f"{name}_run.txt").is_file()


@pytest.mark.parametrize("name", NAMES)
def test_without_data_there_is_a_message(load, name, tmp_path, monkeypatch, capsys):
    if name == "bias":
        pytest.importorskip("imblearn", reason="compares with its samplers")
    monkeypatch.setenv("HIERSEG_LEARN_DATA", str(tmp_path))
    harness = load("_harness")
    with pytest.raises(SystemExit) as ended:
        load(f"bench_{name}").main(["--output", str(tmp_path)])
    assert ended.value.code == harness.NO_DATA
    assert "HIERSEG_LEARN_DATA" in capsys.readouterr().err


def test_quick_run_does_not_overwrite_results(load, capsys):
    with pytest.raises(SystemExit) as ended:
        load("_harness").parse_arguments("", ["--quick"])
    assert ended.value.code == 2
    assert "--output" in capsys.readouterr().err


def test_published_tables_are_those_of_the_results(load, tmp_path):
    load("make_tables").main(["--output", str(tmp_path)])
    made = {file.name: file.read_text(encoding="utf-8") for file in tmp_path.iterdir()}
    published = {file.name: file.read_text(encoding="utf-8") for file in TABLES.iterdir()}
    assert made == published


def test_results_hold_no_paths():
    for file in (BENCHMARKS / "results").glob("*.json"):
        content = json.loads(file.read_text(encoding="utf-8"))
        assert content["quick"] is False
        assert set(content["machine"]) == {"cpu", "cores", "memory_gib"}


def test_groups_that_miss_chance_are_counted_as_the_report_does(load):
    bench, rng = load("bench_nulls"), np.random.default_rng(0)
    groups = np.repeat([0, 1], [25, 30])
    truth = rng.permutation(np.arange(55) % 2)
    for share in np.linspace(0, 1, 21):
        predicted = np.where(rng.random(55) < share, truth, 1 - truth)
        by_group = group_report(truth, predicted, groups, level=bench.LEVEL).to_frame("group")
        missed = (by_group["low"] > 0.5) | (by_group["high"] < 0.5)
        right = (predicted == truth)[np.newaxis]
        assert bench.expected_missed(right, groups, 0.5) == missed.sum()


def test_scores_that_are_too_good_lie_outside_however_they_spread(load):
    bench = load("bench_nulls")
    flattered = [{"leaf": [2.9, 3.1], "parent": [3.0, 3.2], "unit": 0.05}] * 4
    spread = bench.spread_of(flattered)["leaf"]["spread"]
    assert spread == pytest.approx(0.1)
    y = np.arange(100) % 2
    assert bench.score_is_outside(np.array([0.65]), y, spread).all()
    assert not bench.score_is_outside(np.array([0.5]), y, spread).any()


def test_corrected_interval_by_hand(load):
    # s² = 2, J = 2 and n_test / n_train = 1/4: the standard error is the root of 3/4 of 2
    found = load("_harness").repeated_cv_interval([0.0, 2.0], n_train=4, n_test=1)
    assert found["mean"] == 1.0
    assert found["se"] == pytest.approx(np.sqrt(1.5))
    assert found["high"] - found["mean"] == pytest.approx(12.7062 * np.sqrt(1.5), rel=1e-4)


def test_paired_interval_by_hand(load):
    right_a, right_b = np.array([1, 1, 1, 0]), np.array([1, 0, 1, 1])
    found = load("_harness").paired_test_interval(right_a, right_b)
    assert found["mean"] == 0.0
    assert found["se"] == pytest.approx(np.sqrt(2 / 3) / 2)


def test_interval_over_seeds_and_photos_by_hand(load):
    bench = load("bench_accuracy")

    def entry(right):
        return {"right": np.packbits(np.array(right, bool)).tobytes().hex()}

    # differences +1 0 0 0 of one seed, 0 0 0 -1 of the other
    pairs = [
        (entry([1, 1, 0, 0]), entry([0, 1, 0, 0])),
        (entry([1, 0, 0, 0]), entry([1, 0, 0, 1])),
    ]
    found = bench.paired(pairs, n_test=4)
    assert found["mean"] == 0.0
    photos, seeds = np.var([0.5, 0, 0, -0.5], ddof=1) / 4, np.var([0.25, -0.25], ddof=1) / 2
    assert found["high"] == pytest.approx(1.96 * np.sqrt(photos + seeds))


def test_accuracy_is_run_in_pieces(load, tmp_path):
    bench = load("bench_accuracy")
    pieces = [bench.WHOLE, bench.HOG]
    for model in pieces:
        bench.main(["--quick", "--output", str(tmp_path), "--models", model])
    content = json.loads((tmp_path / "accuracy.json").read_text(encoding="utf-8"))
    (runs,) = content["results"]["runs"].values()
    assert [sorted(run) for run in runs.values()] == [sorted(pieces)] * 2


def test_tables_of_folds_are_those_of_the_transformer(load):
    """Learning-free descriptors described once, with patches of the fold: the pipeline's table."""
    bench, harness = load("bench_ccp_parts"), load("_harness")
    from hierseg_learn import SegmentTreeTransformer
    from hierseg_learn.descriptors import PatchDictionary

    data = harness.load_portraits(24, image_size=(24, 20))
    patches = {"n_atoms": 4, "n_patches": 200}
    shared = bench.describe_once(data, jobs=1)
    tables = bench.make_tables(data, shared, patches, data.train, data.test, seed=3)
    dictionary = PatchDictionary(**patches, random_state=3)
    transformer = SegmentTreeTransformer(
        tree=data.tree, descriptors=["color", "gradients", "shape", ("atoms", dictionary)]
    ).fit(data.images[data.train])
    expected = transformer.transform(data.images[data.test])
    found = tables["patches"].iloc[data.test][list(expected.columns)]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert shared.largest_difference < 1e-5


def test_searched_lda_is_the_public_one(load):
    models = load("_models")
    from sklearn.datasets import load_wine
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline

    from hierseg_learn.metrics import ShrinkageLDA

    X, y = load_wine(return_X_y=True)
    public = make_pipeline(
        ShrinkageLDA(shrinkage=0.3), KNeighborsClassifier(models.N_NEIGHBORS)
    ).fit(X[::2], y[::2])
    (found,) = models._neighbors_by_shrinkage(X[::2], y[::2], X[1::2], [0.3])
    np.testing.assert_array_equal(found, public.predict(X[1::2]))

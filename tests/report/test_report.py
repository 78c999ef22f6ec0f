"""The report as a file: structure, numbers, what may go wrong."""

import base64
import errno
import hashlib
import io
import re

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix

from hierseg_learn import HierarchicalMetricClassifier, SegmentTree
from hierseg_learn.explain import PairExplanation
from hierseg_learn.metrics import NodeOutcome
from hierseg_learn.report import write_explanations, write_report
from hierseg_learn.report._report import choose, html_tree
from hierseg_learn.report._tables import _in_words
from tests.explain.fitted import fitted_portraits
from tests.report.conftest import TITLE
from tests.report.pages import Page
from tests.strategies import segment_trees
from tests.toy_tables import toy_table


@pytest.fixture(scope="module")
def source(report):
    return report.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(source):
    return Page(source)


def test_is_a_page_with_language_and_title(page):
    assert page.declaration == "DOCTYPE html"
    assert page.all("html") == [{"lang": "en"}]
    assert page.text("title") == page.text("h1") == TITLE
    assert {"charset": "utf-8"} in page.all("meta")


def test_every_picture_says_what_it_shows(page):
    pictures = page.all("img")
    assert len(pictures) == 2 * 2
    for picture in pictures:
        assert len(picture["alt"]) > 10
        assert picture["src"].startswith("data:image/jpeg;base64,")
        assert int(picture["width"]) > 0
        assert int(picture["height"]) > 0


def test_pictures_are_whole_and_modest(page):
    image = pytest.importorskip("PIL.Image")
    for picture in page.all("img"):
        data = base64.b64decode(picture["src"].partition(",")[2], validate=True)
        assert len(data) < 150_000
        opened = image.open(io.BytesIO(data))
        opened.load()
        assert opened.size == (int(picture["width"]), int(picture["height"]))
        assert np.asarray(opened).std() > 5


def test_loads_nothing(page, source):
    loads = [
        value
        for _, attributes, _ in page.elements
        for name, value in attributes.items()
        if name in ("src", "href", "srcset", "action", "poster", "data")
    ]
    assert all(value.startswith(("data:", "#")) for value in loads)
    assert not re.search(r"https?:|//[\w.]+\.\w+/|@import|url\(", source)
    policy = next(meta for meta in page.all("meta") if "http-equiv" in meta)["content"]
    assert policy.startswith("default-src 'none'; img-src data:;")


def test_the_policy_lets_the_one_script_run(page):
    (script,) = [data for path, data in page.raw if path[-1] == "script"]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = next(meta for meta in page.all("meta") if "http-equiv" in meta)["content"]
    assert f"script-src 'sha256-{digest}'" in policy


def test_names_are_escaped(page, source):
    assert "<b>ada</b>" not in source
    assert "<b>ada</b>" in page.text("td") + page.text("th")
    assert "bob & co" in page.text("th")


def test_scores_are_those_of_scikit_learn(page):
    fitted = fitted_portraits()
    images, target = fitted.test
    predicted = fitted.model.predict(images)
    accuracy, balanced = (
        f"{round(100 * score(target, predicted))}%"
        for score in (accuracy_score, balanced_accuracy_score)
    )
    figures = page.text("dd")
    assert f"{accuracy} all samples" in figures
    assert f"{balanced} all classes" in figures
    assert re.search(r"\d+% recall of .+: \d+ of \d+, 95% interval \d+% to \d+%", figures)
    cells = [
        data for path, data in page.texts if path[-1:] == ("td",) and re.fullmatch(r"\d+", data)
    ]
    expected = confusion_matrix(target, predicted).ravel().tolist()
    assert [int(cell) for cell in cells[: len(expected)]] == expected
    for path, score in fitted.model[-1].node_scores_.items():
        assert path.rpartition("/")[2] in page.text("th")
        assert f"{round(100 * score)}%" in page.text("td")


def test_hits_and_misses_are_right_and_wrong(page):
    fitted = fitted_portraits()
    images, target = fitted.test
    predicted = fitted.model.predict(images).tolist()
    titles = re.findall(r"([✓✗]) Photo (\d+): (.+?)(?=[✓✗]|$)", page.text("h3"))
    assert [mark for mark, *_ in titles] == ["✓", "✗"]
    for mark, position, words in titles:
        i = int(position)
        if mark == "✓":
            assert predicted[i] == target[i]
            assert words == f"predicted '{predicted[i]}', correctly"
        else:
            assert predicted[i] != target[i]
            assert words == f"predicted '{predicted[i]}', labeled '{target[i]}'"
            # a wrong class is compared with the true one, not with the next probable one
            assert f"Why '{predicted[i]}' rather than '{target[i]}'?" in page.text("summary")
    assert "How Photo" not in page.text("summary")


def test_neighbors_are_asked_for(tmp_path):
    fitted = fitted_portraits()
    images, target = fitted.test
    path = tmp_path / "neighbors.html"
    write_report(fitted.model, images, target, path, n_hits=1, n_misses=0, neighbors=True)
    page = Page(path.read_text(encoding="utf-8"))
    assert len(page.all("img")) == 3
    assert re.search(r"How Photo \d+ differs from its nearest neighbors", page.text("summary"))


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (NodeOutcome("leaf"), "learned from its own columns"),
        (NodeOutcome("start"), "its children's metrics, unchanged"),
        (NodeOutcome("weights"), "its children's metrics, with new weights"),
        (
            NodeOutcome("projection", shrinkage=0.5),
            "its children's metrics, with a new projection (shrunk by 50%)",
        ),
        (NodeOutcome("scatter", shrinkage=0.01), "together with its own columns (shrunk by 1%)"),
        (NodeOutcome("constant"), "nothing to learn from"),
    ],
)
def test_outcomes_in_words(outcome, words):
    assert _in_words(outcome).endswith(words)


def test_no_outcome_is_printed_raw(page):
    outcomes = fitted_portraits().model[-1].node_outcomes_
    metrics = [data for path, data in page.texts if path[-1:] == ("td",)]
    assert {_in_words(outcome) for outcome in outcomes} <= set(metrics)
    assert "shrinkage=" not in page.text("td")


def test_small_shares_are_escaped(source):
    assert not re.search(r"<\d", source)


def test_same_bits_at_two_runs(source, tmp_path):
    fitted = fitted_portraits()
    again = write_report(
        fitted.model, *fitted.test, tmp_path / "again.html", n_hits=1, n_misses=1, title=TITLE
    )
    assert again.read_text(encoding="utf-8") == source


def test_a_table_gets_a_report_without_pictures(tmp_path):
    fitted = fitted_portraits()
    images, target = fitted.test
    table = fitted.model[:-1].transform(images)
    path = write_report(fitted.model[-1], table, target, tmp_path / "table.html", n_misses=0)
    page = Page(path.read_text(encoding="utf-8"))
    assert not page.all("img")
    assert "Row " in page.text("h3")
    assert "none is explained" in page.text("p")


def test_what_is_unlike_anything_seen_is_said_with_its_part(tmp_path):
    X, y = toy_table(120)
    model = HierarchicalMetricClassifier(combination="scatter", random_state=0).fit(X, y)
    odd = X[:2].assign(**{f"photo/person/skirt|c{i}": [0.0, 50.0] for i in range(3)})
    path = write_explanations(model, odd, tmp_path / "odd.html", names=["Ann", "Bob"])
    page = Page(path.read_text(encoding="utf-8"))
    said = [text for text in page.text("p").split(". ") if "unlike anything seen" in text]
    assert len(said) == 1
    assert re.search(r"Bob is unlike anything seen, because of skirt \((>99|9\d|100)%\)", said[0])
    # no class of so few rows can be held out
    few = HierarchicalMetricClassifier(n_neighbors=1, random_state=0).fit(X[:4], y[:4])
    path = write_explanations(few, odd, tmp_path / "few.html")
    assert "unlike anything seen, because" not in path.read_text(encoding="utf-8")


def shares(html):
    """(depth, name, shares) of all rows of a drill-down."""
    page = Page(html)
    rows, name = [], ""
    for path, data in page.texts:
        if re.match(r"<?\d+%", data):
            rows.append((path.count("ul"), name, data))
        elif data.strip():
            name = data
    return rows


def test_drill_down_adds_up():
    tree = SegmentTree.from_nested({"photo": {"sky": 0, "person": {"hair": 1, "skirt": 2}}})
    rows = shares(html_tree(PairExplanation(tree, [1.0, 2.0, 5.0, 1.0, 1.0])))
    assert rows == [
        (1, "photo", "100%"),
        (2, "photo as a whole", "10%"),
        (2, "sky", "10%"),
        (2, "person", "80%"),
        (3, "person as a whole", "10%"),
        (3, "hair", "20%"),
        (3, "skirt", "50%"),
    ]
    rows = shares(html_tree(PairExplanation(tree, [2.0, -1.0, 5.0, 1.0, 2.0])))
    assert [text for *_, text in rows] == [
        "100% apart, 10% closer",
        "20% apart",
        "20% apart",
        "60% apart, 10% closer",
        "10% apart",
        "10% closer",
        "50% apart",
    ]


@given(segment_trees(max_leaves=8), st.integers(0, 2**32 - 1))
def test_drill_down_of_any_tree_is_balanced(tree, seed):
    # a name that looks like a share would be counted as one
    assume("%" not in "".join(tree.names))
    direct = np.random.default_rng(seed).normal(size=len(tree))
    rows = shares(html_tree(PairExplanation(tree, np.append(direct[:-1], abs(direct).sum()))))
    assert len(rows) == len(tree) + int((~tree.is_leaf).sum())


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3), st.floats(0, 1)), max_size=30))
def test_choice_takes_the_most_confident_of_each_class_in_turn(samples):
    flags, target, confidence = (np.array([s[k] for s in samples]) for k in range(3))
    flags = flags.astype(bool)
    everything = choose(flags, target, confidence, len(samples))
    assert sorted(everything) == np.flatnonzero(flags).tolist()
    n_classes = len(np.unique(target[flags]))
    first = choose(flags, target, confidence, n_classes)
    assert len(set(target[first].tolist())) == n_classes
    for i in first:
        assert confidence[i] == confidence[flags & (target == target[i])].max()
    assert everything[:n_classes] == first


def test_wrong_arguments(tmp_path):
    fitted = fitted_portraits()
    images, target = fitted.test
    path = tmp_path / "never.html"
    with pytest.raises(TypeError, match=r"pipeline must be .*, got LogisticRegression\."):
        write_report(LogisticRegression(), images, target, path)
    with pytest.raises(ValueError, match=r"y holds 'zoe' at position .*, which the model"):
        write_report(fitted.model, images[:1], ["zoe"], path)
    with pytest.raises(ValueError, match="y must hold one class per sample, expected 30"):
        write_report(fitted.model, images, target[:2], path)
    with pytest.raises(ValueError, match="n_misses must be an integer of at least 0, got -1"):
        write_report(fitted.model, images, target, path, n_misses=-1)
    with pytest.raises(ValueError, match="y must hold the true classes, got None"):
        write_report(fitted.model, images, None, path)
    assert not path.exists()


def test_all_right_and_prototypes(tmp_path):
    fitted = fitted_portraits()
    classifier = fitted.model[-1]
    table = fitted.model[:-1].transform(fitted.images)
    by_prototypes = clone(classifier).set_params(decision="prototypes")
    by_prototypes.fit(table, fitted.target)
    predicted = by_prototypes.predict(table)
    path = write_report(by_prototypes, table, predicted, tmp_path / "right.html", n_hits=1)
    page = Page(path.read_text(encoding="utf-8"))
    assert "No prediction is wrong." in page.text("p")
    assert "prototype" in page.text("th")


def test_a_path_that_cannot_be_written_is_said_before_the_work(tmp_path):
    path = tmp_path / "no" / "such" / "report.html"
    with pytest.raises(FileNotFoundError, match=r"^path=.*there is no folder"):
        write_report("no model", None, None, path)
    with pytest.raises(IsADirectoryError, match=r"^path=.*it is a folder"):
        write_report("no model", None, None, tmp_path)
    with pytest.raises(TypeError, match="path must be a str or a path, got None"):
        write_report("no model", None, None, None)


def test_a_full_disk_leaves_the_report_of_yesterday(tmp_path, monkeypatch):
    fitted = fitted_portraits()
    table = fitted.model[:-1].transform(fitted.images)
    path = tmp_path / "report.html"
    path.write_text("yesterday")

    def no_space(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    for part in ("pathlib.Path.write_text", "os.fsync", "os.replace"):
        with monkeypatch.context() as patch:
            patch.setattr(part, no_space)
            with pytest.raises(OSError, match="No space left"):
                write_report(fitted.model[-1], table, fitted.target, path, n_hits=0, n_misses=0)
        assert path.read_text() == "yesterday"
        assert [file.name for file in tmp_path.iterdir()] == ["report.html"]

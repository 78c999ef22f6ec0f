"""The demo, and that what README and user guide show is what happens."""

import doctest
import io
import re
import sys
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from hierseg_learn import demo
from hierseg_learn.descriptors import make_descriptors
from hierseg_learn.descriptors.registry import DESCRIPTORS
from hierseg_learn.metrics.registry import NODE_METRICS, make_node_metric
from hierseg_learn.segmentation.registry import CUTTERS, SEGMENTERS, make_segmenter

REPOSITORY = Path(__file__).resolve().parents[1]
GUIDE = [REPOSITORY / "docs" / "development.rst"]
GUIDE += sorted((REPOSITORY / "docs" / "user_guide").glob("*.rst"))
NUMBER = re.compile(r"[<>]?-?(?<![\w.])\d+(?:\.\d+)?")
PERCENT = re.compile(r"([><]?)(\d+)%")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """What a small run prints, on both streams, and where it draws."""
    folder = tmp_path_factory.mktemp("demo") / "new" / "folder"
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out):
        patch.setattr(sys, "stderr", err)
        demo.main(["--output", str(folder), "--n-samples", "150"])
    return out.getvalue(), err.getvalue(), folder / demo.PICTURE


def paragraphs_after(text, title):
    body = text[text.index(f"{title}\n") + len(title) + 1 :]
    return body.split("\n", 1)[1]


def test_prints_a_score_for_every_node(run):
    text, _, _ = run
    body = paragraphs_after(text, "Which parts tell the classes apart?")
    scores = dict(re.findall(r"(\w+) +(\d+)%$", body.split("\n\n")[1], flags=re.MULTILINE))
    assert next(iter(scores)) == "portrait"
    assert len(scores) == 12
    signal = min(int(scores[part]) for part in demo.SIGNAL)
    assert signal > max(int(scores[part]) for part in ("background", "mouth", "neck"))


def test_prints_the_scores_of_the_models(run):
    text, _, _ = run
    portraits = demo.paint(150)
    model = demo.build_model(portraits.tree).fit(portraits.train, portraits.y_train)
    scores = demo.compare(model, portraits)
    assert scores["tree of parts"] == model.score(portraits.test, portraits.y_test)
    assert scores["tree of parts"] > scores["the whole image, no parts"]
    for name, score in scores.items():
        assert re.search(rf"^  {re.escape(name)} +{score:.1%}$", text, flags=re.MULTILINE)


@pytest.mark.parametrize("n_nodes", [12])
def test_says_why_in_shares_that_add_up(run, n_nodes):
    text, _, _ = run
    body = paragraphs_after(text, "Why are these two different?")
    assert re.match(r"portrait \d+ \(class_\d\) and portrait \d+ \(class_\d\) ", body)
    rows = body.split("\n\n")[1].splitlines()[1:]
    assert len(rows) == n_nodes
    own = [int(PERCENT.findall(row)[-1][1]) for row in rows if not row.endswith("closer")]
    assert sum(own) == pytest.approx(100, abs=n_nodes)  # every share is rounded


def test_explains_a_prediction(run):
    text, _, _ = run
    body = paragraphs_after(text, "Why did this one get its class?")
    named, predicted = re.match(r"portrait \d+ \((\w+)\) is predicted '(\w+)' ", body).groups()
    assert named == predicted
    assert re.search(rf"Why '{predicted}' rather than 'class_\d'\? Because of ", body)
    assert "nearest neighbors" in body


def test_draws_a_picture_and_says_where(run):
    pytest.importorskip("matplotlib")
    from matplotlib.image import imread

    text, _, path = run
    assert f"drawn in {path}." in text
    picture = imread(path)
    # 14 by 8.2 inches; the last row of pixels depends on how a release rounds
    assert picture.shape in {(901, 1540, 4), (902, 1540, 4)}
    # photos at the left, bars and tree at the right
    for half in np.split(picture[..., :3], 2, axis=1):
        assert len(np.unique(half.reshape(-1, 3), axis=0)) > 100


def test_shows_progress(run):
    _, progress, _ = run
    assert re.match(r"Painting 150 portraits \.\.\. \d+\.\d s\n", progress)
    assert "Describing images: 100/100" in progress
    assert re.search(r"Fitting nodes: (\d+)/\1 ", progress)


def test_does_without_matplotlib(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    demo.main(["--output", str(tmp_path / "none"), "--n-samples", "60"])
    assert "Nothing is drawn: Matplotlib is missing" in capsys.readouterr().out
    assert not list((tmp_path / "none").iterdir())


def test_refuses_too_few_portraits(capsys):
    with pytest.raises(SystemExit):
        demo.main(["--n-samples", "7"])
    assert "--n-samples must be at least 60, got 7" in capsys.readouterr().err


def test_pair_falls_back_on_the_first_two():
    assert demo.choose_pair(np.array(["a", "a", "b"]), np.array(["a", "a", "a"])) == [0, 1]


def same_words(shown, printed):
    """Whether two texts say the same, with numbers that may differ by rounding.

    Their last digits depend on the releases of the libraries below.
    """
    words = [NUMBER.sub("0", text).split() for text in (shown, printed)]
    numbers = [NUMBER.findall(text) for text in (shown, printed)]
    return words[0] == words[1] and all(map(same_number, *numbers))


def same_number(shown, printed):
    """Whole numbers, as percents, may differ by one, others by a few hundredths."""
    values = [0.0 if number[0] in "<>" else float(number) for number in (shown, printed)]
    is_whole = "." not in shown + printed
    return np.isclose(*values, rtol=0.03, atol=1.1 if is_whole else 0.03)


class SameWords(doctest.OutputChecker):
    """Doctest that forgives numbers their rounding."""

    def check_output(self, want, got, optionflags):
        return super().check_output(want, got, optionflags) or same_words(want, got)


def test_readme_shows_what_its_code_prints():
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    examples = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", readme, flags=re.DOTALL)
    assert len(examples) == readme.count("```python") == 3
    names = {}
    for code, shown in examples:
        out = io.StringIO()
        with redirect_stdout(out):
            exec(code, names)
        assert same_words(shown, out.getvalue()), out.getvalue()


def test_same_words_sees_a_difference():
    assert same_words("hair (66%)\n  own 8%", "hair (67%)\n  own  8%")
    assert not same_words("hair (66%)", "skin (66%)")
    assert not same_words("hair (66%)", "hair (76%)")
    assert same_words("own <1%", "own 0%")
    assert not same_words("accuracy 0.83", "accuracy 0.93")
    assert not same_words("lab_mean_0", "lab_mean_1")


def test_readme_names_files_that_are_there():
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)]+)\)", readme) if "://" not in link]
    assert "docs/images/explanation.png" in links
    assert not [link for link in links if not (REPOSITORY / link).exists()]


@pytest.mark.parametrize("path", GUIDE, ids=lambda path: path.stem)
def test_user_guide_shows_what_its_code_prints(path):
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    text = path.read_text(encoding="utf-8")
    test = doctest.DocTestParser().get_doctest(text, {}, path.stem, str(path), 0)
    report = []
    runner = doctest.DocTestRunner(SameWords(), verbose=False, optionflags=flags)
    assert runner.run(test, out=report.append).failed == 0, "".join(report)


@pytest.mark.parametrize("name", ["file", "file/folder", demo.PICTURE])
def test_a_folder_that_cannot_be_written_is_said_before_the_work(tmp_path, capsys, name):
    (tmp_path / "file").write_text("")
    (tmp_path / demo.PICTURE).mkdir()
    folder = tmp_path if name == demo.PICTURE else tmp_path / name
    with pytest.raises(SystemExit):
        demo.main(["--output", str(folder)])
    assert "--output must be a folder that can be written" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("registry", "name", "make"),
    [
        (SEGMENTERS, "BandSegmenter", partial(make_segmenter, has_masks=False)),
        (CUTTERS, "ColumnCutter", lambda name: make_segmenter(name, has_masks=False).cutter),
        (DESCRIPTORS, "ContrastDescriptor", lambda name: make_descriptors(name)[0][1]),
        (NODE_METRICS, "WithinClassScaling", make_node_metric),
    ],
)
def test_one_line_gives_a_name_to_what_the_development_page_adds(monkeypatch, registry, name, make):
    text = (REPOSITORY / "docs" / "development.rst").read_text(encoding="utf-8")
    names = {}
    for example in doctest.DocTestParser().get_examples(text):
        if example.source.startswith(("import", "from", f"class {name}")):
            exec(example.source, names)
    monkeypatch.setitem(registry, "new", names[name])
    assert type(make("new")) is names[name]

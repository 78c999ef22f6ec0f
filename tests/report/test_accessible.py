"""Rules for accessible pages that can be checked without a browser; large data."""

import re
from itertools import pairwise

import numpy as np
import pytest

from hierseg_learn import HierarchicalMetricClassifier, SegmentTree
from hierseg_learn.explain import PairExplanation
from hierseg_learn.report import write_explanations, write_report
from hierseg_learn.report._report import html_tree
from tests.explain.fitted import fitted_portraits
from tests.report.pages import Page

FOCUSABLE = ("a", "summary", "button", "input", "select")


@pytest.fixture(scope="module")
def explanations(tmp_path_factory):
    pytest.importorskip("matplotlib")
    fitted = fitted_portraits()
    path = tmp_path_factory.mktemp("explanations") / "why.html"
    return write_explanations(fitted.model, fitted.test[0][:3], path, n_shown=2)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """Report on many samples of many classes in many groups."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(10_000, 4)), np.arange(10_000) % 30
    classifier = HierarchicalMetricClassifier(decision="linear", random_state=0)
    classifier.fit(X[:300], y[:300])
    path = tmp_path_factory.mktemp("large") / "large.html"
    return write_report(classifier, X, y, path, groups=np.arange(10_000) // 200)


@pytest.fixture(scope="module", params=["report", "explanations", "large"])
def page(request):
    return Page(request.getfixturevalue(request.param).read_text(encoding="utf-8"))


def test_language_title_and_one_main_landmark(page):
    assert page.all("html") == [{"lang": "en"}]
    assert page.text("title").strip()
    assert len(page.all("main")) == len(page.all("header")) == len(page.all("footer")) == 1
    inside = [path for _, _, path in page.elements if "body" in path]
    others = {"a", "script", "header", "main", "footer"}
    assert {path[path.index("body") + 1] for path in inside if path[-1] != "body"} <= others


def test_headings_are_in_order(page):
    levels = [int(tag[1]) for tag, _, _ in page.elements if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(below - above <= 1 for above, below in pairwise(levels))


def test_ids_are_unique_and_links_lead_somewhere(page):
    ids = [attributes["id"] for _, attributes, _ in page.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    targets = {link["href"][1:] for link in page.all("a")}
    targets |= {a["aria-labelledby"] for _, a, _ in page.elements if "aria-labelledby" in a}
    assert targets <= set(ids)


def test_landmarks_have_names_of_their_own(page):
    names = [
        attributes.get("aria-label") or attributes.get("aria-labelledby")
        for tag, attributes, _ in page.elements
        if tag in ("section", "nav") or attributes.get("role") == "region"
    ]
    assert all(names)
    assert len(set(names)) == len(names)
    # a region is named as a section is by its heading
    headings = {data for path, data in page.texts if path[-1:] == ("h2",)}
    assert not headings & set(names)


def test_all_is_reached_by_keyboard(page):
    body = [tag for tag, _, _ in page.elements].index("body")
    skip = page.elements[body + 1]
    assert (skip[0], skip[1]["href"]) == ("a", "#content")
    for tag, attributes, path in page.elements:
        assert not any(name.startswith("on") for name in attributes)
        assert int(attributes.get("tabindex", 0)) == 0
        if tag in FOCUSABLE:
            assert not {"a", "summary", "button"} & set(path)
            assert attributes.get("aria-hidden") != "true"
        if attributes.get("class") == "scroll":
            assert {"tabindex", "role", "aria-label"} <= set(attributes)
    tags = [tag for tag, _, _ in page.elements]
    assert all(tags[i + 1] == "summary" for i, tag in enumerate(tags) if tag == "details")


def test_tables_have_captions_and_heads(page):
    assert len(page.all("caption")) == len(page.all("table"))
    assert all(head.get("scope") in ("row", "col") for head in page.all("th"))
    heads = [path for tag, _, path in page.elements if tag == "th" and "tbody" in path]
    rows = [path for tag, _, path in page.elements if tag == "tr" and "tbody" in path]
    assert len(heads) == len(rows)


def test_pictures_and_lists_are_described(page):
    assert all(len(picture["alt"]) > 10 for picture in page.all("img"))
    for tag, _, path in page.elements:
        if tag == "li":
            assert path[-1] in ("ul", "ol")
        if path and path[-1] in ("ul", "ol"):
            assert tag == "li"


def color(code):
    """RGB in [0, 1] of a color in a style sheet."""
    code = code if len(code) == 6 else "".join(2 * digit for digit in code)
    return np.array([int(code[i : i + 2], 16) / 255 for i in (0, 2, 4)])


def contrast(one, other):
    """Ratio of WCAG 2.1."""
    linear = np.where(
        (both := np.array([one, other])) <= 0.04045, both / 12.92, ((both + 0.055) / 1.055) ** 2.4
    )
    dark, light = sorted(linear @ [0.2126, 0.7152, 0.0722])
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_known_from_the_definition():
    assert contrast(color("000"), color("fff")) == pytest.approx(21)
    assert contrast(color("777"), color("ffffff")) == pytest.approx(4.48, abs=0.005)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colors_have_contrast(page, scheme):
    (style,) = [data for path, data in page.raw if path[-1] == "style"]
    blocks = re.findall(r":root\{(.*?)\}", style, re.DOTALL)
    assert len(blocks) == 2
    # printed pages are light
    assert "@media screen and (prefers-color-scheme:dark){:root{color-scheme:dark;" in style
    known = {}
    for block in blocks[: 1 if scheme == "light" else 2]:
        known |= {name: color(code) for name, code in re.findall(r"--([\w-]+):#(\w+)", block)}
    for text in ("ink", "soft", "link"):
        for behind in ("paper", "wash"):
            assert contrast(known[text], known[behind]) >= 4.5
    (most,) = set(re.findall(r"calc\(var\(--share\)\*(\d+)%\)", style))
    for strong, pale in (("good", "right"), ("plus", "wrong")):
        for share in np.linspace(0, int(most) / 100, 20):
            mixed = share * known[strong] + (1 - share) * known[pale]
            assert contrast(known["ink"], mixed) >= 4.5
    # bars and marks
    for bar in ("plus", "minus", "good", "low"):
        assert contrast(known[bar], known["paper"]) >= (1.5 if bar == "low" else 3)
    # all other colors are those of the variables, so that both schemes know them
    rest = re.sub(r":root\{.*?\}", "", style, flags=re.DOTALL)
    assert not re.findall(r"#[0-9a-f]{3,6}\b", rest)


def test_pages_show_some_and_say_how_many(explanations, large):
    page = Page(explanations.read_text(encoding="utf-8"))
    assert len(page.all("article")) == 2
    assert "2 of 3 photos" in page.text("p")
    page = Page(large.read_text(encoding="utf-8"))
    assert "The first 200 of 1,550 rows are shown." in page.text("p")
    assert "Classes, lowest recall first" in page.text("caption")
    assert "not shown for more than 20 classes" in page.text("p")
    assert large.stat().st_size < 500_000


def test_large_trees_are_summed_up():
    names = {f"part {i}": i for i in range(400)}
    tree = SegmentTree.from_nested({"photo": names})
    direct = np.append(np.full(400, 1e-4), 0.1)
    direct[:3] = 0.2, 0.3, 0.2
    text = Page(html_tree(PairExplanation(tree, direct))).text()
    assert "397 parts with little" in text
    assert "part 2" in text
    assert "part 3" not in text
    direct[:] = 1.0
    assert "401 parts" not in Page(html_tree(PairExplanation(tree, direct))).text()


def test_wrong_n_shown(tmp_path):
    fitted = fitted_portraits()
    with pytest.raises(ValueError, match="n_shown must be an integer of at least 1, got 0"):
        write_explanations(fitted.model, fitted.test[0], tmp_path / "never.html", n_shown=0)
    assert not list(tmp_path.iterdir())

"""The section about groups."""

import re

import numpy as np
import pytest

from hierseg_learn.audit import group_report, node_reliance
from hierseg_learn.report import write_report
from tests.explain.fitted import fitted_portraits
from tests.report.pages import Page

GROUPS = np.array(["<i>sea</i>", "land & air"])[np.arange(30) % 2]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    pytest.importorskip("matplotlib")
    fitted = fitted_portraits()
    path = tmp_path_factory.mktemp("audit") / "audit.html"
    params = {"n_hits": 0, "n_misses": 0, "groups": GROUPS, "n_repeats": 1}
    return write_report(fitted.model, *fitted.test, path, **params).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(source):
    return Page(source)


def test_numbers_are_those_of_the_audit(page):
    fitted = fitted_portraits()
    images, target = fitted.test
    report = group_report(target, fitted.model.predict(images), GROUPS)
    heads, cells = page.text("th"), page.text("td")
    for cell in report.to_frame().itertuples():
        assert f"{cell.group} × {cell[2]}" in heads
        assert f"{100 * cell.accuracy:.0f}%" in cells
    reliance = node_reliance(fitted.model, images, target, GROUPS, n_repeats=1, random_state=0)
    for sentence in [*report.sentences(), *reliance.sentences()]:
        assert sentence in page.text("p")


def test_accessible_as_the_rest(page, source):
    assert len(page.all("caption")) == len(page.all("table"))
    assert all(head.get("scope") in ("row", "col") for head in page.all("th"))
    # every row of a body begins with its head
    rows = re.findall(
        r"<tr>(.*?)</tr>", source.partition('id="groups"')[2].partition("</section>")[0]
    )
    assert all("<th scope=" in row for row in rows)
    assert "<i>sea</i>" not in source
    regions = [a["aria-label"] for a in page.all("div") if "aria-label" in a]
    assert len(set(regions)) == len(regions)
    assert "#groups" in [link["href"] for link in page.all("a")]


def test_loads_nothing_and_is_deterministic(source, tmp_path):
    assert not re.search(r"https?:|//[\w.]+\.\w+/|@import|url\(", source)
    fitted = fitted_portraits()
    params = {"n_hits": 0, "n_misses": 0, "groups": GROUPS, "n_repeats": 1}
    again = write_report(fitted.model, *fitted.test, tmp_path / "again.html", **params)
    assert again.read_text(encoding="utf-8") == source


def test_a_classifier_alone_has_groups_without_nodes(tmp_path):
    fitted = fitted_portraits()
    images, target = fitted.test
    table = fitted.model[:-1].transform(images)
    path = write_report(fitted.model[-1], table, target, tmp_path / "t.html", groups=GROUPS)
    text = Page(path.read_text(encoding="utf-8")).text("p")
    assert "can be measured for a pipeline only" in text


def test_wrong_groups(tmp_path):
    fitted = fitted_portraits()
    with pytest.raises(ValueError, match=r"groups must hold one group per sample, expected 30"):
        write_report(fitted.model, *fitted.test, tmp_path / "never.html", groups=GROUPS[:3])
    assert not (tmp_path / "never.html").exists()

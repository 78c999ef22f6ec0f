"""The audit in pictures."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hierseg_learn.audit import (
    BiasAuditDisplay,
    find_metadata_shortcuts,
    find_shortcuts,
    group_report,
)
from tests.audit.toys import NODES, toy_table

plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def report():
    y = np.repeat([0, 1], 20)
    predicted = np.where(np.arange(40) % 5, y, 1 - y)
    return group_report(y, predicted, np.where(np.arange(40) < 30, "day", "night"))


@pytest.fixture(scope="module")
def shortcuts():
    X, y, _ = toy_table(120, 0.95, 0)
    return find_shortcuts(X, y, context="sky", n_permutations=30, random_state=0)


def test_bars_are_the_numbers(report):
    ax = report.plot()
    cells = report.to_frame()
    widths = [bar.get_width() for bar in ax.patches]
    assert widths == pytest.approx(np.nan_to_num(cells["accuracy"]).tolist())
    hatched = [bar.get_hatch() is not None for bar in ax.patches]
    assert hatched == (cells.index == int(np.nanargmin(cells["accuracy"]))).tolist()
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["day × 0 (20)", "day × 1 (10)", "night × 0 (empty)", "night × 1 (10)"]


def test_shortcuts_are_hatched_where_flagged(shortcuts):
    ax = shortcuts.plot()
    assert [bar.get_hatch() is not None for bar in ax.patches] == (
        shortcuts.to_frame()["result"] == "flagged"
    ).tolist()
    assert len(ax.patches) == len(NODES)


def test_metadata_is_hatched_where_flagged():
    photos = [np.zeros((30 + 2 * (i % 2), 20)) for i in range(40)]
    found = find_metadata_shortcuts(photos, np.arange(40) % 2, random_state=0)
    ax = found.plot()
    assert [bar.get_hatch() is not None for bar in ax.patches] == found.is_flagged.tolist()
    assert [label.get_text() for label in ax.get_yticklabels()] == list(found.facts)
    assert "height 1.00" in BiasAuditDisplay([found]).alt_text


def test_panels_side_by_side(report, shortcuts):
    display = BiasAuditDisplay([report, shortcuts]).plot()
    assert len(display.axes_) == 2
    assert display.ax_.figure is display.figure_
    assert not display.ax_.axison
    _, axes = plt.subplots(1, 2)
    within = BiasAuditDisplay([report, shortcuts]).plot(axes[1])
    assert within.ax_ is axes[1]
    assert within.figure_ is axes[1].figure
    alone = BiasAuditDisplay([shortcuts]).plot(axes[0])
    assert alone.axes_ == (axes[0],)


def test_from_estimator(biased):
    model = make_pipeline(biased.transformer, StandardScaler(), LogisticRegression())
    model[1:].fit(biased.table, biased.target)
    display = BiasAuditDisplay.from_estimator(
        model,
        biased.images[:40],
        biased.target[:40],
        biased.style[:40],
        nodes=["background", "hair"],
        n_repeats=1,
        random_state=0,
    )
    report, reliance = display.reports
    assert len(reliance.nodes) == 2
    by_hand = model.predict(biased.images[:40]) == biased.target[:40]
    assert report.accuracy == pytest.approx(by_hand.mean())
    bars = [bar.get_width() for bar in display.axes_[1].patches]
    assert bars == pytest.approx(reliance.drop.tolist())
    assert "accuracy in points" in display.alt_text


def test_alt_text_holds_every_number(report, shortcuts):
    text = BiasAuditDisplay([report, shortcuts]).alt_text
    for cell in report.to_frame().itertuples():
        assert f"{cell.group} × {cell[2]}" in text
    assert "sky" in text
    assert "(flagged)" in text


def test_wrong_arguments(report):
    with pytest.raises(ValueError, match="reports must hold at least one report, got none"):
        BiasAuditDisplay([])
    with pytest.raises(TypeError, match="such as a GroupReport, got dict"):
        BiasAuditDisplay([report, {}])
    figure = plt.figure()
    loose = figure.add_axes((0, 0, 1, 1))
    X, y, _ = toy_table(40, 0.5, 0)
    nodes = find_shortcuts(X, y, n_permutations=20)
    with pytest.raises(ValueError, match="ax must be one of a grid"):
        BiasAuditDisplay([report, nodes]).plot(loose)

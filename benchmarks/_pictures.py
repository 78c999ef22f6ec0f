"""Explanations of several photos in one picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sklearn.utils import Bunch

from hierseg_learn.displays import SegmentContributionDisplay

N_COLUMNS = 3
LEGEND = """Every pair: a test photo, and beside it
the nearest training photo of the
predicted class.

Tints: the segment's share of the mean
squared distance to all training photos
that voted. Both photos of a pair show
the same shares. Red sets the photo
apart from them; blue makes up for it.
"""


def draw_explanations(cases: Sequence[Bunch], file: Path, legend: str = LEGEND) -> None:
    """Draw every photo beside its nearest training photo of the predicted class."""
    from matplotlib.figure import Figure

    n_rows = -(-len(cases) // N_COLUMNS)
    figure = Figure(figsize=(4.4 * N_COLUMNS, 3.2 * n_rows), dpi=100, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.12)
    grid = figure.subplots(n_rows, N_COLUMNS, squeeze=False).ravel()
    for ax, case in zip(grid, cases):
        verdict = "right" if case.truth == case.prediction else "wrong"
        SegmentContributionDisplay.from_explanation(
            case.explanation,
            case.images,
            case.label_maps,
            titles=[
                f"{case.truth}, predicted\n{case.prediction} ({verdict})",
                f"nearest training\nphoto: {case.prediction}",
            ],
            ax=ax,
            max_labels=3,
        )
    for ax in grid[len(cases) :]:
        ax.axis("off")
    if len(cases) < len(grid):
        grid[len(cases)].text(0.05, 0.8, legend, va="top", fontsize=11, linespacing=1.4)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file)

"""What contributions are attributed to: nodes, parts of images, descriptors or single columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..explain.explanation import BY, check_choice
from ..table.layout import PATH_SEPARATOR, RefinedLayout, TableLayout


@dataclass(frozen=True)
class Attribution:
    """Groups of columns that contribute, as nodes of a tree."""

    by: str
    layout: TableLayout  # of rows as the decision takes them
    # what replaces the contributions of the nodes' own columns; None if nothing does
    split: Callable[..., np.ndarray] | None = None

    @property
    def refined(self) -> TableLayout | None:
        """The layout, if it is not that of the decision."""
        return self.layout if isinstance(self.layout, RefinedLayout) else None

    def presence(self, present: np.ndarray | None) -> np.ndarray | None:
        """Presence of the groups, of that of the nodes, (..., n_nodes)."""
        if present is None or self.refined is None:
            return present
        return present[..., self.refined.nodes]


def choose_attribution(
    by: Any,
    layout: TableLayout,
    names: list[str] | None,
    learned: str,
    split: Callable[..., np.ndarray] | None = None,
    *,
    is_linear: bool,
) -> Attribution:
    """Return what `by` asks for, or raise if that is unknown or has no closed form.

    Without `split`, contributions cannot be attributed to parts. `learned` are the parameters that
    set whether the model is linear, for the message.
    """
    if by == "auto":
        by = "columns" if layout.tree.n_nodes == 1 and is_linear else "nodes"
    check_choice(by, "by", "auto", *(way for way in BY if way != "parts" or split is not None))
    if by == "nodes":
        return Attribution(by, layout)
    if not is_linear:
        what = "the columns of inner nodes over leaves" if by == "parts" else "nodes over columns"
        raise ValueError(
            f"by={by!r} splits {what}, which is exact for node metrics only that are linear in "
            f"the table, got {learned}, whose features are not; expected by='nodes'."
        )
    if by == "parts":
        return Attribution(by, layout, split)
    if by == "descriptors" and not (names and PATH_SEPARATOR in names[0]):
        got = f"names such as {names[0]!r}" if names else "no names"
        raise ValueError(
            "by='descriptors' groups columns by the names of descriptors, as in "
            f"'photo/sky|lab_mean_0', got a table with {got}; expected by='columns'."
        )
    return Attribution(by, layout.refined(by, names))

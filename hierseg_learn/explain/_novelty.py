"""Explanation of what makes a sample unlike the training rows."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from ..tree import SegmentTree
from ..utils.numbers import check_integer
from . import words
from .explanation import (
    NAMELESS,
    OneSample,
    SignedExplanation,
    check_direct,
    check_items,
    check_names,
    check_numbers,
    check_presence,
    check_tree,
    class_name,
    plain,
)
from .words import enumerate_words


@dataclass(frozen=True, eq=False, repr=False)
class NoveltyExplanation(OneSample, SignedExplanation):
    """Which nodes make a sample unlike the training rows.

    What is explained is the squared distance of the sample to the nearest class, in standard
    deviations above what is usual for rows that are held out.

    Parameters
    ----------
    tree : SegmentTree
        The tree.
    direct : array-like of shape (n_nodes,) or (n_samples, n_nodes)
        What the own columns of every node contribute: negative where the node is closer to the
        nearest class than usual.
    p_value : float or array-like of shape (n_samples,)
        Share of the held-out rows that are at least as far, the sample itself included.
    nearest_class : object or array-like of shape (n_samples,)
        The nearest class.
    n_held_out : int
        Number of held-out rows.
    present : array-like of bool, of the shape of `direct`, default=None
        Whether the sample has the node; None if unknown.
    name : str or array-like of shape (n_samples,), default="the sample"
        Name of the sample.
    level : float, default=0.01
        p-value up to which the sample is called unlike anything seen; takes 99 held-out rows.

    See Also
    --------
    hierseg_learn.HierarchicalMetricClassifier.explain_novelty : Makes such explanations.

    Examples
    --------
    >>> from hierseg_learn.explain import NoveltyExplanation
    >>> from hierseg_learn.tree import SegmentTree
    >>> tree = SegmentTree.from_nested({"photo": {"sky": 0, "boat": 1}})
    >>> explanation = NoveltyExplanation(
    ...     tree, [0.5, 7.5, -0.5], p_value=0.01, nearest_class="sail", n_held_out=99
    ... )
    >>> print(explanation.to_text())
    The sample is unlike anything seen, because of boat (94%).
    The nearest class is 'sail'; none of 99 held-out rows is as far from the classes.
    <BLANKLINE>
    novelty 7.5   for  against      direct
    photo        100%       6%  6% against
    ├── sky        6%       0%          6%
    └── boat      94%       0%         94%
    """

    tree: SegmentTree
    direct: np.ndarray
    _: KW_ONLY
    p_value: Any
    nearest_class: Any
    n_held_out: int
    present: np.ndarray | None = None
    name: Any = NAMELESS
    level: float = 0.01

    _type = "novelty"
    _value_name = "novelty"
    _shared = SignedExplanation._shared | {"n_held_out", "level"}

    def __post_init__(self) -> None:
        direct = check_direct(self.direct, "direct", (check_tree(self.tree).n_nodes,))
        samples = direct.shape[:-1]
        p_value, nearest = self.p_value, self.nearest_class
        if samples:
            p_value = check_numbers(p_value, "p_value", samples)
            nearest = check_items(nearest, "nearest_class", samples)
        # fields of a frozen dataclass can only be set in its dict
        vars(self).update(
            direct=direct,
            p_value=p_value,
            nearest_class=nearest,
            n_held_out=check_integer(self.n_held_out, "n_held_out"),
            present=check_presence(self.present, "present", direct.shape),
            name=check_names(self.name, "name", samples),
        )

    @property
    def is_novel(self) -> Any:
        """Whether the sample is unlike anything seen: a bool, or for a batch one each."""
        novel = np.asarray(self.p_value) <= self.level
        return novel if self.is_batch else bool(novel)

    def _sentences(self, max_nodes: int) -> list[str]:
        named = words.named_shares(self.tree, self.direct_share, 1, max_nodes)
        count = round(self.p_value * (self.n_held_out + 1)) - 1
        held_out = (
            f"The nearest class is {class_name(self.nearest_class)}; {count or 'none'} of "
            f"{self.n_held_out} held-out rows {'are' if count > 1 else 'is'} as far from the "
            "classes."
        )
        if not self.is_novel:
            return [f"{self.name} is like the training rows.", held_out]
        because = f", because of {enumerate_words(named)}" if named else ""
        return [f"{self.name} is unlike anything seen{because}.", held_out]

    def _title(self) -> str:
        return self._with_name("Is it like anything seen?")

    def _subject(self) -> str:
        return str(self.name)

    def _names(self) -> tuple[str, ...]:
        return (self.name,)

    def _caption(self) -> str:
        return "Shares of what makes it unlike the training rows, by node"

    def _share_label(self) -> str:
        return "share:  ← more usual  |  more novel →"

    def _about(self) -> dict[str, Any]:
        about = {"name": self.name, "p_value": float(self.p_value)}
        return {**about, "nearest_class": plain(self.nearest_class), "level": self.level}

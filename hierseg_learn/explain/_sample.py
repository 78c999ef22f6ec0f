"""What explanations of one sample share: which of its parts are missing, and how to say so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ..tree import SegmentTree


# what a sample is called that nobody has given a name
NAMELESS = "the sample"


class OneSample:
    """Mixin of explanations that have the fields `tree`, `name` and `present`."""

    tree: SegmentTree
    name: str
    present: np.ndarray | None

    def _with_name(self, question: str) -> str:
        """A question after the name of the sample, if it has one of its own."""
        if self.name == NAMELESS:
            return question
        return f"{self.name}: {question[0].lower()}{question[1:]}"

    def _presence(self) -> dict[str, np.ndarray | None]:
        return {"present": self.present}

    def _marks(self) -> list[str]:
        if self.present is None:
            return [""] * self.tree.n_nodes
        return ["" if flag else "missing" for flag in self.present.tolist()]

    def _missing(self) -> dict[str, np.ndarray]:
        return {} if self.present is None else {f"{self.name} lacks ": ~self.present}

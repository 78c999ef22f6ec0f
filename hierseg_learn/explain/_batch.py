"""Explanations of many samples: arrays of contributions, and single explanations by index."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import fields, replace
from functools import cached_property
from numbers import Integral
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ..metrics import sum_below
from .explanation import check_items, check_numbers, check_tree, read_only

if TYPE_CHECKING:
    import pandas as pd

    from ..tree import SegmentTree
    from .explanation import Explanation


class ExplanationBatch(ABC):
    """Explanations of many samples.

    An integer gives the explanation of one sample; a slice, a mask or an array of positions gives a
    smaller batch. A subclass is a frozen dataclass; its array fields have one entry per sample,
    except those in `_shared`.
    """

    tree: SegmentTree
    direct: np.ndarray
    present: np.ndarray | None
    samples: np.ndarray | None

    _shared = ("tree", "classes", "kind", "attribute_to")

    def __len__(self) -> int:
        return len(self.direct)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, Integral) and not isinstance(key, bool | np.bool_):
            if not -len(self) <= key < len(self):
                raise IndexError(f"explanation {key} of {len(self)} does not exist.")
            return self._single(int(key) % len(self))
        return self._take(np.arange(len(self))[key])

    def __iter__(self) -> Iterator[Explanation]:
        return (self._single(i) for i in range(len(self)))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} samples, {self.tree.n_nodes} nodes)"

    @cached_property
    def total(self) -> np.ndarray:
        """What every node and all nodes below it contribute: array of shape (n, n_nodes)."""
        return read_only(sum_below(self.tree, self.direct))

    @cached_property
    def share(self) -> np.ndarray:
        """`total` as shares, as in the single explanations: array of shape (n, n_nodes)."""
        return read_only(self._as_share(self.total))

    @cached_property
    def direct_share(self) -> np.ndarray:
        """`direct` as shares, as in the single explanations: array of shape (n, n_nodes)."""
        return read_only(self._as_share(self.direct))

    @property
    def contributions(self) -> pd.DataFrame:
        """A new tidy DataFrame with one row per sample and node.

        `sample` is the label of the sample, `node` the path of the node and `depth` its distance
        from the root; then come what the single explanations say of their sample, and `direct`,
        `total`, `share` and `present` of the node. `direct` sums to what is explained, by sample.
        """
        import pandas as pd

        n_nodes = self.tree.n_nodes
        columns: dict[str, Any] = {"sample": np.repeat(self.samples, n_nodes)}
        columns |= {name: np.repeat(values, n_nodes) for name, values in self._labels().items()}
        columns["node"] = np.tile(np.array(self.tree.paths, dtype=object), len(self))
        columns["depth"] = np.tile(self.tree.depths, len(self))
        for name in ("direct", "total", "share"):
            columns[name] = getattr(self, name).ravel()
        columns["present"] = (
            pd.array([None] * self.direct.size, dtype="boolean")
            if self.present is None
            else self.present.ravel()
        )
        return pd.DataFrame(columns)

    def to_dicts(self) -> list[dict[str, Any]]:
        """Single explanations as plain Python values, as their `to_dict` returns them."""
        return [explanation.to_dict() for explanation in self]

    def _take(self, positions: np.ndarray) -> Self:
        taken = {
            field.name: getattr(self, field.name)[positions]
            for field in fields(self)
            if field.name not in self._shared and getattr(self, field.name) is not None
        }
        return replace(self, **taken)

    def _check(self, n_samples: int) -> None:
        """Check what all batches have in common."""
        n_nodes = check_tree(self.tree).n_nodes
        samples = np.arange(n_samples) if self.samples is None else self.samples
        present = self.present
        if present is not None:
            present = check_numbers(present, "present", (n_samples, n_nodes)).astype(bool)
        vars(self).update(samples=check_items(samples, "samples", (n_samples,)), present=present)

    def _of(self, i: int) -> dict[str, Any]:
        """What every single explanation is told of its sample."""
        present = None if self.present is None else self.present[i]
        return {"present": present, "name": f"sample {self.samples[i]}"}

    @abstractmethod
    def _as_share(self, values: np.ndarray) -> np.ndarray:
        """Values, (n, n_nodes), as shares."""

    @abstractmethod
    def _single(self, i: int) -> Explanation:
        """The explanation of one sample."""

    @abstractmethod
    def _labels(self) -> dict[str, np.ndarray]:
        """Columns of `contributions` that hold for all nodes of a sample, each (n,)."""

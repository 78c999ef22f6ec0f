"""What softmax regressions are offered: standardized columns, and similarities to landmarks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from scipy.linalg import solve_triangular
from scipy.linalg.lapack import dpstrf
from sklearn.utils import gen_batches

from ..utils.spread import least_spread
from ._combination import subsample
from ._landmarks import RANK, ColumnsAndLandmarks
from ._lda import ColumnSums, ShrinkageLDA, row_blocks, whitener
from .block_sums import mean_and_spread
from .canonical import take_columns
from .lift import NO_EMBEDDING, Lift, NodeEmbedding

# kinds of features that are not linear in the table
LANDMARKS, WEIGHTED = "landmarks", "weighted landmarks"
# columns, or directions of the rows, of which the scatter is still whitened
MAX_WHITENED = 1000
# landmarks of a node, at least
MIN_LANDMARKS = 15
# size of similarities, and of columns beside them, that the penalties are made for
SIZE = 3.0
# rows of a block of features: those of some blocks of rows
ROWS_AT_ONCE = 2**13
# rows that the weights are computed from
WEIGHT_ROWS = 1000

# rows that a regression knew, and its weights of columns and of similarities
Known = tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Offered:
    """Features of all rows, and the way back from their weights."""

    blocks: list[np.ndarray]  # (n_features, n_rows) float32: of one row after the other
    # weights (n_features, n_classes) -> of columns (n_columns, n_classes) and of similarities
    back: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


class Features:
    """What is offered to the regression of one node: everything below it, in several kinds.

    Shapes: `blocks` by node, (n_samples, n_columns) float32: standardized columns, so many as
    `widths` says of the nodes that are offered; `similar` are similarities of all nodes.
    `weighted` are those under weights of the columns, if there are any, without each fold and of
    all rows. `whiteners` keeps those of nodes, which parents need again. With
    `in_blocks`, features come in blocks of rows; otherwise they are one.
    """

    def __init__(
        self,
        n_samples: int,
        blocks: Sequence[np.ndarray | StandardizedRows],
        widths: dict[int, int],
        similar: Similarities,
        learner: ShrinkageLDA,
        weighted: Sequence[Similarities] = (),
        whiteners: dict[tuple, np.ndarray] | None = None,
        *,
        in_blocks: bool = False,
    ) -> None:
        self._blocks = blocks
        self._widths = {node: width for node, width in widths.items() if width}
        self._whiteners = {} if whiteners is None else whiteners
        self._learner = learner
        self._similar, self._weighted = similar, weighted
        self._nodes, self._n_rows = [*widths], n_samples
        self._places = [*gen_batches(n_samples, ROWS_AT_ONCE if in_blocks else n_samples)]
        self.n_columns = sum(self._widths.values())

    @property
    def kinds(self) -> list[str]:
        """The kinds that are tried for any data: the largest early, before memory is in pieces."""
        n_directions = min(self.n_columns, self._n_rows)
        return [
            "columns",
            *([LANDMARKS] if any(map(self._similar.width, self._nodes)) else []),
            *(["whitened"] if n_directions <= MAX_WHITENED else []),
            *(["whitened by node"] if len(self._widths) > 1 else []),
        ]

    def offer(self, kind: str, codes: np.ndarray, known: np.ndarray, fold: int = -1) -> Offered:
        """Features of a kind, which may be learned from known rows, those without a fold."""
        if kind == "whitened by node":
            maps = [self._whitener_of(node, codes, known, fold) for node in self._widths]
            blocks, turn = _few_directions(self._side_by_side(maps))
            stops = np.cumsum([len(own) for own in maps])[:-1]
            return Offered(blocks, partial(_back_by_node, maps, stops, turn))
        blocks, turn = self._directions()
        if kind == "columns":
            return Offered(blocks, partial(_back, turn, None))
        if kind == "whitened":
            whitener = self._whitener([block.T for block in blocks], codes, known)
            for place, block in enumerate(blocks):
                blocks[place] = whitener.T @ block
            return Offered(blocks, partial(_back, turn, whitener))
        size, n_own = SIZE / np.sqrt(self.n_columns), len(blocks[0])
        similar = self._similar if kind == LANDMARKS else self._weighted[fold]
        return Offered(
            self._beside(blocks, size, similar), partial(_back_beside, turn, size, n_own)
        )

    def _directions(self) -> tuple[list[np.ndarray], np.ndarray | None]:
        """Columns of all nodes side by side, along few directions."""
        if self.n_columns <= self._n_rows:
            return self._side_by_side(), None
        blocks, turn = self._turned
        return [*blocks], turn

    @cached_property
    def _turned(self) -> tuple[list[np.ndarray], np.ndarray | None]:
        return _few_directions(self._side_by_side())

    def _beside(
        self, blocks: list[np.ndarray], size: float, similar: Similarities
    ) -> list[np.ndarray]:
        """Columns, of which none are left, and below them similarities."""
        widths, start, found = [similar.width(node) for node in self._nodes], len(blocks[0]), []
        while blocks:
            own = blocks.pop(0)
            found.append(np.empty((start + sum(widths), own.shape[1]), own.dtype))
            np.multiply(size, own, out=found[-1][:start])
            del own
        for node, width in zip(self._nodes, widths, strict=True):
            for place, values in similar.blocks(node):
                number, first = divmod(place.start, self._places[0].stop)
                own = found[number][start : start + width, first : first + len(values)]
                np.multiply(SIZE, values.T, out=own)
            start += width
        return found

    def _side_by_side(self, maps: Sequence[np.ndarray] | None = None) -> list[np.ndarray]:
        """Columns of all nodes, or what maps make of them: blocks of (n_columns, n_rows)."""
        sizes, start = [place.stop - place.start for place in self._places], 0
        found = [np.empty((self.n_columns, n_rows), dtype=np.float32) for n_rows in sizes]
        for number, (node, width) in enumerate(self._widths.items()):
            rows = self._blocks[node]
            for block, place in zip(found, self._places, strict=True):
                own = block[start : start + width]
                if maps is None:
                    own[:] = rows[place].T
                else:
                    np.matmul(maps[number].T, rows[place].T, out=own)
            start += width
        return found

    def _whitener_of(
        self, node: int, codes: np.ndarray, known: np.ndarray, fold: int
    ) -> np.ndarray:
        key = node, fold, self._learner.shrinkage
        if key not in self._whiteners:
            self._whiteners[key] = self._whitener([np.asarray(self._blocks[node])], codes, known)
        return self._whiteners[key]

    def _whitener(
        self,
        parts: Sequence[np.ndarray | StandardizedRows],
        codes: np.ndarray,
        known: np.ndarray,
    ) -> np.ndarray:
        """Map under which the shrunk scatter of some rows within classes is the identity.

        The rows, (n_rows, n_columns), come in several parts only if all are known.
        """
        if len(known) < self._n_rows:
            parts, codes = [parts[0][known]], codes[known]
        starts, n_classes = np.cumsum([0, *map(len, parts)]), int(codes.max()) + 1
        labels = np.split(codes, starts[1:-1])
        sums = ColumnSums.join(
            [ColumnSums.of(*part, n_classes) for part in zip(parts, labels, strict=True)]
        )
        blocks = (
            (slice(start + place.start, start + place.start + len(block)), block - sums.center)
            for start, rows in zip(starts, parts)
            for place, block in row_blocks(rows)
        )
        shrinkage = self._learner.choose_shrinkage(blocks, codes, sums.scatter)
        return whitener(sums.scatter, shrinkage).T.astype(np.float32)


def _few_directions(blocks: list[np.ndarray]) -> tuple[list[np.ndarray], np.ndarray | None]:
    """Rows, (n_columns, n_rows) in blocks, along no more directions than there are rows.

    That changes no regression. Also returns the directions, (n_columns, n_directions); None where
    rows stay as they are: also where they are many.
    """
    across = blocks[0]
    if len(blocks) > 1 or len(across) <= across.shape[1]:
        return blocks, None
    # in float64: of products in float32, rounding would be a direction
    products = sum(block.T @ block for _, block in row_blocks(across))
    factor, order, rank, _ = dpstrf(products, tol=-1.0)
    # what is left of a row after those before it, along no direction of theirs
    left = np.square(np.diag(factor)[:rank])
    rank = int(np.count_nonzero(left > RANK**2 * left.max(initial=0.0)))
    if not rank:  # SciPy 1.13 solves nothing of size 0
        return [across[:0]], np.zeros((len(across), 0), dtype=np.float32)
    kept = order[:rank] - 1
    turn = solve_triangular(factor[:rank, :rank], across[:, kept].T.astype(np.float64), trans="T")
    turn = turn.astype(np.float32)
    return [turn @ across], turn.T


def _back(
    turn: np.ndarray | None, whitener: np.ndarray | None, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    weights = weights if whitener is None else whitener @ weights
    return (weights if turn is None else turn @ weights), weights[:0]


def _back_by_node(
    maps: list[np.ndarray], stops: np.ndarray, turn: np.ndarray | None, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    over, none = _back(turn, None, weights)
    blocks = [own @ part for own, part in zip(maps, np.split(over, stops))]
    return np.concatenate(blocks), none


def _back_beside(
    turn: np.ndarray | None, size: float, n_own: int, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    return _back(turn, None, size * weights[:n_own])[0], SIZE * weights[n_own:]


@dataclass(frozen=True)
class Similarities:
    """Similarities of rows to the landmarks of every node: computed when they are taken."""

    embeds: Sequence[ColumnsAndLandmarks] = ()  # of every node; none at all for no landmarks
    _rows: Sequence[np.ndarray | StandardizedRows] = ()  # of every node
    _kept: Sequence[np.ndarray] = ()  # what was computed, to be taken often

    def width(self, node: int) -> int:
        """Number of similarities of a node."""
        return self.embeds[node].turn.shape[1] if self.embeds else 0

    def blocks(self, node: int) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield (places, similarities of a node to all rows, (n_rows, n_similar) float32)."""
        if self._kept:
            yield slice(0, None), self._kept[node]
        elif self.width(node):
            for place, block in row_blocks(self._rows[node]):
                yield place, self.embeds[node].similarities(block).astype(np.float32)

    def kept(self) -> Similarities:
        """The same, computed once."""
        kept = []
        for node, rows in enumerate(self._rows):
            kept.append(np.empty((len(rows), self.width(node)), np.float32))
            for place, values in self.blocks(node):
                kept[-1][place] = values
        return replace(self, _kept=kept)


@dataclass(frozen=True)
class StandardizedRows:
    """Rows of the columns of a node, standardized when some of them are taken."""

    _X: np.ndarray  # (n_samples, n_features)
    _columns: np.ndarray  # (n_columns,) int
    _mean: np.ndarray  # (n_columns,)
    _scale: np.ndarray  # (n_columns,)
    _some: np.ndarray | None = None  # which rows of the table they are; None for all
    _dtype: type = np.float32

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of columns."""
        return len(self), len(self._columns)

    def __len__(self) -> int:
        return len(self._X if self._some is None else self._some)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Take all rows, (n_rows, n_columns)."""
        found = np.empty(self.shape, self._dtype if dtype is None else dtype)
        for place in gen_batches(len(found), ROWS_AT_ONCE):
            found[place] = self[place]
        return found

    def __getitem__(self, rows: np.ndarray | slice) -> np.ndarray:
        """Take some rows, (n_rows, n_columns)."""
        rows = rows if self._some is None else self._some[rows]
        own = take_columns(self._X, rows, self._columns) - self._mean
        own /= self._scale
        return own.astype(self._dtype, copy=False)


@dataclass(frozen=True)
class Table:
    """The standardized columns of all nodes, and similarities to landmarks."""

    _n_features: int
    _mean: np.ndarray  # (n_features,)
    _scale: np.ndarray  # (n_features,)
    _used: list[np.ndarray]  # columns of every node that vary
    _n_samples: int
    # (n_samples, n_columns) float32: these, standardized
    _rows: Sequence[np.ndarray | StandardizedRows]
    _similar: Similarities
    # under weights of the columns, without each fold and of all rows; empty until they are weighted
    _weighted: tuple[Similarities, ...] = ()
    # whiteners of nodes, which several regressions need
    _whiteners: dict[tuple, np.ndarray] = field(default_factory=dict)
    _in_blocks: bool = False  # whether features come in blocks of rows

    @classmethod
    def of(
        cls,
        X: np.ndarray,
        some: np.ndarray,
        columns: tuple[np.ndarray, ...],
        n_landmarks: int,
        random_state: int,
    ) -> Table:
        """Some rows of a table, standardized as all of it, and landmarks that are drawn of them."""
        mean, scale, kept = _spread(X)
        used = [block[kept[block]] for block in columns]
        n_nodes = max(sum(bool(len(block)) for block in used), 1)
        n_each = max(n_landmarks // n_nodes, MIN_LANDMARKS) if n_landmarks else 0
        some_of = [(X, own, mean[own], scale[own], some) for own in used]
        exact = [StandardizedRows(*own, np.float64) for own in some_of]
        embeds = [
            ColumnsAndLandmarks.of(own, n_each if own.shape[1] else 0, random_state)
            for own in exact
        ]
        rows = [np.asarray(StandardizedRows(*own)) for own in some_of]
        similar = Similarities(embeds, exact)
        return cls(X.shape[1], mean, scale, used, len(some), rows, similar)

    def over(self, X: np.ndarray, kind: str) -> Table:
        """All rows of the table, as a kind of features needs them."""
        rows = [StandardizedRows(X, own, self._mean[own], self._scale[own]) for own in self._used]
        similar = Similarities(self._similar.embeds, rows)
        again = (similar,) if kind == WEIGHTED else ()
        whole = replace(self, _n_samples=len(X), _rows=rows, _similar=similar, _weighted=again)
        return replace(whole, _whiteners={}, _in_blocks=True)

    def weighted(self, nodes: Sequence[int], found: list[Known]) -> Table:
        """Weigh the columns of some nodes by the slopes of regressions, in which these come."""
        before = self._weighted or [self._similar] * len(found)
        rows, again = self._rows, []
        for similar, (known, weights) in zip(before, found, strict=True):
            embeds, some, starts = list(similar.embeds), subsample(known, WEIGHT_ROWS), [0, 0]
            slopes = {}
            for node in nodes:
                embed, block = embeds[node], rows[node]
                stops = [starts[0] + block.shape[1], starts[1] + embed.turn.shape[1]]
                own, of_kernel = (
                    part[slice(*ends)] for part, *ends in zip(weights, starts, stops, strict=True)
                )
                slopes[node] = embed.slopes(block[some].astype(np.float64), own, of_kernel)
                starts = stops
            largest = max((own.mean() for own in slopes.values() if len(own)), default=0.0)
            for node, own in slopes.items():
                if own.any():
                    size = float(np.sqrt(own.mean() / largest))
                    known_rows = rows[node][known].astype(np.float64)
                    embeds[node] = embeds[node].weighted(own / own.mean(), size, known_rows)
            again.append(Similarities(embeds, rows).kept())
        return replace(self, _weighted=tuple(again))

    def of_kind(self, kind: str) -> Table:
        """The same with no similarities but those that a kind of features takes."""
        if kind == WEIGHTED:
            return replace(self, _similar=self._weighted[-1])
        similar = self._similar if kind == LANDMARKS else Similarities()
        return replace(self, _similar=similar, _weighted=())

    @cached_property
    def lift(self) -> Lift:
        """Columns of every node and its similarities, side by side."""
        return Lift(
            tuple(
                NodeEmbedding(
                    block,
                    self._mean[block],
                    self._scale[block],
                    embed,
                    len(block) + embed.turn.shape[1],
                )
                if len(block)
                else NO_EMBEDDING
                for block, embed in zip(self._used, self._similar.embeds, strict=True)
            )
        )

    def features(self, nodes: Sequence[int], learner: ShrinkageLDA) -> Features:
        """Features of some nodes together."""
        widths = {node: len(self._used[node]) for node in nodes}
        given = widths, self._similar, learner, self._weighted, self._whiteners
        return Features(self._n_samples, self._rows, *given, in_blocks=self._in_blocks)

    def over_table(
        self, nodes: Sequence[int], weights: tuple[np.ndarray, np.ndarray], lifted: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Weights over the table or, lifted, over columns and similarities of all nodes.

        `weights` are those of columns and of similarities, (n_columns, n_classes). Also returns
        what intercepts lose by that: the logits of a row of means, (n_classes,).
        """
        own, similar = weights
        n_columns = self.lift.n_columns if lifted else self._n_features
        found, start, first = np.zeros((n_columns, own.shape[1])), 0, 0
        for node in nodes:
            block, n_similar = self._used[node], self._similar.width(node)
            part = own[start : start + len(block)]
            if lifted:
                places = self.lift.places[node]
                found[places[: len(block)]] = part
                if len(similar):
                    found[places[len(block) :]] = similar[first : first + n_similar]
            else:
                found[block] = part / self._scale[block, None]
            start, first = start + len(block), first + n_similar
        moved = np.zeros(own.shape[1]) if lifted else self._mean @ found
        return found, moved


def _spread(X: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means and deviations of the columns, (n_features,), and which of them vary."""
    mean, scale = mean_and_spread(X)
    largest = np.max([np.abs(block).max(axis=0) for _, block in row_blocks(X)], axis=0)
    return mean, scale, scale > least_spread(largest, X.dtype)

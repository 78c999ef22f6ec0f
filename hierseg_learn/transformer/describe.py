"""From images to the rows of the table: segments, pooled leaves, sums up the tree, columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from sklearn.utils.validation import check_memory

from ..descriptors import Descriptor, ImageChannels, descriptor_columns
from ..images import ImageBatch
from ..kernels import ONE_IMAGE, get_backend
from ..kernels.arrays import row_blocks
from ..parts import PartLookup
from ..segmentation import Segmenter
from ..table.layout import AREA, PRESENCE, column_name
from ..tree import SegmentTree
from ..utils import pack, unpack
from ..utils.progress import ProgressBar
from ._frame import Frame, find_frames

# images per task: enough to pay for starting one, few enough to balance the workers
CHUNK_IMAGES = 32
OWN_COLUMNS = (PRESENCE, AREA)
# images in which the leakage of a node is measured
LEAKAGE_IMAGES = 3


class TableColumns(NamedTuple):
    """The columns of the table, node by node in the tree's order."""

    names: tuple[str, ...]
    presence: np.ndarray  # (n_columns,) int: position of the presence of every column's node
    fades: np.ndarray  # (n_columns,) bool: descriptors, which are missing where the node is absent
    described: np.ndarray  # (n_nodes,) bool: whether a node has descriptor columns

    @classmethod
    def of(
        cls, tree: SegmentTree, descriptors: Sequence[tuple[str, Descriptor]], describe_inner: bool
    ) -> TableColumns:
        """Find the columns of a tree whose inner nodes are described or not."""
        described = tree.is_leaf | describe_inner
        every = [*OWN_COLUMNS, *descriptor_columns(descriptors)]
        widths = np.where(described, len(every), len(OWN_COLUMNS))
        starts = np.cumsum(widths) - widths
        presence = np.repeat(starts, widths)
        names = (
            column_name(path, name)
            for path, width in zip(tree.paths, widths.tolist(), strict=True)
            for name in every[:width]
        )
        fades = np.arange(len(presence)) - presence >= len(OWN_COLUMNS)
        return cls(tuple(names), presence, fades, described)


@dataclass(frozen=True)
class TreeDescriber:
    """Fitted pieces that turn images into rows of the table."""

    tree: SegmentTree  # its leaf values are part ids
    segmenter: Segmenter
    descriptors: tuple[tuple[str, Descriptor], ...]
    lookup: PartLookup  # from part ids to leaves
    columns: TableColumns
    # width in pixels of the border of every leaf that descriptors of appearance do not see
    erosion: int = 0
    device: str = "cpu"
    # for every layer of the tree where its leaves lie, if they do alike in every photo; else None
    layouts: tuple[Frame | None, ...] = ()

    def __getstate__(self) -> dict[str, Any]:
        state = dict(vars(self))
        # both follow from the rest
        del state["lookup"], state["columns"]
        return pack(state | {"describe_inner": bool(self.columns.described.all())})

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = unpack(state)
        tree, describe_inner = state["tree"], state.pop("describe_inner")
        state["lookup"] = PartLookup(tree)
        state["columns"] = TableColumns.of(tree, state["descriptors"], describe_inner)
        vars(self).update(state)

    @classmethod
    def of(
        cls,
        tree: SegmentTree,
        segmenter: Segmenter,
        descriptors: Sequence[tuple[str, Descriptor]],
        *,
        describe_inner: bool = True,
        erosion: int = 0,
        device: str = "cpu",
    ) -> TreeDescriber:
        """Put fitted pieces together; layouts are those that the segmenter declares."""
        lookup = PartLookup(tree)
        columns = TableColumns.of(tree, descriptors, describe_inner)
        cells = segmenter._cells()
        if max(len(cells), lookup.n_layers) > 1 and tree is not segmenter.tree_:
            # another tree may have its layers in any order
            cells = [None] * lookup.n_layers
        layouts = tuple(
            None
            if grid is None
            else Frame.of_cells(lookup.to_leaves(grid, 0, layer), tree.n_leaves, descriptors)
            for layer, grid in enumerate(cells)
        )
        return cls(tree, segmenter, tuple(descriptors), lookup, columns, erosion, device, layouts)

    def with_found_layouts(self, batch: ImageBatch) -> TreeDescriber:
        """Add layouts that only the label maps show."""
        return replace(
            self,
            layouts=find_frames(
                self.layouts,
                np.array([batch.image_size(i) for i in range(len(batch))]),
                lambda order: (layers for _, layers in self._leaf_maps(batch.subset(order))),
                self.tree.n_leaves,
                self.descriptors,
            ),
        )

    def described(self) -> np.ndarray:
        """Whether a node has descriptor columns: (n_nodes,) bool."""
        return self.columns.described

    def column_names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return self.columns.names

    def presence_columns(self) -> tuple[np.ndarray, np.ndarray]:
        """Position of the presence of every column's node, and which columns are missing with it.

        Shapes: (n_columns,) int and (n_columns,) bool.
        """
        return self.columns.presence, self.columns.fades

    @property
    def images_at_once(self) -> int:
        """Number of images that are pooled together."""
        return max(descriptor._images_at_once for _, descriptor in self.descriptors)

    def _pool(
        self, images: Sequence[np.ndarray], layers: Sequence[Sequence[np.ndarray]]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Pool some images over their leaves, the only pass over their pixels.

        `layers` are for every image maps of leaves, (h, w) each. Returns the areas of the leaves,
        (n_images, n_leaves), and the sums of all descriptors, (n_images, n_leaves, n_sums), both
        divided by the pixels of the image.
        """
        n_leaves, n_layers = self.tree.n_leaves, self.lookup.n_layers
        # an image with several layers is there as often, and derived maps are computed once
        channels = [one for image in images for one in [ImageChannels(image)] * n_layers]
        leaves = [one for maps in layers for one in maps]
        inner = [erode_leaves(one, n_leaves, self.erosion, self.device) for one in leaves]
        pooled = [
            descriptor.pool_images(
                channels, inner if descriptor.uses_erosion else leaves, n_leaves, device=self.device
            )
            for _, descriptor in self.descriptors
        ]
        frames = (self.layouts or (None,) * n_layers) * len(images)
        found = [self._weigh(*one) for one in zip(leaves, inner, frames, zip(*pooled), strict=True)]
        # a leaf belongs to one layer, and is 0 in the others
        area, sums = (np.stack(values) for values in zip(*found, strict=True))
        return tuple(
            values.reshape(len(images), n_layers, *values.shape[1:]).sum(axis=1)
            for values in (area, sums)
        )

    def _weigh(
        self,
        leaves: np.ndarray,
        inner: np.ndarray,
        frame: Frame | None,
        pooled: Sequence[np.ndarray],
    ) -> tuple[np.ndarray, np.ndarray]:
        """Areas and sums by one map of leaves, (h, w) positions in ``tree.leaves`` or -1."""
        n_leaves = self.tree.n_leaves
        counts = _count_pixels(leaves, n_leaves)
        area, pixels = counts / leaves.size, counts
        if frame is not None:
            area, whole = frame.shares(leaves, counts)
            pixels = area * leaves.size
        # the pixels that are seen stand for the whole leaf, so that sums and areas go together
        seen = counts, counts if inner is leaves else _count_pixels(inner, n_leaves)
        weights = [(pixels / np.maximum(n, 1))[:, np.newaxis] for n in seen]
        sums, n_outlines = [], 0
        for (_, descriptor), found in zip(self.descriptors, pooled, strict=True):
            sums.append(weights[descriptor.uses_erosion] * found)
            if frame is not None and not descriptor.uses_erosion:
                layout = frame.outlines(n_outlines, area)
                sums[-1] = np.where(whole[:, np.newaxis], layout, sums[-1])
                n_outlines += 1
        return area, np.concatenate(sums, axis=1)

    def node_maps(self, batch: ImageBatch, layer: int = 0) -> list[np.ndarray]:
        """Node of every pixel of all images in one layer of the tree: (h, w) int32, -1 for none."""
        if not 0 <= layer < self.lookup.n_layers:
            raise ValueError(
                f"layer must lie in [0, {self.lookup.n_layers}), the number of layers of the tree, "
                f"got {layer!r}."
            )
        return [
            np.where(layers[layer] >= 0, self.tree.leaves[layers[layer]], -1).astype(np.int32)
            for _, layers in self._leaf_maps(batch)
        ]

    def rows(self, batch: ImageBatch) -> np.ndarray:
        """Describe images: (n_images, n_columns) float64, NaN in descriptors of absent nodes."""
        pooled = []
        given = self._leaf_maps(batch)
        while some := list(islice(given, self.images_at_once)):
            pooled.append(self._pool(*zip(*some, strict=True)))
        area, sums = (np.concatenate(values) for values in zip(*pooled, strict=True))
        return self.rows_of_leaves(area, sums)

    def rows_of_leaves(self, area: np.ndarray, sums: np.ndarray) -> np.ndarray:
        """Sum leaves up the tree and turn the sums into columns, NaN for absent nodes.

        Shapes: `area` (n_images, n_leaves), `sums` (n_images, n_leaves, n_sums).
        """
        return self._columns(self._sum_up(area, -1), self._sum_up(sums, -2))

    def _sum_up(self, values: np.ndarray, axis: int) -> np.ndarray:
        """Sum leaves up the tree; each layer has all pixels, and the root has them once."""
        sums = self.tree.sum_up(values, axis=axis)
        if self.lookup.n_layers > 1:
            by_node = np.moveaxis(sums, axis, 0)
            by_node[self.tree.root] = by_node[self.tree.children(self.tree.root)[0]]
        return sums

    def leaves_of_rows(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Turn the columns of the leaves back into areas and sums: undo `rows_of_leaves`."""
        starts = np.unique(self.columns.presence)[self.tree.leaves]
        area = rows[:, starts + OWN_COLUMNS.index(AREA)].astype(np.float64)
        sums, first = [], len(OWN_COLUMNS)
        for _, descriptor in self.descriptors:
            places = starts[:, np.newaxis] + first + np.arange(descriptor.n_columns_)
            sums.append(descriptor.to_sums(rows[:, places], area))
            first += descriptor.n_columns_
        return area, np.concatenate(sums, axis=-1)

    def _leaf_maps(self, batch: ImageBatch) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
        """Every image, and by layer the positions in ``tree.leaves`` of its pixels, -1 for none."""
        for i, (image, labels) in enumerate(self.segmenter.segmented(batch)):
            position = batch.position(i)
            layers = range(self.lookup.n_layers)
            yield image, [self.lookup.to_leaves(labels, position, layer) for layer in layers]

    def node_columns(self, area: np.ndarray, sums: np.ndarray) -> np.ndarray:
        """Turn areas (...) and sums (..., n_sums) of nodes into all columns that a node may have.

        These are presence, area, and the descriptors, NaN where the node is absent.
        """
        columns, start = [np.stack([area > 0, area], axis=-1)], 0
        for _, descriptor in self.descriptors:
            stop = start + descriptor.n_sums_
            columns.append(descriptor.from_sums(sums[..., start:stop], area))
            start = stop
        return np.concatenate(columns, axis=-1)

    def _columns(self, area: np.ndarray, sums: np.ndarray) -> np.ndarray:
        full = self.node_columns(area, sums)
        return np.concatenate(
            [
                full[:, node, : None if described else len(OWN_COLUMNS)]
                for node, described in enumerate(self.columns.described)
            ],
            axis=1,
        )


def erode_leaves(
    leaves: np.ndarray, n_leaves: int, erosion: int, device: str = "cpu"
) -> np.ndarray:
    """Take the pixels near a border out of every region of a label map: they become -1.

    A region without a pixel deep enough keeps its deepest ones, so no region vanishes.
    """
    if erosion == 0:
        return leaves
    backend = get_backend(device, n_values=ONE_IMAGE)
    depth = backend.to_numpy(backend.depths(backend.asarray(leaves), erosion))
    inside = leaves >= 0
    deepest = np.zeros(n_leaves, dtype=depth.dtype)
    np.maximum.at(deepest, leaves[inside], depth[inside])
    return np.where(inside & (depth == deepest[leaves]), leaves, -1)


def _count_pixels(leaves: np.ndarray, n_leaves: int) -> np.ndarray:
    from ..kernels.pixels import count_pixels

    return count_pixels(leaves, n_leaves)


def chunk_size(describer: TreeDescriber) -> int:
    """Number of images per task."""
    return max(CHUNK_IMAGES, describer.segmenter._images_at_once, describer.images_at_once)


def described_chunks(
    describer: TreeDescriber,
    batch: ImageBatch,
    *,
    dtype: np.dtype,
    n_jobs: int | None,
    verbose: int,
    memory: Any = None,
) -> Iterator[tuple[slice, np.ndarray]]:
    """Describe all images of a batch, in parallel: the same bits for any `n_jobs`.

    Yields, in order, the places of some images and their rows, (n_some, n_columns).
    """
    chunks = list(row_blocks(len(batch), chunk_size(describer)))
    with ProgressBar(len(batch), "Describing images", verbose) as bar:
        if len(chunks) == 1 or effective_n_jobs(n_jobs) == 1:
            results = (_recalled(memory, describer, batch.subset(chunk)) for chunk in chunks)
        else:
            results = Parallel(n_jobs=n_jobs, return_as="generator")(
                delayed(_recalled)(memory, describer, batch.subset(chunk)) for chunk in chunks
            )
        for chunk, (rows, drops) in zip(chunks, results, strict=True):
            batch.drops[chunk] = drops
            bar.advance(len(rows))
            yield chunk, rows.astype(dtype, copy=False)


def describe_images(describer: TreeDescriber, batch: ImageBatch, **options: Any) -> np.ndarray:
    """Describe all images of a batch, (n_images, n_columns); options as of `described_chunks`."""
    table = np.empty((len(batch), len(describer.columns.names)), dtype=options["dtype"])
    for chunk, rows in described_chunks(describer, batch, **options):
        table[chunk] = rows
    return table


def measure_leakage(
    describer: TreeDescriber, batch: ImageBatch, present: np.ndarray
) -> dict[str, np.ndarray]:
    """Mean leakage of every node, for the descriptors that may have seen much around it.

    `present`, (n_images, n_nodes) bool, says where the nodes occur. Each is measured in a few
    images, with another one around it. For every such descriptor (n_nodes,), NaN for nodes that
    occur nowhere, and everywhere if there is only one image.
    """
    tree, found = describer.tree, {}
    below = tree.sum_up(np.eye(tree.n_leaves, dtype=bool), axis=0) > 0
    for name, descriptor in describer.descriptors:
        if descriptor._measures_leakage:
            leaks = _leakage(describer, descriptor, batch, present & tree.is_leaf, below)
            # sums of what does not depend on other pixels do not either
            own = leaks[tree.leaves]
            inner = ~tree.is_leaf & (below & (own > 0)).any(axis=1)
            leaks[~tree.is_leaf & (below & (own == 0)).any(axis=1)] = 0.0
            more = _leakage(describer, descriptor, batch, present & inner, below)
            found[name] = np.where(inner, more, leaks)
    return found


def _leakage(
    describer: TreeDescriber,
    descriptor: Descriptor,
    batch: ImageBatch,
    present: np.ndarray,
    below: np.ndarray,
) -> np.ndarray:
    """Mean leakage of the nodes that are present somewhere, (n_nodes,), NaN for the others.

    `below`, (n_nodes, n_leaves) bool, says which leaves lie below a node.
    """
    sums, times = np.zeros(len(below)), np.zeros(len(below), dtype=np.intp)
    order = np.random.default_rng(0).permutation(len(batch))
    for i, donor in zip(order, np.roll(order, -1)) if len(batch) > 1 else ():
        wanted = present[i] & (times < LEAKAGE_IMAGES)
        if not wanted.any():
            continue
        [(image, layers)] = describer._leaf_maps(batch.subset([i]))
        channels, other = ImageChannels(image), ImageChannels(batch.image(int(donor)))
        for leaves in layers:
            # a node is in one layer, and the root in all
            here = np.isin(np.arange(below.shape[1]), leaves)
            nodes = np.flatnonzero(wanted & (below & here).any(axis=1))
            wanted[nodes] = False
            sums[nodes] += descriptor.leakage(
                channels,
                other,
                leaves,
                below.shape[1],
                together=below[nodes],
                device=describer.device,
            )
            times[nodes] += 1
    return np.divide(sums, times, out=np.full(len(sums), np.nan), where=times > 0)


def leakage_in_words(tree: SegmentTree, leakage: Mapping[str, np.ndarray]) -> str:
    """Say how far the columns of a node are its own, for every descriptor that was measured."""
    sentences = []
    for name, values in leakage.items():
        known = np.flatnonzero(np.isfinite(values) & (np.arange(len(values)) != tree.root))
        if not len(known):
            continue
        most = known[np.argmax(values[known])]
        if values[most] == 0:
            text = f"The columns {name!r} of a node depend on its own pixels only."
        else:
            text = (
                f"The columns {name!r} of a node depend on the pixels around it, too: another "
                f"photo there changes them by {values[known].mean():.2f} of their norm on average, "
                f"those of {tree.names[most]!r} by {values[most]:.2f}. So a contribution is not of "
                "its part alone."
            )
        sentences.append(text)
    return " ".join(sentences)


def _recalled(
    memory: Any, describer: TreeDescriber, batch: ImageBatch
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of some images, and the counts of dropped pixels, also in another process."""
    if memory is None:
        return describer.rows(batch), batch.drops
    cached = check_memory(memory).cache(_described, ignore=["batch"])
    return cached(describer, batch, _digest(batch))


def _described(
    describer: TreeDescriber, batch: ImageBatch, digest: str
) -> tuple[np.ndarray, np.ndarray]:
    """As `_recalled`; what was computed before is known by all arguments but the batch."""
    return describer.rows(batch), batch.drops


def _digest(batch: ImageBatch) -> str:
    """Fingerprint of what images and label maps hold, wherever they are stored."""
    found = sha256()
    for i in range(len(batch)):
        for array in (batch.image(i), batch.mask(i, may_be_empty=True)):
            if array is not None:
                found.update(repr(array.shape).encode())
                found.update(np.ascontiguousarray(array))
    return found.hexdigest()


class PresentMeans:
    """Means of every column over the rows that are not NaN, from some rows after the other.

    The bits are those of all rows at once.
    """

    def __init__(self, n_columns: int) -> None:
        self._totals = np.zeros(n_columns)
        self._seen = np.zeros(n_columns, dtype=np.intp)

    def add(self, rows: np.ndarray) -> None:
        """Take in more rows, (n_rows, n_columns)."""
        there = ~np.isnan(rows)
        self._seen += there.sum(axis=0)
        # the sum of before is the first row: NumPy adds one row after the other
        summands = np.vstack([self._totals, np.where(there, rows, 0.0)])
        self._totals = np.add.reduce(summands, axis=0)

    def means(self) -> np.ndarray:
        """Mean of every column, 0 where it is NaN in all rows, (n_columns,)."""
        out = np.zeros(len(self._totals))
        return np.divide(self._totals, self._seen, out=out, where=self._seen > 0)


def mean_of_present(rows: np.ndarray) -> np.ndarray:
    """Mean of every column over the rows that are not NaN, 0 where there is none, (n_columns,)."""
    means = PresentMeans(rows.shape[1])
    for chunk in row_blocks(len(rows), CHUNK_IMAGES):
        means.add(rows[chunk])
    return means.means()


def fill_missing(rows: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Replace NaN in rows, in place, by the values of their columns, (n_columns,); return them."""
    missing = np.isnan(rows)
    rows[missing] = np.broadcast_to(values, rows.shape)[missing]
    return rows

"""The tree of the table: given, that of the segmenter, or joined from its parts."""

from __future__ import annotations

from collections.abc import Callable
from itertools import tee
from typing import Any

import numpy as np

from ..images import ImageBatch
from ..metrics import ShrinkageLDA
from ..metrics.node import fit_node_map, quiet_fits
from ..parts import PartAgglomeration, PartLookup, PartStatistics, metric_similarity
from ..segmentation import Segmenter
from ..tree import SegmentTree
from ..utils.labels import check_classes
from ..utils.spread import varies
from .describe import OWN_COLUMNS, TreeDescriber, describe_images


def read_tree_choice(tree: Any) -> SegmentTree | PartAgglomeration | None:
    """Read the parameter `tree` of a transformer: a tree, what makes one, or the segmenter's."""
    if tree is None or isinstance(tree, SegmentTree | PartAgglomeration):
        return tree
    if isinstance(tree, str):
        return PartAgglomeration()
    try:
        return SegmentTree.from_nested(tree)
    except (TypeError, ValueError) as error:
        raise type(error)(f"tree does not describe a segment tree: {error}") from error


def agglomerate_tree(
    agglomeration: PartAgglomeration,
    segmenter: Segmenter,
    batch: ImageBatch,
    y: Any,
    describer: Callable[[SegmentTree], TreeDescriber],
    n_jobs: int | None,
) -> SegmentTree:
    """Join the parts of a segmenter step by step; `y` are the classes of the images."""
    own = segmenter.tree_
    if PartLookup(own).n_layers > 1:
        raise ValueError(
            f"tree={agglomeration!r} joins the parts of one label map, but {segmenter!r} gives a "
            "pixel several; leave tree=None to take the segmenters' own trees under one root."
        )
    if agglomeration.metric_weight > 0 and y is None:
        raise ValueError(
            f"tree={agglomeration!r} joins parts by their learned metrics, which need classes, but "
            "y is None; pass y, or set metric_weight=0."
        )
    codes = None
    if agglomeration.metric_weight > 0:
        codes = np.unique(check_classes(y, "y", len(batch)), return_inverse=True)[1]
    names = _leaf_names(own)
    flat = SegmentTree(
        [*names, own.root_name], [own.n_leaves] * (own.n_leaves + 1), own.leaf_values
    )
    similarity = None
    if codes is not None:
        rows = describe_images(
            describer(flat), batch, dtype=np.dtype(float), n_jobs=n_jobs, verbose=0
        )
        # one block of columns per leaf, then the root's
        blocks = rows.reshape(len(rows), own.n_leaves + 1, -1)[:, :-1, len(OWN_COLUMNS) :]
        similarity = metric_similarity(_leaf_metrics(blocks, codes, names))
    return agglomeration.build(
        _measure_parts(segmenter, batch, flat),
        names,
        values=own.leaf_values,
        root_name=own.root_name,
        metric_similarity=similarity,
    )


def _measure_parts(segmenter: Segmenter, batch: ImageBatch, tree: SegmentTree) -> PartStatistics:
    """Statistics of the leaves of a tree in the label maps of a segmenter, some at a time."""
    lookup = PartLookup(tree)
    # both run through the same images side by side
    pixels, labels = tee(segmenter.segmented(batch))
    return PartStatistics.from_label_maps(
        (image for image, _ in pixels),
        (lookup.to_leaves(found, batch.position(i)) for i, (_, found) in enumerate(labels)),
        tree.n_leaves,
    )


def _leaf_metrics(rows: np.ndarray, codes: np.ndarray, names: list[str]) -> list[np.ndarray]:
    """Discriminants of every leaf, in one unit per column: (n_components, n_columns) each.

    Shapes: `rows` (n_images, n_leaves, n_columns), `codes` (n_images,) int. No rows for a leaf that
    learned nothing, or is in images of one class only.
    """
    there = ~np.isnan(rows).all(axis=2)
    unit = np.nanstd(rows[there], axis=0) if there.any() else np.ones(rows.shape[2])
    unit[~varies(np.nan_to_num(rows.reshape(-1, rows.shape[2])), unit)] = 1.0
    components = []
    with quiet_fits():
        for leaf, name in enumerate(names):
            seen = there[:, leaf]
            if len(np.unique(codes[seen])) < 2:
                components.append(np.zeros((0, rows.shape[2])))
                continue
            fitted = fit_node_map(ShrinkageLDA(), rows[seen, leaf], codes[seen], name=name)
            components.append(fitted.components * unit)
    return components


def _leaf_names(tree: SegmentTree) -> list[str]:
    """Short names of the leaves; where two are alike, with those of their parents."""
    names = [tree.names[leaf] for leaf in tree.leaves]
    if len(set(names)) == len(names):
        return names
    above = [[*tree.ancestors(int(leaf))[-2::-1], leaf] for leaf in tree.leaves]
    return [" ".join(tree.names[node] for node in nodes) for nodes in above]

"""Parts that a vocabulary finds in the map of the network, without masks or persons."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from _deep_data import (
    LAST,
    Tables,
    deep_columns,
    open_exported,
    packed,
    predict_defaults,
    predict_lda,
    reduce_parts,
    unpacked,
)
from sklearn.metrics import accuracy_score

from hierseg_learn import SegmentedImages
from hierseg_learn.descriptors import DeepDescriptor
from hierseg_learn.segmentation import RegionMerging, VocabularySegmenter
from hierseg_learn.tree import SegmentTree

N_REGIONS, N_PARTS, N_FEATURES = 100, 16, 64
# of the columns of a part, and of those of a half
COMPONENTS, HALF_COMPONENTS, HALF_SIZES = 16, 64, (224, 320)


def vocabulary_parts(tables: Tables, photos: Any, size: int) -> tuple[SegmentedImages, SegmentTree]:
    """Clusters of regions of all photos by the map of the network, and their tree."""
    network = open_exported(tables.folder, LAST)

    def segment() -> dict[str, np.ndarray]:
        segmenter = VocabularySegmenter(
            RegionMerging(N_REGIONS),
            descriptor=DeepDescriptor(network, mask=None, size=size, n_components=N_FEATURES),
            n_parts=N_PARTS,
            random_state=0,
            verbose=1,
        ).fit(photos)
        tree = segmenter.tree_
        return {
            **packed(segmenter.segment_images(photos)),
            "names": np.array(tree.names, dtype=str),
            "parents": np.asarray(tree.parents),
            "ids": np.asarray(tree.leaf_values),
        }

    kept = tables.kept("vocabulary_maps", segment)
    names = [str(name) for name in kept["names"]]
    tree = SegmentTree(names, kept["parents"], kept["ids"].tolist())
    return SegmentedImages(list(photos), unpacked(kept)), tree


def vocabulary_tables(tables: Tables, photos: Any, size: int) -> dict[str, pd.DataFrame]:
    """Columns of the parts, which leak, and masked views of the two halves of every photo."""
    images, tree = vocabulary_parts(tables, photos, size)
    network = open_exported(tables.folder, LAST)
    leaking = DeepDescriptor(network, mask=None, size=size, n_components=None)
    views = [
        (
            f"deep_{side}",
            DeepDescriptor(network, part_size=side, n_components=None, prefix=f"deep_{side}"),
        )
        for side in HALF_SIZES
    ]
    # the root's children, one of which is mostly the background
    root = len(tree.names) - 1
    halves = [v for v in range(root) if tree.parents[v] == root]
    half_of = np.zeros(N_PARTS, dtype=np.int32)
    for leaf, part in zip(tree.leaves, tree.leaf_values, strict=True):
        node = leaf
        while node not in halves:
            node = tree.parents[node]
        half_of[part] = halves.index(node)
    joined = SegmentedImages(list(photos), [half_of[labels] for labels in images.masks])
    nested = {"image": {tree.names[v]: k for k, v in enumerate(halves)}}
    return {
        "parts": tables.take("vocabulary_leaking", images, [("deep", leaking)], tree=tree),
        "halves": tables.take("vocabulary_halves", joined, views, tree=nested),
    }


def run_vocabulary(
    own: dict[str, pd.DataFrame], y: np.ndarray, train: np.ndarray, test: np.ndarray
) -> dict[str, float]:
    """Accuracies of parts without masks or persons on the test photos of one fold."""
    parts = reduce_parts(own["parts"], train, COMPONENTS)
    views = reduce_parts(
        own["halves"].loc[:, deep_columns(own["halves"])], train, HALF_COMPONENTS
    ).rename(columns=lambda name: name.replace("|deep_", "|view_"))
    shares = parts.loc[:, ~deep_columns(parts)]
    tables = {
        "leaking": parts,
        "area, masked halves": pd.concat([shares, views], axis=1),
        "leaking, masked halves": pd.concat([parts, views], axis=1),
    }
    found = {}
    for columns, table in tables.items():
        known, asked = table.iloc[train], table.iloc[test]
        for name, predict in (("flat LDA", predict_lda), ("tree, defaults", predict_defaults)):
            predicted = predict(known, y[train], asked)
            found[f"vocabulary | {name} | {columns}"] = accuracy_score(y[test], predicted)
    return found

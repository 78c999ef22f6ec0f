"""Parts that a vocabulary finds in the map of the network, without masks or persons."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from _boundaries import boundary_scores, connected_pieces, region_scores
from _deep_data import (
    HEAD,
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
from _harness import paired_test_interval
from _segmenters import felzenszwalb, merge_tree, slic_merged
from sklearn.decomposition import NMF, PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score

from hierseg_learn import SegmentedImages
from hierseg_learn.descriptors import DeepDescriptor
from hierseg_learn.images import check_images
from hierseg_learn.parts import PartAgglomeration, PartStatistics, PartVocabulary
from hierseg_learn.parts.vocabulary import (
    RegionTable,
    described_features,
    feature_weights,
    region_table,
)
from hierseg_learn.segmentation import RegionMerging, VocabularySegmenter
from hierseg_learn.tree import SegmentTree

N_REGIONS, N_PARTS, N_FEATURES = 100, 16, 64
# of the columns of a part, and of those of a half
COMPONENTS, HALF_COMPONENTS, HALF_SIZES = 16, 64, (224, 320)
# regions that are factorized: 8 million numbers
N_FACTORED = 6250


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


# --- borders -------------------------------------------------------------------------------------

BORDER_SCORES = ("boundary_recall", "boundary_precision", "boundary_f", "covering")
DEEP_PARTS = "parts by the network's map"


def part_borders(
    tables: Tables, given: SegmentedImages, chosen: np.ndarray, size: int
) -> list[dict[str, Any]]:
    """Borders of the connected pieces of found parts against those of given ones.

    The segmentations of single photos have as many regions there as the network's map has pieces.
    The differences of F are those to them, with intervals over the photos.
    """
    images, _ = vocabulary_parts(tables, given.images, size)
    classic = VocabularySegmenter(RegionMerging(N_REGIONS), n_parts=N_PARTS, random_state=0)
    of_colors = classic.fit(given.images).segment_images(given.images[chosen])
    scores: dict[str, list[list[float]]] = {}
    n_pieces: dict[str, list[int]] = {}
    for place, photo in enumerate(chosen):
        item = given[int(photo)]
        truth = connected_pieces(np.asarray(item.mask).astype(np.int64) + 2)
        image = np.asarray(item.image) / 255
        deep = connected_pieces(images.masks[photo] + 1)
        count = int(deep.max())
        cuts = {
            DEEP_PARTS: deep,
            "parts by color and texture": connected_pieces(of_colors[place] + 1),
            "merge tree": merge_tree(image, [count])[count],
            "SLIC + merge_hierarchical": slic_merged(image, [count])[count],
            "Felzenszwalb": felzenszwalb(image, [count])[count],
        }
        for name, labels in cuts.items():
            found = boundary_scores(labels, truth) | region_scores(labels, truth)
            scores.setdefault(name, []).append([found[score] for score in BORDER_SCORES])
            n_pieces.setdefault(name, []).append(len(np.unique(labels)))
    of_f = BORDER_SCORES.index("boundary_f")
    ours = np.array(scores[DEEP_PARTS])[:, of_f]
    rows = []
    for name, found in scores.items():
        means = dict(zip(BORDER_SCORES, np.mean(found, axis=0).tolist(), strict=True))
        row = {"regions": name, "pieces": float(np.mean(n_pieces[name])), **means}
        if name != DEEP_PARTS:
            row["f_ahead"] = paired_test_interval(ours, np.array(found)[:, of_f])
        rows.append(row)
    return rows


# --- vocabularies of the training photos alone ----------------------------------------------------


class Regions(NamedTuple):
    """Regions of all photos, one after the other, and what two maps of the network say of them."""

    tables: list[RegionTable]  # by photo; the last columns are positions
    head: np.ndarray  # (n_regions, n_channels) float32, not negative
    photo: np.ndarray  # (n_regions,) int

    def of(self, photos: np.ndarray) -> np.ndarray:
        """Which regions are of these photos, (n_regions,) bool."""
        return np.isin(self.photo, photos)


def photo_regions(tables: Tables, photos: Any, size: int) -> Regions:
    """Merged regions of all photos; nothing of them is learned."""

    def describe() -> dict[str, np.ndarray]:
        layers = [
            DeepDescriptor(
                open_exported(tables.folder, layer), mask=None, size=size, n_components=None
            ).fit(list(photos[:1]))
            for layer in (LAST, HEAD)
        ]
        cutter, batch = RegionMerging(N_REGIONS), check_images(photos)
        maps, last, head = [], [], []
        for i in range(len(batch)):
            image = batch.image(i)
            maps.append(cutter.regions(image))
            for layer, found in zip(layers, (last, head), strict=True):
                [(features, _)] = described_features([image], maps[-1:], layer)
                found.append(features.astype(np.float32))
        return {
            **packed(maps),
            "last": np.concatenate(last),
            "head": np.concatenate(head)[:, :-2],
        }

    kept = tables.kept("vocabulary_regions", describe)
    maps = unpacked(kept)
    counts = np.array([labels.max() + 1 for labels in maps])
    last = np.split(kept["last"].astype(np.float64), counts.cumsum()[:-1])
    described = [
        region_table(features, np.bincount(labels.ravel()) / labels.size, labels)
        for features, labels in zip(last, maps, strict=True)
    ]
    return Regions(described, kept["head"], np.repeat(np.arange(len(maps)), counts))


def parts_by_kmeans(regions: Regions, train: np.ndarray) -> np.ndarray:
    """Clusters of what the last map says of regions, and of where they lie, as in the segmenter."""
    known = regions.of(train)
    last = np.concatenate([table.features for table in regions.tables])
    area = np.concatenate([table.area for table in regions.tables])
    reduce = PCA(N_FEATURES, random_state=0).fit(last[known, :-2])
    features = np.column_stack([reduce.transform(last[:, :-2]), last[:, -2:]])
    vocabulary = PartVocabulary.learn(
        features[known],
        area[known],
        N_PARTS,
        weights=feature_weights(3, 1.0, N_FEATURES),
        seed=0,
        n_joint=N_FEATURES,
    )
    return vocabulary.assign(features)


def parts_by_factors(regions: Regions, train: np.ndarray) -> np.ndarray:
    """Factors of the map that is not negative, as many as clusters: the largest takes the region.

    After Collins et al., "Deep Feature Factorization for Concept Discovery", ECCV 2018.
    """
    known = np.random.default_rng(0).permutation(np.flatnonzero(regions.of(train)))
    with warnings.catch_warnings():
        # its 200 iterations do
        warnings.simplefilter("ignore", ConvergenceWarning)
        factors = NMF(N_PARTS, random_state=0).fit(regions.head[np.sort(known[:N_FACTORED])])
    # factors have any scale, so that the share in the sum of channels decides
    strength = factors.transform(regions.head) * factors.components_.sum(axis=1)
    return strength.argmax(axis=1)


def tabulate_parts(regions: Regions, parts: np.ndarray, train: np.ndarray) -> pd.DataFrame:
    """Columns of parts, summed over their regions, in the tree that the training photos give."""
    n_parts = int(parts.max()) + 1
    of_photo = np.split(parts, np.flatnonzero(np.diff(regions.photo)) + 1)
    n_described = regions.tables[0].features.shape[1] - 2
    statistics = PartStatistics.from_regions(
        ((regions.tables[i], of_photo[i]) for i in train), n_parts, n_described
    )
    tree = PartAgglomeration().build(statistics)
    area = np.zeros((len(of_photo), tree.n_leaves))
    sums = np.zeros((*area.shape, n_described))
    # from ids to positions among the leaves
    places = np.argsort(tree.leaf_values)
    for i, (table, own) in enumerate(zip(regions.tables, of_photo, strict=True)):
        leaves = places[own]
        np.add.at(area[i], leaves, table.area)
        np.add.at(sums[i], leaves, table.area[:, np.newaxis] * table.features[:, :-2])
    areas = tree.sum_up(area, axis=-1)
    means = sums / np.where(area > 0, area, np.nan)[..., np.newaxis]
    blocks = []
    for v, path in enumerate(tree.paths):
        values = [areas[:, v] > 0, areas[:, v]]
        names = [f"{path}|presence", f"{path}|area"]
        if tree.is_leaf[v]:
            values += list(means[:, np.flatnonzero(tree.leaves == v)[0]].T)
            names += [f"{path}|deep_{k:03d}" for k in range(n_described)]
        blocks.append(pd.DataFrame(np.column_stack(values), columns=names))
    return pd.concat(blocks, axis=1)


def run_learned(
    regions: Regions, y: np.ndarray, train: np.ndarray, test: np.ndarray
) -> dict[str, float]:
    """Accuracies on one fold of parts that are learned from its training photos."""
    found = {}
    for method, cut in (("k-means", parts_by_kmeans), ("factors", parts_by_factors)):
        table = reduce_parts(tabulate_parts(regions, cut(regions, train), train), train, COMPONENTS)
        known, asked = table.iloc[train], table.iloc[test]
        for name, predict in (("flat LDA", predict_lda), ("tree, defaults", predict_defaults)):
            predicted = predict(known, y[train], asked)
            found[f"vocabulary of the fold, {method} | {name} | leaking"] = accuracy_score(
                y[test], predicted
            )
    return found

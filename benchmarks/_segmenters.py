"""The segmentations that are compared: every method cuts one image into given numbers of regions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from skimage import graph, segmentation
from skimage.color import rgb2lab

N_SUPERPIXELS = 400
SEARCH_STEPS = 8

Cuts = dict[int, np.ndarray]


def slic_merged(image: np.ndarray, counts: Sequence[int]) -> Cuts:
    """scikit-image: SLIC, then regions of most similar mean colour joined, as in its gallery.

    ``merge_hierarchical`` stops at a threshold and not at a number of regions, so it runs to the
    end, and the order of its merges is replayed.
    """
    labels = segmentation.slic(
        image, compactness=30, n_segments=N_SUPERPIXELS, start_label=1, channel_axis=-1
    )
    merges: list[tuple[int, int]] = []

    def merge(rag: graph.RAG, source: int, target: int) -> None:
        merges.append((source, target))
        _add_mean_color(rag, source, target)

    rag = graph.rag_mean_color(image, labels)
    graph.merge_hierarchical(
        labels,
        rag,
        thresh=np.inf,
        rag_copy=False,
        in_place_merge=True,
        merge_func=merge,
        weight_func=_mean_color_distance,
    )
    return replay(labels, merges, counts)


def _add_mean_color(rag: graph.RAG, source: int, target: int) -> None:
    node = rag.nodes[target]
    node["total color"] += rag.nodes[source]["total color"]
    node["pixel count"] += rag.nodes[source]["pixel count"]
    node["mean color"] = node["total color"] / node["pixel count"]


def _mean_color_distance(rag: graph.RAG, source: int, target: int, node: int) -> dict[str, float]:
    difference = rag.nodes[target]["mean color"] - rag.nodes[node]["mean color"]
    return {"weight": np.linalg.norm(difference)}


def replay(labels: np.ndarray, merges: Sequence[tuple[int, int]], counts: Sequence[int]) -> Cuts:
    """Label maps on the way from `labels` to one region, by joining pairs of labels in order."""
    ids, places = np.unique(labels, return_inverse=True)
    places = places.reshape(labels.shape)
    position = {int(label): place for place, label in enumerate(ids)}
    groups = np.arange(len(ids))
    cuts = {count: groups[places] for count in counts if count >= len(ids)}
    for n_left, (source, target) in zip(range(len(ids) - 1, 0, -1), merges):
        groups[groups == groups[position[source]]] = groups[position[target]]
        if n_left in counts:
            cuts[n_left] = groups[places]
    return cuts


def felzenszwalb(image: np.ndarray, counts: Sequence[int]) -> Cuts:
    """scikit-image: Felzenszwalb and Huttenlocher's graph merging, the scale searched."""
    least = max(image.shape[0] * image.shape[1] // 2000, 1)

    def cut(log_scale: float) -> np.ndarray:
        # regions smaller than this share of the scale are joined to others, as the authors do
        return segmentation.felzenszwalb(
            image, scale=np.exp(log_scale), sigma=0.8, min_size=least, channel_axis=-1
        )

    return search(cut, np.log(3.0), np.log(30000.0), counts)


def quickshift(image: np.ndarray, counts: Sequence[int]) -> Cuts:
    """scikit-image: quickshift, the largest distance of a link searched."""

    def cut(log_distance: float) -> np.ndarray:
        return segmentation.quickshift(
            image, kernel_size=3, max_dist=np.exp(log_distance), ratio=0.5, channel_axis=-1
        )

    return search(cut, np.log(2.0), np.log(200.0), counts)


def search(
    cut: Callable[[float], np.ndarray], low: float, high: float, counts: Sequence[int]
) -> Cuts:
    """For each number of regions the cut that comes nearest, by bisection of one parameter."""
    known: dict[float, np.ndarray] = {}

    def n_regions(value: float) -> int:
        if value not in known:
            known[value] = cut(value)
        return len(np.unique(known[value]))

    for count in counts:
        below, above = low, high
        for _ in range(SEARCH_STEPS):
            middle = (below + above) / 2
            found = n_regions(middle)
            if found == count:
                break
            # a larger value gives fewer regions
            below, above = (middle, above) if found > count else (below, middle)
    return {
        count: min(known.values(), key=lambda labels: abs(len(np.unique(labels)) - count))
        for count in counts
    }


def higra_area(image: np.ndarray, counts: Sequence[int]) -> Cuts:
    """Higra: watershed hierarchy by area on differences of CIELAB colours."""
    import higra

    pixels, weights = _higra_graph(image)
    tree, altitudes = higra.watershed_hierarchy_by_area(pixels, weights)
    return _higra_cuts(tree, altitudes, counts)


def higra_average(image: np.ndarray, counts: Sequence[int]) -> Cuts:
    """Higra: binary partition tree by the average difference of CIELAB colours on the border."""
    import higra

    pixels, weights = _higra_graph(image)
    tree, altitudes = higra.binary_partition_tree_average_linkage(pixels, weights)
    altitudes = higra.accumulate_and_max_sequential(
        tree, altitudes, altitudes[: tree.num_leaves()], higra.Accumulators.max
    )
    return _higra_cuts(tree, altitudes, counts)


def higra_mumford_shah(image: np.ndarray, counts: Sequence[int]) -> Cuts:
    """Higra: binary partition tree by the Mumford-Shah energy of CIELAB colours."""
    import higra

    lab = rgb2lab(image).astype(np.float64)
    pixels = higra.get_4_adjacency_graph(lab.shape[:2])
    tree, altitudes = higra.binary_partition_tree_MumfordShah_energy(pixels, lab.reshape(-1, 3))
    altitudes = higra.accumulate_and_max_sequential(
        tree, altitudes, altitudes[: tree.num_leaves()], higra.Accumulators.max
    )
    return _higra_cuts(tree, altitudes, counts)


def _higra_graph(image: np.ndarray):
    import higra

    lab = rgb2lab(image).astype(np.float64)
    pixels = higra.get_4_adjacency_graph(lab.shape[:2])
    return pixels, higra.weight_graph(pixels, lab.reshape(-1, 3), higra.WeightFunction.L2)


def _higra_cuts(tree, altitudes: np.ndarray, counts: Sequence[int]) -> Cuts:
    import higra

    explorer = higra.HorizontalCutExplorer(tree, altitudes)
    cuts = {}
    for count in counts:
        cut = explorer.horizontal_cut_from_num_regions(count, True)
        cuts[count] = np.asarray(cut.labelisation_leaves(tree))
    return cuts



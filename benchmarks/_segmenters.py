"""The segmentations that are compared: one image, cut into given numbers of regions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import numpy as np
from skimage import graph, segmentation
from skimage.color import rgb2lab

from hierseg_learn.segmentation import RegionMerging
from hierseg_learn.segmentation._region_merging import higra_tree

N_SUPERPIXELS = 400
SEARCH_STEPS = 8

Cuts = dict[int, np.ndarray]


def slic_merged(image: np.ndarray, counts: Sequence[int]) -> Cuts:
    """scikit-image: SLIC, then regions of most similar mean color joined, as in its gallery.

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
    """For each number of regions the cut that comes nearest, by bisection of one parameter.

    What was tried for one number narrows the search for the next.
    """
    tried: dict[float, tuple[int, np.ndarray]] = {}
    for count in counts:
        for _ in range(SEARCH_STEPS):
            # a larger value gives fewer regions
            below = max((v for v, (found, _) in tried.items() if found > count), default=low)
            above = min((v for v, (found, _) in tried.items() if found < count), default=high)
            if any(found == count for found, _ in tried.values()) or above - below < 0.02:
                break
            labels = cut((below + above) / 2)
            tried[(below + above) / 2] = len(np.unique(labels)), labels
    return {
        count: min(tried.values(), key=lambda entry: abs(entry[0] - count))[1] for count in counts
    }


def has_higra() -> bool:
    """Whether Higra is installed; it is no dependency."""
    return find_spec("higra") is not None


def higra_version() -> str | None:
    """Version of Higra, or None where it is not installed."""
    return version("higra") if has_higra() else None


def higra_area_tree(image: np.ndarray, counts: Sequence[int] = ()) -> tuple[Any, np.ndarray]:
    """Higra's watershed hierarchy by area on differences of CIELAB colors."""
    return higra_tree(rgb2lab(image), "area")


def higra_average_tree(image: np.ndarray, counts: Sequence[int] = ()) -> tuple[Any, np.ndarray]:
    """Higra's binary partition tree by the average difference of colors on the border."""
    return higra_tree(rgb2lab(image), "average_linkage")


def higra_mumford_shah_tree(
    image: np.ndarray, counts: Sequence[int] = ()
) -> tuple[Any, np.ndarray]:
    """Higra's binary partition tree by the Mumford-Shah energy of CIELAB colors."""
    return higra_tree(rgb2lab(image), "mumford_shah")


def higra_area(image: np.ndarray, counts: Sequence[int]) -> Cuts:
    """Cuts of `higra_area_tree`."""
    return _higra_cuts(*higra_area_tree(image), image.shape, counts)


def higra_average(image: np.ndarray, counts: Sequence[int]) -> Cuts:
    """Cuts of `higra_average_tree`."""
    return _higra_cuts(*higra_average_tree(image), image.shape, counts)


def _higra_cuts(tree: Any, altitudes: np.ndarray, shape: Sequence[int], counts: Sequence[int]):
    import higra

    # a merge may be lower than one below it; its height then is that of the highest below
    leaves = altitudes[: tree.num_leaves()]
    altitudes = higra.accumulate_and_max_sequential(tree, altitudes, leaves, higra.Accumulators.max)
    explorer = higra.HorizontalCutExplorer(tree, altitudes)
    cuts = {}
    for count in counts:
        cut = explorer.horizontal_cut_from_num_regions(count, True)
        cuts[count] = np.asarray(cut.labelisation_leaves(tree)).reshape(shape[:2])
    return cuts


def merge_tree(image: np.ndarray, counts: Sequence[int]) -> Cuts:
    """hierseg_learn: RegionMerging with its defaults."""
    tree = RegionMerging().hierarchy(image)
    return {count: tree.cut(count) for count in counts}

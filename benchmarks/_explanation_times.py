"""Time of explanations, from a row of the table and from an image."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import numpy as np
from _explained import Fitted, Worth, make_worth
from _explainers import explain_by_votes, explain_lime, explain_shap

from hierseg_learn import SegmentedImages
from hierseg_learn.what_if import explain_votes

N_BATCH = 50


def measure_time(name: str, fitted: Fitted, n_timed: int) -> list[dict[str, Any]]:
    """Median seconds per explanation: from a row of the table, and from an image.

    From the table, SHAP and LIME mute parts in the row; from the image, they ask the whole pipeline
    about images with parts painted over, and the contrast has the image described first.
    """
    donors = np.array([], dtype=int)
    seconds: dict[tuple[str, str], list[np.ndarray]] = {}
    for k, i in enumerate(fitted.right("test")[:n_timed]):
        n_players = len(fitted.players(i))
        row = fitted.table.iloc[[i]]
        worth = make_worth(fitted, i, "mute", donors)
        painted = image_worth(fitted, i)
        asked = {
            ("contrast", "row"): partial(fitted.model.explain_contrast, row),
            ("prediction", "row"): partial(fitted.model.explain_prediction, row),
            ("votes", "row"): partial(explain_by_votes, fitted, i, "mute", donors),
            ("shap", "row"): partial(explain_shap, worth, n_players),
            ("lime", "row"): partial(explain_lime, worth, n_players),
            ("contrast", "image"): partial(describe_and_contrast, fitted, i),
            ("votes", "image"): partial(describe_and_ask, fitted, i),
            ("shap", "image"): partial(explain_shap, painted, n_players),
            ("lime", "image"): partial(explain_lime, painted, n_players),
        }
        for key, ask in asked.items():
            slow = key[1] == "image" and key[0] in ("shap", "lime")
            for _ in range((k == 0) if slow else 5):
                start = time.perf_counter(), time.process_time()
                ask()
                stop = time.perf_counter(), time.process_time()
                seconds.setdefault(key, []).append(np.subtract(stop, start))
    for key, ask in batches(fitted).items():
        for _ in range(3):
            start = time.perf_counter(), time.process_time()
            n_explained = len(ask())
            stop = time.perf_counter(), time.process_time()
            seconds.setdefault(key, []).append(np.subtract(stop, start) / n_explained)
    medians = {key: np.median(values, axis=0) for key, values in seconds.items()}
    return [
        {
            "data": name,
            "explainer": key[0],
            "from": key[1],
            "wall ms": f"{1e3 * wall:.2f}",
            "cpu ms": f"{1e3 * cpu:.2f}",
            **{
                f"{peer} / this": f"{medians[peer, key[1]][1] / cpu:.1f}"
                for peer in ("shap", "lime")
            },
        }
        for key, (wall, cpu) in medians.items()
    ]


def batches(fitted: Fitted) -> dict[tuple[str, str], Any]:
    """Contrasts of many images at once, from the table and from the images."""
    chosen = fitted.right("test")[:N_BATCH]

    def from_images() -> Any:
        return fitted.model.explain_contrasts(fitted.transformer.transform(fitted.images[chosen]))

    name = f"contrast, {N_BATCH} at once"
    return {
        (name, "row"): partial(fitted.model.explain_contrasts, fitted.table.iloc[chosen]),
        (name, "image"): from_images,
    }


def describe_and_ask(fitted: Fitted, i: int) -> Any:
    """From the image to what its parts add to the votes."""
    row = fitted.transformer.transform(fitted.images[[i]])
    return explain_votes(fitted.model, row, transformer=fitted.transformer)


def describe_and_contrast(fitted: Fitted, i: int) -> Any:
    """From the image to its explanation."""
    return fitted.model.explain_contrast(fitted.transformer.transform(fitted.images[[i]]))


def image_worth(fitted: Fitted, i: int) -> Worth:
    """Share of the votes by the whole pipeline, for images painted over with their mean color."""
    item, code = fitted.images[i], fitted.code(i)
    image = np.asarray(item.image)
    node_map = fitted.transformer.label_maps(fitted.images[[i]])[0]
    places = np.full(node_map.shape, -1)
    for place, part in enumerate(fitted.players(i)):
        places[node_map == fitted.leaves[part]] = place
    paint = image.mean(axis=(0, 1)).round().astype(image.dtype)

    def worth(kept: np.ndarray) -> np.ndarray:
        scores = []
        # a batch at a time, for the photos' sake
        for block in np.array_split(kept, -(-len(kept) // 32)):
            seen = np.hstack([block, np.ones((len(block), 1), dtype=bool)])[:, places]
            images = np.where(seen[..., np.newaxis], image, paint)
            masks = np.repeat(np.asarray(item.mask)[np.newaxis], len(block), axis=0)
            table = fitted.transformer.transform(SegmentedImages(images, masks))
            scores.append(fitted.model.predict_proba(table)[:, code])
        return np.concatenate(scores)

    return worth

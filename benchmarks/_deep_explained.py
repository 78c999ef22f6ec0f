"""What explanations of a model cost from the photo: the contrast, and SHAP asked in three ways."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import process_time
from typing import Any

import numpy as np
from _explained import Fitted, Worth, make_worth
from _explainers import explain_shap
from _explanation_times import describe_and_contrast, image_worth

from hierseg_learn import SegmentedImages

# photos; those of them that SHAP's own explainer of images explains, which takes a minute each
N_PHOTOS, N_BY_REGIONS = 5, 2
# of SHAP's explainer of images: its default; photos that the model gets at once
MAX_EVALUATIONS, AT_ONCE = 500, 25


class Counted:
    """A function of many cases that knows how many it was asked."""

    def __init__(self, ask: Callable[[np.ndarray], np.ndarray]) -> None:
        self.ask, self.n_asked = ask, 0

    def __call__(self, cases: np.ndarray) -> np.ndarray:
        """Answer, and count."""
        self.n_asked += len(cases)
        return self.ask(cases)


def time_explanations(fitted: Fitted, say: Callable[[str], None]) -> dict[str, Any]:
    """Seconds of the processor from a photo to its explanation, by photo and explainer.

    All of them explain the same model and photo, one after the other.
    """
    rows = fitted.right("test")[:N_PHOTOS]
    # what is done once is done: the hash of the network, compiled code, what the model keeps
    describe_and_contrast(fitted, rows[0])
    explain_shap(row_worth(fitted, rows[0]), len(fitted.players(rows[0])))
    found = []
    for place, i in enumerate(rows):
        n_players = len(fitted.players(i))
        seconds = [timed(partial(describe_and_contrast, fitted, i)) for _ in range(3)]
        found.append(("contrast", i, n_players, 1, float(np.median(seconds))))
        asked = {
            "SHAP, parts painted over in the photo": by_parts_of_the_photo,
            "SHAP, parts muted in the photo's row": by_parts_of_the_row,
            "SHAP, regions of its own in the photo": by_regions,
        }
        for name, ask in list(asked.items())[: 2 + (place < N_BY_REGIONS)]:
            start = process_time()
            n_evaluations = ask(fitted, i)
            found.append((name, i, n_players, n_evaluations, process_time() - start))
        say(f"timed the explanations of photo {place}: {found[-len(asked) - 1 :]}")
    keys = ("explainer", "photo", "parts", "evaluations", "cpu seconds")
    records = [dict(zip(keys, values)) for values in found]
    return {"photos": records, "summary": summarize(records)}


def summarize(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Medians over the photos of every explainer, and what it costs beside the contrast."""
    own = {row["photo"]: row["cpu seconds"] for row in records if row["explainer"] == "contrast"}
    rows = []
    for name in dict.fromkeys(row["explainer"] for row in records):
        same = [row for row in records if row["explainer"] == name]
        ratios = [row["cpu seconds"] / own[row["photo"]] for row in same]
        rows.append(
            {
                "explainer": name,
                "photos": len(same),
                "evaluations": float(np.median([row["evaluations"] for row in same])),
                "cpu seconds": float(np.median([row["cpu seconds"] for row in same])),
                "times the contrast": float(np.median(ratios)),
                "least": float(min(ratios)),
                "most": float(max(ratios)),
            }
        )
    return rows


def timed(ask: Callable[[], Any]) -> float:
    """Seconds of the processor."""
    start = process_time()
    ask()
    return process_time() - start


def by_parts_of_the_photo(fitted: Fitted, i: int) -> int:
    """KernelSHAP, for which every coalition of parts is a photo that the network sees.

    Returns, as the others, the number of evaluations of the model.
    """
    worth = Counted(image_worth(fitted, i))
    explain_shap(worth, len(fitted.players(i)))
    return worth.n_asked


def by_parts_of_the_row(fitted: Fitted, i: int) -> int:
    """KernelSHAP, which gets the photo described once and a coalition by muting parts of the row.

    That is what additive sums of parts allow, and no other model offers it.
    """
    fitted.transformer.transform(fitted.images[[i]])
    worth = Counted(row_worth(fitted, i))
    explain_shap(worth, len(fitted.players(i)))
    return worth.n_asked


def row_worth(fitted: Fitted, i: int) -> Worth:
    """Share of the votes with parts muted in the row."""
    return make_worth(fitted, i, "mute", np.array([], dtype=int))


def by_regions(fitted: Fitted, i: int) -> int:
    """SHAP's explainer of images, as its pages show it: nested rectangles are painted over.

    They get the mean color of the photo; the label map stays as it is.
    """
    import shap

    item, code = fitted.images[i], fitted.code(i)
    photo = np.asarray(item.image)

    def proba(photos: np.ndarray) -> np.ndarray:
        shown = np.clip(np.rint(photos), 0, 255).astype(np.uint8)
        masks = np.repeat(np.asarray(item.mask)[np.newaxis], len(shown), axis=0)
        table = fitted.transformer.transform(SegmentedImages(shown, masks))
        return fitted.model.predict_proba(table)[:, [code]]

    ask = Counted(proba)
    paint = np.broadcast_to(photo.mean(axis=(0, 1)).round(), photo.shape).astype(float)
    masker = shap.maskers.Image(np.ascontiguousarray(paint), photo.shape)
    explainer = shap.PartitionExplainer(ask, masker)
    explainer(
        photo[np.newaxis].astype(float), max_evals=MAX_EVALUATIONS, batch_size=AT_ONCE, silent=True
    )
    return ask.n_asked

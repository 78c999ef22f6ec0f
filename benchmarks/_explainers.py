"""Attributions of the parts of an image by the explainers of one fitted classifier."""

from __future__ import annotations

from contextlib import redirect_stderr
from io import StringIO

import numpy as np
from _explained import Fitted, Worth

from hierseg_learn.what_if import explain_votes

N_SAMPLES = 1000  # of SHAP and LIME

# Rules by which contrasts may be made: with which training rows of either class, and whether the
# columns of inner nodes are split over the parts.
RULES = {
    f"{whom}, by {by}": (whom, by) for whom in ("voters", "class") for by in ("nodes", "parts")
}


def contributions(fitted: Fitted, rows: np.ndarray, rule: str) -> np.ndarray:
    """Contributions of the parts to contrasts of rows, (n_rows, n_parts)."""
    whom, by = RULES[rule]
    explained = fitted.model.explain_contrasts(
        fitted.table.iloc[rows], n_neighbors=n_contrasted(fitted, whom), by=by
    )
    return explained.direct[:, fitted.leaves]


def n_contrasted(fitted: Fitted, whom: str) -> int | None:
    """Training rows of each class in a contrast: the number of nearest neighbors, or all rows."""
    if whom == "voters":
        return None
    return int(np.unique(fitted.target[fitted.parts["train"]], return_counts=True)[1].min())


def explain_by_contrast(fitted: Fitted, i: int, rule: str) -> np.ndarray:
    """Contributions to the contrast, of the parts that an image has."""
    return contributions(fitted, np.array([i]), rule)[0, fitted.players(i)]


def explain_by_prediction(fitted: Fitted, i: int) -> np.ndarray:
    """Contributions to the distance to the nearest neighbors."""
    own = fitted.model.explain_prediction(fitted.table.iloc[[i]]).direct
    return own[fitted.leaves][fitted.players(i)]


def explain_by_votes(fitted: Fitted, i: int, removal: str, donors: np.ndarray) -> np.ndarray:
    """Shapley values of the share of the votes."""
    given = None if removal == "mute" else fitted.table.iloc[donors]
    explained = explain_votes(
        fitted.model, fitted.table.iloc[[i]], transformer=fitted.transformer, donors=given
    )
    return explained.direct[fitted.leaves][fitted.players(i)]


def explain_shap(worth: Worth, n_players: int, seed: int = 0) -> np.ndarray:
    """KernelSHAP over the presence of parts."""
    import shap

    explainer = shap.KernelExplainer(lambda Z: worth(Z > 0.5), np.zeros((1, n_players)), seed=seed)
    np.random.seed(seed)  # noqa: NPY002  (KernelSHAP draws from it)
    values = explainer.shap_values(
        np.ones((1, n_players)), nsamples=N_SAMPLES, l1_reg=False, silent=True
    )
    return np.asarray(values)[0]


def explain_lime(worth: Worth, n_players: int, seed: int = 0) -> np.ndarray:
    """LIME's explainer of images, on an image of one pixel per part."""
    from lime.lime_image import LimeImageExplainer

    # its progress bar cannot be switched off
    with redirect_stderr(StringIO()):
        explanation = LimeImageExplainer(random_state=seed).explain_instance(
            np.ones((1, n_players, 3)),
            lambda images: worth(images[:, 0, :, 0] > 0.5)[:, np.newaxis],
            labels=(0,),
            top_labels=None,
            hide_color=0,
            num_samples=N_SAMPLES,
            batch_size=N_SAMPLES,
            segmentation_fn=lambda image: np.arange(n_players)[np.newaxis],
        )
    values = np.zeros(n_players)
    for part, weight in explanation.local_exp[0]:
        values[part] = weight
    return values

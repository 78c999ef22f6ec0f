"""Describe images as if some parts had not been photographed: unlabeled, and painted over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.ndimage import distance_transform_edt

from .._describe import TreeDescriber, describe_images
from ._model import FittedModel


@dataclass(frozen=True)
class HidingDescriber(TreeDescriber):
    """Leaves the pixels of some leaves out, and lets no neighbouring part see them either.

    Gradients, binary patterns and patches of a pixel look at the pixels around it, so a part can
    be read at the borders of its neighbours even where it has no columns of its own. Here its
    pixels take the value of the nearest pixel of another part before anything is described.

    Parameters
    ----------
    hidden : tuple of int
        Positions in ``tree.leaves``.
    """

    hidden: tuple[int, ...] = ()

    def _pool(self, image: np.ndarray, layers: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Pool one image over the leaves that are not hidden; see `TreeDescriber`."""
        (leaves,) = layers
        hidden = np.isin(leaves, self.hidden)
        return super()._pool(paint_over(image, hidden), [np.where(hidden, -1, leaves)])


def paint_over(image: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """Give hidden pixels the value of the nearest other pixel.

    Parameters
    ----------
    image : ndarray of shape (h, w) or (h, w, 3)
        The image.
    hidden : ndarray of shape (h, w), bool
        The pixels; if all are, the result is 0.

    Returns
    -------
    image : ndarray of the same shape and dtype
        It does not depend on the hidden pixels.
    """
    if hidden.all():
        return np.zeros_like(image)
    if not hidden.any():
        return image
    rows, cols = distance_transform_edt(hidden, return_distances=False, return_indices=True)
    return image[rows, cols]


def hidden_rows(model: FittedModel, leaves: np.ndarray, images: Any, segments: Any) -> np.ndarray:
    """Describe images whose muted parts are painted over.

    Parameters
    ----------
    model : FittedModel
        Takes images.
    leaves : ndarray of shape (n_leaves,), bool
        Which are muted.
    images, segments : images and label maps
        As ``transform`` of the transformer takes them.

    Returns
    -------
    rows : ndarray of shape (n_images, n_columns)
        In the transformer's order of columns; NaN in descriptor columns of absent nodes.
    """
    transformer = model.transformer
    hidden = tuple(np.flatnonzero(leaves).tolist())
    return describe_images(
        HidingDescriber(**vars(model.exchange.describer), hidden=hidden),
        transformer._check_batch(images, segments),
        dtype=model.classifier._X.dtype,
        n_jobs=transformer.n_jobs,
        verbose=transformer.verbose,
    )


def mean_of_present(rows: np.ndarray) -> np.ndarray:
    """Mean of every column over the rows that are not NaN, 0 where there is none."""
    seen = (~np.isnan(rows)).sum(axis=0)
    totals = np.nansum(rows, axis=0, dtype=np.float64)
    return np.divide(totals, seen, out=np.zeros(len(totals)), where=seen > 0)

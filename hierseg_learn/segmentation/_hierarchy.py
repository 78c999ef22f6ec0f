"""Base of the segmenters that build a tree of regions of every image, and cut it."""

from __future__ import annotations

from abc import abstractmethod
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval

from ._merge_tree import MergeTree
from ._region_parts import RegionSegmenter


class HierarchySegmenter(RegionSegmenter):
    """Base: the regions of an image are one cut of a tree of its regions.

    A subclass overrides ``_merge_tree`` and has the parameter `n_segments`, besides those of
    :class:`RegionSegmenter`.
    """

    _parameter_constraints: dict = {
        "n_segments": [Interval(Integral, 1, None, closed="left")],
        **RegionSegmenter._parameter_constraints,
    }

    def hierarchy(self, image: Any) -> MergeTree:
        """Build the tree of regions of one image.

        Parameters
        ----------
        image : array of shape (height, width) or (height, width, 3), or path
            After `fit` an image of the kind seen there; without `fit` any image, and where its
            numbers are neither floats in [0, 1] nor of a dtype with a range of its own, the range
            of this image is taken as that of the pixels.

        Returns
        -------
        tree : MergeTree

        Raises
        ------
        ValueError, TypeError
            If the image or a parameter is not what it should be.
        """
        return self._merge_tree(self._pixels(image))

    def contour_map(self, image: Any) -> np.ndarray:
        """Ultrametric contour map of one image.

        Parameters
        ----------
        image : array of shape (height, width) or (height, width, 3), or path
            As for `hierarchy`.

        Returns
        -------
        contours : ndarray of shape (height, width), float64
            Values in [0, 1]; those above a threshold are the borders of closed regions. As
            :meth:`MergeTree.contour_map`.
        """
        return self.hierarchy(image).contour_map()

    @abstractmethod
    def _merge_tree(self, image: np.ndarray) -> MergeTree:
        """Tree of regions of one checked image."""

    def _regions(self, image: np.ndarray) -> np.ndarray:
        return self._merge_tree(image).cut(self.n_segments)

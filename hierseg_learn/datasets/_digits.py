"""scikit-learn's handwritten digits, as images."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.utils import Bunch
from sklearn.utils._param_validation import validate_params


def as_frame_bunch(
    data: Bunch, columns: dict[str, Any], *, return_X_y: bool, as_frame: bool
) -> Bunch | tuple:
    """Add `frame` to a Bunch and return it, or ``(images, target)``."""
    data["frame"] = None
    if as_frame:
        import pandas as pd

        index = pd.Index(data.ids, name="id")
        data["frame"] = pd.DataFrame({**columns, "target": data.target}, index=index)
        data["target"] = data.frame["target"]
    return (data.images, data.target) if return_X_y else data


DESCR = """\
Handwritten digits as images
----------------------------
The 1,797 handwritten digits of ``sklearn.datasets.load_digits``: gray images of 8 x 8 pixels whose
values are the whole numbers 0 to 16 (pixels set in a block of 4 x 4), in ten classes.
They are a copy of the test set of the UCI ML hand-written digits data
(E. Alpaydin, C. Kaynak, 1998, https://doi.org/10.24432/C50P49).
"""


@validate_params(
    {"return_X_y": ["boolean"], "as_frame": ["boolean"]}, prefer_skip_nested_validation=True
)
def load_digits_images(*, return_X_y: bool = False, as_frame: bool = False) -> Bunch | tuple:
    """Load scikit-learn's digits as gray images.

    Parameters
    ----------
    return_X_y : bool, default=False
        Return ``(images, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Return `target` as a pandas Series, and the 64 pixels as columns of the DataFrame `frame`
        (with `target` as the last); `images` stay an array.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        With the attributes

        - `images` (ndarray of shape (1797, 8, 8), float64): Values 0 to 16, as scikit-learn has
          them.
        - `target` (ndarray of shape (1797,), int64, or Series)
        - `target_names` (list of str)
        - `value_range` ((float, float)): The range that the values can take: (0, 16).
        - `feature_names` (list of str): Names of the 64 pixels in row-major order, as in
          scikit-learn.
        - `tree` (None): There are no parts; a segmenter finds them.
        - `ids` (list of str)
        - `frame` (DataFrame or None)
        - `DESCR` (str)
    images, target : tuple
        In place of the Bunch, if ``return_X_y=True``.

    Examples
    --------
    >>> from hierseg_learn.datasets import load_digits_images
    >>> X, y = load_digits_images(return_X_y=True)
    >>> X.shape, float(X.max())
    ((1797, 8, 8), 16.0)
    """
    digits = load_digits()
    data = Bunch(
        images=digits.images,
        target=digits.target.astype(np.int64),
        target_names=[str(name) for name in digits.target_names],
        value_range=(0.0, 16.0),
        feature_names=list(digits.feature_names),
        tree=None,
        ids=[f"digit_{i:04d}" for i in range(len(digits.target))],
        DESCR=DESCR,
    )
    columns = dict(zip(digits.feature_names, digits.data.T)) if as_frame else {}
    return as_frame_bunch(data, columns, return_X_y=return_X_y, as_frame=as_frame)

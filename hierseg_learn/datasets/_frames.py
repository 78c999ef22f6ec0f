"""What all loaders do last: the frame, and the short form of the result."""

from __future__ import annotations

from typing import Any

from sklearn.utils import Bunch


def as_frame_bunch(
    data: Bunch, columns: dict[str, Any], *, return_X_y: bool, as_frame: bool
) -> Bunch | tuple:
    """Add `frame` to a Bunch and return it, or ``(images, target)``.

    Parameters
    ----------
    data : Bunch
        With `images`, `target`, `ids` and all else that is not about the frame.
    columns : dict of str to array-like
        Columns of the frame besides `target`.
    return_X_y, as_frame : bool
        As in the public loaders.

    Returns
    -------
    Bunch or tuple
    """
    data["frame"] = None
    if as_frame:
        import pandas as pd

        index = pd.Index(data.ids, name="id")
        data["frame"] = pd.DataFrame({**columns, "target": data.target}, index=index)
        data["target"] = data.frame["target"]
    return (data.images, data.target) if return_X_y else data

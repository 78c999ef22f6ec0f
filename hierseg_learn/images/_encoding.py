"""From stored pixel values to float32, the same way at fit and at predict."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_NAMES = {("b", 1): "bool", ("u", 1): "uint8", ("u", 2): "uint16"}
_FULL_RANGE = {"bool": (0.0, 1.0), "uint8": (0.0, 255.0), "uint16": (0.0, 65535.0)}
# how many times the range seen in fit a value may lie away: what descriptors make of it is finite
MAX_RANGES = 1e6


def pixel_kind(dtype: np.dtype, where: str) -> str:
    """Name the kind of pixel values: ``"bool"``, ``"uint8"``, ``"uint16"`` or ``"number"``."""
    dtype = np.dtype(dtype)
    if dtype.kind not in "buif":
        raise TypeError(f"{where} has dtype {dtype}; expected bool, integers or floats.")
    return _NAMES.get((dtype.kind, dtype.itemsize), "number")


@dataclass(frozen=True)
class PixelEncoding:
    """How stored pixel values become float32, learned in ``fit`` and applied ever after.

    bool, uint8 and uint16 are divided by their dtype's largest value. Other numbers stay
    as they are if all images of ``fit`` lie within [0, 1]; otherwise the range seen in
    ``fit`` is mapped to [0, 1]. Later values outside of that range are not clipped; a million times
    the range away they are an error, as no descriptor has numbers for them.

    Parameters
    ----------
    kind : {"bool", "uint8", "uint16", "number"}
        Kind of the stored dtype.
    low, high : float
        Stored values that become 0 and 1.
    n_channels : {1, 3}
        1 for gray, 3 for color.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.images import PixelEncoding
    >>> encoding = PixelEncoding.from_range("number", 1, low=0, high=16)
    >>> encoding.decode(np.array([[0, 8, 20]]))
    array([[0.  , 0.5 , 1.25]], dtype=float32)
    """

    kind: str
    low: float
    high: float
    n_channels: int

    @classmethod
    def from_range(
        cls, kind: str, n_channels: int, low: float = 0.0, high: float = 1.0
    ) -> PixelEncoding:
        """Make the encoding of images whose values span ``low`` to ``high``.

        Parameters
        ----------
        kind : {"bool", "uint8", "uint16", "number"}
            Only ``"number"`` looks at the range.
        n_channels : {1, 3}
            1 for gray, 3 for color.
        low, high : float
            Smallest and largest value seen in ``fit``.

        Returns
        -------
        PixelEncoding
        """
        if kind in _FULL_RANGE:
            low, high = _FULL_RANGE[kind]
        elif low >= 0 and high <= 1:
            low, high = 0.0, 1.0
        return cls(kind, float(low), float(high), n_channels)

    def decode(self, array: np.ndarray, where: str = "The image") -> np.ndarray:
        """Scale stored values.

        Parameters
        ----------
        array : ndarray
            Of this encoding's kind of dtype, any shape.
        where : str
            Names the image in error messages.

        Returns
        -------
        ndarray, float32, C-contiguous
            A new array; within [0, 1] for the images seen in ``fit``.

        Raises
        ------
        ValueError
            If the dtype is of another kind than in ``fit``, or a value is NaN, infinite, or a
            million times the range seen in ``fit`` away from it.
        """
        self.check_dtype(array.dtype, where)
        # A constant range maps to 0: any divisor does.
        span = (self.high - self.low) or 1.0
        with np.errstate(over="ignore"):
            if (self.low, span) == (0.0, 1.0):
                scaled = array.astype(np.float32, order="C")
            else:
                scaled = np.subtract(array, self.low, dtype=np.float64, casting="unsafe")
                scaled = np.ascontiguousarray(scaled / span, dtype=np.float32)
        # NaN fails the comparison as well
        if self.kind == "number" and not np.abs(scaled).max(initial=0) <= MAX_RANGES:
            if np.isfinite(array).all():
                raise ValueError(
                    f"{where} holds values far outside the range seen in fit, {self.low:g} to "
                    f"{self.high:g}, such as {array.flat[np.abs(scaled).argmax()]:g}; expected "
                    "images on the scale of those that the model was fitted on."
                )
            raise_not_finite(array, where)
        return scaled

    def check_dtype(self, dtype: np.dtype, where: str = "The image") -> None:
        """Check that images of this dtype are stored like those seen in ``fit``.

        Parameters
        ----------
        dtype : dtype
            Of the image.
        where : str
            Names the image in the error message.

        Raises
        ------
        ValueError
            If they are not.
        """
        kind = pixel_kind(dtype, where)
        if kind != self.kind:
            raise ValueError(
                f"{where} has dtype {np.dtype(dtype)}, the images seen in fit were "
                f"{describe_kind(self.kind)}; expected {describe_kind(self.kind)}."
            )


def describe_kind(kind: str) -> str:
    """Put a kind of pixel values into words."""
    return "numbers other than bool, uint8 and uint16" if kind == "number" else kind


def raise_not_finite(array: np.ndarray, where: str) -> None:
    """Raise the error about NaN or infinite values in `array`."""
    problem = "contains NaN" if np.isnan(array).any() else "contains infinity"
    raise ValueError(f"{where} {problem}; expected finite numbers.")

"""New samples from swapped segments, against shortcuts in the training data.

:class:`SegmentSwapSampler` is built on imbalanced-learn, which is optional: this package can be
imported without it, the sampler cannot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._segment_swap_sampler import SegmentSwapSampler

__all__ = ["SegmentSwapSampler"]


def __getattr__(name: str) -> Any:
    if name != "SegmentSwapSampler":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        import imblearn  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name != "imblearn":
            raise
        raise ImportError(
            "SegmentSwapSampler needs imbalanced-learn, which is not installed; install it with "
            "pip install 'hierseg-learn[imbalance]'."
        ) from error
    from ._segment_swap_sampler import SegmentSwapSampler

    return SegmentSwapSampler


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

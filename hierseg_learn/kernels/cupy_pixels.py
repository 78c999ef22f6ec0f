"""Sums of pixels over regions on CUDA, by the text in ``cuda_sources``.

What arguments and results mean is written in ``pixels``; results stay on the device. Pixels are
sorted by region, and chunks of a region are added in order, so the bits are the same every time.
"""

from __future__ import annotations

from typing import Any

import cupy
import numpy as np

from . import _descriptor_loops as loops
from . import pixels
from ._cuda import launch
from .array_kernels import region_chunks
from .arrays import whole_neighborhoods

CHUNK_PIXELS = 4096
THREADS = 256
WARP = 32


def split_planes(image: cupy.ndarray) -> cupy.ndarray:
    """As `pixels.split_planes`."""
    image = cupy.asarray(image)
    return image[None] if image.ndim == 2 else cupy.ascontiguousarray(cupy.moveaxis(image, 2, 0))


def whole_levels(planes: cupy.ndarray) -> cupy.ndarray:
    """As `pixels.whole_levels`."""
    found = cupy.asarray(planes) * np.float32(loops.N_LEVELS)
    levels = cupy.clip(found, 0, loops.N_LEVELS).astype(cupy.uint8)
    return levels if bool((levels == found).all()) else levels[:, :0, :0]


def color_sums(
    planes: cupy.ndarray, levels: cupy.ndarray, regions: cupy.ndarray, n_regions: int, n_bins: int
) -> cupy.ndarray:
    """As `pixels.color_sums`."""
    n_channels, n_pixels = len(planes), planes[0].size
    args = _arrays(planes, levels) + (np.int64(levels.size > 0),)
    args += _arrays(pixels.GAMMA, pixels.FROM_RGB)
    args += (np.int64(loops.ROOT_BITS), np.float64(loops.KNEE))
    args += _arrays(pixels.LOWEST, pixels.HIGHEST)
    args += tuple(map(np.int64, (n_pixels, n_channels, n_bins)))
    return _sums("color_chunks", args, regions, n_regions, n_channels * (2 + n_bins))


def gradient_sums(
    planes: cupy.ndarray, regions: cupy.ndarray, n_regions: int, n_orientations: int
) -> cupy.ndarray:
    """As `pixels.gradient_sums`."""
    n_channels, height, width = planes.shape
    arctan = np.array([*loops.ARCTAN, loops.HALF_TURN], dtype=np.float32)
    args = _arrays(planes, arctan)
    args += tuple(map(np.int64, (height, width, n_channels, n_orientations)))
    return _sums("gradient_chunks", args, regions, n_regions, n_orientations)


def pattern_sums(
    planes: cupy.ndarray, levels: cupy.ndarray, regions: cupy.ndarray, n_regions: int
) -> cupy.ndarray:
    """As `pixels.pattern_sums`."""
    shape = tuple(planes.shape[1:])
    gray = whole_neighborhoods(cupy, _gray_levels(cupy.asarray(planes), cupy.asarray(levels)))
    n_patterns = pixels.N_SIGNS + 2
    sizes = (*gray.shape, *shape, loops.DIAGONAL, loops.REST)
    args = (*_arrays(gray), *map(np.int64, sizes), *_arrays(pixels.PATTERNS))
    args += (np.int64(n_patterns),)
    return _sums("pattern_chunks", args, regions, n_regions, n_patterns)


def outline_sums(regions: cupy.ndarray, n_regions: int, profile: np.ndarray) -> cupy.ndarray:
    """As `pixels.outline_sums`."""
    sizes = (*regions.shape, profile.shape[1])
    args = (*_arrays(profile), *map(np.int64, sizes))
    return _sums("outline_chunks", args, regions, n_regions, 5 + profile.shape[1])


def count_pixels(regions: cupy.ndarray, n_regions: int) -> cupy.ndarray:
    """As `pixels.count_pixels`."""
    # what belongs to no region comes first
    return cupy.bincount(cupy.asarray(regions).ravel() + 1, minlength=n_regions + 1)[1:]


def depths(regions: cupy.ndarray, most: int) -> cupy.ndarray:
    """As `pixels.depths`."""
    regions = cupy.ascontiguousarray(cupy.asarray(regions), dtype=cupy.int32)
    found = cupy.empty_like(regions)
    sizes = map(np.int64, (*regions.shape, most))
    grid = (-(-regions.size // THREADS),)
    launch("region_depths", "float32", grid, THREADS, regions, *sizes, found)
    return found


def _gray_levels(planes: cupy.ndarray, levels: cupy.ndarray) -> cupy.ndarray:
    """Luma of every pixel in whole levels of 8 bits, (height, width) int32."""
    limit = loops.FARTHEST * loops.N_LEVELS
    if len(planes) == 1:
        found = planes[0].astype(cupy.float64) * loops.N_LEVELS
    elif levels.size:
        weighted = (weight * plane.astype(cupy.int64) for weight, plane in zip(loops.LUMA, levels))
        found = sum(weighted) / 10_000
    else:
        weighted = (
            weight * plane.astype(cupy.float64) for weight, plane in zip(loops.LUMA, planes)
        )
        found = sum(weighted) * (loops.N_LEVELS / 10_000)
    return cupy.rint(cupy.clip(found, -limit, limit)).astype(cupy.int32)


def _sums(
    kernel: str, args: tuple[Any, ...], regions: cupy.ndarray, n_regions: int, n_sums: int
) -> cupy.ndarray:
    """Launch a kernel over chunks of the pixels of every region, and add the chunks."""
    totals = cupy.zeros((n_regions, n_sums), dtype=cupy.float64)
    regions = cupy.asarray(regions).astype(cupy.int64).reshape(-1)
    order, starts, stops, first_chunk = region_chunks(cupy, regions, n_regions, CHUNK_PIXELS)
    n_chunks = len(starts)
    if not n_chunks:
        return totals
    sums = cupy.empty((n_chunks, n_sums), dtype=cupy.float64)
    width = min(WARP, 1 << (n_sums - 1).bit_length())
    args += (order, starts, stops, np.int64(width), sums)
    launch(kernel, "float32", (n_chunks, -(-n_sums // width)), THREADS, *args)
    region_args = (sums, first_chunk, np.int64(n_regions), np.int64(n_sums), totals)
    launch("add_chunks", "float32", (-(-totals.size // THREADS),), THREADS, *region_args)
    return totals


def _arrays(*arrays: Any) -> tuple[cupy.ndarray, ...]:
    return tuple(cupy.ascontiguousarray(cupy.asarray(array)) for array in arrays)

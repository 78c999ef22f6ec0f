"""A network of transformers and the processor that prepares its images, without cropping any.

Where the inputs of the network, its views of a photo, lie on the photo is found by sending
coordinates in the place of brightness.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from ..networks.photos import as_bytes, resized
from ..networks.preprocessing import load_processor
from ._classes import ImageRefused, has_other_aspect

# interpolated logits that are held at once
MAX_VALUES = 2**24
# what 8 bits can tell apart, beside the zero that padding is filled with
_DIGITS = 255
# rows are found by dividing, and rounding may pass a border by this part of a row
_SLACK = 1e-4


@dataclass(frozen=True)
class Preparation:
    """How photos of one size go into the network, whole."""

    size: tuple[int, int]  # height and width that the photo has when the processor gets it
    settings: dict[str, Any]  # what the processor is told besides
    views: PhotoViews  # where the inputs of the network lie on the photo


@dataclass(frozen=True)
class _Input:
    """One view of one photo, with its number and the position of the photo."""

    position: int
    view: int
    values: dict[str, np.ndarray]


@dataclass(frozen=True)
class SegmentationNetwork:
    """A network with the processor that prepares its images."""

    model: Any  # of semantic or universal segmentation, in evaluation mode
    processor: Any  # resizes and standardizes images
    class_names: tuple[str, ...]  # names of the classes, by their numbers
    _preparations: dict[tuple[int, int], Preparation] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def predict(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Class of every pixel of every image, (height, width) int64.

        Logits are interpolated to the size of the image before the largest is taken. A network of
        one class has nothing to compare: 0 is where its logit is above 0, and -1 elsewhere.
        """
        import torch

        views: list[PhotoViews] = []
        groups: dict[tuple[int, ...], list[_Input]] = {}
        for position, image in enumerate(images):
            found, values = self._prepare(image, position)
            views.append(found)
            for number, view in enumerate(values):
                given = _Input(position, number, view)
                groups.setdefault(view["pixel_values"].shape, []).append(given)
        outputs: list[dict[int, Any]] = [{} for _ in images]
        classes: list[Any] = [None] * len(images)
        with torch.inference_mode():
            for members in groups.values():
                for some in _batches(members, len(images)):
                    for given, answer in zip(some, self._answers(some), strict=True):
                        i = given.position
                        outputs[i][given.view] = answer
                        if len(outputs[i]) == len(views[i].sizes):
                            answers = [outputs[i].pop(k) for k in range(len(views[i].sizes))]
                            found = self._classes(answers, views[i], images[i].shape[:2])
                            classes[i] = found.cpu().numpy()
        return classes

    def _prepare(
        self, image: np.ndarray, position: int
    ) -> tuple[PhotoViews, list[dict[str, np.ndarray]]]:
        """Inputs of the network for one image, (3, height, width) each, and where they lie."""
        pixels = as_bytes(image)
        size = pixels.shape[:2]
        try:
            if size not in self._preparations:
                self._preparations[size] = self._preparation(size)
            preparation = self._preparations[size]
            if preparation.size != size:
                pixels = resized(pixels, preparation.size, self.processor.resample)
            inputs, _ = self._processed(pixels, preparation.settings)
        except (ValueError, TypeError, RuntimeError, ArithmeticError) as error:
            raise ImageRefused(
                position,
                f"{type(self.processor).__name__} cannot prepare a photo of {size[0]} × {size[1]} "
                f"pixels: {error}",
            ) from error
        return preparation.views, inputs

    def _preparation(self, size: tuple[int, int]) -> Preparation:
        """Find how photos of one size go into the network whole."""
        has = [name for name in ("do_center_crop", "do_resize") if hasattr(self.processor, name)]
        settings: dict[str, Any] = {}
        views = self._views(size, settings)
        # what is cropped away would get no class
        if not views.is_complete and "do_center_crop" in has:
            settings = {"do_center_crop": False}
            views = self._views(size, settings)
        if views.is_complete:
            return Preparation(size, settings, views)
        # some crop as they resize: their size, without the crop
        settings = dict.fromkeys(has, False)
        resized = views.shape
        views = self._views(resized, settings)
        if views.is_complete and views.shape == resized:
            return Preparation(resized, settings, views)
        names = ("do_center_crop", "crop_size", "crop_pct", "do_resize", "size")
        known = [name for name in names if hasattr(self.processor, name)]
        told = ", ".join(f"{name}={getattr(self.processor, name)}" for name in known)
        raise ValueError(
            f"it gives the network only a part of the photo, whatever its settings ({told})"
        )

    def _views(self, size: tuple[int, int], settings: dict[str, Any]) -> PhotoViews:
        """Where the views of photos of one size lie, by sending coordinates through."""
        from PIL import Image

        plain = {"do_rescale": False, "do_normalize": False, "resample": Image.Resampling.NEAREST}
        known = {name: value for name, value in plain.items() if hasattr(self.processor, name)}

        def process(photo: np.ndarray) -> tuple[list[np.ndarray], list[int] | None]:
            inputs, starts = self._processed(photo, settings | known)
            return [values["pixel_values"] for values in inputs], starts

        return find_views(process, size)

    def _processed(
        self, pixels: np.ndarray, settings: dict[str, Any]
    ) -> tuple[list[dict[str, np.ndarray]], list[int] | None]:
        """Output of the processor for one photo, and where its pieces start if it is split."""
        prepared = self.processor(pixels, input_data_format="channels_last", **settings)
        if "pixel_values" not in prepared or np.ndim(prepared["pixel_values"][0]) != 3:
            raise ValueError("its output holds no images (pixel_values)")
        inputs = [
            {"pixel_values": np.asarray(values, dtype=np.float32)}
            for values in prepared["pixel_values"]
        ]
        if "pixel_mask" in inspect.signature(self.model.forward).parameters:
            for values, mask in zip(inputs, prepared.get("pixel_mask", ()), strict=False):
                values["pixel_mask"] = np.asarray(mask, dtype=np.int64)
        offsets = prepared.get("patch_offsets") or None
        return inputs, None if offsets is None else [int(offset[1]) for offset in offsets]

    def _answers(self, inputs: Sequence[_Input]) -> list[Any]:
        """Outputs of the network for inputs of one shape, one for each."""
        import torch

        stacked = {
            name: torch.from_numpy(np.stack([given.values[name] for given in inputs])).to(
                self.model.device
            )
            for name in inputs[0].values
        }
        try:
            outputs = self.model(**stacked)
        except torch.cuda.OutOfMemoryError:
            raise
        except (ValueError, RuntimeError) as error:
            shape = stacked["pixel_values"].shape
            raise ImageRefused(
                inputs[0].position,
                f"{type(self.model).__name__} does not take the image as "
                f"{type(self.processor).__name__} prepares it whole, with {shape[2]} × {shape[3]} "
                f"pixels: {error}",
            ) from error
        names = ["logits"]
        if getattr(outputs, "logits", None) is None:
            names = ["class_queries_logits", "masks_queries_logits"]
        given, got = stacked["pixel_values"].shape[2:], getattr(outputs, names[-1]).shape[2:]
        if has_other_aspect(given, got):
            raise ImageRefused(
                inputs[0].position,
                f"{type(self.model).__name__} answers {given[0]} × {given[1]} pixels, as "
                f"{type(self.processor).__name__} prepares the image, with {got[0]} × {got[1]}: "
                "another aspect ratio.",
            )
        return [
            SimpleNamespace(**{name: getattr(outputs, name)[i] for name in names})
            for i in range(len(inputs))
        ]

    def _classes(self, answers: Sequence[Any], views: PhotoViews, size: tuple[int, ...]) -> Any:
        """Class of every pixel of one image, from the outputs for its views."""
        universal = not hasattr(answers[0], "logits")
        # that of EoMT expects a size of two edges, and padding nowhere
        trusted = hasattr(self.processor, "post_process_panoptic_segmentation") and not hasattr(
            self.processor, "merge_image_patches"
        )
        if universal and trusted and views.is_plain and len(self.class_names) > 1:
            outputs = SimpleNamespace(
                **{name: values[None] for name, values in vars(answers[0]).items()}
            )
            return self.processor.post_process_semantic_segmentation(
                outputs, target_sizes=[tuple(size)]
            )[0]
        return largest_class(answers, views, size)


def _batches(inputs: Sequence[_Input], most: int) -> Iterator[list[_Input]]:
    """Inputs that go through the network together: at most so many, or the pieces of one photo."""
    batch: list[_Input] = []
    for _, pieces in groupby(inputs, key=lambda given: given.position):
        some = list(pieces)
        if batch and len(batch) + len(some) > most:
            yield batch
            batch = []
        batch += some
    yield batch


def largest_class(answers: Sequence[Any], views: PhotoViews, size: tuple[int, ...]) -> Any:
    """Class of every pixel, (height, width) int64, from the outputs for the views of an image.

    Of equal logits the first class. Of one class, -1 where the logit is not above 0, or the sum of
    a universal network not above a half.
    """
    import torch

    first = next(iter(vars(answers[0]).values()))
    n_classes = len(first) if hasattr(answers[0], "logits") else first.shape[1] - 1
    classes = torch.zeros(size, dtype=torch.int64, device=first.device)
    largest = torch.full(size, -torch.inf, device=first.device)
    # all classes of a large photo at once would take gigabytes
    most_pixels = max(h * w for h, w in [tuple(size), views.shape, *views.sizes])
    step = max(MAX_VALUES // most_pixels, 1)
    for start in range(0, n_classes, step):
        some = slice(start, min(start + step, n_classes))
        values, places = _on_image(answers, views, size, some).max(dim=0)
        better = values > largest
        classes[better] = places[better] + start
        largest[better] = values[better]
    if n_classes == 1:
        least = 0.0 if hasattr(answers[0], "logits") else 0.5
        classes[~(largest > least)] = -1
    return classes


def _on_image(answers: Sequence[Any], views: PhotoViews, size: tuple[int, ...], some: slice) -> Any:
    """Logits of some classes on the image, a tensor of shape (n_some, height, width)."""
    import torch

    if views.is_plain and hasattr(answers[0], "logits"):
        return _interpolated(answers[0].logits[some], size)
    total, seen = 0, 0
    for view, answer in enumerate(answers):
        values = _on_view(answer, views.sizes[view], some)
        if view == 0:
            total = values.new_zeros((len(values), *views.shape))
            seen = values.new_zeros(views.shape)
        on_photo, in_view = views.on_photo(view), views.shown[view]
        total[:, *on_photo] += values[:, *in_view]
        seen[on_photo] += 1
    return _interpolated(torch.div(total, seen), size)


def _on_view(answer: Any, size: tuple[int, int], some: slice) -> Any:
    """Logits of some classes, or their sums over queries, at the size of the view."""
    if hasattr(answer, "logits"):
        return _interpolated(answer.logits[some], size)
    weights = answer.class_queries_logits.softmax(dim=-1)[:, :-1][:, some]
    total = weights.new_zeros((weights.shape[1], *size))
    step = max(MAX_VALUES // (size[0] * size[1]), 1)
    for start in range(0, len(weights), step):
        masks = _interpolated(answer.masks_queries_logits[start : start + step], size).sigmoid()
        total += (weights[start : start + step].T @ masks.flatten(1)).unflatten(1, size)
    return total


def _interpolated(values: Any, size: tuple[int, ...]) -> Any:
    """Maps of shape (n_maps, rows, cols) at another size."""
    from torch.nn.functional import interpolate

    return interpolate(values[None], tuple(size), mode="bilinear", align_corners=False)[0]


def load_network(checkpoint: str | os.PathLike, device: str) -> SegmentationNetwork:
    """Load a checkpoint from a folder; one that was loaded lately comes from memory."""
    folder = Path(checkpoint)
    for names, what in (
        (("config.json",), "a model"),
        (("preprocessor_config.json", "processor_config.json"), "an image processor"),
    ):
        if not any((folder / name).is_file() for name in names):
            raise ValueError(
                f"checkpoint must be a folder with {what} as saved by transformers, and "
                f"{os.fspath(checkpoint)!r} holds no {names[0]}. Nothing is downloaded."
            )
    try:
        import torch
        import transformers  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "SegFormerSegmenter needs PyTorch and transformers: pip install 'hierseg-learn[deep]'."
        ) from error
    has_cuda = device != "cpu" and torch.cuda.is_available()
    if device == "cuda" and not has_cuda:
        raise RuntimeError("device='cuda' was asked for, but PyTorch finds no CUDA device.")
    files = sorted(entry.stat() for entry in folder.iterdir() if entry.is_file())
    state = tuple((file.st_ino, file.st_size, file.st_mtime_ns) for file in files)
    return _load(str(folder.resolve()), "cuda" if has_cuda else "cpu", state)


@lru_cache(maxsize=2)
def _load(folder: str, device: str, state: tuple) -> SegmentationNetwork:
    """Load a network; `state` changes when the files do."""
    import transformers

    config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
    architecture = (config.architectures or ["a model that does not say which it is"])[0]
    kinds = (
        (("ForSemanticSegmentation",), transformers.AutoModelForSemanticSegmentation),
        (
            ("ForUniversalSegmentation", "ForInstanceSegmentation"),
            transformers.AutoModelForUniversalSegmentation,
        ),
    )
    for endings, loader in kinds:
        if architecture.endswith(endings) and type(config) in loader._model_mapping:
            break
    else:
        raise ValueError(
            f"checkpoint must hold a network for semantic segmentation, got {architecture}."
        )
    wanted = _inputs_without_default(loader._model_mapping[type(config)].forward)
    if wanted - {"self", "pixel_values"}:
        others = ", ".join(sorted(wanted - {"self", "pixel_values"}))
        raise ValueError(
            f"checkpoint must hold a network that takes photos and nothing else; {architecture} "
            f"also takes {others}."
        )
    n_channels = getattr(config, "num_channels", 3)
    if n_channels != 3:
        raise ValueError(
            f"checkpoint must hold a network for images of 3 channels, and {architecture} takes "
            f"{n_channels}."
        )
    names = _class_names(config.id2label)
    with _quiet():
        # 16-bit weights would be slow on a CPU, or not work at all
        model = loader.from_pretrained(folder, local_files_only=True).float().eval().to(device)
    return SegmentationNetwork(model, load_processor(folder), names)


def _inputs_without_default(function: Any) -> set[str]:
    """Names of the arguments that have to be given."""
    given = inspect.signature(function).parameters.values()
    return {one.name for one in given if one.default is one.empty and one.kind < one.VAR_KEYWORD}


def _class_names(id2label: dict[Any, Any]) -> tuple[str, ...]:
    """Names of the classes in the order of the outputs, of the dict in config.json."""
    numbers = sorted(map(int, id2label))
    if numbers != list(range(len(numbers))):
        raise ValueError(
            f"id2label in config.json must number the classes from 0 without gaps, got {numbers}."
        )
    return tuple(str(id2label[i]) for i in numbers)


@contextmanager
def _quiet() -> Iterator[None]:
    """No bars while weights are loaded."""
    from transformers.utils import logging

    was_on = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if was_on:
            logging.enable_progress_bar()


@dataclass(frozen=True)
class PhotoViews:
    """Where the inputs of a network, its views of one photo, lie on the resized photo."""

    # height and width of the whole photo after resizing, in pixels of the views
    shape: tuple[int, int]
    # row and column of the first pixel of every view; negative where padding comes first
    corners: tuple[tuple[int, int], ...]
    sizes: tuple[tuple[int, int], ...]  # height and width of every view
    # rows and columns of every view that show the photo; the others are padding
    shown: tuple[tuple[slice, slice], ...]

    @property
    def is_plain(self) -> bool:
        """Whether the one view is the resized photo, nothing more and nothing less."""
        return self.corners == ((0, 0),) and self.sizes == (self.shape,)

    @property
    def is_complete(self) -> bool:
        """Whether every pixel of the photo is in some view."""
        seen = np.zeros(self.shape, dtype=bool)
        for view in range(len(self.corners)):
            seen[self.on_photo(view)] = True
        return bool(seen.all())

    def on_photo(self, view: int) -> tuple[slice, slice]:
        """Rows and columns of the resized photo that one view shows."""
        rows, cols = (
            slice(shown.start + at, shown.stop + at)
            for at, shown in zip(self.corners[view], self.shown[view], strict=True)
        )
        return rows, cols


Process = Callable[[np.ndarray], tuple[list[np.ndarray], "list[int] | None"]]


def find_views(process: Process, size: tuple[int, int]) -> PhotoViews:
    """Learn where the views of a photo come from.

    Photos are sent whose brightness is the number of the row, and of the column; the output shows
    where every pixel went.
    """
    rows, starts = _numbers(process, size, axis=0)
    cols, _ = _numbers(process, size, axis=1)
    profiles = [_profiles(r, c) for r, c in zip(rows, cols, strict=True)]
    sizes = tuple((len(along_rows), len(along_cols)) for along_rows, along_cols in profiles)
    extents, corners = [], []
    for axis in (0, 1):
        views = [profile[axis] for profile in profiles]
        cut = len(views) > 1 and any(not np.array_equal(view, views[0]) for view in views)
        if cut and (starts is None or len(starts) != len(views)):
            raise ValueError(f"it makes {len(views)} views of a photo without their positions")
        firsts = starts if cut and starts is not None else [0] * len(views)
        extent, at = locate(_joined(views, firsts), size[axis])
        extents.append(extent)
        corners.append([first - at for first in firsts])
    shown = tuple(
        (_content(along_rows), _content(along_cols)) for along_rows, along_cols in profiles
    )
    return PhotoViews(
        (extents[0], extents[1]), tuple(zip(corners[0], corners[1], strict=True)), sizes, shown
    )


def locate(seen: np.ndarray, n: int) -> tuple[int, int]:
    """Find the photo along one axis of the output, (length,) int.

    Returns the number of rows of the whole photo after resizing, and where the photo starts,
    negative if its start was cropped away.
    """
    shown = _content(seen)
    first, last = shown.start, shown.stop - 1
    numbers = seen[shown]
    if _agrees(numbers, n, len(numbers), 0):
        return len(numbers), first
    # cropped: of all sizes and places that agree, the one whose middle is nearest
    best = None
    span = int(numbers[-1] - numbers[0])
    least = int(np.ceil(n * (last - first) / (span + 1)))
    most = int(n * (last - first) / max(span - 1, 0.5)) + 1
    for extent in range(max(least, len(numbers)), most + 1):
        # row k shows floor((k + before + .5) n / extent)
        places = np.arange(len(numbers)) + 0.5
        low = np.ceil((numbers * extent / n - places).max() - _SLACK)
        high = np.floor(((numbers + 1) * extent / n - places).min() + _SLACK)
        for before in range(max(int(low), 0), min(int(high), extent - len(numbers)) + 1):
            off_center = abs(2 * before + len(numbers) - extent)
            if _agrees(numbers, n, extent, before) and (best is None or off_center < best[0]):
                best = off_center, extent, first - before
    if best is None:
        raise ValueError("its output is not the photo resized, cropped or padded")
    return best[1], best[2]


def _content(seen: np.ndarray) -> slice:
    """Where rows show the photo, of the number of the row that each shows or -1."""
    shown = np.flatnonzero(seen >= 0)
    if len(shown) == 0 or shown[-1] - shown[0] + 1 != len(shown):
        raise ValueError("padding splits the photo")
    return slice(int(shown[0]), int(shown[-1]) + 1)


def _agrees(numbers: np.ndarray, n: int, extent: int, before: int) -> bool:
    """Whether rows of a photo of n, resized to an extent, show these numbers after `before`."""
    places = np.arange(len(numbers)) + before
    # the two ways to find the nearest: at the middle of a pixel, and at its edge
    for shift in (0.5, 0.0):
        row = (places + shift) * n / extent
        low, high = np.floor(row - _SLACK), np.floor(row + _SLACK)
        if np.all((numbers >= low) & (numbers <= high)):
            return True
    return False


def _numbers(
    process: Process, size: tuple[int, int], axis: int
) -> tuple[list[np.ndarray], list[int] | None]:
    """Row (axis 0) or column (1) of the photo that every pixel of every view shows, or -1."""
    n = size[axis]
    index = np.expand_dims(np.arange(n), [1 - axis, 2])
    found: list[np.ndarray] = []
    place = 1
    while True:
        digits = np.broadcast_to(index // place % _DIGITS + 1, (*size, 3))
        views, starts = process(np.ascontiguousarray(digits, dtype=np.uint8))
        if any(np.any((v != np.rint(v)) | (v < 0) | (v > _DIGITS)) for v in views):
            raise ValueError("it changes the brightness of photos")
        if any(np.any(v != v[:1]) for v in views):
            raise ValueError("it changes the colors of photos")
        values = [view[0].astype(np.int64) for view in views]
        parts = [np.where(v > 0, (v - 1) * place, -1) for v in values]
        found = [f + part for f, part in zip(found, parts, strict=True)] if found else parts
        place *= _DIGITS
        if place >= n:
            return [np.maximum(f, -1) for f in found], starts


def _profiles(rows: np.ndarray, cols: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row of the photo along the rows of a view, and column along its columns; -1 for padding."""
    shown = (rows >= 0) & (cols >= 0)
    along_rows, along_cols = rows.max(axis=1), cols.max(axis=0)
    box = (along_rows >= 0)[:, np.newaxis] & (along_cols >= 0)
    straight = np.where(box, along_rows[:, np.newaxis], -1), np.where(box, along_cols, -1)
    if not (
        np.array_equal(box, shown)
        and np.array_equal(straight[0], rows)
        and np.array_equal(straight[1], cols)
    ):
        raise ValueError("it warps or rotates photos")
    return along_rows, along_cols


def _joined(views: Sequence[np.ndarray], starts: Sequence[int]) -> np.ndarray:
    """Views laid over one another where they start, -1 where there is none."""
    whole = np.full(max(s + len(v) for s, v in zip(starts, views, strict=True)), -1)
    for start, view in zip(starts, views, strict=True):
        place = whole[start : start + len(view)]
        if np.any((place >= 0) & (view >= 0) & (place != view)):
            raise ValueError("its views of a photo contradict each other")
        np.maximum(place, view, out=place)
    return whole

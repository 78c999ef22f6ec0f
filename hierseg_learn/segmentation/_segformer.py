"""Label maps by a network for semantic segmentation."""

from __future__ import annotations

import inspect
import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby
from numbers import Integral
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from sklearn.utils import gen_batches
from sklearn.utils._param_validation import Interval, StrOptions

from ..images import ImageBatch
from ..parts import PartLookup
from ..tree import SegmentTree
from ._base import Segmenter, read_tree
from ._photo_views import PhotoViews, find_views

# interpolated logits that are held at once
MAX_VALUES = 2**24


class ImageRefused(ValueError):
    """An image that the network or its processor cannot take whole, and its position."""

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(reason)
        self.position = position


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
        """Class of every pixel.

        Shapes: `images` (height, width) or (height, width, 3) float32. Returns `classes` (height,
        width) int64: what the network says at its own size, brought back to the pixels of the
        image: logits are interpolated before the largest is taken. A network of one class has
        nothing to compare: 0 is where its logit is above 0, and -1 elsewhere.
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
        said: list[dict[int, Any]] = [{} for _ in images]
        classes: list[Any] = [None] * len(images)
        with torch.inference_mode():
            for members in groups.values():
                for some in _batches(members, len(images)):
                    for given, answer in zip(some, self._answers(some), strict=True):
                        i = given.position
                        said[i][given.view] = answer
                        if len(said[i]) == len(views[i].sizes):
                            answers = [said[i].pop(k) for k in range(len(views[i].sizes))]
                            found = self._classes(answers, views[i], images[i].shape[:2])
                            classes[i] = found.cpu().numpy()
        return classes

    def _prepare(
        self, image: np.ndarray, position: int
    ) -> tuple[PhotoViews, list[dict[str, np.ndarray]]]:
        """Inputs of the network for one image, (3, height, width) each, and where they lie."""
        # 8 bits a channel, as in the photos that networks are trained on
        pixels = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
        if pixels.ndim == 2:
            pixels = np.repeat(pixels[..., np.newaxis], 3, axis=-1)
        size = pixels.shape[:2]
        try:
            if size not in self._preparations:
                self._preparations[size] = self._preparation(size)
            preparation = self._preparations[size]
            if preparation.size != size:
                pixels = _resized(pixels, preparation.size, self.processor.resample)
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
            f"it shows the network a part of it only, and cannot be told otherwise ({told})"
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
        """What the processor makes of one photo, and where its pieces start if it is split."""
        prepared = self.processor(pixels, input_data_format="channels_last", **settings)
        if "pixel_values" not in prepared or np.ndim(prepared["pixel_values"][0]) != 3:
            raise ValueError("what it gives a network are no photos (pixel_values)")
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
        """What the network says of inputs of one shape, one answer for each."""
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
        given, said = stacked["pixel_values"].shape[2:], getattr(outputs, names[-1]).shape[2:]
        # some lay the patches of any photo out as a square
        off = [abs(said[i] - said[1 - i] / given[1 - i] * given[i]) for i in (0, 1)]
        if min(off) > 2:
            raise ImageRefused(
                inputs[0].position,
                f"{type(self.model).__name__} answers {given[0]} × {given[1]} pixels, as "
                f"{type(self.processor).__name__} prepares the image, with {said[0]} × {said[1]}: "
                "another aspect.",
            )
        return [
            SimpleNamespace(**{name: getattr(outputs, name)[i] for name in names})
            for i in range(len(inputs))
        ]

    def _classes(self, answers: Sequence[Any], views: PhotoViews, size: tuple[int, ...]) -> Any:
        """Class of every pixel of one image, of what the network says of its views."""
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
    """Class of every pixel, of what a network says of the views of an image.

    Returns `classes` (height, width) int64: of equal logits the first class. Of one class, -1 where
    the logit is not above 0, or the sum of a universal network not above a half.
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


def _resized(pixels: np.ndarray, size: tuple[int, int], resample: Any) -> np.ndarray:
    """A photo, uint8 of shape (height, width, 3), at another size."""
    from PIL import Image

    return np.array(Image.fromarray(pixels).resize(size[::-1], resample))


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
    return SegmentationNetwork(model, _load_processor(folder), names)


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


def _load_processor(folder: str) -> Any:
    """Image processor of a checkpoint; names of classes that have been renamed are understood."""
    import transformers

    path = Path(folder, "preprocessor_config.json")
    given = ""
    try:
        saved = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        given = saved.get("image_processor_type") or saved.get("feature_extractor_type") or ""
        loader = transformers.AutoImageProcessor
        if given.endswith("FeatureExtractor"):
            name = given.replace("FeatureExtractor", "ImageProcessor")
            loader = getattr(transformers, name, loader)
        return loader.from_pretrained(folder, local_files_only=True)
    except (ValueError, ImportError, OSError, AttributeError, TypeError) as error:
        lines = str(error).strip().splitlines()
        named = f" names its image processor {given!r}, and" if given else ""
        raise ValueError(
            f"{path.name} of the checkpoint{named} cannot be read by transformers "
            f"{transformers.__version__}: {lines[0][:200] if lines else type(error).__name__}"
        ) from error


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


class SegFormerSegmenter(Segmenter):
    """Cut images with a network for semantic segmentation, such as SegFormer [1]_.

    Takes any checkpoint of the package transformers for semantic segmentation (SegFormer, UperNet,
    DPT, MobileViT, ...) or universal segmentation (Mask2Former, ...) that lies in a folder; nothing
    is downloaded. The network is not trained. Its classes become parts by their names.

    It needs PyTorch and transformers: ``pip install 'hierseg-learn[deep]'``.

    Parameters
    ----------
    checkpoint : str or path
        Folder with the network and its image processor, as written by their ``save_pretrained``.
    classes : dict of str to str, default=None
        Part of every class, by names: ``{"hat": "hair", "hair": "hair", "dress": "clothes"}``.
        Several classes may form one part; what is not named is `background`. None makes every
        class a part of its own ("/" and "|" in its name become "-", and classes of equal names are
        one part), or, with a `tree`, every class that has the name of a leaf.
    tree : dict, SegmentTree or None, default=None
        The tree of the parts, a nested dict whose leaves are part ids; parts are named by the name
        of their leaf or its path. None hangs the parts side by side below ``image``.
    background : str or None, default="background"
        Part of the classes that have none; with a `tree`, a leaf of it. None leaves their pixels
        out; where every class is a part of its own there are none, and what a network of one class
        does not find is a part all the same.
    batch_size : int, default=8
        Number of images that go through the network together; it bounds the memory.
    device : {"auto", "cpu", "cuda"}, default="auto"
        Where the network runs. ``"auto"`` takes CUDA where PyTorch finds a device.
    verbose : int, default=0
        1 draws a progress bar in `segment_images`.

    Attributes
    ----------
    tree_ : SegmentTree
        The tree of the parts.
    class_names_ : tuple of str
        Names of the classes of the network.
    class_parts_ : ndarray of shape (n_classes,), int32
        Part id of every class; -1 for none. Of a network of one class it has shape (2,): the part
        of the class and that of the pixels without it.

    See Also
    --------
    CallableSegmenter : Takes any function, such as a network of another package.

    Notes
    -----
    Images are given to the image processor of the checkpoint with 8 bits a channel, gray ones three
    times. Logits are interpolated to the size of the image, and the class with the largest one is
    taken. A network of one class is compared with nothing: a pixel has the class where its logit is
    above 0, and is `background` elsewhere.

    Where the processor puts a photo is not guessed from its settings: once for every size of photos
    it is sent the number of every row and column in the place of brightness. Padding is left out of
    the label map, and the pieces of a photo that is split are laid over one another, where they
    overlap by their mean. A processor that would crop is told not to, or, if it cannot be told so,
    gets the photo in the size that it would crop from. What still does not show all pixels, or
    bends the photo, is refused by name, and so is a photo whose size the network does not take.

    A pickle holds the path of the checkpoint and not the network, which is loaded where it is first
    used; so the folder has to be there.

    References
    ----------
    .. [1] E. Xie, W. Wang, Z. Yu, A. Anandkumar, J. Alvarez, P. Luo. "SegFormer: Simple and
       Efficient Design for Semantic Segmentation with Transformers". NeurIPS 2021.

    Examples
    --------
    A small network with random weights, where a trained one would be:

    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> from transformers import (
    ...     SegformerConfig, SegformerForSemanticSegmentation, SegformerImageProcessor
    ... )
    >>> from hierseg_learn.segmentation import SegFormerSegmenter
    >>> folder = TemporaryDirectory()
    >>> config = SegformerConfig(
    ...     hidden_sizes=[8, 8, 8, 8], num_attention_heads=[1, 1, 1, 1], decoder_hidden_size=8,
    ...     id2label={0: "wall", 1: "hat", 2: "hair", 3: "dress"},
    ... )
    >>> SegformerForSemanticSegmentation(config).save_pretrained(folder.name)
    >>> _ = SegformerImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder.name)
    >>> segmenter = SegFormerSegmenter(
    ...     folder.name, classes={"hat": "head", "hair": "head", "dress": "body"}, device="cpu"
    ... )
    >>> images = np.random.default_rng(0).random((2, 24, 20, 3))
    >>> label_maps = segmenter.fit(images).segment_images(images)
    >>> print(segmenter.tree_.export_text())
    image
    ├── background
    ├── head
    └── body
    >>> len(label_maps), label_maps[0].shape
    (2, (24, 20))
    >>> folder.cleanup()
    """

    _parameter_constraints: dict = {
        "checkpoint": [str, os.PathLike],
        "classes": [Mapping, None],
        "tree": [Mapping, SegmentTree, None],
        "background": [str, None],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "device": [StrOptions({"auto", "cpu", "cuda"})],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        checkpoint: str | os.PathLike | None = None,
        *,
        classes: Mapping[str, str] | None = None,
        tree: Mapping[str, Any] | SegmentTree | None = None,
        background: str | None = "background",
        batch_size: int = 8,
        device: str = "auto",
        verbose: int = 0,
    ) -> None:
        self.checkpoint = checkpoint
        self.classes = classes
        self.tree = tree
        self.background = background
        self.batch_size = batch_size
        self.device = device
        self.verbose = verbose

    @property
    def _images_at_once(self) -> int:  # type: ignore[override]
        return self.batch_size

    def _fit(self, batch: ImageBatch) -> SegmentTree:
        self.class_names_ = load_network(self.checkpoint, self.device).class_names
        tree = None if self.tree is None else read_tree(self.tree)
        part_of = name_parts(self.class_names_, self.classes, tree, self.background)
        if tree is None:
            # of one class, the pixels without it come last, and take the first id as in masks
            order = part_of[::-1] if len(self.class_names_) == 1 else part_of
            names = [name for name in dict.fromkeys(order) if name is not None]
            tree = SegmentTree.from_nested({"image": {name: k for k, name in enumerate(names)}})
        ids = part_ids(tree)
        self.class_parts_ = np.array(
            [-1 if name is None else ids[name] for name in part_of], dtype=np.int32
        )
        return tree

    def _segment(self, image: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
        return self._segment_many([image], [mask])[0]

    def _segment_many(
        self, images: Sequence[np.ndarray], masks: Sequence[np.ndarray | None]
    ) -> list[np.ndarray]:
        # of one class, -1 is the last entry: the pixels without it
        return [self.class_parts_[found] for found in self._network().predict(images)]

    def _cut(
        self,
        images: Sequence[np.ndarray],
        masks: Sequence[np.ndarray | None],
        positions: Sequence[int],
        drops: np.ndarray,
    ) -> list[np.ndarray]:
        found: list[np.ndarray] = []
        for chunk in gen_batches(len(images), self.batch_size):
            try:
                found += super()._cut(images[chunk], masks[chunk], positions[chunk], drops[chunk])
            except ImageRefused as error:
                position = positions[chunk][error.position]
                raise ValueError(f"Image {position} of X: {error}") from error
        return found

    def _network(self) -> SegmentationNetwork:
        network = load_network(self.checkpoint, self.device)
        if network.class_names != self.class_names_:
            raise ValueError(
                f"The checkpoint in {os.fspath(self.checkpoint)!r} is another than in fit: its "
                f"classes are {_listed(network.class_names)}, those in fit were "
                f"{_listed(self.class_names_)}."
            )
        return network


def name_parts(
    class_names: Sequence[str],
    classes: Mapping[str, str] | None,
    tree: SegmentTree | None,
    background: str | None,
) -> list[str | None]:
    """Say which part every class belongs to.

    Returns `parts`: name of the part of every class, None for no part. Of one class, a second item:
    the part of the pixels without it.
    """
    known = part_ids(tree) if tree is not None else None
    if classes is None and known is None:
        classes = _node_names(class_names)
        # what a network of one class does not find is a class of its own, too
        background = background or ("background" if len(class_names) == 1 else None)
    elif classes is None:
        classes = {name: name for name in class_names if name in known}
    strange = [name for name in classes if name not in class_names]
    if strange or not classes:
        given = f"names {_listed(strange)}" if strange else "names none of its classes"
        where = "classes" if strange else "classes, or the leaves of tree,"
        raise ValueError(
            f"{where} {given}, but the checkpoint knows {_listed(dict.fromkeys(class_names))}."
        )
    parts = [classes.get(name, background) for name in class_names]
    if len(class_names) == 1:
        parts.append(background)
    lost = [part for part in dict.fromkeys(parts) if known is not None and part not in known]
    for part in filter(None, lost):
        source = "background" if part not in classes.values() else "classes"
        raise ValueError(
            f"{source} names the part {part!r}, which is no leaf of tree; its leaves are "
            f"{_listed(tree.names[leaf] for leaf in tree.leaves)}."
        )
    return parts


def _node_names(class_names: Sequence[str]) -> dict[str, str]:
    """Name of a node for every class: without what separates the names of a path."""
    names = {}
    for i, name in enumerate(class_names):
        names.setdefault(name, re.sub("[/|]", "-", name) if name.strip() else f"class {i}")
    counts = Counter(names.values())
    equal = [name for name, node in names.items() if counts[node] > 1]
    if equal:
        raise ValueError(
            f"The classes {_listed(equal)} of the checkpoint would be parts of one name, for '/' "
            "and '|' become '-'; name their parts by classes."
        )
    return names


def part_ids(tree: SegmentTree) -> dict[str, int]:
    """Part id of every leaf, by its path and, where only one leaf has it, its name."""
    PartLookup(tree)  # checks the values of the leaves
    ids: dict[str, int] = {}
    names = [tree.names[leaf] for leaf in tree.leaves]
    for leaf, name, value in zip(tree.leaves, names, tree.leaf_values, strict=True):
        part = int(np.ravel(value)[0])
        ids[tree.path(leaf)] = part
        if names.count(name) == 1:
            ids[name] = part
    return ids


def _listed(names: Any) -> str:
    return ", ".join(map(repr, names))

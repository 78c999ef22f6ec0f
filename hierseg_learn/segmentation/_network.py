"""Networks of the package transformers: from images to the class of every pixel."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

# interpolated logits that are held at once
MOST_VALUES = 2**24


@dataclass(frozen=True)
class SegmentationNetwork:
    """A network with the processor that prepares its images.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        Of semantic or universal segmentation, in evaluation mode.
    processor : transformers.BaseImageProcessor
        Resizes and standardises images.
    class_names : tuple of str
        Names of the classes, by their numbers.
    """

    model: Any
    processor: Any
    class_names: tuple[str, ...]

    def predict(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Class of every pixel.

        Parameters
        ----------
        images : sequence of ndarray of shape (height, width) or (height, width, 3), float32
            Intensities in [0, 1]. Those that the processor makes equally large go through the
            network together.

        Returns
        -------
        classes : list of ndarray of shape (height, width), int64
            What the network says at its own size, brought back to the size of the image: logits
            are interpolated before the largest is taken.
        """
        import torch

        inputs = [self._prepare(image) for image in images]
        groups: dict[tuple[int, ...], list[int]] = {}
        for position, values in enumerate(inputs):
            groups.setdefault(values.shape, []).append(position)
        classes: list[Any] = [None] * len(images)
        with torch.inference_mode():
            for members in groups.values():
                stacked = torch.from_numpy(np.stack([inputs[i] for i in members]))
                outputs = self.model(pixel_values=stacked.to(self.model.device))
                sizes = [images[i].shape[:2] for i in members]
                for i, found in zip(members, self._classes(outputs, sizes), strict=True):
                    classes[i] = found.cpu().numpy()
        return classes

    def _prepare(self, image: np.ndarray) -> np.ndarray:
        """What the network gets of one image: (3, height, width), float32."""
        # 8 bits a channel, as in the photos that networks are trained on
        pixels = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
        if pixels.ndim == 2:
            pixels = np.repeat(pixels[..., np.newaxis], 3, axis=-1)
        # what is cropped away would get no class
        keep = {"do_center_crop": False} if getattr(self.processor, "do_center_crop", None) else {}
        prepared = self.processor(
            pixels, return_tensors="np", input_data_format="channels_last", **keep
        )
        return np.asarray(prepared["pixel_values"][0], dtype=np.float32)

    def _classes(self, outputs: Any, sizes: Sequence[tuple[int, ...]]) -> Iterator[Any]:
        """Class of every pixel of the images of one run, tensors of the given sizes."""
        if not hasattr(outputs, "logits"):
            yield from self.processor.post_process_semantic_segmentation(
                outputs, target_sizes=list(sizes)
            )
            return
        for logits, size in zip(outputs.logits, sizes, strict=True):
            yield largest_class(logits, size)


def largest_class(logits: Any, size: tuple[int, ...]) -> Any:
    """Class of every pixel after logits are interpolated to the size of the image.

    Parameters
    ----------
    logits : tensor of shape (n_classes, rows, cols)
        What the network says.
    size : tuple of int
        Height and width of the image.

    Returns
    -------
    classes : tensor of shape (height, width), int64
        Of equal logits the first class.
    """
    import torch
    from torch.nn.functional import interpolate

    classes = torch.zeros(size, dtype=torch.int64, device=logits.device)
    largest = torch.full(size, -torch.inf, device=logits.device)
    # all classes of a large photo at once would take gigabytes
    step = max(MOST_VALUES // (size[0] * size[1]), 1)
    for first in range(0, len(logits), step):
        some = logits[None, first : first + step]
        values, places = interpolate(some, size, mode="bilinear", align_corners=False)[0].max(dim=0)
        better = values > largest
        classes[better] = places[better] + first
        largest[better] = values[better]
    return classes


def load_network(checkpoint: str | os.PathLike, device: str) -> SegmentationNetwork:
    """Load a checkpoint from a folder; one that was loaded lately comes from memory.

    Parameters
    ----------
    checkpoint : str or path
        A folder, as written by ``save_pretrained`` of a model and of its image processor.
    device : {"auto", "cpu", "cuda"}
        "auto" takes CUDA where PyTorch finds a device.

    Returns
    -------
    SegmentationNetwork

    Raises
    ------
    ImportError
        If PyTorch or transformers is not installed.
    RuntimeError
        If `device` is "cuda" and there is none.
    ValueError
        If the folder holds no such checkpoint.
    """
    folder = Path(checkpoint)
    for name, what in (
        ("config.json", "a model"),
        ("preprocessor_config.json", "an image processor"),
    ):
        if not (folder / name).is_file():
            raise ValueError(
                f"checkpoint must be a folder with {what} as saved by transformers, and "
                f"{os.fspath(checkpoint)!r} holds no {name}. Nothing is downloaded."
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
    if "ForSemanticSegmentation" in architecture:
        loader = transformers.AutoModelForSemanticSegmentation
    elif "ForUniversalSegmentation" in architecture or "ForInstanceSegmentation" in architecture:
        loader = transformers.AutoModelForUniversalSegmentation
    else:
        raise ValueError(
            f"checkpoint must hold a network for semantic segmentation, got {architecture}."
        )
    with _quiet():
        # 16-bit weights would be slow on a CPU, or not work at all
        model = loader.from_pretrained(folder, local_files_only=True).float().eval().to(device)
        processor = transformers.AutoImageProcessor.from_pretrained(folder, local_files_only=True)
    names = tuple(str(model.config.id2label[i]) for i in range(model.config.num_labels))
    return SegmentationNetwork(model, processor, names)


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

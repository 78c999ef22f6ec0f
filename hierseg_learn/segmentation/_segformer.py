"""Label maps by a network for semantic segmentation."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from ..tree import SegmentTree
from ._classes import ClassSegmenter, listed
from ._network import SegmentationNetwork, load_network


class SegFormerSegmenter(ClassSegmenter):
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
    Images are given to the image processor of the checkpoint with 8 bits per channel, gray ones as
    three equal channels. Logits are interpolated to the size of the image, and the class with the
    largest one is taken. With a network of one class, a pixel has the class where its logit is
    above 0, and is `background` elsewhere.

    The position of a photo in the processor's output is measured once per image size, by photos
    whose brightness encodes rows and columns. Padding is left out of the label map; where the
    pieces of a split photo overlap, their mean is taken. Cropping is turned off, or, where that is
    impossible, the photo is given in the size that would be cropped. A processor that still hides
    pixels or warps the photo is an error, as is an image size that the network does not take.

    A pickle holds the path of the checkpoint and not the network; the folder must exist where the
    model is used.

    References
    ----------
    .. [1] E. Xie, W. Wang, Z. Yu, A. Anandkumar, J. Alvarez, P. Luo. "SegFormer: Simple and
       Efficient Design for Semantic Segmentation with Transformers". NeurIPS 2021.

    Examples
    --------
    A small network with random weights instead of a trained one:

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

    def _read_classes(self) -> tuple[tuple[str, ...], bool]:
        names = load_network(self.checkpoint, self.device).class_names
        return names, len(names) == 1

    def _predict(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        return self._network().predict(images)

    def _network(self) -> SegmentationNetwork:
        network = load_network(self.checkpoint, self.device)
        if network.class_names != self.class_names_:
            raise ValueError(
                f"The checkpoint in {os.fspath(self.checkpoint)!r} is another than in fit: its "
                f"classes are {listed(network.class_names)}, those in fit were "
                f"{listed(self.class_names_)}."
            )
        return network

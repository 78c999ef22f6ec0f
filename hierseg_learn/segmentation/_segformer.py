"""Label maps by a network for semantic segmentation."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils import gen_batches
from sklearn.utils._param_validation import Interval, StrOptions

from ..images import ImageBatch
from ..parts import PartLookup
from ..tree import SegmentTree
from ._base import Segmenter, read_tree
from ._network import ImageRefused, SegmentationNetwork, load_network


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
    """Name of the part of every class, None for no part.

    Of one class, a second item: the part of the pixels without it.
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

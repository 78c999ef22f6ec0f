"""Label maps by a network in an ONNX file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from numbers import Integral, Real
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.utils._param_validation import Interval, StrOptions

from ..networks import OnnxNetwork, PhotoInput
from ..parts import PartLookup
from ..tree import SegmentTree
from ._classes import ClassSegmenter, ImageRefused, has_other_aspect, listed

# interpolated scores that are held at once, per image
MAX_VALUES = 2**22


@dataclass(frozen=True)
class OnnxSpec:
    """What an ONNX file does not say of its network: what goes in, and what its outputs mean.

    Parameters
    ----------
    class_names : sequence of str
        Names of the classes, in the order of the maps of `output`.
    output : str, default=None
        Name of the output with a map of scores per class; the class of the largest one is taken.
        None stands for the only output.
    gate : str, default=None
        Name of an output with one map that says where there is any class at all, such as that of
        "person" beside maps of the parts of persons. None has no such output.
    threshold : float or None, default=None
        Probability above which a pixel has a class: that of the gate or, without one, that of the
        largest score. None is 0.5 with a gate or a single class; otherwise every pixel has a class.
    probabilities : bool, default=False
        Whether scores are probabilities. False takes them as logits, whose logistic function is
        compared with `threshold`.
    align_corners : bool, default=False
        Whether the first and the last cell of a map are centered on the first and the last pixel
        of the input, as in networks of TensorFlow with an input of ``k * stride + 1`` pixels. False
        divides the input among the cells, as PyTorch does.
    photos : PhotoInput, default=PhotoInput()
        Size and scale of the input. Where the file fixes a height or width, that is taken.
    layout : {"auto", "NCHW", "NHWC"}, default="auto"
        Where the channels of the input are. ``"auto"`` looks for the axis of 1 or 3 channels.
    tree : dict, default=None
        Tree of the classes where the user gives none: a nested dict with one root, whose leaves
        have the names of classes.

    Examples
    --------
    >>> from hierseg_learn.networks import PhotoInput
    >>> from hierseg_learn.segmentation import BODYPIX, OnnxSpec
    >>> spec = OnnxSpec(["road", "car", "sky"], photos=PhotoInput(size=256, multiple=32))
    >>> spec.threshold is None
    True
    >>> BODYPIX.gate, BODYPIX.class_names[:2]
    ('segments', ('left face', 'right face'))
    """

    class_names: Sequence[str]
    output: str | None = None
    gate: str | None = None
    threshold: float | None = None
    probabilities: bool = False
    align_corners: bool = False
    photos: PhotoInput = field(default_factory=PhotoInput)
    layout: str = "auto"
    tree: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        names = () if isinstance(self.class_names, str) else np.atleast_1d(self.class_names)
        if len(names) == 0 or not all(isinstance(name, str) for name in names):
            raise ValueError(f"class_names must be a sequence of names, got {self.class_names!r}.")
        object.__setattr__(self, "class_names", tuple(map(str, names)))
        given = self.threshold
        if given is not None and not (isinstance(given, Real) and 0 < given < 1):
            raise ValueError(f"threshold must lie between 0 and 1, got {given!r}.")
        if self.tree is not None:
            tree = SegmentTree.from_nested(self.tree)
            strange = {tree.names[leaf] for leaf in tree.leaves} - {*self.class_names}
            if strange:
                raise ValueError(
                    f"tree has the leaves {listed(sorted(strange))}, which are no class_names."
                )

    @property
    def least_score(self) -> float | None:
        """Score above which a pixel has a class; None where every pixel has one."""
        threshold = self.threshold
        if threshold is None:
            if self.gate is None and len(self.class_names) > 1:
                return None
            threshold = 0.5
        return threshold if self.probabilities else float(np.log(threshold / (1 - threshold)))


def _bodypix_tree() -> tuple[list[str], dict[str, Any]]:
    """Names of the parts in the order of the maps, and their tree."""
    limbs = [
        f"{side} {part} {face}"
        for limb in ("arm", "leg")
        for part in (f"upper {limb}", f"lower {limb}")
        for side in ("left", "right")
        for face in ("front", "back")
    ]
    arms, legs = limbs[:8], limbs[8:]
    torso = ["torso front", "torso back"]
    hands, feet = ["left hand", "right hand"], ["left foot", "right foot"]
    names = ["left face", "right face", *arms, *hands, *torso, *legs, *feet]

    def limb(side: str, what: str) -> dict[str, int]:
        own = {"arm": arms + hands, "leg": legs + feet}[what]
        return {name: names.index(name) for name in own if name.startswith(side)}

    person = {
        "head": {name: names.index(name) for name in names[:2]},
        "torso": {name: names.index(name) for name in torso},
        "arms": {f"{side} arm": limb(side, "arm") for side in ("left", "right")},
        "legs": {f"{side} leg": limb(side, "leg") for side in ("left", "right")},
    }
    return names, {"image": {"person": person}}


_NAMES, _TREE = _bodypix_tree()
# BodyPix as converted from TensorFlow: stride 16, and sides of 16 k + 1 pixels
BODYPIX = OnnxSpec(
    class_names=tuple(_NAMES),
    output="part_heatmaps",
    gate="segments",
    align_corners=True,
    photos=PhotoInput(size=513, multiple=16, remainder=1, mean=0.5, std=0.5),
    tree=_TREE,
)


class OnnxSegmenter(ClassSegmenter):
    """Cut images with a network for semantic segmentation in an ONNX file.

    The network is not trained, and nothing is downloaded. Its classes become parts by their names.

    It needs onnxruntime: ``pip install 'hierseg-learn[onnx]'``.

    Parameters
    ----------
    path : str or path
        The ONNX file, with one input of photos, gray or in three colors.
    spec : OnnxSpec
        What goes into the network, and what its outputs mean. ``BODYPIX`` is that of BodyPix, which
        finds persons and 24 parts of their bodies.
    classes : dict of str to str, default=None
        Part of every class, by names: ``{"left hand": "hands", "right hand": "hands"}``. Several
        classes may form one part; what is not named is `background`. None makes every class a part
        of its own, in the tree of the spec, or, with a `tree`, every class that has the name of a
        leaf.
    tree : dict, SegmentTree or None, default=None
        The tree of the parts, a nested dict whose leaves are part ids; parts are named by the name
        of their leaf or its path. None takes the tree of the spec, where it has one and `classes`
        are not given, and otherwise hangs the parts side by side below ``image``.
    background : str or None, default="background"
        Part of the classes that have none, and of the pixels without a class; with a `tree`, a
        leaf of it. None leaves these pixels out; where every class is a part of its own there are
        no such classes, and what a network of one class does not find is a part all the same.
    batch_size : int, default=8
        Number of images that are held at once, and go through the network together on a GPU.
    device : {"auto", "cpu", "cuda"}, default="auto"
        Where the network runs. ``"auto"`` takes CUDA where onnxruntime can.
    n_jobs : int or None, default=None
        Number of images that are cut at the same time, in threads. None means 1, -1 all cores.
    verbose : int, default=0
        1 draws a progress bar in `segment_images`.

    Attributes
    ----------
    tree_ : SegmentTree
        The tree of the parts.
    class_names_ : tuple of str
        Names of the classes of the network.
    class_parts_ : ndarray of shape (n_classes,) or (n_classes + 1,), int32
        Part id of every class; -1 for none. Where pixels may have no class, the last is their part.
    sha256_ : str
        SHA-256 of the file in ``fit``.

    See Also
    --------
    SegFormerSegmenter : Takes networks of the package transformers.
    CallableSegmenter : Takes any function.

    Notes
    -----
    Photos are resized whole, so their aspect ratio changes by the rounding to a multiple, and small
    ones are enlarged to at least one cell of the network. Scores are interpolated to the size of
    the photo, linearly and where its cells lie on the photo, before the largest is taken; of equal
    scores the first. On the CPU, images go through the network one by one, each in one thread: the
    bits depend neither on `batch_size` nor on `n_jobs`.

    A pickle holds path and hash of the file and not the network. The file must exist where the
    model is used, and a file with another hash is an error.

    Examples
    --------
    A network without weights, which scores squares by their red, green and blue:

    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> import onnx
    >>> from hierseg_learn.segmentation import OnnxSegmenter, OnnxSpec
    >>> model = onnx.parser.parse_model('''
    ...     <ir_version: 8, opset_import: ["" : 13]>
    ...     net (float[n, 3, h, w] photo) => (float[n, 3, y, x] scores)
    ...     { scores = AveragePool<kernel_shape = [2, 2], strides = [2, 2]>(photo) }
    ... ''')
    >>> folder = TemporaryDirectory()
    >>> onnx.save(model, f"{folder.name}/net.onnx")
    >>> segmenter = OnnxSegmenter(
    ...     f"{folder.name}/net.onnx", OnnxSpec(["red", "green", "blue"]),
    ...     classes={"red": "warm", "green": "cold", "blue": "cold"},
    ... )
    >>> images = np.zeros((1, 4, 8, 3))
    >>> images[:, :, :4, 0] = images[:, :, 4:, 2] = 1
    >>> segmenter.fit(images).segment(images[0])[0]
    array([0, 0, 0, 0, 1, 1, 1, 1], dtype=int32)
    >>> print(segmenter.tree_.export_text())
    image
    ├── warm
    └── cold
    >>> folder.cleanup()
    """

    _parameter_constraints: dict = {
        "path": [str, os.PathLike],
        "spec": [OnnxSpec],
        "classes": [Mapping, None],
        "tree": [Mapping, SegmentTree, None],
        "background": [str, None],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "device": [StrOptions({"auto", "cpu", "cuda"})],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        path: str | os.PathLike | None = None,
        spec: OnnxSpec | None = None,
        *,
        classes: Mapping[str, str] | None = None,
        tree: Mapping[str, Any] | SegmentTree | None = None,
        background: str | None = "background",
        batch_size: int = 8,
        device: str = "auto",
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.path = path
        self.spec = spec
        self.classes = classes
        self.tree = tree
        self.background = background
        self.batch_size = batch_size
        self.device = device
        self.n_jobs = n_jobs
        self.verbose = verbose

    def _read_classes(self) -> tuple[tuple[str, ...], bool]:
        network = self._network(None)
        self.sha256_ = network.sha256
        for name, n_maps in head_sizes(network, self.spec).items():
            check_head(name, network.outputs[name], n_maps, network.path)
        return tuple(self.spec.class_names), self.spec.least_score is not None

    def _default_tree(self) -> SegmentTree | None:
        if self.spec.tree is None:
            return None
        tree = SegmentTree.from_nested(self.spec.tree)
        leaves = {tree.names[leaf] for leaf in tree.leaves}
        has_rest = self.spec.least_score is not None or not leaves.issuperset(self.spec.class_names)
        if self.background in leaves or self.background is None or not has_rest:
            return tree
        [(root, parts)] = self.spec.tree.items()
        free = int(PartLookup(tree).part_ids.max()) + 1
        return SegmentTree.from_nested({root: {self.background: free, **parts}})

    def _predict(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        network = self._network(self.sha256_)
        groups: dict[Any, list[int]] = {}
        for i, image in enumerate(images):
            size = input_size(image.shape[:2], network, self.spec.photos)
            groups.setdefault(size if network.on_cuda else i, []).append(i)
        threads = Parallel(n_jobs=self.n_jobs, prefer="threads")
        results = threads(
            delayed(class_maps)(network, self.spec, [images[i] for i in group], group)
            for group in groups.values()
        )
        found = dict(zip(chain(*groups.values()), chain(*results), strict=True))
        return [found[i] for i in range(len(images))]

    def _network(self, sha256: str | None) -> OnnxNetwork:
        return OnnxNetwork(self.path, sha256=sha256, layout=self.spec.layout, device=self.device)


def head_sizes(network: OnnxNetwork, spec: OnnxSpec) -> dict[str, int]:
    """Number of maps that the outputs for the classes and the gate must have, in this order."""
    output = spec.output
    if output is None:
        others = [name for name in network.outputs if name != spec.gate]
        if len(others) != 1:
            raise ValueError(
                f"The network in {network.path!r} has the outputs {listed(others)}; name that of "
                "the classes by output."
            )
        output = others[0]
    heads = {output: len(spec.class_names)}
    if spec.gate == output:
        raise ValueError(f"{output!r} is given as output and as gate; expected two outputs.")
    if spec.gate is not None:
        heads[spec.gate] = 1
    network.check_outputs(list(heads))
    return heads


def check_head(name: str, shape: tuple[int | None, ...], n_maps: int, path: str) -> None:
    """Raise unless an output of a shape, None where it is free, has so many maps."""
    if len(shape) != 4:
        raise ValueError(
            f"Output {name!r} of the network in {path!r} has shape {shape}; expected maps, "
            "(n_images, n_classes, rows, columns)."
        )
    if shape[1] not in (None, n_maps):
        raise ValueError(
            f"Output {name!r} of the network in {path!r} has {shape[1]} map(s), and the spec has "
            f"{n_maps} class(es) for it; expected one map per class."
        )


def input_size(size: tuple[int, int], network: OnnxNetwork, photos: PhotoInput) -> tuple[int, int]:
    """Height and width of the input for a photo: those that the file fixes, or of the spec."""
    height, width = (
        fixed or side for fixed, side in zip(network.input_size, photos.target(size), strict=True)
    )
    return height, width


def class_maps(
    network: OnnxNetwork, spec: OnnxSpec, images: Sequence[np.ndarray], positions: Sequence[int]
) -> list[np.ndarray]:
    """Class of every pixel of images that have one size in the network, (h, w) int64 each.

    Raises ImageRefused with one of the positions.
    """
    size = input_size(images[0].shape[:2], network, spec.photos)
    inputs = np.stack([spec.photos.prepare(image, size) for image in images])
    if network.n_channels == 1:
        if images[0].ndim == 3:
            raise ImageRefused(positions[0], f"{network.path!r} takes gray images, got colors.")
        inputs = inputs[:, :1]
    heads = head_sizes(network, spec)
    try:
        outputs = network.run(inputs, list(heads))
        for name, n_maps in heads.items():
            check_head(name, outputs[name].shape, n_maps, network.path)
            check_scores(name, outputs[name], size, network.path)
    except ValueError as error:
        raise ImageRefused(positions[0], str(error)) from error
    return [
        class_map([maps[i] for maps in outputs.values()], spec, size, images[i].shape[:2])
        for i in range(len(images))
    ]


def check_scores(name: str, scores: np.ndarray, size: tuple[int, int], path: str) -> None:
    """Raise unless maps, (n_images, n_maps, rows, columns), are of the input and hold numbers."""
    if has_other_aspect(size, scores.shape[2:]):
        raise ValueError(
            f"Output {name!r} of the network in {path!r} answers {size[0]} × {size[1]} pixels "
            f"with {scores.shape[2]} × {scores.shape[3]}: another aspect ratio."
        )
    if np.isnan(scores).any():
        raise ValueError(f"Output {name!r} of the network in {path!r} holds NaN.")


def class_map(
    heads: Sequence[np.ndarray], spec: OnnxSpec, size: tuple[int, int], photo: tuple[int, ...]
) -> np.ndarray:
    """Class of every pixel of a photo, (height, width) int64, -1 for none; of equal ones the first.

    `heads` are the scores of the classes, (n_classes, rows, columns), and of the gate if there is
    one, of an input of some size.
    """
    scores, *gate = heads
    classes = np.zeros(photo, dtype=np.int64)
    largest = np.full(photo, -np.inf, dtype=np.float32)
    # all classes of a large photo at once would take gigabytes
    step = max(MAX_VALUES // classes.size, 1)
    for start in range(0, len(scores), step):
        values = on_photo(scores[start : start + step], size, photo, spec.align_corners)
        places = values.argmax(axis=0)
        values = np.take_along_axis(values, places[np.newaxis], axis=0)[0]
        better = values > largest
        classes[better] = places[better] + start
        largest[better] = values[better]
    if spec.least_score is not None:
        if gate:
            [largest] = on_photo(gate[0], size, photo, spec.align_corners)
        classes[~(largest > spec.least_score)] = -1
    return classes


def on_photo(
    maps: np.ndarray, size: tuple[int, int], photo: tuple[int, ...], align_corners: bool
) -> np.ndarray:
    """Maps of an input, (n_maps, rows, columns), interpolated to the photo that it was made of."""
    for axis in (1, 2):
        n_cells, side = maps.shape[axis], size[axis - 1]
        cell = side / n_cells
        first = cell / 2
        if align_corners:
            cell, first = (side - 1) / max(n_cells - 1, 1) or 1.0, 0.5
        # middle of every pixel, in pixels of the input and then in cells
        pixels = (np.arange(photo[axis - 1]) + 0.5) * side / photo[axis - 1]
        places = np.clip((pixels - first) / cell, 0, n_cells - 1)
        before = places.astype(np.intp)
        after = np.minimum(before + 1, n_cells - 1)
        share = (places - before).astype(np.float32)
        share = share[:, np.newaxis] if axis == 1 else share
        maps = maps.take(before, axis) * (1 - share) + maps.take(after, axis) * share
    return maps

"""A trunk: a frozen network that turns photos into feature maps, and where its cells lie."""

from __future__ import annotations

import hashlib
import os
import sys
from bisect import bisect
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ..utils.numbers import check_integer
from .onnx import OnnxNetwork, hash_files, state_of
from .photos import standardized
from .preprocessing import Preprocessing, choose_preprocessing, load_processor, timm_preprocessing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ._torch import TorchNetwork

WEIGHT_FILES = ("*.safetensors", "*.bin")
CONFIG = "config.json"
# lengths in cells of the inputs by which networks are measured from outside
STRIP_CELLS = (8, 32, 96)
DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True)
class Cells:
    """Where the cells of a feature map lie on the input of the network.

    A cell reaches halfway to the centers of its neighbors, and at the border to the border, so that
    the cells of a map cover the image.

    Parameters
    ----------
    stride : tuple of (float, float)
        Rows and columns of pixels from one center to the next.
    rows, cols : ndarray of shape (h,) and (w,)
        Centers of the cells in pixels from the upper left corner of the image; the first pixel
        reaches from 0 to 1. A center may lie outside.
    size : tuple of (int, int)
        Height and width of the input in pixels.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.networks import Cells
    >>> cells = Cells((32, 32), np.array([32.0, 64.0]), np.array([16.0, 48.0]), (64, 64))
    >>> cells.edges(0), cells.edges(1)
    (array([ 0., 48., 64.]), array([ 0., 32., 64.]))
    """

    stride: tuple[float, float]
    rows: np.ndarray
    cols: np.ndarray
    size: tuple[int, int]

    def edges(self, axis: int) -> np.ndarray:
        """Borders of the cells along rows (axis 0) or columns (1), (n_cells + 1,) in pixels."""
        centers, length = (self.rows, self.cols)[axis], self.size[axis]
        inner = np.clip((centers[1:] + centers[:-1]) / 2, 0, length)
        return np.concatenate([[0.0], inner, [float(length)]])


class Trunk:
    """A frozen network that turns photos into feature maps; made by :func:`open_trunk`.

    It is opened where it is used, once per process. A pickle holds path and hash of the weights,
    and no weights, unless the network was given as a module.

    Parameters
    ----------
    kind : {"module", "timm", "transformers", "onnx"}
        Where the network comes from.
    source : str or torch.nn.Module
        The module; the name of the timm model; the folder or the file.
    layer : int or str
        The layer whose output is the map.
    preprocessing : Preprocessing
        What the network wants its images to be.
    options : dict
        How the network is opened.
    sha256 : str
        Hash of the weights.

    Attributes
    ----------
    kind, source, layer, preprocessing, options, sha256
        As given.
    layer_name : str
        Name of the layer in the network.
    layer_names : tuple of str
        Names of the layers that have a number.
    n_channels : int
        Number of channels of the map.
    stride : tuple of (int, int)
        Rows and columns of pixels of the input for one cell of the map, rounded.
    is_flexible : bool
        Whether the network takes images of any size.
    fingerprint : tuple of (str, str)
        Path or name of the weights, and their SHA-256.

    Examples
    --------
    >>> import torch
    >>> from hierseg_learn.networks import open_trunk
    >>> module = torch.nn.Sequential(
    ...     torch.nn.Conv2d(3, 4, 3, stride=2, padding=1), torch.nn.ReLU(),
    ...     torch.nn.Conv2d(4, 8, 3, stride=2, padding=1),
    ... )
    >>> trunk = open_trunk(module, preprocessing={"size": 32, "mean": 0.5, "std": 0.5})
    >>> trunk.layer_names, trunk.n_channels, trunk.stride
    (('1', ''), 8, (4, 4))
    >>> trunk.cells(32, 32).rows[:3]
    array([0.5, 4.5, 8.5])
    """

    def __init__(
        self,
        kind: str,
        source: Any,
        layer: int | str,
        preprocessing: Preprocessing,
        options: dict[str, Any],
        sha256: str,
    ) -> None:
        self.kind, self.source, self.layer = kind, source, layer
        self.preprocessing, self.options, self.sha256 = preprocessing, options, sha256
        # by axis and remainder of its length: cells besides those of the stride, stride, center
        self._axes: dict[str, tuple[float, float, float]] = {}
        found = self._describe()
        self.layer_names, self.layer_name, self.n_channels, self.stride, self.is_flexible = found

    @property
    def fingerprint(self) -> tuple[str, str]:
        """Path or name of the weights, and their SHA-256."""
        path = self.options.get("checkpoint") or self.source
        return (type(path).__name__ if self.kind == "module" else str(path)), self.sha256

    def with_layer(self, layer: int | str) -> Trunk:
        """Make a trunk of another layer of the same network."""
        return Trunk(self.kind, self.source, layer, self.preprocessing, self.options, self.sha256)

    def input_size(self, height: int, width: int, size: int | None = None) -> tuple[int, int]:
        """Size in which a photo goes into the network.

        Parameters
        ----------
        height, width : int
            Of the photo, in pixels.
        size : int, default=None
            Side of a square with as many pixels as the input is to have; None takes the network's
            own size.

        Returns
        -------
        height, width : int
            The aspect ratio is kept up to multiples of the stride; a network that takes only one
            size gets that.
        """
        own = self.preprocessing.size
        if not self.is_flexible:
            return own
        area = own[0] * own[1] if size is None else size**2
        longest = area / np.array(self.stride[::-1])
        sides = np.sqrt(area * np.array([height / width, width / height]))
        cells = np.rint(np.minimum(sides, longest) / self.stride)
        rows, cols = (np.maximum(cells, 1) * self.stride).astype(int).tolist()
        return rows, cols

    def prepare(
        self,
        pixels: np.ndarray,
        size: tuple[int, int],
        box: tuple[float, float, float, float] | None = None,
    ) -> np.ndarray:
        """Resize and standardize a photo.

        Parameters
        ----------
        pixels : ndarray of shape (height, width, 3), uint8
            The photo.
        size : tuple of (int, int)
            Height and width of the result.
        box : tuple of float, default=None
            Left, upper, right and lower border of the part of the photo that is wanted.

        Returns
        -------
        prepared : ndarray of shape (3, height, width), float32
        """
        given = self.preprocessing
        return standardized(pixels, size, given.mean, given.std, given.interpolation, box)

    def feature_maps(self, batch: np.ndarray, device: str = "cpu") -> np.ndarray:
        """Compute maps.

        Parameters
        ----------
        batch : ndarray of shape (n, 3, height, width), float32
            Standardized images.
        device : {"auto", "cpu", "cuda"}, default="cpu"
            Where the network runs.

        Returns
        -------
        maps : ndarray of shape (n, n_channels, h, w), float32
        """
        network = self._network(device)
        if self.kind == "onnx":
            return np.ascontiguousarray(network.run(batch, [self.layer_name])[self.layer_name])
        return network.run(batch, network.layer(self.layer))

    def cells(self, height: int, width: int) -> Cells:
        """Find where the cells of the map lie, for inputs of one size.

        Padding may shift cells by up to half a stride, as that of TensorFlow does, and by another
        distance for another size. So their places are measured, once for every remainder of height
        and width by the stride, as the middle of the pixels that a cell can see: in modules of
        PyTorch layer by layer, of ONNX files from outside. Where every cell sees everything, as in
        transformers, patches count; where there are none, cells are laid out evenly.

        Parameters
        ----------
        height, width : int
            Size of the input of the network in pixels.

        Returns
        -------
        cells : Cells
        """
        size = (height, width)
        keys = [f"{axis} {size[axis] % self.stride[axis]}" for axis in (0, 1)]
        if not set(keys) <= set(self._axes):
            for axis, (n, stride, first) in enumerate(self._measured(size)):
                more = n - size[axis] / self.stride[axis]
                self._axes[keys[axis]] = float(more), float(stride), float(first)
        centers, strides = [], []
        for axis, key in enumerate(keys):
            more, stride, first = self._axes[key]
            n = round(size[axis] / self.stride[axis] + more)
            centers.append(first + stride * np.arange(n))
            strides.append(stride)
        return Cells((strides[0], strides[1]), *centers, size)

    def _measured(self, size: tuple[int, int]) -> list[tuple[int, float, float]]:
        """For rows and columns of an input: number of cells, stride, and center of the first."""
        if self.kind == "onnx":
            return [self._seen(size, axis) for axis in (0, 1)]
        network = self._network("cpu")
        steps, shape = network.resamplings(size, network.layer(self.layer))
        found = []
        for axis in (0, 1):
            stride, first = size[axis] / shape[axis], size[axis] / shape[axis] / 2
            if steps and steps[-1].size_out == shape:
                stride, first = 1.0, 0.5
                for step in steps:
                    own, center = step.centers(axis)
                    # the center of the first pixel lies one half from the edge
                    first += stride * (center - 0.5)
                    stride *= own
            found.append((int(shape[axis]), stride, first))
        return found

    def _seen(self, size: tuple[int, int], axis: int) -> tuple[int, float, float]:
        """Measure the cells along one axis from outside, by what is no number.

        Rows of NaN up to a cell's first row do not change the cell, nor those after its last.
        """
        stride, sides = self.stride[axis], list(size)
        for n_cells in STRIP_CELLS if self.is_flexible else (0,):
            if self.is_flexible:
                sides = [2 * step for step in self.stride]
                sides[axis] = size[axis] % stride + stride * n_cells
            is_changed, middle, n = self._changed_by_nan(sides, axis)
            lines = np.arange(sides[axis])
            if not (is_changed(lines < 1) or is_changed(lines >= sides[axis] - 1)):
                break
        else:
            return n, size[axis] / n, size[axis] / n / 2  # it sees everything
        upper = bisect(lines, False, key=lambda k: is_changed(lines < k))
        lower = bisect(lines, False, key=lambda k: not is_changed(lines >= k))
        n += (size[axis] - sides[axis]) // stride
        # the first row is the last that was hidden, and the last row the first that was
        return n, float(stride), (upper - 1 + lower) / 2 - stride * middle

    def _changed_by_nan(
        self, sides: list[int], axis: int
    ) -> tuple[Callable[[np.ndarray], bool], int, int]:
        """Make a test whether the middle cell along an axis changes where lines are NaN.

        Also returns the number of the middle cell, and that of cells.
        """
        base = np.random.default_rng(0).normal(size=(3, *sides)).astype(np.float32)
        plain = self.feature_maps(base[np.newaxis])[0]
        n = plain.shape[1 + axis]
        middle = n // 2

        def is_changed(hidden: np.ndarray) -> bool:
            lines = np.expand_dims(hidden, [0, 2 - axis])
            given = np.where(lines, np.float32(np.nan), base)[np.newaxis]
            found = np.take(self.feature_maps(given)[0], middle, axis=1 + axis)
            return bool((found != np.take(plain, middle, axis=1 + axis)).any())

        return is_changed, middle, n

    def _describe(self) -> tuple[tuple[str, ...], str, int, tuple[int, int], bool]:
        """Names of layers, name and channels of the layer, stride, and whether any size is fine."""
        network = self._network("cpu")
        size = self.preprocessing.size
        if self.kind != "onnx":
            layer = network.layer(self.layer)
            names = tuple(one.name for one in network.layers)
            stride = network.stride(layer)
            return names, layer.name, layer.n_channels, stride, network.is_flexible
        names = tuple(network.outputs)
        name = self.layer if isinstance(self.layer, str) else _entry(names, self.layer)
        network.check_outputs([name])
        is_flexible = network.input_size == (None, None)
        # twice a size: the number of cells that come with it tells the stride
        shapes = [
            network.run(np.zeros((1, 3, k * size[0], k * size[1]), dtype=np.float32), [name])[
                name
            ].shape
            for k in range(1, 2 + is_flexible)
        ]
        if len(shapes[0]) != 4:
            raise ValueError(
                f"layer={name!r} of the network in {self.source!r} has shape {shapes[0]}; expected "
                "a map, of four axes."
            )
        grids = np.diff([(0, 0), *(shape[2:] for shape in shapes)], axis=0)[-1]
        rows, cols = (max(round(side / n), 1) for side, n in zip(size, grids, strict=True))
        return names, name, shapes[0][1], (rows, cols), is_flexible

    def _network(self, device: str) -> TorchNetwork | OnnxNetwork:
        """The opened network; raises if its weights are others than those it was made with."""
        if device not in DEVICES:
            raise ValueError(f"device must be 'auto', 'cpu' or 'cuda', got {device!r}.")
        if self.kind == "onnx":
            return OnnxNetwork(self.source, sha256=self.sha256, device=device)
        where = _torch_device(device)
        if self.kind == "module":
            networks = vars(self).setdefault("_networks", {})
            if where not in networks:
                from copy import deepcopy

                from ._torch import TorchNetwork

                module = self.source if where == "cpu" else deepcopy(self.source)
                networks[where] = TorchNetwork(module, where, self.preprocessing.size)
            return networks[where]
        path = self.options.get("checkpoint") or self.source
        files = () if self.options.get("pretrained") else tuple(_weights(path))
        state = state_of(files)
        if files:
            self._check_hash(hash_files(files, state))
        options = tuple(sorted(self.options.items()))
        network, sha256 = _open(
            self.kind, self.source, options, where, self.preprocessing.size, state
        )
        if not files:
            self._check_hash(sha256)
        return network

    def _check_hash(self, sha256: str) -> None:
        """Raise unless the weights have this hash."""
        if sha256 != self.sha256:
            raise ValueError(
                f"{self.fingerprint[0]!r} holds other weights than in fit: their SHA-256 is "
                f"{sha256[:12]}…, expected {self.sha256[:12]}…"
            )

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_networks"}

    def __deepcopy__(self, memo: dict) -> Self:
        return self  # it never changes, and weights are large

    def __repr__(self) -> str:
        source = type(self.source).__name__ if self.kind == "module" else repr(self.source)
        return f"Trunk({source}, layer={self.layer!r})"


def open_trunk(
    network: Any,
    *,
    layer: int | str | None = None,
    checkpoint: str | os.PathLike | None = None,
    preprocessing: Any = None,
    match: str = "name",
    pretrained: bool = False,
) -> Trunk:
    """Open a frozen network as a trunk.

    Parameters
    ----------
    network : torch.nn.Module, str, path or Trunk
        - A module of PyTorch, of which a copy is taken.
        - The name of a model of timm, with its weights in `checkpoint`.
        - A folder with a network and its image processor as saved by transformers.
        - An ONNX file.
        - A trunk, of which another layer or preprocessing may be taken.
    layer : int or str, default=None
        The layer whose output is the map. A name is one of ``module.named_modules()``, or of the
        outputs of an ONNX file. A number counts resolutions: 0 is the finest, -1 the coarsest, each
        the last output of that resolution that lies in the fewest modules. Of a network of one
        resolution, a transformer, it counts blocks. Tokens are laid out as a map; those of classes
        and registers are left out. None stands for -1, or for the layer of a trunk.
    checkpoint : str or path, default=None
        File with the weights of a timm model.
    preprocessing : Preprocessing, dict or image processor, default=None
        Entries of :class:`Preprocessing`. Those of a timm model (by ``resolve_data_config``) or of
        a folder of transformers are read from their configuration, and a dict replaces some of
        them. For a module or an ONNX file, which do not say, all have to be given, where `size` may
        be an int, and `mean` and `std` one float.
    match : {"name", "order"}, default="name"
        Whether tensors of the checkpoint are matched by their names, or in their order and by
        shapes, for a checkpoint of the same architecture that was written with other names.
    pretrained : bool, default=False
        Whether timm may download the weights of the model.

    Returns
    -------
    trunk : Trunk

    Raises
    ------
    ImportError
        If the package for such a network is missing.
    FileNotFoundError, ValueError, TypeError
        If a file is missing or does not fit, there is no such layer, or the preprocessing is
        unknown; the message says which.

    Examples
    --------
    >>> import timm
    >>> from hierseg_learn.networks import open_trunk
    >>> model = timm.create_model("tf_efficientnet_lite0")  # random weights
    >>> trunk = open_trunk(model, layer=-2)
    >>> trunk.preprocessing.interpolation, trunk.layer_name, trunk.n_channels, trunk.stride
    ('bicubic', 'blocks.4', 112, (16, 16))
    """
    if isinstance(network, Trunk):
        if checkpoint is not None or pretrained:
            raise ValueError("checkpoint and pretrained belong to a name; network is a trunk.")
        given = choose_preprocessing(preprocessing, network.preprocessing, "a trunk")
        layer = network.layer if layer is None else layer
        if layer == network.layer and given == network.preprocessing:
            return network
        return Trunk(network.kind, network.source, layer, given, network.options, network.sha256)
    layer = -1 if layer is None else layer
    if not isinstance(layer, str):
        layer = check_integer(layer, "layer", minimum=-sys.maxsize)
    if hasattr(network, "named_modules"):
        if checkpoint is not None:
            raise ValueError("checkpoint belongs to the name of a timm model; network is a module.")
        return _of_module(network, layer, preprocessing)
    if not isinstance(network, str | os.PathLike):
        raise TypeError(
            "network must be a torch.nn.Module, the name of a timm model, a folder, an ONNX file "
            f"or a Trunk, got {network!r}."
        )
    source = os.fspath(network)
    if source.lower().endswith(".onnx"):
        given = choose_preprocessing(preprocessing, None, f"the ONNX file {source!r}")
        opened = OnnxNetwork(source)
        own = opened.input_size
        if None not in own and own != given.size:
            raise ValueError(
                f"preprocessing says size={given.size}, but the network in {source!r} takes images "
                f"of {own[0]} × {own[1]} pixels."
            )
        return Trunk("onnx", opened.path, layer, given, {}, opened.sha256)
    if os.path.isdir(source):
        return _of_folder(source, layer, preprocessing)
    return _of_name(source, layer, preprocessing, checkpoint, match, pretrained)


def _of_module(module: Any, layer: int | str, preprocessing: Any) -> Trunk:
    """Trunk of a module of the user, copied."""
    from copy import deepcopy

    config = getattr(module, "pretrained_cfg", None)
    own = timm_preprocessing(module) if config else None
    what = f"a {type(module).__name__}, which does not say what images it wants"
    given = choose_preprocessing(preprocessing, own, what)
    module = deepcopy(module).cpu()
    return Trunk("module", module, layer, given, {}, _hash_tensors(module.state_dict()))


def _of_name(
    name: str,
    layer: int | str,
    preprocessing: Any,
    checkpoint: str | os.PathLike | None,
    match: str,
    pretrained: bool,
) -> Trunk:
    """Trunk of a model of timm."""
    if match not in ("name", "order"):
        raise ValueError(f"match must be 'name' or 'order', got {match!r}.")
    with _needs("Models of timm", "torch", "timm"):
        import timm
    if not timm.is_model(name.split(".")[0]):
        raise ValueError(
            f"network={name!r} is neither a model of timm {timm.__version__} nor a folder or an "
            "ONNX file."
        )
    if (checkpoint is None) != bool(pretrained):
        raise ValueError(
            f"The weights of {name!r} must come from a file, checkpoint=, or be downloaded by "
            "timm, pretrained=True; "
            + ("got both." if pretrained else "got neither. Nothing is downloaded unless asked.")
        )
    options: dict[str, Any] = {"match": match, "pretrained": bool(pretrained)}
    if checkpoint is not None:
        options["checkpoint"] = os.path.abspath(os.fspath(checkpoint))
        _weights(options["checkpoint"])  # that it exists, before a model is built
    model = _timm_model(name, options)
    given = choose_preprocessing(preprocessing, timm_preprocessing(model), name)
    if checkpoint is None:
        sha256 = _hash_tensors(model.state_dict())
    else:
        files = tuple(_weights(options["checkpoint"]))
        sha256 = hash_files(files, state_of(files))
    return Trunk("timm", name, layer, given, options, sha256)


def _of_folder(folder: str, layer: int | str, preprocessing: Any) -> Trunk:
    """Trunk of a folder of transformers."""
    folder = os.path.abspath(folder)
    if not os.path.isfile(os.path.join(folder, CONFIG)):
        raise ValueError(
            f"network must be a folder with a model as saved by transformers, and {folder!r} holds "
            f"no {CONFIG}. Nothing is downloaded."
        )
    with _needs("Networks of transformers", "torch", "transformers"):
        import transformers  # noqa: F401
    own = None
    if any(Path(folder, f"{kind}_config.json").is_file() for kind in ("preprocessor", "processor")):
        own = Preprocessing.of(load_processor(folder))
    given = choose_preprocessing(preprocessing, own, f"{folder!r}, which holds no image processor")
    files = tuple(_weights(folder))
    return Trunk("transformers", folder, layer, given, {}, hash_files(files, state_of(files)))


@lru_cache(maxsize=4)
def _open(
    kind: str,
    source: str,
    options: tuple,
    device: str,
    size: tuple[int, int],
    state: tuple,
) -> tuple[TorchNetwork, str]:
    """Open a network and, if it has no files, hash it; `state` changes when its files do."""
    from ._torch import TorchNetwork

    model = _timm_model(source, dict(options)) if kind == "timm" else _folder_model(source)
    return TorchNetwork(model, device, size), "" if state else _hash_tensors(model.state_dict())


def _timm_model(name: str, options: dict[str, Any]) -> Any:
    """Build a model of timm and give it its weights."""
    import timm
    import torch

    if options["pretrained"]:
        return timm.create_model(name, pretrained=True)
    model = timm.create_model(name, pretrained=False)
    checkpoint = options["checkpoint"]
    try:
        state = timm.models.load_state_dict(checkpoint, use_ema=False)
    except Exception as error:  # what a file that is no checkpoint causes depends on the file
        raise ValueError(f"checkpoint {checkpoint!r} cannot be read: {error}") from error
    own = model.state_dict()
    counters = ("num_batches_tracked",)
    given = {k: v for k, v in state.items() if not k.endswith(counters)}
    wanted = {k: v for k, v in own.items() if not k.endswith(counters)}
    shapes = [tuple(v.shape) for v in given.values()]
    in_order = shapes == [tuple(v.shape) for v in wanted.values()]
    if options["match"] == "order":
        if not in_order:
            raise ValueError(
                f"checkpoint {checkpoint!r} does not fit {name!r}: its {len(given)} tensors have "
                f"other shapes than the {len(wanted)} of the model, in their order."
            )
        given = dict(zip(wanted, given.values(), strict=True))
    strange = [k for k in wanted if k not in given or given[k].shape != wanted[k].shape]
    if strange:
        hint = "; in their order all shapes fit: match='order' takes them so" if in_order else ""
        raise ValueError(
            f"checkpoint {checkpoint!r} does not fit {name!r}: {len(strange)} of the "
            f"{len(wanted)} tensors of the model are missing or of another shape, such as "
            f"{strange[0]!r}{hint}."
        )
    with torch.no_grad():
        model.load_state_dict({**own, **given})
    return model


def _folder_model(folder: str) -> Any:
    """Load a network of transformers without its head."""
    import transformers
    from transformers.utils import logging

    was_on, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        # 16-bit weights would be slow on a CPU, or not work at all
        return transformers.AutoModel.from_pretrained(folder, local_files_only=True).float()
    finally:
        logging.set_verbosity(level)
        if was_on:
            logging.enable_progress_bar()


def _weights(path: str | os.PathLike) -> list[str]:
    """Files with the weights: the file itself, or those of a folder."""
    path = Path(path)
    files = [file for glob in WEIGHT_FILES for file in sorted(path.glob(glob))]
    if path.is_file():
        files = [path]
    if not files:
        raise FileNotFoundError(
            f"{os.fspath(path)!r} must hold the weights of a network, and there are none. Nothing "
            "is downloaded unless asked."
        )
    return [str(file) for file in files]


def _hash_tensors(state: Mapping[str, Any]) -> str:
    """SHA-256 of tensors with their names."""
    digest = hashlib.sha256()
    for name, tensor in state.items():
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(tensor.detach().cpu().float().numpy()).tobytes())
    return digest.hexdigest()


def _torch_device(device: str) -> str:
    """Device of PyTorch for one of ours."""
    with _needs("This network", "torch"):
        import torch
    has_cuda = device != "cpu" and torch.cuda.is_available()
    if device == "cuda" and not has_cuda:
        raise RuntimeError("device='cuda' was asked for, but PyTorch finds no CUDA device.")
    return "cuda" if has_cuda else "cpu"


@contextmanager
def _needs(what: str, *packages: str) -> Iterator[None]:
    """Turn a missing package into a sentence."""
    try:
        yield
    except ImportError as error:
        raise ImportError(
            f"{what} need{'s' * (what == 'This network')} {' and '.join(packages)}: "
            "pip install 'hierseg-learn[deep]'."
        ) from error


def _entry(names: tuple[str, ...], key: int) -> str:
    """Output of an ONNX file by its number."""
    if not -len(names) <= key < len(names):
        raise ValueError(
            f"layer={key} must lie in [{-len(names)}, {len(names)}), for the ONNX file has "
            f"{len(names)} outputs: {', '.join(map(repr, names))}."
        )
    return names[key]

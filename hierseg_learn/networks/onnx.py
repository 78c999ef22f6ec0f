"""A network in an ONNX file: photos in, arrays out."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ..utils.numbers import check_integer

LAYOUTS = ("NCHW", "NHWC")
_DEVICES = ("auto", "cpu", "cuda")
# errors only; networks that were converted cause hundreds of warnings
_LOG_SEVERITY = 3
# of every file its inode, size and time
State = tuple[tuple[int, int, int], ...]


class OnnxNetwork:
    """A network in an ONNX file, run by onnxruntime.

    The file is opened when it is needed, once per process, and again where the file has changed.
    A pickle or copy holds path and hash of the file and not the network; a file with another hash
    is an error.

    It needs onnxruntime: ``pip install 'hierseg-learn[onnx]'``.

    Parameters
    ----------
    path : str or path
        The ONNX file. It must have one input of four axes in float32.
    sha256 : str, default=None
        The hash that the file must have; None takes the file as it is.
    layout : {"auto", "NCHW", "NHWC"}, default="auto"
        Where the channels of the input are. ``"auto"`` looks for the axis of 1 or 3 channels.
    device : {"auto", "cpu", "cuda"}, default="auto"
        Where the network runs. ``"auto"`` takes CUDA where onnxruntime can.
    n_threads : int, default=1
        Number of threads that one image is computed with.

    Attributes
    ----------
    path : str
        Absolute path of the file.
    sha256 : str
        SHA-256 of the file, in hexadecimal digits. Where the weights lie in files of their own,
        that of the file followed by those.
    layout : {"NCHW", "NHWC"}
        Where the channels of the input are.
    n_channels : int
        Number of channels of the input.
    batch : int or None
        Number of images that the network takes at once, None for any.
    input_size : tuple of (int or None, int or None)
        Height and width of the input in pixels, None where they are free.
    outputs : dict of str to tuple
        Shape of every output by its name, None where a side is free. Maps, of four axes, are
        (n_images, n_maps, rows, columns), whatever the layout of the file.

    Raises
    ------
    ImportError
        If onnxruntime is missing.
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no ONNX file, has another hash, or no input for photos.
    RuntimeError
        If `device` is ``"cuda"`` and onnxruntime finds none.

    Notes
    -----
    On the CPU images go through the network one by one, which is as fast as together, so that the
    bits of an output do not depend on the other images. With another number of threads, or on a
    GPU, the last bits may differ.

    Examples
    --------
    A file with a convolution of 2 filters, written by the package onnx:

    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> import onnx
    >>> from hierseg_learn.networks import OnnxNetwork
    >>> model = onnx.parser.parse_model('''
    ...     <ir_version: 8, opset_import: ["" : 13]>
    ...     net (float[n, 3, h, w] photo) => (float[n, 2, y, x] maps)
    ...     <float[2, 3, 1, 1] filters = {1, 0, 0, 0, 0, 1}>
    ...     { maps = Conv<strides = [4, 4]>(photo, filters) }
    ... ''')
    >>> folder = TemporaryDirectory()
    >>> onnx.save(model, f"{folder.name}/net.onnx")
    >>> network = OnnxNetwork(f"{folder.name}/net.onnx")
    >>> network.layout, network.n_channels, network.input_size, network.outputs
    ('NCHW', 3, (None, None), {'maps': (None, 2, None, None)})
    >>> network.run(np.zeros((2, 3, 16, 8), dtype=np.float32))["maps"].shape
    (2, 2, 4, 2)
    >>> folder.cleanup()
    """

    def __init__(
        self,
        path: str | os.PathLike,
        *,
        sha256: str | None = None,
        layout: str = "auto",
        device: str = "auto",
        n_threads: int = 1,
    ) -> None:
        if layout not in ("auto", *LAYOUTS):
            raise ValueError(f"layout must be 'auto', 'NCHW' or 'NHWC', got {layout!r}.")
        if device not in _DEVICES:
            raise ValueError(f"device must be 'auto', 'cpu' or 'cuda', got {device!r}.")
        self.path = os.path.abspath(os.fspath(path))
        self.device = device
        self.n_threads = check_integer(n_threads, "n_threads")
        self.sha256 = sha256
        session, self.sha256 = self._opened()
        self._input, shape = _read_input(session, self.path)
        self.layout = _find_layout(shape, layout, self.path)
        self.batch = shape[0]
        channels = self.layout.index("C")
        self.n_channels = shape[channels] or 3
        height, width = (shape[self.layout.index(axis)] for axis in "HW")
        self.input_size = height, width
        shapes = {output.name: _known(output.shape) for output in session.get_outputs()}
        self._last = {name for name, sides in shapes.items() if _channels_last(sides, self)}
        self.outputs = {
            name: (sides[0], sides[3], *sides[1:3]) if name in self._last else sides
            for name, sides in shapes.items()
        }

    @property
    def on_cuda(self) -> bool:
        """Whether images go through the network together, on a GPU."""
        return _find_provider(self.device).startswith("CUDA")

    def check_outputs(self, names: Sequence[str]) -> None:
        """Raise unless the network has all these outputs.

        Parameters
        ----------
        names : sequence of str
            Names of outputs.

        Raises
        ------
        ValueError
            If there is none of a name; the message lists those there are.
        """
        strange = [name for name in names if name not in self.outputs]
        if strange:
            raise ValueError(
                f"The network in {self.path!r} has no output {_listed(strange)}; its outputs are "
                f"{_listed(self.outputs)}."
            )

    def run(
        self, inputs: np.ndarray, outputs: Sequence[str] | None = None
    ) -> dict[str, np.ndarray]:
        """Compute outputs for images.

        Parameters
        ----------
        inputs : ndarray of shape (n_images, n_channels, height, width)
            Standardized images, whatever the layout of the file.
        outputs : sequence of str, default=None
            Names of the outputs to be computed; None computes all.

        Returns
        -------
        found : dict of str to ndarray
            Every output by its name, the images in the first axis. Maps, of four axes, have shape
            (n_images, n_maps, rows, columns), whatever the layout of the file.

        Raises
        ------
        ValueError
            If there is no such output, the network does not take images of this size, or the file
            has another hash than before.
        """
        names = tuple(self.outputs if outputs is None else outputs)
        self.check_outputs(names)
        session, _ = self._opened()
        given = np.ascontiguousarray(inputs, dtype=np.float32)
        self._check_shape(given.shape)
        if self.layout == "NHWC":
            given = np.ascontiguousarray(given.transpose(0, 2, 3, 1))
        at_once = self.batch or (len(given) if self.on_cuda else 1)
        found = [
            self._run_batch(session, given[start : start + at_once], names)
            for start in range(0, len(given), at_once)
        ]
        joined = {name: np.concatenate([one[k] for one in found]) for k, name in enumerate(names)}
        return {
            name: values.transpose(0, 3, 1, 2) if name in self._last else values
            for name, values in joined.items()
        }

    def _run_batch(
        self, session: Any, given: np.ndarray, names: tuple[str, ...]
    ) -> list[np.ndarray]:
        """Outputs for some images, at most so many as the network takes at once."""
        n_images = len(given)
        if self.batch is not None and n_images < self.batch:
            given = np.concatenate([given, np.repeat(given[-1:], self.batch - n_images, axis=0)])
        try:
            found = session.run(list(names), {self._input: given})
        except Exception as error:  # onnxruntime has one class per kind of failure
            height, width = (given.shape[self.layout.index(axis)] for axis in "HW")
            raise ValueError(
                f"The network in {self.path!r} does not take images of {height} × {width} pixels: "
                f"{_first_line(error)}"
            ) from error
        for name, values in zip(names, found, strict=True):
            if np.ndim(values) == 0 or len(values) != len(given):
                raise ValueError(
                    f"Output {name!r} of the network in {self.path!r} has shape "
                    f"{np.shape(values)} for {len(given)} image(s); expected one entry per image."
                )
        return [values[:n_images] for values in found]

    def _check_shape(self, shape: tuple[int, ...]) -> None:
        """Raise unless images of this shape, channels first, fit the input."""
        expected = (self.n_channels, *self.input_size)
        if (
            len(shape) != 4
            or shape[0] == 0
            or any(side not in (None, given) for side, given in zip(expected, shape[1:]))
        ):
            sides = " × ".join("any" if side is None else str(side) for side in expected)
            raise ValueError(
                f"inputs has shape {shape}; the network in {self.path!r} takes images of "
                f"{sides} (channels, height, width)."
            )

    def _opened(self) -> tuple[Any, str]:
        """The open network, and the hash of its file."""
        provider = _find_provider(self.device)
        session, sha256 = _open(self.path, provider, self.n_threads, _state(self.path))
        if self.sha256 not in (None, sha256):
            raise ValueError(
                f"{self.path!r} holds another network than expected: its SHA-256 is "
                f"{sha256[:12]}…, expected {self.sha256[:12]}…"
            )
        return session, sha256


def _find_provider(device: str) -> str:
    """What onnxruntime calls a device."""
    try:
        import onnxruntime
    except ImportError as error:
        raise ImportError(
            "Networks in ONNX files need onnxruntime: pip install 'hierseg-learn[onnx]'."
        ) from error
    has_cuda = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    if device == "cuda" and not has_cuda:
        raise RuntimeError(
            "device='cuda' was asked for, but onnxruntime was built without CUDA "
            "(pip install onnxruntime-gpu)."
        )
    return "CUDAExecutionProvider" if has_cuda and device != "cpu" else "CPUExecutionProvider"


def _state(path: str) -> State:
    """What changes when the files of a network do; that of the ONNX file comes first."""
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f"{path!r} must be an ONNX file, but there is none. Nothing is downloaded."
        )
    files = [path, *_weight_files(path, state_of([path]))]
    for file in files:
        if not os.path.isfile(file):
            raise FileNotFoundError(
                f"Weights of the network in {path!r} lie in {file!r}, but there is no such file."
            )
    return state_of(files)


@lru_cache(maxsize=4)
def _open(path: str, provider: str, n_threads: int, state: State) -> tuple[Any, str]:
    """Open a network and hash its files; `state` changes when they do."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = _LOG_SEVERITY
    options.intra_op_num_threads = n_threads
    options.inter_op_num_threads = 1
    providers = list(dict.fromkeys([provider, "CPUExecutionProvider"]))
    try:
        session = onnxruntime.InferenceSession(path, options, providers=providers)
    except Exception as error:  # onnxruntime has one class per kind of failure
        raise ValueError(
            f"{path!r} must be an ONNX file that onnxruntime {onnxruntime.__version__} can open: "
            f"{_first_line(error)}"
        ) from error
    return session, hash_files((path, *_weight_files(path, state[:1])), state)


def state_of(files: Iterable[str]) -> State:
    """What changes when files do."""
    stats = [os.stat(file) for file in files]
    return tuple((stat.st_ino, stat.st_size, stat.st_mtime_ns) for stat in stats)


@lru_cache(maxsize=32)
def hash_files(files: tuple[str, ...], state: State) -> str:
    """SHA-256 of files, one after the other; `state` changes when they do."""
    digest = hashlib.sha256()
    for file in files:
        with open(file, "rb") as stream:
            while block := stream.read(2**20):
                digest.update(block)
    return digest.hexdigest()


def _read_input(session: Any, path: str) -> tuple[str, tuple[int | None, ...]]:
    """Name and shape of the one input; None for sides that are free."""
    inputs = session.get_inputs()
    described = [f"{one.name} {one.type} of shape {one.shape}" for one in inputs]
    if len(inputs) != 1 or inputs[0].type != "tensor(float)" or len(inputs[0].shape) != 4:
        raise ValueError(
            f"{path!r} must hold a network with one input of photos, float32 of four axes; it "
            f"takes {'; '.join(described)}."
        )
    return inputs[0].name, _known(inputs[0].shape)


def _known(shape: Sequence[Any]) -> tuple[int | None, ...]:
    """Shape of an input or output, None for sides that are free."""
    return tuple(side if isinstance(side, int) and side > 0 else None for side in shape)


def _find_layout(shape: tuple[int | None, ...], layout: str, path: str) -> str:
    """Where the channels of an input are."""
    sides = dict(zip(LAYOUTS, (shape[1], shape[3]), strict=True))
    if layout == "auto":
        fitting = [name for name, side in sides.items() if side in (1, 3)]
        if len(fitting) != 1:
            raise ValueError(
                f"The input of the network in {path!r} has shape {shape}, which does not say where "
                "its channels are; pass layout='NCHW' or layout='NHWC'."
            )
        return fitting[0]
    if sides[layout] not in (None, 1, 3):
        raise ValueError(
            f"layout={layout!r} makes {sides[layout]} channels of the input of the network in "
            f"{path!r}, which has shape {shape}; expected 1 or 3."
        )
    return layout


def _channels_last(shape: tuple[int | None, ...], network: OnnxNetwork) -> bool:
    """Whether the channels of an output are its last axis: its only fixed side, or as the input."""
    if len(shape) != 4:
        return False
    if (shape[1] is None) != (shape[3] is None):
        return shape[1] is None
    height, width = network.input_size
    if None not in (*shape[1:], height, width):
        # the sides of a map have the ratio of those of the input, up to one cell
        first = abs(shape[2] * width - shape[3] * height) <= max(height, width)
        last = abs(shape[1] * width - shape[2] * height) <= max(height, width)
        if first != last:
            return last
    return network.layout == "NHWC"


@lru_cache(maxsize=8)
def _weight_files(path: str, state: State) -> tuple[str, ...]:
    """Files beside an ONNX file that hold weights, by name; `state` changes when the file does."""
    try:
        names = set(_locations(memoryview(Path(path).read_bytes()), "model"))
    except (IndexError, UnicodeDecodeError):  # no ONNX file, as onnxruntime will say
        return ()
    return tuple(str(Path(path).parent / name) for name in sorted(names))


# fields that lead to the tensors of a model, by the message they are in: number and next message
_TO_TENSORS = {
    "model": {7: "graph"},
    "graph": {1: "node", 5: "tensor"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph"},
    "tensor": {13: "entry"},
}


def _locations(message: memoryview, kind: str) -> Iterator[str]:
    """Names of the files that the tensors of a message lie in."""
    if kind == "entry":
        texts = {number: bytes(value).decode() for number, value in _fields(message)}
        if texts.get(1) == "location":
            yield texts.get(2, "")
        return
    for number, value in _fields(message):
        if number in _TO_TENSORS[kind]:
            yield from _locations(value, _TO_TENSORS[kind][number])


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Fields of a message of protocol buffers that are messages or texts, with their numbers."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        size = {1: 8, 5: 4}.get(key & 7, 0)
        if key & 7 in (0, 2):
            size, at = _varint(message, at)
        if key & 7 == 2:
            yield key >> 3, message[at : at + size]
        if key & 7:
            at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """A number of variable length, and where it ends."""
    value = shift = 0
    while message[at] & 128:
        value |= (message[at] & 127) << shift
        at, shift = at + 1, shift + 7
    return value | message[at] << shift, at + 1


def _first_line(error: Exception) -> str:
    """First line of what another package says."""
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))

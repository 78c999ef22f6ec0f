"""Feature maps of PyTorch modules: layers by name or number, tokens laid out as maps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import RLock
from typing import Any

import numpy as np

# most tokens of a transformer that stand for no place: classes and registers
MAX_PREFIX = 64
# share of the rows of a map that layers without padding may lose at borders
SLACK = 0.04
# length of the other axis while the cells along one are measured
STRIP = 32


class _Reached(Exception):
    """Ends a forward pass at the layer that is wanted."""

    def __init__(self, output: Any) -> None:
        super().__init__()
        self.output = output


@dataclass(frozen=True)
class MapLayer:
    """A module whose output is a map, and how it is laid out."""

    name: str  # as in ``named_modules``; "" is the whole network
    layout: str  # "NCHW", "NHWC" or "tokens"
    n_channels: int
    grid: tuple[int, int]  # rows and columns of the map at the size of the probe
    n_prefix: int = 0  # tokens before those of the map

    @property
    def depth(self) -> int:
        """How many modules it lies in."""
        return self.name.count(".") + 1 if self.name else 0


class TorchNetwork:
    """A module in evaluation mode on a device, whose layers give maps.

    Raises ValueError if it does not take images of `size`, or has no map in it.
    """

    def __init__(self, module: Any, device: str, size: tuple[int, int]) -> None:
        self.module = module.eval().to(device)
        self.device = device
        self._size = size
        self._lock = RLock()  # hooks belong to the module, which threads share
        self._by_name = self._find_layers()
        self.layers = _number_layers(list(self._by_name.values()), self.module)
        if not self.layers:
            raise ValueError(
                f"network must have a layer whose output is a map of the image, and "
                f"{type(module).__name__} has none."
            )
        self.is_flexible = self._takes(_other(size))

    def layer(self, key: int | str) -> MapLayer:
        """Find a layer by its name or number; raises ValueError if there is none."""
        if isinstance(key, str):
            if key in self._by_name:
                return self._by_name[key]
            raise ValueError(
                f"layer={key!r} names no layer of {type(self.module).__name__} that gives a map; "
                f"by number it has {', '.join(repr(one.name) for one in self.layers)}."
            )
        if not -len(self.layers) <= key < len(self.layers):
            raise ValueError(
                f"layer={key} must lie in [{-len(self.layers)}, {len(self.layers)}), for "
                f"{type(self.module).__name__} has {len(self.layers)} layers: "
                f"{', '.join(repr(one.name) for one in self.layers)}."
            )
        return self.layers[key]

    def run(self, batch: np.ndarray, layer: MapLayer) -> np.ndarray:
        """Maps of a layer, (n, n_channels, h, w) float32, for (n, 3, height, width).

        On the CPU images go through one by one, which is as fast as together, so that the bits do
        not depend on the other images.
        """
        if self.device == "cpu" and len(batch) > 1:
            return np.concatenate([self.run(one[np.newaxis], layer) for one in batch])
        output = self._output(batch, layer)
        size = batch.shape[2:]
        if layer.layout == "tokens":
            rows, cols = self._token_grid(output.shape[1] - layer.n_prefix, size, layer)
            output = output[:, layer.n_prefix :].transpose(1, 2).unflatten(2, (rows, cols))
        elif layer.layout == "NHWC":
            output = output.permute(0, 3, 1, 2)
        return np.ascontiguousarray(output.float().cpu().numpy())

    def resamplings(
        self, size: tuple[int, int], layer: MapLayer
    ) -> tuple[list[Resampling], tuple[int, int]]:
        """Modules that change the resolution on the way to a layer, and its rows and columns.

        Of several that lead to the same resolution, the first.
        """
        found: list[Resampling] = []
        known = {size}

        def look(module: Any, inputs: Any, output: Any) -> None:
            before = inputs[0] if inputs and isinstance(inputs, tuple) else None
            if getattr(before, "ndim", 0) != 4 or getattr(output, "ndim", 0) != 4:
                return
            sizes = tuple(before.shape[2:]), tuple(output.shape[2:])
            if sizes[0] in known and sizes[1] not in known and min(sizes[1]) > 0:
                known.add(sizes[1])
                found.append(Resampling(module, before.shape[1], *sizes))

        leaves = [one for one in self.module.modules() if not any(True for _ in one.children())]
        with self._lock, _hooks(leaves, look):
            shape = self.run(np.zeros((1, 3, *size), dtype=np.float32), layer).shape
        return found, shape[2:]

    def stride(self, layer: MapLayer) -> tuple[int, int]:
        """Rows and columns of pixels of the input for one cell of a layer."""
        steps, shape = self.resamplings(self._size, layer)
        if steps and steps[-1].size_out == shape:
            strides = np.prod([step.strides for step in steps], axis=0)
        else:
            strides = np.rint(np.divide(self._size, shape))
        rows, cols = (max(int(stride), 1) for stride in strides)
        return rows, cols

    def _output(self, batch: np.ndarray, layer: MapLayer) -> Any:
        import torch

        def stop(module: Any, inputs: Any, output: Any) -> None:
            raise _Reached(output)

        target = self.module.get_submodule(layer.name)
        with self._lock, one_thread(), torch.inference_mode(), _hooks([target], stop):
            try:
                self.module(torch.from_numpy(batch).to(self.device))
            except _Reached as reached:
                return _tensor(reached.output)
        raise ValueError(f"layer={layer.name!r} is not run for images of {batch.shape[2:]} pixels.")

    def _token_grid(self, n_tokens: int, size: tuple[int, int], layer: MapLayer) -> tuple[int, int]:
        """Rows and columns of tokens, of the stride that the probe has shown."""
        strides = [round(side / n) for side, n in zip(self._size, layer.grid, strict=True)]
        for round_up in (0, 1):
            rows, cols = (
                -(-side // stride) if round_up else side // stride
                for side, stride in zip(size, strides, strict=True)
            )
            if rows * cols == n_tokens:
                return rows, cols
        raise ValueError(
            f"{type(self.module).__name__} gives {n_tokens} tokens for {size[0]} × {size[1]} "
            "pixels, which are no map of it."
        )

    def _find_layers(self) -> dict[str, MapLayer]:
        import torch

        seen: list[tuple[str, Any]] = []
        names = {one: name for name, one in self.module.named_modules()}
        size = self._size

        def look(module: Any, inputs: Any, output: Any) -> None:
            tensor = _tensor(output)
            if tensor is not None and tensor.shape[0] == 1:
                seen.append((names[module], tuple(tensor.shape)))

        with self._lock, one_thread(), torch.inference_mode(), _hooks(list(names), look):
            try:
                self.module(torch.zeros(1, 3, *size, device=self.device))
            except (RuntimeError, ValueError, TypeError, AssertionError) as error:
                raise ValueError(
                    f"{type(self.module).__name__} does not take images of {size[0]} × {size[1]} "
                    f"pixels: {str(error).strip().splitlines()[0] if str(error) else error!r}"
                ) from error
        maps = [_layout_of(shape, size)[1] for _, shape in seen if len(shape) == 4]
        grids = [grid for grid in maps if grid != (1, 1) and _is_grid(grid, size)]
        found: dict[str, MapLayer] = {}
        for name, shape in seen:
            if len(shape) == 4:
                layout, grid = _layout_of(shape, size)
                if grid != (1, 1) and _is_grid(grid, size):
                    n_channels = shape[1 if layout == "NCHW" else 3]
                    found[name] = MapLayer(name, layout, n_channels, grid)
            elif len(shape) == 3 and (grid := _grid_of_tokens(shape[1], size, grids)):
                n_prefix = shape[1] - grid[0] * grid[1]
                found[name] = MapLayer(name, "tokens", shape[2], grid, n_prefix)
        return found

    def _takes(self, size: tuple[int, int]) -> bool:
        """Whether images of another size go through to the last layer."""
        try:
            self.run(np.zeros((1, 3, *size), dtype=np.float32), self.layers[-1])
        except (RuntimeError, ValueError, TypeError, AssertionError):
            return False
        return True


@dataclass(frozen=True)
class Resampling:
    """A module that changes the resolution, with what went in and came out."""

    module: Any
    n_channels: int
    size_in: tuple[int, int]
    size_out: tuple[int, int]

    @property
    def strides(self) -> tuple[int, int]:
        """Rows and columns of its input for one of its output."""
        own = getattr(self.module, "stride", None)
        own = (own, own) if isinstance(own, int) else own
        if isinstance(own, tuple | list) and len(own) == 2:
            return tuple(own)
        ratios = np.divide(self.size_in, self.size_out)
        return tuple(max(round(ratio), 1) for ratio in ratios.tolist())

    def centers(self, axis: int) -> tuple[float, float]:
        """Where its outputs lie along an axis of its input: stride, and center of the first.

        Measured with an input in which one row after the other is changed. Its length differs from
        that in the network by a multiple of the stride, so that padding is the same.
        """
        import torch

        length, stride = self.size_in[axis], self.strides[axis]
        kernel = getattr(self.module, "kernel_size", stride)
        kernel = max(kernel) if isinstance(kernel, tuple | list) else int(kernel)
        span = 2 * kernel + 4 * stride
        length = length % stride + -(-2 * span // stride) * stride
        sides = [STRIP, STRIP]
        sides[axis] = length
        generator = torch.Generator().manual_seed(0)
        device = next(iter(self.module.parameters()), torch.empty(0)).device
        base = torch.rand(1, self.n_channels, *sides, generator=generator).to(device)
        rows = range(length // 2 - span // 2, length // 2 + span // 2)
        changed = base.repeat(len(rows), 1, 1, 1)
        for k, row in enumerate(rows):
            changed[k].select(axis + 1, row).add_(100.0)
        with one_thread(), torch.inference_mode():
            outputs = self.module(torch.cat([base, changed]))
        moved = (outputs[1:] != outputs[:1]).any(dim=1).any(dim=2 - axis).cpu().numpy()
        # outputs all of whose inputs are among the rows
        whole = np.flatnonzero(moved.any(axis=0) & ~moved[0] & ~moved[-1])
        middle = whole[len(whole) // 2]
        touched = np.flatnonzero(moved[:, middle]) + rows[0]
        center = (touched[0] + touched[-1] + 1) / 2
        return float(stride), center - stride * middle


def _number_layers(layers: list[MapLayer], module: Any) -> list[MapLayer]:
    """Layers by number: the last one of each resolution, of those that lie in the fewest modules.

    Of a network of one resolution, a transformer, the outputs of its blocks, and the last one.
    """
    by_grid: dict[tuple[int, int], list[MapLayer]] = {}
    for layer in layers:
        by_grid.setdefault(layer.grid, []).append(layer)
    last = []
    for group in by_grid.values():
        depth = min(layer.depth for layer in group)
        last.append([layer for layer in group if layer.depth == depth][-1])
    if len(last) != 1 or last[0].layout != "tokens":
        return last
    known = {layer.name: layer for layer in layers}
    blocks: list[MapLayer] = []
    for name, one in module.named_modules():
        children = list(one.named_children())
        if len({type(child) for _, child in children}) == 1:
            names = [f"{name}.{child}" if name else child for child, _ in children]
            outputs = [known[child] for child in names if child in known]
            if len(outputs) > len(blocks):
                blocks = outputs
    return [*blocks[:-1], last[0]]


def _layout_of(shape: tuple[int, ...], size: tuple[int, int]) -> tuple[str, tuple[int, int]]:
    """Which axes of (1, a, b, c) are rows and columns: those with the ratio of the image."""
    _, a, b, c = shape

    def off(rows: int, cols: int) -> float:
        return abs(np.log(size[0] * cols / (size[1] * rows)))

    return ("NHWC", (a, b)) if off(a, b) < off(b, c) else ("NCHW", (b, c))


def _is_grid(grid: tuple[int, int], size: tuple[int, int]) -> bool:
    """Whether square cells of a whole number of pixels cover the image, up to borders."""
    cell = round(max(side / n for n, side in zip(grid, size, strict=True)))
    return cell >= 1 and all(
        abs(side / cell - n) <= 1 + SLACK * n for n, side in zip(grid, size, strict=True)
    )


def _grid_of_tokens(
    n_tokens: int, size: tuple[int, int], grids: list[tuple[int, int]]
) -> tuple[int, int] | None:
    """Rows and columns of tokens: the last map with nearly as many cells, or that of the image."""
    for rows, cols in reversed(grids):
        if 0 <= n_tokens - rows * cols <= min(MAX_PREFIX, rows * cols):
            return rows, cols
    rows = round((n_tokens * size[0] / size[1]) ** 0.5)
    return (rows, n_tokens // rows) if rows and n_tokens % rows == 0 and rows > 1 else None


def _other(size: tuple[int, int]) -> tuple[int, int]:
    """Another size than that of the network, and another ratio."""
    return size[0] + size[0] // 2, size[1]


def _tensor(output: Any) -> Any:
    """The tensor of an output: the first of a mapping or tuple, the last of a list."""
    if isinstance(output, Mapping):
        output = tuple(output.values())
    if isinstance(output, list):
        output = output[::-1]
    if isinstance(output, tuple | list):
        output = output[0] if output else None
    return output if hasattr(output, "ndim") and hasattr(output, "device") else None


@contextmanager
def _hooks(modules: list[Any], hook: Any) -> Iterator[None]:
    """Call a hook after the forward pass of modules."""
    handles = [module.register_forward_hook(hook) for module in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread, so that the bits do not depend on their number or on the batch."""
    import torch

    before = torch.get_num_threads()
    if before != 1:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        if before != 1:
            torch.set_num_threads(before)

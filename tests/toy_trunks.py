"""Small trunks of PyTorch with random weights."""

import pytest

PREPROCESSING = {"size": 16, "mean": 0.5, "std": 0.25, "interpolation": "bilinear"}


def small_module(seed=0, n_channels=6, same=False):
    """Two convolutions of stride 2, padded as TensorFlow does or evenly."""
    import torch

    torch.manual_seed(seed)
    layer = torch.nn.Conv2d
    settings = {"padding": 1}
    if same:
        layer = pytest.importorskip("timm.layers", reason="timm is not installed").Conv2dSame
        settings = {}
    return torch.nn.Sequential(
        layer(3, 4, 3, stride=2, **settings),
        torch.nn.ReLU(),
        layer(4, n_channels, 3, stride=2, **settings),
        torch.nn.ReLU(),
    )

"""What is said of networks where the packages that run them are missing."""

import sys

import numpy as np
import pytest

from hierseg_learn.descriptors import DeepDescriptor
from hierseg_learn.networks import open_trunk


@pytest.mark.parametrize("package", ["timm", "torch"])
def test_a_sentence_says_what_to_install(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    expected = r"Models of timm need torch and timm: pip install 'hierseg-learn\[deep\]'"
    with pytest.raises(ImportError, match=expected):
        open_trunk("resnet18")
    with pytest.raises(ImportError, match=expected):
        DeepDescriptor("resnet18").fit([np.zeros((8, 8, 3))])

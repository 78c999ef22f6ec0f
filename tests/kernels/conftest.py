"""Every kernel test runs once per backend; the one on a GPU only where there is a GPU."""

import os

import pytest

from tests.kernels.twins import NAMES, make_pixel_twin, make_twin


@pytest.fixture(scope="session", params=NAMES)
def backend(request):
    """One backend's kernels; HIERSEG_LEARN_REQUIRE_GPU=1 makes a missing GPU a failure."""
    return made(make_twin, request.param)


@pytest.fixture(scope="session", params=["cpu", "cuda text on the host", "cuda"])
def pixels(request):
    """One backend's sums over the pixels of an image."""
    return made(make_pixel_twin, request.param)


def made(make, name):
    try:
        return make(name)
    except RuntimeError as error:
        if os.environ.get("HIERSEG_LEARN_REQUIRE_GPU") == "1":
            pytest.fail(f"HIERSEG_LEARN_REQUIRE_GPU=1, yet {error}")
        pytest.skip(str(error))


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    """Dtype of the floating arguments."""
    return request.param

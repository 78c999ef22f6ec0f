"""Every kernel test runs once per backend; the one on a GPU only where there is a GPU."""

import os

import pytest

from tests.kernels.twins import NAMES, make_twin


@pytest.fixture(scope="session", params=NAMES)
def backend(request):
    """One backend's kernels; HIERSEG_LEARN_REQUIRE_GPU=1 makes a missing GPU a failure."""
    try:
        return make_twin(request.param)
    except RuntimeError as error:
        if os.environ.get("HIERSEG_LEARN_REQUIRE_GPU") == "1":
            pytest.fail(f"HIERSEG_LEARN_REQUIRE_GPU=1, yet {error}")
        pytest.skip(str(error))


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    """Dtype of the floating arguments."""
    return request.param

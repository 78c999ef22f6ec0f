"""Wrong input gets a sentence, the same one from every backend and from the oracle."""

import numpy as np
import pytest

from tests.kernels import reference

Z = np.arange(12.0).reshape(4, 3)
CODES = np.array([0, 0, 1, 1])
LISTS = np.array([[1], [0], [3], [2]])

ERRORS = [
    (
        ("region_sums", Z[0], CODES, 2),
        r"values must have shape \(n_pixels, n_values\) and regions \(n_pixels,\), "
        r"got \(3,\) and \(4,\)",
    ),
    (("region_sums", Z, CODES[:3], 2), r"got \(4, 3\) and \(3,\)"),
    (("region_sums", Z, CODES[:, None], 2), r"got \(4, 3\) and \(4, 1\)"),
    (("region_sums", Z, CODES.astype(float), 2), "regions must be integers, got dtype .*float64"),
    (("region_sums", Z, CODES > 0, 2), "regions must be integers, got dtype .*bool"),
    (("region_sums", Z, CODES, 1), r"regions must lie in \[-1, 1\), got values from 0 to 1"),
    (("region_sums", Z, CODES - 2, 2), r"regions must lie in \[-1, 2\), got values from -2 to -1"),
    (("region_sums", Z, CODES.astype(np.uint8) * 200, 2), "got values from 0 to 200"),
    (
        ("nearest", Z, Z[:, :2], 1),
        r"Q and X must be 2-D with the same number of columns, got shapes \(4, 3\) and \(4, 2\)",
    ),
    (("nearest", Z[0], Z, 1), r"got shapes \(3,\) and \(4, 3\)"),
    (("nearest", Z, Z, 1, CODES[:2]), r"exclude must have shape \(4,\), got \(2,\)"),
    (("nearest", Z, Z, 0), "n_neighbors must lie between 1 and 4, .* got 0"),
    (("nearest", Z, Z, 5), "n_neighbors must lie between 1 and 4, .* got 5"),
    (("nearest", Z, Z, 4, CODES), "n_neighbors must lie between 1 and 3, .* got 4"),
    (("nearest", Z, Z[:0], 1), "n_neighbors must lie between 1 and 0, .* got 1"),
    (("snr_distances", Z, Z[:, :2]), r"Q and X must be 2-D .* got shapes \(4, 3\) and \(4, 2\)"),
    (("lmnn_loss_grad", Z[0], LISTS, LISTS, 0.5), r"Z must have shape .* got \(3,\)"),
    (("lmnn_loss_grad", Z.astype(int), LISTS, LISTS, 0.5), "Z must be float32 or float64, got"),
    (
        ("lmnn_loss_grad", Z, LISTS[:2], LISTS, 0.5),
        r"targets must have shape \(4, n_listed\), got \(2, 1\)",
    ),
    (
        ("lmnn_loss_grad", Z, LISTS, LISTS[:, 0], 0.5),
        r"impostors must have shape \(4, n_listed\), got \(4,\)",
    ),
    (
        ("lmnn_loss_grad", Z, LISTS, LISTS + 0.5, 0.5),
        "impostors must be integers, got dtype .*float64",
    ),
    # compiled code would read and write past the end of the array
    (
        ("lmnn_loss_grad", Z, LISTS + 1, LISTS, 0.5),
        r"targets must lie in \[-1, 4\), got values from 1 to 4",
    ),
    (
        ("lmnn_loss_grad", Z, LISTS, LISTS - 2, 0.5),
        r"impostors must lie in \[-1, 4\), got values from -2 to 1",
    ),
]
for name, further in (
    ("nca_loss_grad", ()),
    ("triplet_loss_grad", (1.0,)),
    ("snr_loss_grad", (1.0,)),
):
    ERRORS += [
        (
            (name, Z[0], CODES, *further),
            r"Z must have shape \(n_samples, n_components\) and codes \(n_samples,\), "
            r"got \(3,\) and \(4,\)",
        ),
        ((name, Z, CODES[:3], *further), r"got \(4, 3\) and \(3,\)"),
        ((name, Z.astype(int), CODES, *further), "Z must be float32 or float64, got dtype .*int64"),
        # 0.2 and 0.7 would silently become one class
        ((name, Z, CODES + 0.2, *further), "codes must be integers, got dtype .*float64"),
    ]


@pytest.mark.parametrize(("call", "message"), ERRORS)
def test_message(backend, call, message):
    name, *args = call
    with pytest.raises(ValueError, match=message):
        getattr(backend, name)(*args)
    with pytest.raises(ValueError, match=message):
        getattr(reference, name)(*args)

#!/bin/sh
# skops 0.16.0 (scikit-learn 1.9.1).
# An estimator on which set_fit_request was called, as metadata routing asks for, cannot be dumped by
# skops: its `_metadata_request` holds the estimator itself (`owner`; in scikit-learn 1.6 it was the
# name of the class), skops follows the circle, and ends in a RecursionError of a thousand frames
# that names neither. pickle, copy and clone work. One would expect a file, or an error about the
# metadata request, since the same estimator without the request is stored.
# Output seen:
#   without a request: dumped
#   with a request: RecursionError
#   with a request, pickle: dumped
# Exits non-zero when this changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q scikit-learn==1.9.1 skops==0.16.0
"$folder/venv/bin/python" - <<'PYTHON'
import pickle

import skops.io
from sklearn import config_context
from sklearn.linear_model import LogisticRegression

seen = {}
with config_context(enable_metadata_routing=True):
    models = {
        "without a request": LogisticRegression(),
        "with a request": LogisticRegression().set_fit_request(sample_weight=True),
    }
for name, model in models.items():
    try:
        skops.io.dumps(model)
        seen[name] = "dumped"
    except RecursionError:
        seen[name] = "RecursionError"
    print(f"{name}: {seen[name]}")
pickle.loads(pickle.dumps(models["with a request"]))
print("with a request, pickle: dumped")
assert list(seen.values()) == ["dumped", "RecursionError"], "this has changed"
PYTHON

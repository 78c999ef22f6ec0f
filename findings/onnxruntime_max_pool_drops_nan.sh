#!/bin/sh
# onnxruntime 1.32.0 (onnx 1.23.2, NumPy 2.4.6), CPU provider.
# MaxPool takes the largest of the numbers in a window and drops NaN: a window with one NaN has the
# maximum of the rest. Relu, Clip, AveragePool and Conv of the same runtime pass NaN on, and so does
# max_pool2d of PyTorch, from which such files are exported. Whoever sends NaN through a network, to
# find which pixels a cell of its map sees (a receptive field, or where cells lie on a photo), or to
# notice broken input, loses the trace at every max pooling: ResNet, VGG and DenseNet have one near
# the input, so all of the field below it looks empty.
# Output seen:
#   MaxPool: [[3.0]]
#   AveragePool: [[nan]]
#   Relu: nan passed on
#   Clip: nan passed on
# Exits non-zero when this changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import onnxruntime
from onnx import TensorProto, helper

onnxruntime.set_default_logger_severity(3)
image = np.array([[[[1, np.nan], [2, 3]]]], dtype=np.float32)


def run(operator, **attributes):
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 2, 2])
    made = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    node = helper.make_node(operator, ["x"], ["y"], **attributes)
    graph = helper.make_graph([node], "g", [given], [made])
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"x": image})[0][0, 0]


pooled = {name: run(name, kernel_shape=[2, 2]) for name in ("MaxPool", "AveragePool")}
for name, values in pooled.items():
    print(f"{name}: {values.tolist()}")
passed = {name: bool(np.isnan(run(name)[0, 1])) for name in ("Relu", "Clip")}
for name, is_passed in passed.items():
    print(f"{name}: nan {'passed on' if is_passed else 'dropped'}")
as_seen = pooled["MaxPool"].tolist() == [[3.0]] and np.isnan(pooled["AveragePool"]).all()
raise SystemExit(not (as_seen and all(passed.values())))
PYTHON

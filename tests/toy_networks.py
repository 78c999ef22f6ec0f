"""Small networks with random weights in ONNX files."""

import numpy as np


def save_onnx(
    path,
    heads,
    *,
    layout="NCHW",
    batch="n",
    size=("h", "w"),
    n_channels=3,
    stride=4,
    seed=0,
    opset=13,
    external=False,
):
    """Write a network of two convolutions, with an output of some channels for every head.

    `heads` is a dict from names to numbers of channels. The first convolution has kernel 3, a
    stride and padding 1. With NHWC, input and outputs have their channels last.
    """
    from onnx import TensorProto, checker, helper, numpy_helper, save_model

    rng = np.random.default_rng(seed)
    last = layout == "NHWC"
    nodes, tensors = [], []

    def weights(name, shape):
        values = rng.normal(size=shape).astype(np.float32)
        tensors.append(numpy_helper.from_array(values, name))
        return name

    photo = "photo"
    if last:
        nodes.append(helper.make_node("Transpose", ["photo"], ["first"], perm=[0, 3, 1, 2]))
        photo = "first"
    filters = weights("filters", (8, n_channels, 3, 3))
    settings = {"strides": [stride] * 2, "pads": [1] * 4}
    nodes.append(helper.make_node("Conv", [photo, filters], ["sums"], **settings))
    nodes.append(helper.make_node("Relu", ["sums"], ["features"]))
    outputs = []
    for name, n_maps in heads.items():
        found = f"{name}_first" if last else name
        given = ["features", weights(f"{name}_filters", (n_maps, 8, 1, 1))]
        nodes.append(helper.make_node("Conv", given, [found]))
        if last:
            nodes.append(helper.make_node("Transpose", [found], [name], perm=[0, 2, 3, 1]))
        sides = [
            free if isinstance(side, str) else (side - 1) // stride + 1
            for side, free in zip(size, "yx", strict=True)
        ]
        shape = [batch, *sides, n_maps] if last else [batch, n_maps, *sides]
        outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    shape = [batch, *size, n_channels] if last else [batch, n_channels, *size]
    photos = helper.make_tensor_value_info("photo", TensorProto.FLOAT, shape)
    graph = helper.make_graph(nodes, "toy", [photos], outputs, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    checker.check_model(model)
    weight_file = path.with_name(f"{path.name}.data")
    weight_file.unlink(missing_ok=True)  # onnx would append to it
    where = {"location": weight_file.name, "size_threshold": 0} if external else {}
    save_model(model, path, save_as_external_data=external, **where)
    return path

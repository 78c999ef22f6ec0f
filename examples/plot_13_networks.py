"""
A network for every step
========================

The whole way of Andrews and Mishra [1]_ on one page. A network cuts photos into segments. A
second one, the *trunk*, describes every segment. An *embedder* per segment learns what matters in
it. Embedders are combined from the leaves of the tree to its root. Two portraits are compared by
their signal-to-noise distance, and segments are exchanged to make new samples.

In practice, the segmenter and the trunk come from files with trained weights. Nothing is
downloaded here: a tiny network is trained on the page and serves as both. The embedders need
PyTorch; without it, this page uses linear ones.

.. [1] E. Andrews, P. Mishra. "Explainable Metric Learning for Deflating Data Bias".
   arXiv:2407.04866, 2024. How they combine parents and make samples is not known in detail; both
   are this package's own design.
"""

# %%
# **Data.** The class shows only in the color of the hair, and not much. In the training photos,
# the background nearly always agrees with the class; in the test photos, it says nothing. Only the
# first 80 portraits have masks, from which the segmenter learns.
import matplotlib.pyplot as plt
import numpy as np

from hierseg_learn.datasets import make_portraits

look = {"signal": {"hair": "color"}, "strength": 0.15, "noise": 0.05}
masked = make_portraits(80, random_state=0, **look)
train = make_portraits(240, bias=0.98, random_state=1, **look)
test = make_portraits(200, bias=0.5, random_state=2, **look)
photos = [item.image for item in train.images]
test_photos = [item.image for item in test.images]

# %%
# **A network for segments.** A perceptron classifies every pixel by its surroundings: 9 by 9
# pixels that lie 3 apart.
import warnings

from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

SIDE, STEP = 9, 3
BORDER = STEP * (SIDE // 2)


def surroundings(photo):
    """Values around every pixel, from black -0.5 to white 0.5: (n_pixels, 3 * SIDE * SIDE)."""
    values = photo / np.float32(255) - np.float32(0.5)
    padded = np.pad(values, [(BORDER, BORDER), (BORDER, BORDER), (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, [2 * BORDER + 1] * 2, axis=(0, 1))
    return windows[..., ::STEP, ::STEP].reshape(photo[..., 0].size, -1)


rng = np.random.default_rng(0)
rows, parts = [], []
for photo, mask in masked.images:
    chosen = rng.choice(mask.size, 300, replace=False)
    rows.append(surroundings(photo)[chosen])
    parts.append(mask.ravel()[chosen])
network = MLPClassifier((48,), alpha=0.1, max_iter=15, random_state=0)
with warnings.catch_warnings():
    warnings.simplefilter("ignore", ConvergenceWarning)  # 15 rounds are enough here
    network.fit(np.concatenate(rows), np.concatenate(parts))

# %%
# Over a whole photo, such a perceptron is a convolution, a rectifier and a convolution of one
# pixel. Save these as an ONNX file with two outputs: the scores of the parts and, for the trunk,
# the hidden layer in squares of 4 by 4 pixels. Networks trained with PyTorch or TensorFlow are
# exported by these packages.
from tempfile import TemporaryDirectory

import onnx
from onnx import TensorProto, helper, numpy_helper

filters, scorers = (weights.T.astype(np.float32) for weights in network.coefs_)
offsets, score_offsets = (values.astype(np.float32) for values in network.intercepts_)
weights = {
    "filters": filters.reshape(-1, 3, SIDE, SIDE),
    "offsets": offsets,
    "scorers": scorers[:, :, np.newaxis, np.newaxis],
    "score_offsets": score_offsets,
}
field = {"dilations": [STEP] * 2, "pads": [BORDER] * 4}
squares = {"kernel_shape": [4, 4], "strides": [4, 4]}
layers = [
    helper.make_node("Conv", ["photo", "filters", "offsets"], ["sums"], **field),
    helper.make_node("Relu", ["sums"], ["hidden"]),
    helper.make_node("Conv", ["hidden", "scorers", "score_offsets"], ["scores"]),
    helper.make_node("AveragePool", ["hidden"], ["features"], **squares),
]
photo, *outputs = (
    helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", n_maps, f"{name}_h", f"{name}_w"])
    for name, n_maps in [("photo", 3), ("scores", len(scorers)), ("features", len(filters))]
)
tensors = [numpy_helper.from_array(values, name) for name, values in weights.items()]
graph = helper.make_graph(layers, "portraits", [photo], outputs, tensors)
versions = {"ir_version": 8, "opset_imports": [helper.make_opsetid("", 13)]}
folder = TemporaryDirectory()
path = f"{folder.name}/portraits.onnx"
onnx.save(helper.make_model(graph, **versions), path)

# %%
# **Segments.** The spec says what the file does not: the names of the classes and the scale of the
# photos. Several classes may form one part; small parts would be found less well.
from hierseg_learn.networks import PhotoInput
from hierseg_learn.segmentation import OnnxSegmenter, OnnxSpec

names = list(masked.part_names.values())
spec = OnnxSpec(names, output="scores", photos=PhotoInput(mean=0.5))
classes = {"background": "background", "hair": "hair", "neck": "body", "clothes": "body"}
classes |= dict.fromkeys(["skin", "eyes", "mouth"], "face")
tree = {"portrait": {"background": 0, "person": {"head": {"hair": 1, "face": 2}, "body": 3}}}
segmenter = OnnxSegmenter(path, spec, classes=classes, tree=tree).fit(photos)
label_maps = segmenter.segment_images(photos)
found = np.stack(label_maps)
masks = segmenter.class_parts_[np.stack([item.mask for item in train.images])]
for part, name in enumerate(["background", "hair", "face", "body"]):
    both, either = (found == part) & (masks == part), (found == part) | (masks == part)
    print(f"{name:<11} intersection over union {both.sum() / either.sum():.2f}")

figure, axes = plt.subplots(2, 8, figsize=(9, 3), layout="constrained")
for column, image, labels in zip(axes.T, photos, label_maps, strict=False):
    column[0].imshow(image)
    column[1].imshow(labels, cmap="Set2", vmin=0, vmax=7, interpolation="nearest")
for ax in axes.flat:
    ax.set_axis_off()

# %%
# **Trunk.** The feature maps of the network are pooled over the segments; a cell counts with the
# area that lies in the segment. By default, the network sees each segment alone, on a white ground
# and enlarged to one size, so that nothing leaks from its surroundings into its columns.
from hierseg_learn import SegmentTreeTransformer
from hierseg_learn.descriptors import DeepDescriptor

scale = {"size": photos[0].shape[:2], "mean": 0.5, "std": 1}
trunk = DeepDescriptor(path, layer="features", preprocessing=scale, part_size=40)
transformer = SegmentTreeTransformer(segmenter, descriptors=trunk, describe_inner=False)
table = transformer.fit_transform(photos)
test_table = transformer.transform(test_photos)
print(f"{table.shape[0]} photos, {table.shape[1]} columns")

# %%
# **Embedders, combined bottom-up.** Every node trains a perceptron with the signal-to-noise loss,
# and a parent goes on training those of its children. The scores are accuracies on portraits that
# were held out; they share the shortcut of the training photos, so the background scores well.
from importlib.util import find_spec

from hierseg_learn import HierarchicalMetricClassifier
from hierseg_learn.audit import group_report

if find_spec("torch"):
    from hierseg_learn.metrics import MLPMetric

    embedder, combination = MLPMetric((16,), loss="snr", alpha=0.1, max_iter=60), "mlp"
else:
    from hierseg_learn.metrics import SNRMetric

    embedder, combination = SNRMetric(), "projection"
    print("PyTorch is missing, so the embedders are linear.")
model = HierarchicalMetricClassifier(node_metric=embedder, combination=combination, random_state=0)
model.fit(table, train.target)
print(model.tree_.export_text(model.node_scores_, fmt=".0%"))

# %%
# On the test photos, where the background says nothing, portraits with the background of the other
# class are often confused.
print(group_report(test.target, model.predict(test_table), test.groups).to_text())

# %%
# **Comparison.** The signal-to-noise distance of two portraits in the embedding of every node, in
# both directions. It shows how different the parts are; which parts a decision rests on is told by
# the contributions, which add up exactly, although the embedders are not linear.
from hierseg_learn.classifier import node_snr_distances

one, other = np.flatnonzero(test.target == 0)[0], np.flatnonzero(test.target == 1)[0]
node_snr_distances(model, test_table.iloc[one], test_table.iloc[other]).round(2)

# %%
print(model.explain_pair(test_table.iloc[one], test_table.iloc[other]).to_text())

# %%
# **New samples.** Half of the training portraits get the background of a portrait of the other
# class. The segments are those of the network, so its mistakes can be seen as fringes.
from hierseg_learn import SegmentedImages
from hierseg_learn.sampling import SegmentSwapSampler

sampler = SegmentSwapSampler("background", tree=tree, n_copies=0, random_state=0)
new_images, new_target = sampler.fit_resample(SegmentedImages(photos, label_maps), train.target)
changed = np.flatnonzero(sampler.sample_sources_[:, 1] >= 0)[:8]
figure, axes = plt.subplots(2, 8, figsize=(9, 3), layout="constrained")
for column, new in zip(axes.T, changed, strict=True):
    column[0].imshow(photos[sampler.sample_indices_[new]])
    column[1].imshow(new_images[int(new)].image)
for ax in axes.flat:
    ax.set_axis_off()

# %%
# The same model, trained on the new samples, which go the whole way from the photo on. What the
# background says is gone, and the worst of the four cells has improved.
new_table = transformer.transform([item.image for item in new_images])
cured = model.fit(new_table, new_target)
print(cured.tree_.export_text(cured.node_scores_, fmt=".0%"))
print(group_report(test.target, cured.predict(test_table), test.groups).to_text())

# %%
# **A word of caution.** For a few hundred portraits, the defaults (``node_metric="lda"``) are
# faster, need no PyTorch and are hard to beat: try them first. And how well a segmenter
# cuts photos of another kind than its own has to be looked at.
default = HierarchicalMetricClassifier(random_state=0).fit(new_table, new_target)
print(f"signal-to-noise embedders  {cured.score(test_table, test.target):.0%}")
print(f"defaults                   {default.score(test_table, test.target):.0%}")
folder.cleanup()

# sphinx_gallery_thumbnail_number = 2

"""
What if there are no masks?
===========================

Then a segmenter divides the images: into a spatial pyramid, a grid, superpixels with a learned
vocabulary of parts, or the parts returned by your own function.
"""

# %%
# Digits come without masks. By default, the transformer divides them into a pyramid of quarters,
# and the pipeline needs no parameters.
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from hierseg_learn import HierarchicalMetricClassifier, SegmentTreeTransformer
from hierseg_learn.datasets import load_digits_images

X, y = load_digits_images(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, train_size=700, stratify=y, random_state=0
)
model = make_pipeline(SegmentTreeTransformer(), HierarchicalMetricClassifier(random_state=0))
model.fit(X_train, y_train)
print(f"accuracy: {model.score(X_test, y_test):.3f}")

# %%
# Which positions separate the digits? The score of every leaf, next to the mean digit.
import matplotlib.pyplot as plt
import numpy as np

transformer, classifier = model
scores = classifier.node_scores_
tree, cells = classifier.tree_, transformer.label_maps(X_test[:1])[0]
figure, axes = plt.subplots(1, 2, figsize=(7, 3.2), layout="constrained")
axes[0].imshow(X_train.mean(axis=0), cmap="gray_r")
axes[0].set_title("mean digit")
paths = np.array(transformer.tree_.paths)
shown = axes[1].imshow(scores[paths[cells].ravel()].to_numpy().reshape(cells.shape), cmap="cividis")
axes[1].set_title("score of every leaf")
figure.colorbar(shown, label="accuracy on held-out rows")
for ax in axes:
    ax.set_axis_off()

# %%
# The scores of the quarters, by path.
print(scores[[path for path in tree.paths if path.count("/") < 2]].round(2))

# %%
# Superpixels follow the edges of photos. Similar ones get the same part id in every image, and
# similar parts are merged step by step, so the tree is learned, too. Here, four photos are cut into
# squares, alternately for training and for the test. From which photo is a square? That is easy,
# since every square touches some that the model has seen. Where a color lies in a square says
# nothing, so positions do not count.
from skimage import data
from skimage.util import view_as_blocks

from hierseg_learn.segmentation import Slic, VocabularySegmenter

photos = {"astronaut": data.astronaut(), "cat": data.chelsea(), "coffee": data.coffee()}
photos["rocket"] = data.rocket()
squares, names, is_train = [], [], []
for name, photo in photos.items():
    height, width = (side // 60 * 60 for side in photo.shape[:2])
    blocks = view_as_blocks(photo[:height, :width], (60, 60, 3))[:, :, 0]
    squares.extend(blocks.reshape(-1, 60, 60, 3))
    names.extend([name] * (blocks.shape[0] * blocks.shape[1]))
    is_train.extend(np.indices(blocks.shape[:2]).sum(axis=0).ravel() % 2 == 0)
squares, names, is_train = np.array(squares), np.array(names), np.array(is_train)
segmenter = VocabularySegmenter(Slic(n_segments=40), n_parts=8, position_weight=0, random_state=0)
model = make_pipeline(
    SegmentTreeTransformer(segmenter), HierarchicalMetricClassifier(random_state=0)
)
model.fit(squares[is_train], names[is_train])
new, new_names = squares[~is_train], names[~is_train]
print(f"accuracy without masks: {model.score(new, new_names):.3f}")
print(model[0].tree_.export_text(model[-1].node_scores_, fmt=".0%"))

# %%
# A learned part means the same in every image, but has no name. It helps to look at some examples.
shown = np.concatenate([np.flatnonzero(new_names == name)[[6, 11]] for name in photos])
label_maps = model[0].label_maps(new[shown])
figure, axes = plt.subplots(2, 8, figsize=(9, 2.6), layout="constrained")
for column, square, labels in zip(axes.T, new[shown], label_maps):
    column[0].imshow(square)
    column[1].imshow(labels, cmap="tab20", vmin=0, vmax=19, interpolation="nearest")
for ax in axes.flat:
    ax.set_axis_off()

# %%
# Any function from an image to part ids is a segmenter. A tree is optional.


def bright_and_dark(image):
    return (image.mean(axis=-1) > 0.5).astype(int)


table = SegmentTreeTransformer(bright_and_dark, tree={"square": {"dark": 0, "bright": 1}})
table.fit_transform(squares).filter(like="|area").head(3).round(2)

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
# similar parts are merged step by step, so the tree is learned, too.
from hierseg_learn.datasets import make_portraits
from hierseg_learn.segmentation import SuperpixelSegmenter

portraits = make_portraits(120, signal=("clothes",), random_state=0)
photos, classes = np.stack([item.image for item in portraits.images]), portraits.target
segmenter = SuperpixelSegmenter(n_segments=80, n_parts=8, random_state=0)
model = make_pipeline(
    SegmentTreeTransformer(segmenter), HierarchicalMetricClassifier(random_state=0)
)
model.fit(photos[:80], classes[:80])
print(f"accuracy without masks: {model.score(photos[80:], classes[80:]):.3f}")
print(model[0].tree_.export_text(model[-1].node_scores_, fmt=".0%"))

# %%
# A learned part means the same in every image, but has no name. It helps to look at some examples.
label_maps = model[0].label_maps(photos[80:86])
figure, axes = plt.subplots(2, 6, figsize=(9, 4), layout="constrained")
for column, photo, labels in zip(axes.T, photos[80:86], label_maps):
    column[0].imshow(photo)
    column[1].imshow(labels, cmap="tab20", vmin=0, vmax=19, interpolation="nearest")
for ax in axes.flat:
    ax.set_axis_off()

# %%
# Any function from an image to part ids is a segmenter. A tree is optional.


def bright_and_dark(image):
    return (image.mean(axis=-1) > 0.5).astype(int)


table = SegmentTreeTransformer(bright_and_dark, tree={"photo": {"dark": 0, "bright": 1}})
table.fit_transform(photos).filter(like="|area").head(3).round(2)

"""
Which parts separate the classes?
=================================

Every node of the tree learns its own metric, and a parent combines those of its children. The
accuracy of each node on held-out images shows which parts separate the classes.
"""

# %%
# Half of these 200 crops of photos show a face, from Labeled Faces in the Wild. They come with
# scikit-image, and without masks.
import matplotlib.pyplot as plt
import numpy as np
from skimage import data
from sklearn.model_selection import train_test_split

X, y = data.lfw_subset(), np.repeat(["face", "no face"], 100)
figure, axes = plt.subplots(2, 8, figsize=(9, 2.6), layout="constrained")
for row, first in zip(axes, (0, 100), strict=True):
    for ax, image in zip(row, X[first:], strict=False):
        ax.imshow(image, cmap="gray")
        ax.set_axis_off()
    row[0].set_title(y[first], loc="left")

# %%
# A grid divides every image into 5 by 5 cells. Only the gray values of a cell are described, not
# its edges, to make the task harder. The classifier takes the table and reads the tree from the
# names of its columns.
from hierseg_learn import HierarchicalMetricClassifier, SegmentTreeTransformer
from hierseg_learn.segmentation import GridSegmenter

X_train, X_test, y_train, y_test = train_test_split(
    X, y, train_size=120, stratify=y, random_state=0
)
transformer = SegmentTreeTransformer(GridSegmenter(5, 5), descriptors="color")
table, test = transformer.fit_transform(X_train), transformer.transform(X_test)
classifier = HierarchicalMetricClassifier(random_state=0).fit(table, y_train)
print(f"accuracy on new images: {classifier.score(test, y_test):.2f}")

# %%
# ``node_scores_`` contains the accuracy of every node, including everything below it, on rows that
# were held out while the nodes were fitted. Chance level is one half. Here are the scores of the
# leaves at their places, next to the mean images. Every cell separates the classes to some degree;
# with 120 images, differences of a few percentage points between cells are chance.
scores, cells = classifier.node_scores_, transformer.label_maps(X[:1])[0]
paths = np.array(transformer.tree_.paths)
leaf_scores = scores[paths[cells].ravel()].to_numpy().reshape(cells.shape)
figure, axes = plt.subplots(1, 3, figsize=(9, 2.8), layout="constrained")
for ax, label, title in zip(axes, ("face", "no face"), ("mean face", "mean of the others")):
    ax.imshow(X_train[y_train == label].mean(axis=0), cmap="gray", vmin=0, vmax=1)
    ax.set_title(title)
shown = axes[2].imshow(leaf_scores, cmap="cividis")
axes[2].set_title("score of every cell")
figure.colorbar(shown, label="accuracy on held-out rows")
for ax in axes:
    ax.set_axis_off()
print(f"best cell {scores.drop('image').max():.2f}, all together {scores['image']:.2f}")

# %%
# ``node_outcomes_`` records how the metric of every node was made; held-out rows choose. Here,
# softmax regressions were better than a projection of the metrics of the cells. They see the
# columns of every cell and its similarities to some training images, the landmarks.
print(classifier.node_outcomes_.value_counts().to_string())
print("image:", classifier.node_outcomes_["image"])

# %%
# To see the effect of the parts, compare with the same learner on only the whole image, and with
# all columns in one node, on five splits. Cells are better than the whole image. A tree is not
# needed for that here: it costs no accuracy, and tells what each cell contributes.
from sklearn.model_selection import StratifiedShuffleSplit, cross_val_score

splits = StratifiedShuffleSplit(5, train_size=120, random_state=0)
whole = [name for name in table if name.startswith("image|")]
models = {"whole image": (whole, "auto"), "one node": (list(table), {"all": list(table)})}
models["tree of cells"] = (list(table), "auto")
everything = transformer.transform(X)
for name, (columns, tree) in models.items():
    model = HierarchicalMetricClassifier(tree=tree, random_state=0)
    accuracy = cross_val_score(model, everything[columns], y, cv=splits)
    print(f"{name:<14}{accuracy.mean():.3f} ± {accuracy.std():.3f}")

# %%
# The embedding of a single node can be plotted; here, the cell in the middle. With two classes, it
# has one direction.
points = classifier.transform(test, node="row2_col2")
bins = np.linspace(points[:, 0].min(), points[:, 0].max(), 25)
figure, ax = plt.subplots(figsize=(5, 3), layout="constrained")
for label in ("face", "no face"):
    ax.hist(points[y_test == label, 0], bins=bins, label=label, alpha=0.6)
ax.set(title="The metric of the cell in the middle", xlabel="direction", ylabel="images")
_ = ax.legend()

# sphinx_gallery_thumbnail_number = 2

"""
How are both steps tuned together?
==================================

Both steps are ordinary scikit-learn estimators, so a grid search can tune both. Label maps must
be split together with their images; :class:`~hierseg_learn.SegmentedImages` keeps both
together.
"""

# %%
# Photos of bricks, grass and gravel, cut into tiles of 32 by 32 pixels. Masks may come from any
# source; here, a threshold divides every tile into dark and bright pixels.
import matplotlib.pyplot as plt
import numpy as np
from skimage import data
from skimage.filters import threshold_otsu
from skimage.util import view_as_blocks

from hierseg_learn import SegmentedImages

photos = {"brick": data.brick(), "grass": data.grass(), "gravel": data.gravel()}
blocks = np.stack([view_as_blocks(photo, (32, 32)) for photo in photos.values()])
tiles = blocks.reshape(-1, 32, 32)
masks = [(tile > threshold_otsu(tile)).astype(int) for tile in tiles]
X, y = SegmentedImages(tiles, masks), np.repeat(list(photos), blocks[0, ..., 0, 0].size)
print(X, X[:3].shape)

figure, axes = plt.subplots(2, 9, figsize=(9, 2.3), layout="constrained")
for column, shown in zip(axes.T, range(40, len(X), 85)):
    column[0].imshow(X[shown].image, cmap="gray", vmin=0, vmax=255)
    column[0].set_title(y[shown])
    column[1].imshow(X[shown].mask, cmap="cividis", interpolation="nearest")
for ax in axes.flat:
    ax.set_axis_off()

# %%
# Tiles that touch look alike. To not be too optimistic, train on tiles of the left half of every
# photo, and test on the right half.
is_left = np.tile(np.arange(16) < 8, len(X) // 16)
X_train, y_train, X_test, y_test = X[is_left], y[is_left], X[~is_left], y[~is_left]

# %%
# Search over the descriptors, whether inner nodes are described, and how parents are combined.
# ``memory`` caches the tables, so images are not described again for every classifier.
from tempfile import mkdtemp

from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from hierseg_learn import HierarchicalMetricClassifier, SegmentTreeTransformer

model = make_pipeline(
    SegmentTreeTransformer(tree={"tile": {"dark": 0, "bright": 1}}),
    HierarchicalMetricClassifier(random_state=0),
    memory=mkdtemp(),
)
grid = {
    "segmenttreetransformer__descriptors": ["color", ["color", "gradients", "lbp"]],
    "segmenttreetransformer__describe_inner": [True, False],
    "hierarchicalmetricclassifier__combination": ["projection", "weighted"],
}
search = GridSearchCV(model, grid, cv=3, error_score="raise").fit(X_train, y_train)
print(f"best: {search.best_params_}")
print(f"cross-validation {search.best_score_:.3f}, test {search.score(X_test, y_test):.3f}")

# %%
# All results, sorted by rank.
import pandas as pd

results = pd.DataFrame(search.cv_results_)
columns = {f"param_{name}": name.split("__")[1] for name in grid}
results = results.rename(columns=columns).sort_values("rank_test_score", kind="stable")
results[[*columns.values(), "mean_test_score", "std_test_score"]].round(3)

# %%
# The parameters of objects can be searched, as everywhere in scikit-learn: those of descriptors by
# name, and those of a combination.
from hierseg_learn.descriptors import ColorDescriptor
from hierseg_learn.metrics import WeightedCombination

model.set_params(
    segmenttreetransformer__descriptors=["gradients", ("colors", ColorDescriptor())],
    hierarchicalmetricclassifier__combination=WeightedCombination(),
)
grid = {
    "segmenttreetransformer__colors__n_bins": [4, 12],
    "hierarchicalmetricclassifier__combination__cv": [3, 4],
}
search = GridSearchCV(model, grid, cv=3, error_score="raise").fit(X_train, y_train)
print(f"best: {search.best_params_}")

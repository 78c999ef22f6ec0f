"""
How are both steps tuned together?
==================================

Both steps are ordinary scikit-learn estimators, so a grid search can tune both. Label maps must
be split together with their images; :class:`~hierseg_learn.SegmentedImages` keeps both
together.
"""

# %%
# Masks may come from any source. Here, images and masks are separated and joined again to show how.
from hierseg_learn import SegmentedImages
from hierseg_learn.datasets import make_portraits

portraits = make_portraits(
    120, signal={"hair": "color", "clothes": "texture"}, strength=0.2, noise=0.05, random_state=0
)
images, masks = portraits.images.images, portraits.images.masks
X, y = SegmentedImages(images, masks), portraits.target
print(X, X[:3].shape)

# %%
# Search over the descriptors, whether inner nodes are described, and how parents are combined.
# ``memory`` caches the tables, so images are not described again for every classifier.
from tempfile import mkdtemp

from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline

from hierseg_learn import HierarchicalMetricClassifier, SegmentTreeTransformer

model = make_pipeline(
    SegmentTreeTransformer(tree=portraits.tree),
    HierarchicalMetricClassifier(random_state=0),
    memory=mkdtemp(),
)
grid = {
    "segmenttreetransformer__descriptors": ["color", ["color", "gradients", "lbp"]],
    "segmenttreetransformer__describe_inner": [True, False],
    "hierarchicalmetricclassifier__combination": ["projection", "weighted"],
}
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
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

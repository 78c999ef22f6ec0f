"""
Can other learners be used for the nodes?
=========================================

Yes: any estimator of scikit-learn or metric-learn with a linear ``transform``. The tree only
uses its ``fit`` and ``transform`` methods.
"""

# %%
# Compare several node learners on one table. Names denote learners of this package. What they
# learned is combined in the same way, by projections. The images are tiles of three photos, each
# divided into quarters. The left half of every photo is for training, the right half for the test.
import warnings

import numpy as np
from skimage import data
from skimage.util import view_as_blocks

from hierseg_learn import HierarchicalMetricClassifier, SegmentTreeTransformer
from hierseg_learn.segmentation import GridSegmenter

photos = {"brick": data.brick(), "grass": data.grass(), "gravel": data.gravel()}
blocks = np.stack([view_as_blocks(photo, (32, 32)) for photo in photos.values()])
y = np.repeat(list(photos), 128)
X_train, X_test = (half.reshape(-1, 32, 32) for half in np.split(blocks, 2, axis=2))
transformer = SegmentTreeTransformer(GridSegmenter(2, 2), descriptors=["color", "gradients"])
train, test = transformer.fit_transform(X_train), transformer.transform(X_test)

# %%
# A learner of metric-learn can be used directly. RCA and LFDA reject columns that are linear
# combinations of one another, such as the bins of a histogram. A PCA before them removes these, and
# the pipeline of both is still linear.
from metric_learn import RCA_Supervised
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.pipeline import make_pipeline

learners = {
    "lda (the default)": "lda",
    "nca": "nca",
    "lmnn": "lmnn",
    "PCA": PCA(n_components=3),
    "scikit-learn's LDA": LinearDiscriminantAnalysis(solver="eigen", shrinkage="auto"),
    "metric-learn's RCA": make_pipeline(PCA(2), RCA_Supervised(n_chunks=30, random_state=0)),
}
scores, node_scores = {}, {}
for name, learner in learners.items():
    classifier = HierarchicalMetricClassifier(
        node_metric=learner, combination="projection", random_state=0
    )
    scores[name] = classifier.fit(train, y).score(test, y)
    node_scores[name] = classifier.node_scores_
    print(f"{name:<22}{scores[name]:.2f}")

# %%
# Scores per node and learner. The quarters of a tile are alike, and all of them together are better
# than each. PCA does not know the classes: its first directions are those in which all tiles vary.
import matplotlib.pyplot as plt
import pandas as pd

frame = pd.DataFrame(node_scores)
frame.index = frame.index.str.split("/").str[-1]
figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
shown = ax.imshow(frame.T, cmap="cividis", aspect="auto")
ax.set_xticks(range(len(frame)), frame.index, rotation=45, ha="right")
ax.set_yticks(range(frame.shape[1]), frame.columns)
_ = figure.colorbar(shown, label="accuracy on held-out rows")

# %%
# The learners of this package also work on their own, on any table, like scikit-learn's NCA.
from sklearn.datasets import load_wine
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from hierseg_learn.metrics import LMNN, NCA, ShrinkageLDA

wine, cultivar = load_wine(return_X_y=True)
for metric in (ShrinkageLDA(), NCA(random_state=0), LMNN(random_state=0)):
    model = make_pipeline(StandardScaler(), metric, KNeighborsClassifier())
    print(f"{metric!r:<25}{cross_val_score(model, wine, cultivar, cv=5).mean():.3f}")

# %%
# Nonlinear learners are rejected, with the name of the node.
from sklearn.kernel_approximation import RBFSampler

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    try:
        HierarchicalMetricClassifier(node_metric=RBFSampler(), random_state=0).fit(train, y)
    except ValueError as error:
        print(error)

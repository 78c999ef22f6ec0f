"""
Finding and removing a shortcut
===============================

A model that uses the background is right for the wrong reason. This example trains such a
model, finds the shortcut with an audit, and removes it by swapping backgrounds between the
classes.
"""

# %%
# Generate portraits of two classes. The classes differ slightly in the hair. In training, the
# background nearly always agrees with the class; in the test, it is independent of the class.
import matplotlib.pyplot as plt

from hierseg_learn.datasets import make_portraits

look = {"signal": {"hair": "color"}, "strength": 0.2, "noise": 0.05}
train = make_portraits(240, bias=0.98, random_state=0, **look)
test = make_portraits(200, bias=0.5, random_state=1, **look)
figure, axes = plt.subplots(2, 6, figsize=(8, 4), layout="constrained")
for row, code in zip(axes, (0, 1), strict=True):
    for ax, item in zip(row, train.images[train.target == code], strict=False):
        ax.imshow(item.image)
        ax.set_axis_off()
    row[0].set_title(f"class {code}", loc="left")

# %%
# The model is nearly always right if a portrait resembles the training portraits, and often wrong
# if the background is that of the other class. `groups` contains the background of each portrait;
# the model never sees it. `erosion` excludes the border of each part, where the neighboring part
# may be visible.
from sklearn.pipeline import make_pipeline

from hierseg_learn import HierarchicalMetricClassifier, SegmentTreeTransformer
from hierseg_learn.audit import group_report

transformer = SegmentTreeTransformer(
    tree=train.tree, descriptors=["color", "gradients"], describe_inner=False, erosion=1
)
classifier = HierarchicalMetricClassifier(n_neighbors=15, random_state=0)
model = make_pipeline(transformer, classifier).fit(train.images, train.target)
print(group_report(test.target, model.predict(test.images), test.groups).to_text())

# %%
# No group labels are needed: if you declare that the background should not predict the class, the
# audit flags it from the training data alone.
from hierseg_learn.audit import find_shortcuts

table = model[0].transform(train.images)
report = find_shortcuts(
    table, train.target, context="background", transformer=model[0], random_state=0
)
print(report.to_text())

# %%
# To remove the shortcut, half of the portraits get the background of a portrait of the other class,
# so that the background no longer predicts the class. If images are swapped, the result can be
# inspected: the top row shows the originals, the bottom row the same people in front of other
# backgrounds.
import numpy as np

from hierseg_learn.sampling import SegmentSwapSampler

sampler = SegmentSwapSampler("background", tree=train.tree, n_copies=0, random_state=0)
images, target = sampler.fit_resample(train.images, train.target)
changed = np.flatnonzero(sampler.sample_sources_[:, 1] >= 0)[:6]
figure, axes = plt.subplots(2, 6, figsize=(8, 4), layout="constrained")
for column, new in zip(axes.T, changed, strict=True):
    column[0].imshow(train.images[int(sampler.sample_indices_[new])].image)
    column[1].imshow(images[int(new)].image)
    for ax in column:
        ax.set_axis_off()

# %%
# The same swap in the table needs no pixels. The model trained on it has to use the hair, and the
# worst of the four cells is no longer far below the others.
sampler = SegmentSwapSampler("background", transformer=model[0], n_copies=0, random_state=0)
new_table, new_target = sampler.fit_resample(table, train.target)
cured = classifier.fit(new_table, new_target)
predicted = cured.predict(model[0].transform(test.images))
print(group_report(test.target, predicted, test.groups).to_text())

# sphinx_gallery_thumbnail_number = 2

"""
Why are these two different?
============================

The distance between two images is the exact sum of the contributions of all nodes. An
explanation therefore lists the parts in which two images differ, or the reasons why an image is
assigned to one class rather than to another.
"""

# %%
# The model of the previous example.
from dataclasses import replace

from sklearn.pipeline import make_pipeline

from hierseg_learn import HierarchicalMetricClassifier, SegmentTreeTransformer
from hierseg_learn.datasets import make_portraits

portraits = make_portraits(
    450,
    n_classes=3,
    signal={"clothes": "texture", "eyes": "color"},
    missing={"eyes": 0.4},
    strength=0.5,
    noise=0.06,
    random_state=0,
)
X, y = portraits.images, portraits.target
model = make_pipeline(
    SegmentTreeTransformer(tree=portraits.tree), HierarchicalMetricClassifier(random_state=0)
)
model.fit(X[:300], y[:300])
transformer, classifier = model

# %%
# Explain the difference between two new portraits, given as rows of the table.
pair = X[[303, 309]]
rows = transformer.transform(pair)
explanation = classifier.explain_pair(rows.iloc[0], rows.iloc[1])
explanation = replace(explanation, name_a="portrait 303", name_b="portrait 309")
print(explanation.to_text())

# %%
# The same on the photos. The tint of a segment is its share of the squared distance.
from hierseg_learn.displays import SegmentContributionDisplay

images = [item.image for item in pair]
label_maps = transformer.label_maps(pair)
_ = SegmentContributionDisplay.from_explanation(explanation, images, label_maps)

# %%
# Parts can be grouped: ``level`` cuts the tree at a depth.
_ = SegmentContributionDisplay.from_explanation(explanation, images, label_maps, level=2)

# %%
# As bars along the tree: pale bars include everything below a node, solid bars are the direct
# columns of the node.
_ = explanation.plot()

# %%
# As a table: ``direct`` adds up to the squared distance over all nodes; ``total`` adds up to it at
# every level.
contributions = explanation.to_frame()
print(contributions["direct"].sum() - explanation.squared_distance)
contributions.round(3)

# %%
# The distance is the one used to find nearest neighbors; here, the distance to the nearest training
# portrait.
train = transformer.transform(X[:300])
distances, neighbors = classifier.kneighbors(rows)
nearest = classifier.explain_pair(rows.iloc[0], train.iloc[neighbors[0, 0]])
print(f"{distances[0, 0]:.6f} {nearest.distance:.6f}")

# %%
# Why is the first portrait assigned to its class? The explanation first lists what supports this
# class rather than the next most likely one, then the votes. The differences from its nearest
# neighbors are a separate question and come last.
prediction = replace(classifier.explain_prediction(rows.iloc[0]), name="portrait 303")
print(prediction.to_text())

# %%
# The same on the photo: red supports the class, blue the other one. A fitted pipeline is
# sufficient.
_ = SegmentContributionDisplay.from_estimator(model, X[[303]], titles=["portrait 303"])

"""
Why are these two different?
============================

The distance between two images is the sum of what every node contributes, exactly. So it can be
said in words which parts set two images apart, and why an image got its class rather than another.
"""

# %%
# A model as in the example before.
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
# Two new portraits, as rows of the table, and why they differ.
pair = X[[303, 309]]
rows = transformer.transform(pair)
explanation = classifier.explain_pair(rows.iloc[0], rows.iloc[1])
explanation = replace(explanation, name_a="portrait 303", name_b="portrait 309")
print(explanation.to_text())

# %%
# The same over the photos. The tint of a segment is its share of the squared distance.
from hierseg_learn.displays import SegmentContributionDisplay

images = [item.image for item in pair]
label_maps = transformer.label_maps(pair)
_ = SegmentContributionDisplay.from_explanation(explanation, images, label_maps)

# %%
# Parts can be taken together: ``level`` cuts the tree at a depth.
_ = SegmentContributionDisplay.from_explanation(explanation, images, label_maps, level=2)

# %%
# As bars along the tree: pale is a node with everything below it, solid its own columns.
_ = explanation.plot()

# %%
# And as a table. ``direct`` adds up to the squared distance, over all nodes; ``total`` does at
# every level.
contributions = explanation.to_frame()
print(contributions["direct"].sum() - explanation.squared_distance)
contributions.round(3)

# %%
# The distance is the one by which neighbors are found: here that to the nearest training portrait.
train = transformer.transform(X[:300])
distances, neighbors = classifier.kneighbors(rows)
nearest = classifier.explain_pair(rows.iloc[0], train.iloc[neighbors[0, 0]])
print(f"{distances[0, 0]:.6f} {nearest.distance:.6f}")

# %%
# Why did the first one get its class? What speaks for this class rather than the next one comes
# first, then who voted. That it also differs from its neighbors is another matter, told last.
prediction = replace(classifier.explain_prediction(rows.iloc[0]), name="portrait 303")
print(prediction.to_text())

# %%
# The same over the photo: red speaks for the class, blue for the other. A fitted pipeline will do.
_ = SegmentContributionDisplay.from_estimator(model, X[[303]], titles=["portrait 303"])

"""
Why are these two different?
============================

The distance between two images is the exact sum of the contributions of all nodes. An
explanation therefore lists the parts in which two images differ, or the reasons why an image is
assigned to one class rather than to another.
"""

# %%
# Faces and other crops of photos, as in the previous example, enlarged from 25 to 46 pixels. A
# spatial pyramid divides every image into quarters, and these into quarters again.
from dataclasses import replace

import numpy as np
from skimage import data
from skimage.transform import resize
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from hierseg_learn import HierarchicalMetricClassifier, SegmentTreeTransformer
from hierseg_learn.segmentation import PyramidSegmenter

X, y = resize(data.lfw_subset(), (200, 46, 46)), np.repeat(["face", "no face"], 100)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, train_size=120, stratify=y, random_state=0
)
model = make_pipeline(
    SegmentTreeTransformer(PyramidSegmenter(3), descriptors="gradients"),
    HierarchicalMetricClassifier(random_state=0),
)
model.fit(X_train, y_train)
transformer, classifier = model
print(f"accuracy on new images: {model.score(X_test, y_test):.2f}")

# %%
# Explain the difference between a new face and another new image, given as rows of the table.
pair = X_test[[np.flatnonzero(y_test == label)[i] for label, i in (("face", 1), ("no face", 5))]]
rows = transformer.transform(pair)
explanation = classifier.explain_pair(rows.iloc[0], rows.iloc[1])
explanation = replace(explanation, name_a="the face", name_b="the other")
print(explanation.to_text())

# %%
# The same on the images. The color around a segment is its share of the squared distance. Larger
# photos are tinted instead.
from hierseg_learn.displays import SegmentContributionDisplay

images, label_maps = list(pair), transformer.label_maps(pair)
_ = SegmentContributionDisplay.from_explanation(explanation, images, label_maps)

# %%
# Parts can be grouped: ``level`` cuts the tree at a depth.
_ = SegmentContributionDisplay.from_explanation(explanation, images, label_maps, level=1)

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
# image.
train = transformer.transform(X_train)
distances, neighbors = classifier.kneighbors(rows)
nearest = classifier.explain_pair(rows.iloc[0], train.iloc[neighbors[0, 0]])
print(f"{distances[0, 0]:.6f} {nearest.distance:.6f}")

# %%
# Why is the first image assigned to its class? The explanation first lists what supports this class
# rather than the next most likely one, then the votes. The differences from its nearest neighbors
# are a separate question and come last.
prediction = replace(classifier.explain_prediction(rows.iloc[0]), name="the face")
print(prediction.to_text())

# %%
# The same on the photo: red supports the class, blue the other one. A fitted pipeline is
# sufficient.
_ = SegmentContributionDisplay.from_estimator(model, pair[:1], titles=["the face"])

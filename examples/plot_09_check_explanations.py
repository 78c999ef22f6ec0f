"""
Can this explanation be trusted?
================================

Where it is known which part carries the class, an explanation can be checked. Three questions to
one model: what distances are made of, what votes depend on, and what would have to be different.
"""

# %%
# Portraits whose class shows in the clothes and nowhere else.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.pipeline import make_pipeline

from hierseg_learn import HierarchicalMetricClassifier, SegmentTreeTransformer
from hierseg_learn.datasets import make_portraits

portraits = make_portraits(
    400, n_classes=3, signal=("clothes",), strength=0.3, noise=0.08, random_state=0
)
X, y = portraits.images, portraits.target
transformer = SegmentTreeTransformer(tree=portraits.tree)
classifier = HierarchicalMetricClassifier(n_neighbors=15, random_state=0)
model = make_pipeline(transformer, classifier).fit(X[:300], y[:300])
table = transformer.transform(X[300:])
right = np.flatnonzero(model.predict(X[300:]) == y[300:])
print(f"accuracy: {len(right) / 100:.2f}")

# %%
# Why this class and not another? The contrast of a new portrait, with the columns of inner nodes
# split over their parts.
contrast = classifier.explain_contrast(table.iloc[[right[0]]], attribute_to="parts")
print(contrast.to_text())

# %%
# On which parts do the votes depend? All sets of parts are replaced by those of other portraits,
# here three of every class.
from hierseg_learn.what_if import explain_votes

chosen = np.concatenate([np.flatnonzero(y[:300] == label)[:3] for label in range(3)])
donors = transformer.transform(X[chosen])
votes = explain_votes(classifier, table.iloc[[right[0]]], transformer=transformer, donors=donors)
print(votes.to_text())

# %%
# One portrait proves little. How often is the clothes' number the largest of all parts'?
from hierseg_learn.explain import pointing_game

tree = classifier.tree_
is_clothes = np.array([tree.names[leaf] == "clothes" for leaf in tree.leaves])
for attribute_to in ("nodes", "parts"):
    contrasts = classifier.explain_contrasts(table.iloc[right], attribute_to=attribute_to)
    hits = pointing_game(contrasts.direct[:, tree.leaves], is_clothes)
    print(f"contrast by {attribute_to}: {hits.mean():.2f}")

# %%
# Parts can also be taken out in the order of an explanation while one looks at the votes. The
# sooner they fall, the better the explanation knew what the model uses. ``votes`` has asked for all
# sets of parts already.
from hierseg_learn.explain import curve_area, deletion_curve

orders = {
    "contrast": contrast.direct[votes.players],
    "votes": votes.direct[votes.players],
    "random": np.random.default_rng(0).random(len(votes.players)),
}
figure, ax = plt.subplots(figsize=(5, 3), layout="constrained")
for (name, attributions), marker in zip(orders.items(), "osx"):
    curve = deletion_curve(votes.worth, attributions)
    ax.plot(curve, marker=marker, label=f"{name}, area {curve_area(curve):.2f}")
ax.set(xlabel="parts taken out", ylabel="share of the votes")
_ = ax.legend()

# %%
# What would have to be different? The fewest parts of a training portrait with which the prediction
# changes, and the picture with them.
from hierseg_learn.what_if import counterfactual

item = X[300 + int(right[0])]
found = counterfactual(model, item)
donor = X[found.donor]
picture, _ = found.compose(*item, *donor)
figure, axes = plt.subplots(1, 3, figsize=(6, 2.8), layout="constrained")
names = [path.rpartition("/")[2] for path in found.paths]
titles = ("portrait", "with " + ", ".join(names), "donor")
for ax, image, title in zip(axes, (item.image, picture, donor.image), titles):
    ax.imshow(image)
    ax.set_title(title)
    ax.set_axis_off()
print(found.to_text())

"""
Can this explanation be trusted?
================================

If it is known which part determines the class, an explanation can be checked. This example asks
three questions about one model: which parts contribute to the distances, on which parts do the
votes depend, and which parts would have to be different?
"""

# %%
# Generate portraits whose class depends only on the clothes.
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
# Why this class rather than another? The contrast of a new portrait, with the contributions of
# inner nodes distributed among their parts.
contrast = classifier.explain_contrast(table.iloc[[right[0]]], by="parts")
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
# One portrait proves little. How often do the clothes have the largest attribution of all parts?
from hierseg_learn.explain import pointing_game

tree = classifier.tree_
is_clothes = np.array([tree.names[leaf] == "clothes" for leaf in tree.leaves])
for by in ("nodes", "parts"):
    contrasts = classifier.explain_contrasts(table.iloc[right], by=by)
    hits = pointing_game(contrasts.direct[:, tree.leaves], is_clothes)
    print(f"contrast by {by}: {hits.mean():.2f}")

# %%
# Parts can also be removed in the order of an explanation while recording the probability of the
# class. The sooner it decreases, the better the explanation identifies the parts that the model
# uses. ``votes`` has already evaluated all sets of parts.
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
ax.set(xlabel="parts taken out", ylabel="probability of the class")
_ = ax.legend()

# %%
# Which parts would have to be different? A counterfactual replaces the fewest parts by those of a
# training portrait such that the prediction changes. It can also compose the picture.
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

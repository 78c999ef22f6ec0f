"""
Which parts separate the classes?
=================================

Every node of the tree learns its own metric, and a parent combines those of its children. The
accuracy of each node on held-out images shows which parts separate the classes.
"""

# %%
# Three classes differ in the pattern of the clothes and in the color of the eyes, which are closed
# in many portraits. The model is not given this information.
import matplotlib.pyplot as plt

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
figure, axes = plt.subplots(1, 6, figsize=(9, 2.2), layout="constrained")
for ax, i in zip(axes, y.argsort(kind="stable")[[0, 1, 150, 151, 300, 301]]):
    ax.imshow(X[i].image)
    ax.set_title(f"class {y[i]}", fontsize=9)
    ax.set_axis_off()

# %%
# The classifier takes the table and reads the tree from the names of its columns.
transformer = SegmentTreeTransformer(tree=portraits.tree)
table, test = transformer.fit_transform(X[:300]), transformer.transform(X[300:])
classifier = HierarchicalMetricClassifier(random_state=0).fit(table, y[:300])
print(f"accuracy on new portraits: {classifier.score(test, y[300:]):.2f}")

# %%
# ``node_scores_`` contains the accuracy of every node, including everything below it, on rows that
# were held out while the nodes were fitted. Chance level is one third.
_ = classifier.tree_.plot(
    values=classifier.node_scores_, fmt=".0%", label="accuracy on held-out rows"
)

# %%
# ``node_outcomes_`` records the choice for every node. A leaf keeps its metric. A parent keeps the
# metrics of its children unchanged ("start"), weights them, or projects them, depending on the
# score on held-out rows.
print(classifier.tree_.export_text(classifier.node_outcomes_))

# %%
# To see the effect of the tree, compare with the same learner without the tree, and with only the
# whole image.
whole = [name for name in table if name.startswith("portrait|")]
no_tree = HierarchicalMetricClassifier(tree={"all": list(table)}, random_state=0)
no_parts = HierarchicalMetricClassifier(random_state=0)
print(f"no tree:  {no_tree.fit(table, y[:300]).score(test, y[300:]):.2f}")
print(f"no parts: {no_parts.fit(table[whole], y[:300]).score(test[whole], y[300:]):.2f}")

# %%
# The embedding of a single node can be plotted; here, the clothes of the test portraits.
points = classifier.transform(test, node="clothes")
figure, ax = plt.subplots(figsize=(5, 4), layout="constrained")
for target in range(3):
    ax.scatter(*points[y[300:] == target, :2].T, label=f"class {target}", alpha=0.7)
ax.set(title="The metric of the clothes", xlabel="first direction", ylabel="second direction")
_ = ax.legend()

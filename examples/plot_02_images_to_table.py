"""
What does the table look like?
==============================

:class:`~hierseg_learn.SegmentTreeTransformer` turns images into a table: one row per image, one
block of columns per node. The table is a pandas DataFrame, so all the methods for tables that
students know can be applied to images.
"""

# %%
# Generate portraits of two classes that differ slightly in the color of the hair. Some people are
# bald.
from hierseg_learn import SegmentTreeTransformer
from hierseg_learn.datasets import make_portraits

portraits = make_portraits(
    200, signal={"hair": "color"}, strength=0.3, missing={"hair": 0.1}, random_state=0
)
transformer = SegmentTreeTransformer(tree=portraits.tree)
table = transformer.fit_transform(portraits.images)
print(f"{table.shape[0]} images, {table.shape[1]} columns")

# %%
# The name of a column consists of the path of its node and the name of a feature. Every node has
# ``presence`` and ``area``: whether the image has the node at all, and the fraction of the image
# that it covers.
parts = table.columns.str.split("|", expand=True)
print(parts.get_level_values(0).unique().to_list())
print(parts.get_level_values(1).unique().to_list()[:12])

# %%
# With two levels of column names, each node is one block.
blocks = table.set_axis(parts, axis=1)
blocks["portrait/person/head/hair"].iloc[:5, :5].round(2)

# %%
# Who is bald? A missing part has presence 0. Its other columns contain the mean over the images
# that have the part, so any scikit-learn estimator accepts the table. ``missing="nan"`` shows NaN
# instead.
hair = blocks["portrait/person/head/hair"]
print(f"{(hair['presence'] == 0).sum()} portraits have no hair")
with_gaps = SegmentTreeTransformer(tree=portraits.tree, missing="nan")
print(with_gaps.fit_transform(portraits.images).isna().any(axis=1).sum(), "rows with gaps")

# %%
# The lightness (``lab_mean_0``) and color of the hair by class, computed with pandas:
seen = hair[hair["presence"] == 1].assign(target=portraits.target[hair["presence"] == 1])
seen.groupby("target")[["area", "lab_mean_0", "lab_mean_1", "lab_mean_2"]].mean().round(2)

# %%
# The same as a plot.
import matplotlib.pyplot as plt

figure, ax = plt.subplots(figsize=(6, 4), layout="constrained")
for target, group in seen.groupby("target"):
    ax.scatter(group["lab_mean_1"], group["lab_mean_2"], label=f"class {target}", alpha=0.7)
ax.set(xlabel="hair: green to red (lab_mean_1)", ylabel="hair: blue to yellow (lab_mean_2)")
_ = ax.legend()

# %%
# A parent describes all pixels below it, which is not the mean of its children's columns. Areas add
# up.
areas = table.filter(like="|area").rename(columns=lambda name: name.split("|")[0])
head = areas["portrait/person/head"]
children = areas["portrait/person/head/hair"] + areas["portrait/person/head/face"]
print(f"largest difference: {(head - children).abs().max():.1e}")

# %%
# Any estimator accepts the table. A decision tree gives a rule about a part:
from sklearn.tree import DecisionTreeClassifier, export_text

rule = DecisionTreeClassifier(max_depth=1, random_state=0).fit(table, portraits.target)
print(export_text(rule, feature_names=list(table)))

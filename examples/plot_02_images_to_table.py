"""
What does the table look like?
==============================

:class:`~hierseg_learn.SegmentTreeTransformer` turns images into a table: one row per image, one
block of columns per node. It is a pandas DataFrame, and everything that one does with a table in a
classroom can be done with images.
"""

# %%
# Portraits of two classes that differ in the color of the hair, faintly; some sitters are bald.
from hierseg_learn import SegmentTreeTransformer
from hierseg_learn.datasets import make_portraits

portraits = make_portraits(
    200, signal={"hair": "color"}, strength=0.3, missing={"hair": 0.1}, random_state=0
)
transformer = SegmentTreeTransformer(tree=portraits.tree)
table = transformer.fit_transform(portraits.images)
print(f"{table.shape[0]} images, {table.shape[1]} columns")

# %%
# A column is named by the path of its node and by what is described. ``presence`` and ``area`` are
# there for every node: whether the image has it at all, and how much of the image it covers.
parts = table.columns.str.split("|", expand=True)
print(parts.get_level_values(0).unique().to_list())
print(parts.get_level_values(1).unique().to_list()[:12])

# %%
# With two levels of column names, one node is one block.
blocks = table.set_axis(parts, axis=1)
blocks["portrait/person/head/hair"].iloc[:5, :5].round(2)

# %%
# Who is bald? A missing part has presence 0; in its other columns stands the mean over the images
# that have it, so that any scikit-learn estimator takes the table. ``missing="nan"`` shows the
# gaps.
hair = blocks["portrait/person/head/hair"]
print(f"{(hair['presence'] == 0).sum()} portraits have no hair")
with_gaps = SegmentTreeTransformer(tree=portraits.tree, missing="nan")
print(with_gaps.fit_transform(portraits.images).isna().any(axis=1).sum(), "rows with gaps")

# %%
# Now pandas. Lightness (``lab_mean_0``) and color of the hair, by class:
seen = hair[hair["presence"] == 1].assign(target=portraits.target[hair["presence"] == 1])
seen.groupby("target")[["area", "lab_mean_0", "lab_mean_1", "lab_mean_2"]].mean().round(2)

# %%
# The same as a picture.
import matplotlib.pyplot as plt

figure, ax = plt.subplots(figsize=(6, 4), layout="constrained")
for target, group in seen.groupby("target"):
    ax.scatter(group["lab_mean_1"], group["lab_mean_2"], label=f"class {target}", alpha=0.7)
ax.set(xlabel="hair: green to red (lab_mean_1)", ylabel="hair: blue to yellow (lab_mean_2)")
_ = ax.legend()

# %%
# A parent describes all pixels below it, not the mean of its children's columns; areas add up.
areas = table.filter(like="|area").rename(columns=lambda name: name.split("|")[0])
head = areas["portrait/person/head"]
children = areas["portrait/person/head/hair"] + areas["portrait/person/head/face"]
print(f"largest difference: {(head - children).abs().max():.1e}")

# %%
# Any estimator takes the table. A decision tree reads as a rule about a part:
from sklearn.tree import DecisionTreeClassifier, export_text

rule = DecisionTreeClassifier(max_depth=1, random_state=0).fit(table, portraits.target)
print(export_text(rule, feature_names=list(table)))

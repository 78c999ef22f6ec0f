"""
What is a segment tree?
=======================

All images of a data set share one tree: its leaves are the parts that a label map knows, its inner
nodes are what these parts make together.
"""

# %%
# A portrait comes with a label map: the id of the part that every pixel belongs to. The ids mean
# the same in every image, and one that an image lacks is simply not in its map: the last sitter's
# eyes are closed.
import matplotlib.pyplot as plt

from hierseg_learn.datasets import make_portraits

portraits = make_portraits(6, missing={"eyes": 0.3}, random_state=1)
print(portraits.part_names)

figure, axes = plt.subplots(2, 6, figsize=(9, 4), layout="constrained")
for column, (image, mask) in zip(axes.T, portraits.images):
    column[0].imshow(image)
    column[1].imshow(mask, cmap="tab10", vmin=0, vmax=9, interpolation="nearest")
for ax in axes.flat:
    ax.set_axis_off()

# %%
# The tree is written as a nested dict whose leaves are part ids. In a notebook, a tree on the last
# line of a cell shows itself; elsewhere it prints.
from hierseg_learn import SegmentTree

tree = SegmentTree.from_nested(portraits.tree)
print(tree.export_text())

# %%
# Behind the names is one array: the parent of every node. Children come before their parents and
# the root is last, so a plain loop over the nodes goes from the leaves up.
print(tree.parents)
for node in tree.bottom_up():
    print(f"{node:2}  {tree.paths[node]}")

# %%
# Nodes are named by id, by path, or by a short name where there is only one of it.
print(tree.index("hair"), tree.path("hair"))
print([tree.names[node] for node in tree.subtree("face")])

# %%
# What can be counted adds up. The areas of the parts of the first portrait, summed up the tree, are
# the areas of all nodes, and no pixel is read twice.
import numpy as np

mask = portraits.images[0].mask
areas = np.bincount(mask.ravel(), minlength=tree.n_leaves) / mask.size
shares = tree.sum_up([areas[part] for part in tree.leaf_values], axis=-1)
_ = tree.plot(values=shares, fmt=".0%", label="share of the image")

# %%
# A tree of one's own may say less than the masks: a list of ids is one part.
coarse = SegmentTree.from_nested({"portrait": {"background": 0, "person": [1, 2, 3, 4, 5, 6]}})
print(coarse.export_text())

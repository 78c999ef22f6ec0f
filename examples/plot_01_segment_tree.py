"""
What is a segment tree?
=======================

All images of a data set share one tree. Its leaves are the parts in the label maps, and its
inner nodes are groups of these parts.
"""

# %%
# Every portrait comes with a label map, which contains the part id of every pixel. The ids mean the
# same in every image. If an image lacks a part, its id does not occur in the label map: the eyes of
# the last portrait are closed.
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
# line of a cell is displayed; elsewhere, print it.
from hierseg_learn import SegmentTree

tree = SegmentTree.from_nested(portraits.tree)
print(tree.export_text())

# %%
# The tree is stored as an array with the parent of every node. Children come before their parents
# and the root is last, so a simple loop over the nodes runs from the leaves up.
print(tree.parents)
for node in tree.bottom_up():
    print(f"{node:2}  {tree.paths[node]}")

# %%
# A node is identified by its id, its path, or its name if the name is unique.
print(tree.index("hair"), tree.path("hair"))
print([tree.names[node] for node in tree.subtree("face")])

# %%
# Counts are additive. The areas of the parts of the first portrait, summed up the tree, are the
# areas of all nodes, and no pixel is read twice.
import numpy as np

mask = portraits.images[0].mask
areas = np.bincount(mask.ravel(), minlength=tree.n_leaves) / mask.size
shares = tree.sum_up([areas[part] for part in tree.leaf_values], axis=-1)
_ = tree.plot(values=shares, fmt=".0%", label="share of the image")

# %%
# Your own tree may have fewer parts than the masks: a list of ids is one part.
coarse = SegmentTree.from_nested({"portrait": {"background": 0, "person": [1, 2, 3, 4, 5, 6]}})
print(coarse.export_text())

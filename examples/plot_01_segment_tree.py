"""
What is a segment tree?
=======================

All images of a data set share one tree. Its leaves are the parts in the label maps, and its
inner nodes are groups of these parts.
"""

# %%
# Three photos that come with scikit-image. Their parts were outlined by hand, as corners
# ``row,column`` of polygons. Annotation tools do this with a mouse, and :doc:`readers
# </user_guide/your_masks>` make label maps of their files. A label map contains the part id of
# every pixel.
import matplotlib.pyplot as plt
import numpy as np
from skimage import data
from skimage.draw import polygon

photos = {"astronaut": data.astronaut(), "cat": data.chelsea(), "cameraman": data.camera()}
HAIR, SKIN, EYES, CLOTHES = 1, 2, 3, 4
suit = "512,20 440,20 310,45 250,75 205,115 180,120 150,160 165,180 190,205 190,250 185,275 205,295"
suit += " 245,305 260,345 300,365 345,360 350,420 390,480 460,510 512,510"
coat = "240,5 195,35 150,85 112,148 140,180 205,185 205,245 170,290 170,325 205,328 240,295 305,287"
coat += " 312,235 298,200 365,140 415,147 512,150 512,90 445,100 405,47 350,5"
outlines = {
    "astronaut": [
        (CLOTHES, suit),
        (HAIR, "120,163 85,152 45,163 20,195 14,240 30,280 60,302 100,300 130,285 140,262 130,185"),
        (SKIN, "110,180 85,195 78,225 85,255 110,272 140,268 165,255 182,232 175,205 150,188"),
        (EYES, "102,194 97,201 98,208 102,212 106,204"),
        (EYES, "101,236 97,243 98,250 102,255 106,246"),
    ],
    "cat": [
        (HAIR, "300,0 130,0 90,30 50,40 0,35 0,395 30,390 70,345 110,358 160,355 210,335 300,300"),
        (SKIN, "228,228 222,255 226,292 240,286 262,262 250,240"),
        (EYES, "100,133 85,160 88,185 110,205 135,207 146,175 140,148"),
        (EYES, "140,294 118,305 108,325 115,343 140,338 160,318 160,300"),
    ],
    "cameraman": [
        (CLOTHES, coat),
        (SKIN, "122,225 125,262 145,262 165,250 185,240 200,215 195,190 160,182 150,200"),
        (HAIR, "110,160 85,165 70,185 62,210 75,245 100,268 122,266 125,235 150,218 155,195"),
    ],
}
masks = {}
for name, shapes in outlines.items():
    masks[name] = np.zeros(photos[name].shape[:2], dtype=int)  # what is not painted is background
    for part, corners in shapes:
        rows, columns = np.array([corner.split(",") for corner in corners.split()], dtype=int).T
        masks[name][polygon(rows, columns, masks[name].shape)] = part

# %%
# The ids mean the same in every image. If an image lacks a part, its id does not occur in the label
# map: the cat wears no clothes, and the eyes of the cameraman cannot be seen. Fur counts as hair.
figure, axes = plt.subplots(2, 3, figsize=(8, 5.2), layout="constrained")
for column, name in zip(axes.T, photos, strict=True):
    column[0].imshow(photos[name], cmap="gray")
    column[0].set_title(name)
    column[1].imshow(masks[name], cmap="tab10", vmin=0, vmax=9, interpolation="nearest")
    print(f"{name:<10}", np.unique(masks[name]))
for ax in axes.flat:
    ax.set_axis_off()

# %%
# The tree is written as a nested dict whose leaves are part ids. In a notebook, a tree on the last
# line of a cell is displayed; elsewhere, print it.
from hierseg_learn import SegmentTree

head = {"hair": HAIR, "face": {"skin": SKIN, "eyes": EYES}}
tree = SegmentTree.from_nested(
    {"photo": {"background": 0, "figure": {"head": head, "clothes": CLOTHES}}}
)
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
# Counts are additive. The areas of the parts of the astronaut, summed up the tree, are the areas of
# all nodes, and no pixel is read twice.
mask = masks["astronaut"]
areas = np.bincount(mask.ravel(), minlength=tree.n_leaves) / mask.size
shares = tree.sum_up([areas[part] for part in tree.leaf_values], axis=-1)
_ = tree.plot(values=shares, fmt=".0%", label="share of the image")

# %%
# Your own tree may have fewer parts than the masks: a list of ids is one part.
coarse = {"photo": {"background": 0, "figure": [HAIR, SKIN, EYES, CLOTHES]}}
print(SegmentTree.from_nested(coarse).export_text())

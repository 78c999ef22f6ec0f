"""
What does the table look like?
==============================

:class:`~hierseg_learn.SegmentTreeTransformer` turns images into a table: one row per image, one
block of columns per node. The table is a pandas DataFrame, so all the methods for tables that
students know can be applied to images.
"""

# %%
# A photo of tissue under a microscope comes with scikit-image. A stain colors glands brown, and
# nuclei are blue. Colors divide the pixels into three parts.
import matplotlib.pyplot as plt
import numpy as np
from skimage import data
from skimage.color import rgb2hed, rgb2lab
from skimage.draw import ellipse, polygon
from skimage.filters import threshold_otsu
from skimage.util import view_as_blocks

photo = data.immunohistochemistry()
brown = rgb2hed(photo)[..., 2]
BRIGHT, NUCLEI, STAINED = range(3)
parts = np.where(rgb2lab(photo)[..., 0] > 80, BRIGHT, NUCLEI)
parts[brown > threshold_otsu(brown)] = STAINED

# %%
# Glands were outlined by hand. The images are tiles of the photo, and their classes are gland and
# other tissue. Tiles that contain much of both are left out.
rows = [0, 0, 150, 250, 295, 270, 220, 160, 235, 255, 230, 190, 160]
columns = [0, 425, 458, 440, 415, 350, 305, 275, 250, 200, 120, 60, 0]
in_gland = np.zeros(parts.shape)
in_gland[polygon(rows, columns)] = 1
in_gland[polygon([165, 190, 270, 420, 511, 511, 340, 275], [0, 50, 125, 158, 150, 45, 45, 0])] = 1
in_gland[ellipse(405, 318, 98, 65)] = 1


def cut(picture):
    """Cut a picture into tiles of 32 by 32 pixels."""
    shape = (32, 32, *picture.shape[2:])
    return view_as_blocks(picture, shape).reshape(-1, *shape)


share = cut(in_gland).mean(axis=(1, 2))
clear = (share < 0.2) | (share > 0.8)
tiles, masks = cut(photo)[clear], cut(parts)[clear]
target = np.where(share > 0.5, "gland", "other")[clear]
figure, axes = plt.subplots(1, 2, figsize=(8, 4), layout="constrained")
axes[0].imshow(photo)
axes[0].contour(in_gland, levels=[0.5], colors="black")
axes[0].set_title("photo and outlines of glands")
axes[1].imshow(parts, cmap="Set2", vmin=0, vmax=7, interpolation="nearest")
axes[1].set_title("parts")
for ax in axes:
    ax.set_xticks(range(32, 512, 32), [])
    ax.set_yticks(range(32, 512, 32), [])
    ax.grid(color="black", linewidth=0.3)

# %%
# Describe the tiles.
from hierseg_learn import SegmentedImages, SegmentTreeTransformer

images = SegmentedImages(tiles, masks)
tree = {"tile": {"bright": BRIGHT, "cells": {"nuclei": NUCLEI, "stained": STAINED}}}
transformer = SegmentTreeTransformer(tree=tree)
table = transformer.fit_transform(images)
print(f"{table.shape[0]} images, {table.shape[1]} columns")

# %%
# The name of a column consists of the path of its node and the name of a feature. Every node has
# ``presence`` and ``area``: whether the image has the node at all, and the fraction of the image
# that it covers.
names = table.columns.str.split("|", expand=True)
print(*names.get_level_values(0).unique(), sep="\n")
print(names.get_level_values(1).unique().to_list()[:6])

# %%
# With two levels of column names, each node is one block.
blocks = table.astype(float).set_axis(names, axis=1)
blocks["tile/cells/nuclei"].iloc[:5, :5].round(2)

# %%
# Which tiles have no stain? A missing part has presence 0. Its other columns contain the mean over
# the images that have the part, so any scikit-learn estimator accepts the table. ``missing="nan"``
# shows NaN instead.
stained = blocks["tile/cells/stained"]
print(f"{(stained['presence'] == 0).sum()} tiles have no stained pixel")
with_gaps = SegmentTreeTransformer(tree=tree, missing="nan")
print(with_gaps.fit_transform(images).isna().any(axis=1).sum(), "rows with gaps")

# %%
# The area, lightness (``lab_mean_0``) and color of the nuclei by class, computed with pandas:
nuclei = blocks["tile/cells/nuclei"]
nuclei = nuclei[nuclei["presence"] == 1].assign(target=target[nuclei["presence"] == 1])
nuclei.groupby("target")[["area", "lab_mean_0", "lab_mean_1", "lab_mean_2"]].mean().round(2)

# %%
# The same as a plot. Nuclei of glands look less blue, since the stain lies over them.
figure, ax = plt.subplots(figsize=(6, 4), layout="constrained")
for name, group in nuclei.groupby("target"):
    ax.scatter(group["lab_mean_1"], group["lab_mean_2"], label=name, alpha=0.7)
ax.set(xlabel="nuclei: green to red (lab_mean_1)", ylabel="nuclei: blue to yellow (lab_mean_2)")
_ = ax.legend()

# %%
# A parent describes all pixels below it, which is not the mean of its children's columns. Areas add
# up.
areas = table.filter(like="|area").rename(columns=lambda name: name.split("|")[0])
children = areas["tile/cells/nuclei"] + areas["tile/cells/stained"]
print(f"largest difference: {(areas['tile/cells'] - children).abs().max():.1e}")

# %%
# Any estimator accepts the table, or some of its columns. With the areas alone, a decision tree
# gives a rule about a part:
from sklearn.tree import DecisionTreeClassifier, export_text

rule = DecisionTreeClassifier(max_depth=1, random_state=0).fit(areas, target)
print(export_text(rule, feature_names=list(areas)))
print(f"right for {rule.score(areas, target):.0%} of the tiles that it was fitted on")

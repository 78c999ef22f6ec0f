"""
How is a photo divided, from coarse to fine?
============================================

Adjacent regions that look similar are merged step by step until the photo is one region. The
merges form a tree that can be cut anywhere. This requires no masks, no training, and no number
of regions in advance.
"""

# %%
# Compute the tree of regions of a photo. The *contour map* shows the height up to which every
# border persists.
import matplotlib.pyplot as plt
import numpy as np
from skimage import data
from skimage.color import label2rgb
from skimage.segmentation import find_boundaries

from hierseg_learn.segmentation import RegionMerging

cat = data.chelsea()
cutter = RegionMerging()
tree = cutter.hierarchy(cat)
contours = tree.contour_map()
print(f"{tree.n_leaves} superpixels, borders from {contours.min():.2f} to {contours.max():.2f}")

figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
axes[0].imshow(cat)
axes[0].set_title("photo")
axes[1].imshow(contours, cmap="gray_r", vmin=0, vmax=1)
axes[1].set_title("contour map")
for ax in axes:
    ax.set_axis_off()

# %%
# Cut the tree at a number of regions. Every region of a finer cut lies within one region of a
# coarser cut. Each region is shown in its mean color.
figure, axes = plt.subplots(1, 4, figsize=(9, 2), layout="constrained")
for ax, n_regions in zip(axes, (4, 12, 40, 150), strict=True):
    ax.imshow(label2rgb(tree.cut(n_regions), cat, kind="avg", bg_label=-1))
    ax.set_title(f"{n_regions} regions")
    ax.set_axis_off()

# %%
# Cut the tree at a height. Heights are comparable between images, so at the same height a detailed
# photo has more regions than a simple one.


def draw(ax, photo, regions, title):
    """Draw a photo with the borders of its regions, two pixels wide."""
    shown = photo.copy()
    shown[find_boundaries(regions, mode="thick")] = (255, 220, 0)
    ax.imshow(shown)
    ax.set_title(title)
    ax.set_axis_off()


photos = {"cat": cat, "coffee": data.coffee(), "astronaut": data.astronaut()}
figure, axes = plt.subplots(2, 3, figsize=(9, 5), layout="constrained")
for column, photo in zip(axes.T, photos.values(), strict=True):
    tree = cutter.hierarchy(photo)
    for ax, height in zip(column, (0.7, 0.4), strict=True):
        regions = tree.cut(height=height)
        draw(ax, photo, regions, f"height {height}: {regions.max() + 1} regions")

# %%
# Other cutters are those of scikit-image, and of Higra where it is installed. Here they make about
# as many regions each.
from hierseg_learn.segmentation import Felzenszwalb, Slic

cutters = {
    "region merging": RegionMerging(n_segments=60),
    "Felzenszwalb": Felzenszwalb(scale=300, min_size=300),
    "superpixels (SLIC)": Slic(n_segments=75),
}
figure, axes = plt.subplots(1, 3, figsize=(9, 2.6), layout="constrained")
for ax, (name, other) in zip(axes, cutters.items(), strict=True):
    regions = other.regions(photos["coffee"])
    draw(ax, photos["coffee"], regions, f"{name}: {regions.max() + 1}")

# %%
# A region of one image says nothing about another image yet. A segmenter clusters the regions of
# all images by color, texture and position into parts, which mean the same in every image. Here,
# the images are overlapping sections of one photo, and the sky is the same part in all of them, as
# are the tower and the shrubs wherever they are seen.
from sklearn.datasets import load_sample_image

from hierseg_learn.segmentation import VocabularySegmenter

photo = load_sample_image("china.jpg")
sections = [photo[:, left : left + 160] for left in range(0, 480, 16)]
images, new = sections[::2], sections[1::5]
segmenter = VocabularySegmenter(RegionMerging(20), n_parts=6, random_state=0)
label_maps = segmenter.fit(images).segment_images(new)
figure, axes = plt.subplots(2, 6, figsize=(9, 3.8), layout="constrained")
for column, image, labels in zip(axes.T, new, label_maps, strict=True):
    column[0].imshow(image)
    column[1].imshow(labels, cmap="Set2", vmin=0, vmax=7, interpolation="nearest")
for ax in axes.flat:
    ax.set_axis_off()

# %%
# The mean fraction of an image that every part covers, along the tree in which similar parts are
# merged.
areas = np.mean([np.bincount(m.ravel(), minlength=6) / m.size for m in label_maps], axis=0)
leaf_areas = areas[list(segmenter.tree_.leaf_values)]
print(segmenter.tree_.export_text(segmenter.tree_.sum_up(leaf_areas, axis=-1), fmt=".0%"))

# sphinx_gallery_thumbnail_number = 3

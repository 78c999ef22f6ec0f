"""
Which parts do photos share?
============================

Without masks, a segmenter finds parts by itself. Check whether they mean the same in every
image, and whether a person would name them: with statistics, on a contact sheet, and as a tree.
"""

# %%
# The portraits come with masks, which are used here only for scoring: the segmenter sees only the
# pixels. It divides each image into regions and clusters the regions of all images into a
# vocabulary of parts.
import matplotlib.pyplot as plt

from hierseg_learn.datasets import make_portraits
from hierseg_learn.segmentation import RegionMergingSegmenter, part_report
from hierseg_learn.tree import SegmentTree

portraits = make_portraits(90, image_size=(64, 52), missing=0.2, random_state=0)
train, new = portraits.images[:60], portraits.images[60:]
segmenter = RegionMergingSegmenter(40, n_parts=8, sigma=0.5, random_state=0).fit(train.images)
labels = [segmenter.segment(item.image) for item in new[:6]]
figure, axes = plt.subplots(2, 6, figsize=(9, 3.8), layout="constrained")
for column, item, parts in zip(axes.T, new, labels):
    column[0].imshow(item.image)
    column[1].imshow(parts, cmap="tab10", vmin=0, vmax=9, interpolation="nearest")
for ax in axes.flat:
    ax.set_axis_off()

# %%
# How often does every part occur, which part of the masks does it match, and is it found again from
# each half of the images? Stability is the overlap with the matching part of a half; the best value
# is 1.
given = SegmentTree.from_nested(portraits.tree)
names = dict(zip(given.leaf_values, (given.names[leaf] for leaf in given.leaves)))
report = part_report(segmenter, new, mask_names=names, stability=True)
print(report.to_text())

# %%
# The same as a table, and as summary scores: how well the parts agree with the masks.
print(report.to_frame().round(2))
print(f"purity {report.purity:.2f}, mutual information {report.normalized_mutual_info:.2f}")

# %%
# A contact sheet: one row per part; the part is shown in its own colors, and the rest is dimmed. It
# helps to choose names for the parts.
from hierseg_learn.segmentation import PartSheetDisplay

display = PartSheetDisplay.from_estimator(segmenter, new, report=report, n_examples=6)

# %%
# Parts that look similar, touch, and occur together are merged step by step. The weight of each
# criterion can be set. This also works for given masks, so that a tree need not be specified by
# hand.
from hierseg_learn import SegmentTreeTransformer
from hierseg_learn.parts import PartAgglomeration
from hierseg_learn.segmentation import MaskSegmenter

masks = MaskSegmenter(portraits.tree)
transformer = SegmentTreeTransformer(masks, tree=PartAgglomeration(), descriptors="color")
transformer.fit(train)
print(transformer.tree_.export_text())

# %%
# Parts and a layout can be joined under one root: every pixel then belongs to a part *and* to a
# position.
from hierseg_learn.segmentation import PyramidSegmenter, SegmenterUnion

union = SegmenterUnion([("layout", PyramidSegmenter(2)), ("parts", segmenter)])
both = SegmentTreeTransformer(union, descriptors="color").fit(train.images)
areas = both.transform(new.images).filter(like="|area").mean()
areas.index = areas.index.str.removesuffix("|area")
both.tree_.plot(values=areas, fmt=".0%", label="mean share of the image")

# sphinx_gallery_thumbnail_number = 2

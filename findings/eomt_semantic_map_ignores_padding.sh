#!/bin/sh
# transformers 5.24.0 (torch 2.13.0, Pillow 13.0.0).
# EomtImageProcessorPil(do_pad=True) pads a photo that is not square on the right or below. Its
# post_process_semantic_segmentation, given target_sizes as documented, stretches the padded square
# over the photo: labels lie at the wrong place, without a word. Its
# post_process_panoptic_segmentation cuts the padding off first (unpad_image), so one would expect
# the same here.
# Input: a photo of 32 x 64 pixels, whose resized copy fills the upper half of a square of 64 x 64,
# and an answer that says class 1 exactly where the photo is (the upper half), class 0 in the padding.
# Right: class 1 in all pixels of the photo. Output seen:
#   padded input (64, 64), photo fills its first 32 rows
#   share of the photo with class 1: semantic 0.50, panoptic 1.00
# Exits non-zero when this changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.13.0
"$folder/venv/bin/pip" install -q transformers==5.24.0 pillow==13.0.0
"$folder/venv/bin/python" - <<'PYTHON'
import types

import numpy as np
import torch
from transformers import EomtImageProcessorPil

processor = EomtImageProcessorPil(size={"shortest_edge": 64, "longest_edge": 64}, do_pad=True)
photo = np.full((32, 64, 3), 255, np.uint8)
values = processor(photo, return_tensors="pt", do_normalize=False)["pixel_values"][0]
rows = int((values[0].sum(dim=1) > 0).sum())
print(f"padded input {tuple(values.shape[1:])}, photo fills its first {rows} rows")

# one query for the padding (class 0), one for the photo (class 1), both sure
masks = torch.full((1, 2, 64, 64), -20.0)
masks[0, 0, rows:] = 20
masks[0, 1, :rows] = 20
classes = torch.tensor([[[20.0, -20, -20], [-20, 20, -20]]])
answer = types.SimpleNamespace(
    masks_queries_logits=masks, class_queries_logits=classes, patch_offsets=None
)
semantic = processor.post_process_semantic_segmentation(answer, target_sizes=[(32, 64)])[0]
panoptic = processor.post_process_panoptic_segmentation(answer, target_sizes=[(32, 64)])[0]
ones = [s["id"] for s in panoptic["segments_info"] if s["label_id"] == 1]
shares = [
    float((semantic == 1).float().mean()),
    float(torch.isin(panoptic["segmentation"], torch.tensor(ones)).float().mean()),
]
print("share of the photo with class 1: semantic %.2f, panoptic %.2f" % tuple(shares))
assert rows == 32 and abs(shares[0] - 0.5) < 0.05 and shares[1] > 0.95, "this has changed"
PYTHON

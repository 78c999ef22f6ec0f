#!/bin/sh
# transformers 5.24.0 (torch 2.13.0).
# DPTForSemanticSegmentation (with its own ViT, no `backbone_config`) takes images that are not square
# and answers them as if they were: it lays the patches out as a square of side sqrt(n_patches). For
# 4 x 16 patches this is silent: the logits are those of 8 x 8 patches, every row of 16 laid out as
# two rows of 8. For 4 x 8 patches, whose number is no square, it fails in a reshape.
# DPTImageProcessor(keep_aspect_ratio=True) makes such images, and post_process_semantic_segmentation
# then stretches the scrambled map over the photo. One would expect logits of the aspect of the
# image, or an error that names it.
# Output seen:
#   image (32, 32): logits (64, 64)
#   image (32, 64): RuntimeError
#   image (32, 128): logits (128, 128)
# Exits non-zero when this changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.13.0
"$folder/venv/bin/pip" install -q transformers==5.24.0
"$folder/venv/bin/python" - <<'PYTHON'
import torch
from transformers import DPTConfig, DPTForSemanticSegmentation

config = DPTConfig(
    hidden_size=16, num_hidden_layers=4, num_attention_heads=2, intermediate_size=16, image_size=32,
    patch_size=8, backbone_out_indices=[0, 1, 2, 3], neck_hidden_sizes=[8] * 4,
    fusion_hidden_size=8, num_labels=5,
)
network = DPTForSemanticSegmentation(config).eval()
seen = {}
for size in [(32, 32), (32, 64), (32, 128)]:
    try:
        with torch.inference_mode():
            seen[size] = tuple(network(torch.rand(1, 3, *size)).logits.shape[2:])
        print(f"image {size}: logits {seen[size]}")
    except RuntimeError:
        seen[size] = None
        print(f"image {size}: RuntimeError")
assert seen == {(32, 32): (64, 64), (32, 64): None, (32, 128): (128, 128)}, "this has changed"
PYTHON

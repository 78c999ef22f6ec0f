"""What a `SegmentContributionDisplay` says in words: its caption and its text alternative."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ._colors import SHARE_LABEL
from ._text import enumerate_words, node_labels, share_text, spoken_labels, start_sentence

if TYPE_CHECKING:
    from ._display import SegmentContributionDisplay

# smaller shares are left to the table
_LEAST = 0.005


def share_name(display: SegmentContributionDisplay) -> str:
    """What a share is a share of, in words."""
    is_contrast = hasattr(display.explanation, "difference")
    return "share of all pulls" if is_contrast else SHARE_LABEL


def caption(display: SegmentContributionDisplay) -> str:
    """What the tints leave out, one sentence per line; empty if nothing."""
    sentences = []
    if any(display.rest.values()):
        rest = share_text(sum(display.rest.values()))
        named = _list(display, display.rest, node_labels, 3)
        sentences.append(
            f"The tinted segments account for {share_text(sum(display.shares.values()))}; "
            f"{rest} describes several segments together and is not drawn"
            f"{': ' + named if named else ''}."
        )
    if unseen := _list(display, _without_pixels(display), node_labels, 3):
        where = "in either photo" if len(display.images) == 2 else "in the photo"
        sentences.append(f"Without pixels {where}: {unseen}.")
    return "\n".join(sentences)


def alt_text(display: SegmentContributionDisplay) -> str:
    """The picture in words, for those who cannot see it."""
    count = f"{len(display.images)} photos" if len(display.images) > 1 else "Photo"
    named = _list(display, display.shares, node_labels, 8) or "all shares are 0 %"
    sentences = [
        f"{count}, {enumerate_words(display.titles)}, each segment tinted by its "
        f"{share_name(display)}: {named}."
    ]
    if named := _list(display, display.rest, spoken_labels, 8):
        sentences.append(f"Not drawn: {named}.")
    tree = display.explanation.tree
    for title, seen in zip(display.titles, _seen(display)):
        lacking = {
            path: share for path, share in display.shares.items() if tree.index(path) not in seen
        }
        if names := _list(display, lacking, node_labels, 8, with_shares=False):
            sentences.append(f"{title} has no pixels of {names}.")
    return " ".join(map(start_sentence, sentences))


def _seen(display: SegmentContributionDisplay) -> list[set[int]]:
    """Drawn nodes that have pixels, for every photo."""
    found = [np.unique(labels[labels >= 0]) for labels in display.label_maps]
    return [set(display.drawn[leaves].tolist()) for leaves in found]


def _without_pixels(display: SegmentContributionDisplay) -> dict[str, float]:
    """Shares of drawn nodes that no photo shows."""
    tree, seen = display.explanation.tree, set().union(*_seen(display))
    return {path: share for path, share in display.shares.items() if tree.index(path) not in seen}


def _list(
    display: SegmentContributionDisplay,
    shares: dict[str, float],
    labels: Any,
    n_shown: int,
    *,
    with_shares: bool = True,
) -> str:
    """The largest of some shares as words, small ones left out."""
    tree = display.explanation.tree
    names = labels(tree)
    large = {path: share for path, share in shares.items() if abs(share) >= _LEAST}
    order = sorted(large, key=lambda path: -abs(large[path]))
    words = [
        names[tree.index(path)] + (f" {share_text(large[path])}" if with_shares else "")
        for path in order
    ]
    if len(words) > n_shown:
        words = [*words[:n_shown], f"{len(words) - n_shown} more"]
    return enumerate_words(words) if words else ""

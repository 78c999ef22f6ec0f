"""What a `SegmentContributionDisplay` says in words: its caption and its text alternative."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..utils._numbers import percent
from ._shares import LEAST, share_text
from ._text import enumerate_words, node_labels, spoken_labels, start_sentence

if TYPE_CHECKING:
    from ._display import SegmentContributionDisplay


def caption(display: SegmentContributionDisplay) -> str:
    """What the tints leave out, one sentence per line; empty if nothing."""
    sentences = []
    if any(display.rest.values()):
        named = _list(display, display.rest, node_labels, 3)
        named = f": {named}" if named else ""
        if display.explanation._is_two_sided:
            sentences.append(f"What describes several segments together is not drawn{named}.")
        else:
            drawn, rest = (percent(sum(s.values())) for s in (display.shares, display.rest))
            sentences.append(
                f"The tinted segments account for {drawn}; {rest} describes several segments "
                f"together and is not drawn{named}."
            )
    if unseen := _list(display, _without_pixels(display), node_labels, 3):
        where = "in either photo" if len(display.images) == 2 else "in the photo"
        sentences.append(f"Without pixels {where}: {unseen}.")
    return "\n".join(sentences)


def alt_text(display: SegmentContributionDisplay) -> str:
    """The picture in words, for those who cannot see it."""
    count = f"{len(display.images)} photos" if len(display.images) > 1 else "Photo"
    named = _list(display, display.shares, node_labels, 8) or "all shares are 0%"
    titles = enumerate_words([title for title in display.titles if title] or [""])
    sentences = [
        display.question if display.question.endswith("?") else f"{display.question}.",
        f"{count}{', ' + titles if titles else ''}, each segment tinted by its "
        f"{display.explanation._share_words()}: {named}.",
    ]
    if named := _list(display, display.rest, spoken_labels, 8):
        sentences.append(f"Not drawn: {named}.")
    tree = display.explanation.tree
    for title, seen in zip(display.titles, _seen(display)):
        lacking = {
            path: share for path, share in display.shares.items() if tree.index(path) not in seen
        }
        if names := _list(display, lacking, node_labels, 8, with_shares=False):
            sentences.append(f"{title or 'the photo'} has no pixels of {names}.")
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
    tree, sides = display.explanation.tree, display.explanation._sides
    names = labels(tree)
    large = {path: share for path, share in shares.items() if abs(share) >= LEAST}
    order = sorted(large, key=lambda path: -abs(large[path]))
    words = [
        names[tree.index(path)] + (f" {share_text(large[path], sides)}" if with_shares else "")
        for path in order
    ]
    if len(words) > n_shown:
        words = [*words[:n_shown], f"{len(words) - n_shown} more"]
    return enumerate_words(words) if words else ""

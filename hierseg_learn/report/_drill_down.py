"""The tree of an explanation as a list that unfolds level by level, without scripts."""

from __future__ import annotations

from html import escape

import numpy as np

from ..explain._base import Explanation
from ..explain._text import share_text

# nodes with less unfold no further by themselves
_OPEN_FROM = 0.25


def html_tree(explanation: Explanation) -> str:
    """Nested lists: a node with everything below it, inside of it its own columns and its parts.

    The shares of what is inside add up to that of the node.
    """
    tree = explanation.tree
    scale = max(np.abs(explanation.own_share).max(), np.abs(explanation.share).max()) or 1.0
    parts = ['<ul class="tree">']
    # Closing tags wait on the stack as strings, below the nodes that come before them.
    stack: list[int | str] = ["</ul>", tree.root]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            parts.append(item)
        elif tree.is_leaf[item]:
            parts.append(f"<li>{_row(explanation, item, scale)}</li>")
        else:
            is_open = item == tree.root or abs(explanation.share[item]) >= _OPEN_FROM
            parts.append(
                f"<li><details{' open' if is_open else ''}>"
                f"<summary>{_row(explanation, item, scale)}</summary><ul>"
                f"<li>{_own_row(explanation, item, scale)}</li>"
            )
            stack += ["</ul></details></li>", *tree.children(item)[::-1]]
    return "".join(parts)


def _row(explanation: Explanation, node: int, scale: float) -> str:
    tree, share = explanation.tree, float(explanation.share[node])
    mark = explanation._marks()[node]
    name = escape(tree.names[node]) + (f" <small>({escape(mark)})</small>" if mark else "")
    return _line(name, share, scale, "leaf" if tree.is_leaf[node] else "inner")


def _own_row(explanation: Explanation, node: int, scale: float) -> str:
    name = f"<i>{escape(explanation.tree.names[node])} as a whole</i>"
    return _line(name, float(explanation.own_share[node]), scale, "leaf")


def _line(name: str, share: float, scale: float, kind: str) -> str:
    """Name, number, and a bar that repeats the number."""
    sign = "minus" if share < 0 else "plus"
    return (
        f'<span class="row"><span class="name">{name}</span> '
        f'<span class="share">{share_text(share)}</span> '
        f'<span class="track" aria-hidden="true"><span class="bar {kind} {sign}" '
        f'style="width:{100 * abs(share) / scale:.1f}%"></span></span></span>'
    )

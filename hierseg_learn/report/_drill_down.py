"""The tree of an explanation as a list that unfolds level by level, without scripts."""

from __future__ import annotations

from html import escape

from ..explain._base import Explanation
from ..explain._shares import share_text, sides_text

# nodes with less unfold no further by themselves
_OPEN_FROM = 0.25


def html_tree(explanation: Explanation) -> str:
    """Nested lists: a node with everything below it, inside of it its own columns and its parts.

    The shares of what is inside add up to that of the node, on either side.
    """
    tree = explanation.tree
    pro, contra = explanation._by_side
    scale = float((pro + contra).max()) or 1.0
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
            is_open = item == tree.root or max(pro[item], contra[item]) >= _OPEN_FROM
            parts.append(
                f"<li><details{' open' if is_open else ''}>"
                f"<summary>{_row(explanation, item, scale)}</summary><ul>"
                f"<li>{_own_row(explanation, item, scale)}</li>"
            )
            stack += ["</ul></details></li>", *tree.children(item)[::-1]]
    return "".join(parts)


def _row(explanation: Explanation, node: int, scale: float) -> str:
    tree, sides = explanation.tree, explanation._sides
    pro, contra = (float(side[node]) for side in explanation._by_side)
    mark = explanation._marks()[node]
    name = escape(tree.names[node]) + (f" <small>({escape(mark)})</small>" if mark else "")
    if explanation._is_two_sided:
        text = sides_text(pro, contra, sides)
    else:
        text = share_text(float(explanation.share[node]), sides)
    return _line(name, text, pro / scale, contra / scale, "leaf" if tree.is_leaf[node] else "inner")


def _own_row(explanation: Explanation, node: int, scale: float) -> str:
    name = f"<i>{escape(explanation.tree.names[node])} as a whole</i>"
    share, sides = float(explanation.own_share[node]), explanation._sides
    pro, contra = max(share, 0.0), max(-share, 0.0)
    two_sided = explanation._is_two_sided
    text = sides_text(pro, contra, sides) if two_sided else share_text(share, sides)
    return _line(name, text, pro / scale, contra / scale, "leaf")


def _line(name: str, text: str, pro: float, contra: float, kind: str) -> str:
    """Name, shares, and a bar for either side, the second behind the first, that repeats them."""
    ends = (("plus", 0.0, pro), ("minus", pro, contra))
    bars = "".join(
        f'<span class="bar {kind} {sign}" style="left:{100 * start:.1f}%;'
        f'width:{100 * width:.1f}%"></span>'
        for sign, start, width in ends
        if width
    )
    return (
        f'<span class="row"><span class="name">{name}</span> '
        f'<span class="share">{escape(text)}</span> '
        f'<span class="track" aria-hidden="true">{bars}</span></span>'
    )

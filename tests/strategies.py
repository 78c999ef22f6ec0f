"""Hypothesis strategies that several parts of the package test with."""

import os

from hypothesis import settings
from hypothesis import strategies as st

from hierseg_learn.tree import SegmentTree

# Short names come again elsewhere in the tree; some need escaping in HTML, in a plot or in a path.
NAMES = ("hair", "skin", "head", "body", "sky", "Ärmel", "a b", "x<y>&", "c$o$st", "lab_mean.0")
NAMES += ("hair/beard", "a|b", "100%", "%2F/%7C%25")

# cases of an invariance under ``make fuzz`` for each under ``make test``
FUZZ_TIMES = 50


def cases(n):
    """Return settings for n cases, and for FUZZ_TIMES as many under ``make fuzz``."""
    times = FUZZ_TIMES if os.environ.get("HYPOTHESIS_PROFILE") == "fuzz" else 1
    return settings(max_examples=n * times)


@st.composite
def segment_trees(draw, min_leaves=1, max_leaves=8, *, any_order=False):
    """Draw a `SegmentTree` whose leaf values are different part ids (0, 1, ... in some order).

    Nodes come in post-order, as the tree's own readers store them; with `any_order=True` in any
    order in which children come before their parents. Inner nodes may have a single child.
    """
    n_leaves = draw(st.integers(min_leaves, max_leaves))
    part_ids = draw(st.permutations(range(n_leaves)))
    specs = list(part_ids)
    n_single = draw(st.integers(0, 2))
    while len(specs) > 1 or n_single:
        if n_single and (len(specs) == 1 or draw(st.booleans())):
            size, n_single = 1, n_single - 1
        else:
            size = draw(st.integers(2, len(specs)))
        start = draw(st.integers(0, len(specs) - size))
        group = specs[start : start + size]
        specs[start : start + size] = [dict(zip(draw(_sibling_names(size)), group))]
    tree = SegmentTree.from_nested({draw(st.sampled_from(NAMES)): specs[0]})
    return draw(_reordered(tree)) if any_order else tree


def _sibling_names(size):
    pool = [*NAMES, *(f"part_{i}" for i in range(size))]
    return st.lists(st.sampled_from(pool), min_size=size, max_size=size, unique=True)


@st.composite
def _reordered(draw, tree):
    """Draw the same tree with its nodes in another valid order."""
    waiting = [len(tree.children(node)) for node in tree.bottom_up()]
    ready = [int(leaf) for leaf in tree.leaves]
    order = []
    while ready:
        node = ready.pop(draw(st.integers(0, len(ready) - 1)))
        order.append(node)
        parent = int(tree.parents[node])
        waiting[parent] -= 1
        if node != tree.root and waiting[parent] == 0:
            ready.append(parent)
    new_id = {node: i for i, node in enumerate(order)}
    values = dict(zip(tree.leaves.tolist(), tree.leaf_values))
    return SegmentTree(
        [tree.names[node] for node in order],
        [new_id[int(tree.parents[node])] for node in order],
        [values[node] for node in order if node in values],
    )

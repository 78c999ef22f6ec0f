"""The tree of segments that all images of a data set share."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from ..utils import PlainState, pack, unpack
from . import _build, _plot, render
from ._build import list_names, name_in_path, names_of_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike


class SegmentTree(PlainState):
    """Immutable tree of named segments, stored as flat arrays.

    A node is an integer from 0 to ``n_nodes - 1``. Children come before their parents and the
    root is last, so that a plain loop over the ids goes bottom-up. Attributes of nodes are
    arrays whose position along one axis is the node id. Trees compare equal when names,
    parents and leaf values are equal; they hash, copy and pickle.

    Parameters
    ----------
    names : sequence of str, length n_nodes
        Name of every node. Names are not empty, hold no line break, and differ between siblings;
        the same name may come again elsewhere in the tree. Paths, and with them columns of tables,
        write ``/`` and ``|`` inside of a name as ``%2F`` and ``%7C``.
    parents : array-like of int, shape (n_nodes,)
        Id of every node's parent, larger than the node's own id. The root is its own parent.
    leaf_values : sequence of length n_leaves, default=None
        What each leaf stands for, in the order of `leaves`: a part id, a list of part ids, a
        list of columns. The tree does not look into them. Lists and arrays are kept as tuples.

    Attributes
    ----------
    remark : str
        What whoever reads an explanation by this tree should know, set by `with_remark`; it does
        not count when trees are compared.

    Raises
    ------
    TypeError, ValueError
        If the arrays do not describe a tree: a cycle, more than one root, children after their
        parents, siblings of one name, an invalid name, an empty leaf value, unequal lengths.

    References
    ----------
    .. [1] B. Perret, G. Chierchia, J. Cousty, S. J. F. Guimaraes, Y. Kenmochi, L. Najman (2019).
       "Higra: Hierarchical Graph Analysis". SoftwareX 10. (The representation by an array of
       parents.)

    Examples
    --------
    >>> from hierseg_learn.tree import SegmentTree
    >>> tree = SegmentTree.from_nested(
    ...     {"photo": {"background": 0, "person": {"hair": 1, "skin": [2, 3]}}}
    ... )
    >>> tree
    SegmentTree(root='photo', n_nodes=5, n_leaves=3)
    >>> tree.names
    ('background', 'hair', 'skin', 'person', 'photo')
    >>> tree.parents
    array([4, 3, 3, 4, 4])
    >>> print(tree.export_text())
    photo
    ├── background
    └── person
        ├── hair
        └── skin
    """

    names: tuple[str, ...]
    parents: np.ndarray
    leaf_values: tuple[Any, ...] | None
    remark: str = ""

    def __init__(
        self,
        names: Iterable[str],
        parents: ArrayLike,
        leaf_values: Iterable[Any] | None = None,
    ) -> None:
        checked_names = _build.check_names(names)
        checked_parents = _build.check_parents(parents, checked_names)
        _build.check_siblings(checked_names, checked_parents)
        # The instance dict is the one way in: attributes cannot be set from outside.
        vars(self).update(names=checked_names, parents=checked_parents)
        leaf_names = [checked_names[i] for i in self.leaves]
        vars(self)["leaf_values"] = _build.check_leaf_values(leaf_values, leaf_names)

    @classmethod
    def from_nested(cls, nested: Mapping[str, Any] | Sequence[Any]) -> SegmentTree:
        """Build a tree from a nested dict or from nested pairs.

        Nodes are stored in post-order, siblings in the order given, so the leaves come in the order
        in which one reads them.

        Parameters
        ----------
        nested : dict, or pair of a name and a list
            As a dict: the one key at the top is the root, a dict below it is an inner node, and
            anything else is the value of a leaf, as in ``{"photo": {"sky": 0, "sea": [1, 2]}}``.
            As pairs: ``(name, children)`` with a list of children, each a name (a leaf) or
            again a pair, as in ``("photo", ["sky", ("sea", ["boat", "water"])])``.

        Returns
        -------
        SegmentTree
            The tree; `leaf_values` is None for pairs and where all values are None.

        Raises
        ------
        TypeError, ValueError
            If `nested` is neither of the two forms, or does not describe a tree.

        Examples
        --------
        >>> from hierseg_learn.tree import SegmentTree
        >>> SegmentTree.from_nested(("photo", ["sky", ("sea", ["boat", "water"])])).paths
        ('photo/sky', 'photo/sea/boat', 'photo/sea/water', 'photo/sea', 'photo')
        """
        return cls(*_build.read_nested(nested))

    @classmethod
    def from_names(
        cls, names: Sequence[str] | Mapping[Any, str], *, root_name: str = "image"
    ) -> SegmentTree:
        """Build a tree of one level from the names of its leaves.

        Parameters
        ----------
        names : sequence of str, or mapping of part ids to str
            Names of the leaves. Those of a sequence have the part ids 0, 1, ...; several ids of one
            name are one leaf.
        root_name : str, default="image"
            Name of the root.

        Returns
        -------
        SegmentTree
            The tree, with part ids as leaf values.

        Raises
        ------
        TypeError, ValueError
            If there is no name, or one is invalid.

        Examples
        --------
        >>> from hierseg_learn.tree import SegmentTree
        >>> tree = SegmentTree.from_names({1: "hair", 4: "eye", 5: "eye"}, root_name="face")
        >>> tree.paths, tree.leaf_values
        (('face/hair', 'face/eye', 'face'), (1, (4, 5)))
        """
        return cls(*_build.read_names(names, root_name))

    @classmethod
    def from_paths(
        cls,
        paths: Iterable[str | Sequence[str]],
        leaf_values: Iterable[Any] | None = None,
        *,
        separator: str = "/",
        root_name: str = "image",
        collapse: bool = False,
    ) -> SegmentTree:
        """Build a tree from the paths of its nodes.

        Parameters
        ----------
        paths : iterable of str, or of sequences of str
            Names joined by `separator` from the root, or lists of names, in any order. In a path
            with ``/``, ``%2F`` and ``%7C`` stand for ``/`` and ``|`` inside of a name; lists may
            hold any name, as the hypernym paths of WordNet do. Nodes on the way to a listed node
            are implied. Siblings keep the order in which they first come up.
        leaf_values : iterable, default=None
            A value for every path, such as a part id; None for a node with others below it.
        separator : str, default="/"
            What stands between names, such as ``" > "``; spaces around names are then dropped.
        root_name : str, default="image"
            Name of a root above all others, which is added if paths start at several.
        collapse : bool, default=False
            Whether to leave out nodes with a single child, of which long chains as in WordNet have
            many. Listed nodes stay.

        Returns
        -------
        SegmentTree
            The tree in post-order.

        Raises
        ------
        TypeError, ValueError
            If `paths` are not strings or lists of strings, one comes twice, a name is invalid, or
            there is another number of values, or a value for a node that has others below it.

        Examples
        --------
        >>> from hierseg_learn.tree import SegmentTree
        >>> SegmentTree.from_paths(["photo/person/hair", "photo/sky"]).names
        ('hair', 'person', 'sky', 'photo')
        >>> tree = SegmentTree.from_paths(["person > head > hair", "sky"], [3, 0], separator=">")
        >>> tree.to_nested()
        {'image': {'person': {'head': {'hair': 3}}, 'sky': 0}}
        >>> SegmentTree.from_paths(["person/head/hair", "sky"], collapse=True).paths
        ('image/hair', 'image/sky', 'image')
        """
        options = {"separator": separator, "root_name": root_name, "collapse": collapse}
        return cls(*_build.read_paths(paths, leaf_values, **options))

    @classmethod
    def from_frame(
        cls,
        frame: Any,
        *,
        path: str | Sequence[str] | None = None,
        name: str | None = None,
        parent: str | None = None,
        value: str | None = None,
        root_name: str = "image",
    ) -> SegmentTree:
        """Build a tree from a table with one row per node.

        Parameters
        ----------
        frame : DataFrame
            The table, such as ``pandas.read_csv`` and ``pandas.read_excel`` return.
        path : str or list of str, default=None
            Column with paths such as ``person/head/hair``; or columns with one level of the tree
            each, the first one that of the root, empty below a shallower leaf. None takes the
            column ``path``, if there is one and `name` is not given.
        name, parent : str, default=None
            Columns with the name of a node and that of its parent, which is empty for a root; a
            parent without a row is a root, too. None takes a column ``name``, ``child`` or
            ``node``, and ``parent``.
        value : str, default=None
            Column with the values of the leaves; rows of inner nodes have none. None takes a column
            ``id`` or ``value``, if there is one.
        root_name : str, default="image"
            Name of a root above all others, which is added if there are several.

        Returns
        -------
        SegmentTree
            The tree in post-order.

        Raises
        ------
        TypeError, ValueError
            If columns are missing, a name comes twice, or parents go round in circles; also as
            :meth:`from_paths`.

        Examples
        --------
        >>> import pandas as pd
        >>> from hierseg_learn.tree import SegmentTree
        >>> frame = pd.DataFrame(
        ...     {"name": ["head", "hair", "face", "sky"], "parent": [None, "head", "head", None]}
        ... ).assign(id=[None, 1, 2, 0])
        >>> SegmentTree.from_frame(frame).to_nested()
        {'image': {'head': {'hair': 1, 'face': 2}, 'sky': 0}}
        """
        return cls(*_build.read_frame(frame, path, name, parent, value, root_name))

    @classmethod
    def from_linkage(
        cls, Z: ArrayLike, names: Sequence[str] | None = None, *, root_name: str = "image"
    ) -> SegmentTree:
        """Build a binary tree from a hierarchical clustering.

        Parameters
        ----------
        Z : array-like of shape (n_observations - 1, 4)
            Linkage as :func:`scipy.cluster.hierarchy.linkage` returns it.
        names : sequence of str, length n_observations, default=None
            Names of the observations; ``part_0``, ``part_1``, ... by default.
        root_name : str, default="image"
            Name of the root. Row ``i`` of `Z` otherwise becomes the inner node ``merge_i``.

        Returns
        -------
        SegmentTree
            The tree in post-order. Its leaf values are the numbers of the observations.

        Examples
        --------
        >>> from hierseg_learn.tree import SegmentTree
        >>> from scipy.cluster.hierarchy import linkage
        >>> SegmentTree.from_linkage(linkage([[0.0], [5.0], [6.0]])).names
        ('part_0', 'part_1', 'part_2', 'merge_0', 'image')
        """
        return cls(*_build.read_linkage(Z, names, root_name))

    def with_remark(self, remark: str) -> SegmentTree:
        """Copy the tree with another remark, which explanations and reports print.

        Parameters
        ----------
        remark : str
            Whole sentences.

        Returns
        -------
        SegmentTree

        Examples
        --------
        >>> from hierseg_learn.tree import SegmentTree
        >>> tree = SegmentTree.from_nested({"photo": {"sky": 0, "sea": 1}})
        >>> tree.with_remark("Masks are rough.").remark
        'Masks are rough.'
        """
        tree = type(self)(self.names, self.parents, self.leaf_values)
        vars(tree)["remark"] = str(remark)
        return tree

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError(f"A SegmentTree is immutable: {name!r} cannot be set.")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"A SegmentTree is immutable: {name!r} cannot be deleted.")

    def __getstate__(self) -> dict[str, Any]:
        names = ("names", "parents", "leaf_values", "remark")
        return pack({name: getattr(self, name) for name in names})

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = unpack(state)
        remark = state.pop("remark")
        # a file may hold anything: it is checked again
        vars(self).update(vars(type(self)(**state).with_remark(remark)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SegmentTree):
            return NotImplemented
        return (
            self.names == other.names
            and np.array_equal(self.parents, other.parents)
            and self.leaf_values == other.leaf_values
        )

    def __hash__(self) -> int:
        # Leaf values may be unhashable; equal trees still have equal hashes without them.
        return hash((self.names, self.parents.tobytes()))

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(root={self.root_name!r}, "
            f"n_nodes={self.n_nodes}, n_leaves={self.n_leaves})"
        )

    def _repr_html_(self) -> str:
        return render.export_html(self)

    @property
    def n_nodes(self) -> int:
        """Number of nodes, the root included."""
        return len(self.names)

    @property
    def n_leaves(self) -> int:
        """Number of leaves."""
        return len(self.leaves)

    @property
    def root(self) -> int:
        """Id of the root, always ``n_nodes - 1``."""
        return len(self.names) - 1

    @property
    def root_name(self) -> str:
        """Name of the root."""
        return self.names[-1]

    @cached_property
    def is_leaf(self) -> np.ndarray:
        """Whether a node is a leaf: bool array of shape (n_nodes,), read-only."""
        is_leaf = np.ones(self.n_nodes, dtype=bool)
        is_leaf[self.parents[:-1]] = False
        return _read_only(is_leaf)

    @cached_property
    def leaves(self) -> np.ndarray:
        """Ids of the leaves in ascending order: intp array of shape (n_leaves,), read-only."""
        return _read_only(np.flatnonzero(self.is_leaf))

    @cached_property
    def depths(self) -> np.ndarray:
        """Number of steps from the root: intp array of shape (n_nodes,), read-only."""
        parents = self.parents.tolist()
        depths = [0] * self.n_nodes
        for node in range(self.root - 1, -1, -1):
            depths[node] = depths[parents[node]] + 1
        return _read_only(np.array(depths, dtype=np.intp))

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """Names joined by ``/`` from the root, for every node.

        A ``/`` inside of a name is written ``%2F`` there, and a ``|`` is written ``%7C``.
        """
        parents = self.parents.tolist()
        paths = list(map(_build.name_in_path, self.names))
        for node in range(self.root - 1, -1, -1):
            paths[node] = f"{paths[parents[node]]}/{paths[node]}"
        return tuple(paths)

    @cached_property
    def _children(self) -> tuple[tuple[int, ...], ...]:
        children: list[list[int]] = [[] for _ in self.names]
        for node, parent in enumerate(self.parents[:-1].tolist()):
            children[parent].append(node)
        return tuple(map(tuple, children))

    def index(self, key: int | str) -> int:
        """Id of a node.

        Parameters
        ----------
        key : int or str
            A node id, a full path, or the short name of a node where it is unique.

        Returns
        -------
        int
            The node id.

        Raises
        ------
        TypeError
            If `key` is neither an integer nor a string.
        ValueError
            If there is no such node, or several have this short name; the message offers others.

        Examples
        --------
        >>> from hierseg_learn.tree import SegmentTree
        >>> tree = SegmentTree.from_nested({"photo": {"sky": 0, "sea": 1}})
        >>> tree.index("sea"), tree.index("photo/sea"), tree.index(1)
        (1, 1, 1)
        """
        if isinstance(key, str):
            # a name may hold a "/" itself; what is a path is never taken for a name
            is_name = "/" not in key or (key in self.names and key not in self.paths)
            return self._find_name(key) if is_name else self._find_path(key)
        try:
            # True would pass as node 1.
            node = None if isinstance(key, (bool, np.bool_)) else operator.index(key)
        except TypeError:
            node = None
        if node is None:
            raise TypeError(
                "A node must be given by its id, path or name, "
                f"got {key!r} of type {type(key).__name__}."
            )
        if not 0 <= node < self.n_nodes:
            raise ValueError(f"Node ids go from 0 to {self.root}, got {node}.")
        return node

    def _find_path(self, path: str) -> int:
        first, *rest = names_of_path(path)
        if first != self.root_name:
            raise ValueError(
                f"No node has the path {path!r}: paths start at the root {self.root_name!r}."
            )
        node = self.root
        for name in rest:
            named = {self.names[child]: child for child in self.children(node)}
            if name not in named:
                hint = _hint(name, list(named)) if named else "it is a leaf."
                raise ValueError(
                    f"No node has the path {path!r}: {self.path(node)!r} has no child {name!r}; "
                    f"{hint}"
                )
            node = named[name]
        return node

    def _find_name(self, name: str) -> int:
        # The root's path is its name, and a path is never ambiguous.
        if name in (self.root_name, self.paths[self.root]):
            return self.root
        found = [node for node, known in enumerate(self.names) if known == name]
        # as it stands in a path
        found = found or [
            node for node, known in enumerate(self.names) if name_in_path(known) == name
        ]
        if not found:
            raise ValueError(f"No node is named {name!r}; {_hint(name, self.names)}")
        if len(found) > 1:
            raise ValueError(
                f"The name {name!r} is not unique; give the path, one of "
                f"{list_names([self.path(node) for node in found])}."
            )
        return found[0]

    def path(self, node: int | str) -> str:
        """Names from the root to a node, joined by ``/`` as in `paths`."""
        node = self.index(node)
        return self.paths[node]

    def children(self, node: int | str) -> tuple[int, ...]:
        """Ids of a node's children in ascending order; empty for a leaf."""
        return self._children[self.index(node)]

    def ancestors(self, node: int | str) -> np.ndarray:
        """Ids from a node's parent up to the root, the node itself excluded."""
        node = self.index(node)
        found = []
        while node != self.root:
            node = int(self.parents[node])
            found.append(node)
        return np.array(found, dtype=np.intp)

    def subtree(self, node: int | str) -> np.ndarray:
        """Ids of a node and all nodes below it, children before parents, the node itself last."""
        node = self.index(node)
        below = [node]
        for member in below:
            below.extend(self._children[member])
        return np.sort(np.array(below, dtype=np.intp))

    def bottom_up(self) -> range:
        """All node ids, children before parents, the root last."""
        return range(self.n_nodes)

    def levels(self) -> tuple[np.ndarray, ...]:
        """Node ids grouped by depth: ``levels()[0]`` is the root, ``levels()[1]`` its children."""
        order = np.argsort(self.depths, kind="stable")
        return tuple(np.split(order, np.cumsum(np.bincount(self.depths))[:-1]))

    def sum_up(self, values: ArrayLike, axis: int = -2) -> np.ndarray:
        """Sum values of the leaves up the tree, so that each node holds the sum of its children.

        Parameters
        ----------
        values : array-like of shape (..., n_leaves, k)
            Values of the leaves along `axis`, in the order of `leaves`.
        axis : int, default=-2
            The axis of the leaves.

        Returns
        -------
        ndarray of shape (..., n_nodes, k)
            Values of all nodes along `axis`; floats keep their dtype, booleans and short integers
            are widened. The same input gives the same bits.

        Raises
        ------
        TypeError, ValueError
            If `values` are not numbers, or have another length than `n_leaves` along `axis`.

        Examples
        --------
        >>> from hierseg_learn.tree import SegmentTree
        >>> tree = SegmentTree.from_nested({"photo": {"sky": 0, "sea": {"boat": 1, "water": 2}}})
        >>> tree.names
        ('sky', 'boat', 'water', 'sea', 'photo')
        >>> tree.sum_up([10, 1, 4], axis=-1)
        array([10,  1,  4,  5, 15])
        """
        values = np.asarray(values)
        if values.dtype.kind not in "biufc":
            raise TypeError(f"values must be numbers, got dtype {values.dtype}.")
        if not -values.ndim <= axis < values.ndim:
            raise ValueError(f"values of shape {values.shape} have no axis {axis}.")
        if values.shape[axis] != self.n_leaves:
            raise ValueError(
                f"values must have one entry per leaf, {self.n_leaves} along axis {axis}, "
                f"got shape {values.shape}."
            )
        axis %= values.ndim
        shape = (*values.shape[:axis], self.n_nodes, *values.shape[axis + 1 :])
        sums = np.zeros(shape, dtype=np.sum(values[..., :0]).dtype)
        by_node = np.moveaxis(sums, axis, 0)
        by_node[self.leaves] = np.moveaxis(values, axis, 0)
        for node, parent in enumerate(self.parents[:-1].tolist()):
            by_node[parent] += by_node[node]
        return sums

    def to_nested(self) -> dict[str, Any]:
        """Nested dict of the tree, as `from_nested` takes it.

        Leaves hold their values (a list where a list or an array was given), or None without
        values.
        """
        return _build.write_nested(self)

    def export_text(self, values: Any = None, *, fmt: str | None = None) -> str:
        """Draw the tree in text, root first, with a value per node if given.

        Parameters
        ----------
        values : array-like of shape (n_nodes,), or mapping, default=None
            One value per node id; or a dict (or pandas Series) from node ids, paths or short
            names to values, in which nodes may be missing and are then left blank. Strings are
            shown as they are.
        fmt : str, default=None
            Format of numbers as for :func:`format`, such as ``".1%"``. By default integers are
            shown in full and other numbers with three digits.

        Returns
        -------
        str
            One line per node; values stand in a right-aligned column.

        Examples
        --------
        >>> from hierseg_learn.tree import SegmentTree
        >>> tree = SegmentTree.from_nested({"photo": {"sky": 0, "sea": {"boat": 1, "water": 2}}})
        >>> print(tree.export_text({"sky": 0.2, "sea": 0.8, "boat": 0.05}, fmt=".0%"))
        photo
        ├── sky        20%
        └── sea        80%
            ├── boat    5%
            └── water
        """
        return render.export_text(self, values, fmt)

    def plot(
        self,
        values: Any = None,
        *,
        ax: Axes | None = None,
        fmt: str | None = None,
        cmap: str = "cividis",
        label: str | None = None,
    ) -> Axes:
        """Draw the tree with Matplotlib, root at the left, one row per leaf.

        Parameters
        ----------
        values : array-like of shape (n_nodes,), Series or mapping, default=None
            Numbers to color nodes by, as in `export_text`: one per node id, or a Series or dict
            by path, short name or id, such as `node_scores_` of a classifier. Nodes without a
            finite value are white with a dashed border. Values are also written beside the names.
        ax : matplotlib Axes, default=None
            Where to draw. By default a new figure of the size that the tree needs; in given
            axes the font is made smaller until the tree fits.
        fmt : str, default=None
            Format of the numbers, as in `export_text`.
        cmap : str or matplotlib Colormap, default="cividis"
            Color map; the default is safe for color-blind readers.
        label : str, default=None
            Label of the color bar: what the values are.

        Returns
        -------
        matplotlib Axes
            The axes with the drawing.

        Raises
        ------
        ImportError, TypeError, ValueError
            If Matplotlib is not installed, or `values` are not numbers or not of the nodes.

        Examples
        --------
        >>> from hierseg_learn.tree import SegmentTree
        >>> tree = SegmentTree.from_nested({"photo": {"sky": 0, "sea": {"boat": 1, "water": 2}}})
        >>> ax = tree.plot({"sky": 0.2, "sea": 0.8}, label="area share")
        >>> ax.texts[0].get_text()
        'sky  0.2'
        """
        return _plot.plot(self, values, ax, fmt=fmt, cmap=cmap, label=label)


def _read_only(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array


def _hint(name: str, known: Sequence[str]) -> str:
    """Close matches of a wrong name, or the first of the known ones."""
    known = list(dict.fromkeys(known))
    close = get_close_matches(name, known, n=3)
    if close:
        return f"did you mean {' or '.join(map(repr, close))}?"
    return f"known names are {list_names(known)}."

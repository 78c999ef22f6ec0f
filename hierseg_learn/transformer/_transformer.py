"""Images in, a table with one block of columns per node of the segment tree out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from numbers import Integral
from typing import Any, Self

import numpy as np
from sklearn import get_config
from sklearn.base import TransformerMixin, _fit_context
from sklearn.utils import Tags, check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from ..base import ImageEstimator, clone_with_seed, refuse_label_maps
from ..descriptors import DEFAULT_DESCRIPTORS, Descriptor, make_descriptors
from ..descriptors.registry import DESCRIPTORS
from ..images import ImageBatch, is_table
from ..images.labels import check_unlabeled
from ..kernels import get_backend
from ..parts import PartAgglomeration, PartLookup
from ..segmentation import Segmenter, make_segmenter
from ..segmentation.registry import CUTTERS, SEGMENTERS
from ..table import StoredTable
from ..table.folder import Head
from ..table.layout import REMARK
from ..tree import SegmentTree
from ..utils import fill_doc, warn_user
from ._streams import Describing, check_ids, check_request, check_targets, reading_of, settings_of
from ._tree_choice import agglomerate_tree, read_tree_choice
from .describe import (
    PresentMeans,
    TreeDescriber,
    describe_images,
    described_chunks,
    fill_missing,
    leakage_in_words,
    measure_leakage,
)


@fill_doc(
    segmenters=SEGMENTERS, cutters=CUTTERS, descriptors=DESCRIPTORS, defaults=DEFAULT_DESCRIPTORS
)
class SegmentTreeTransformer(TransformerMixin, ImageEstimator):
    """Turn images into a table: one block of columns for every node of a segment tree.

    Every image is cut into segments, its descriptors are pooled over them in one pass over the
    pixels, and the sums go up the tree. A column is named ``<path of the node>|<descriptor>``, as
    in ``photo/person/hair|lab_mean_0``, so the table can be read by people, edited with pandas,
    and takes the tree with it to :class:`~hierseg_learn.HierarchicalMetricClassifier`.

    Parameters
    ----------
    segmenter : {"auto", $segmenters, $cutters}, Segmenter or callable, default="auto"
        Where the label maps come from. ``"auto"`` takes the masks that come with the images, and a
        spatial pyramid where there are none. A callable gets an image, float32 in [0, 1], and
        returns its label map. The names $cutters stand for the cutter of a
        :class:`~hierseg_learn.segmentation.VocabularySegmenter`. Parameters of an object can be
        searched, as in ``segmenter__n_parts`` and ``segmenter__cutter__n_segments``.
    tree : dict, SegmentTree, PartAgglomeration, "agglomerative" or None, default=None
        - None: the tree of the segmenter; that of given masks is flat.
        - A nested dict whose leaves are part ids, an int or a list of ints that form one part, as
          in ``{"photo": {"sky": 0, "sea": [1, 2]}}``; or a SegmentTree with such leaf values.
        - ``"agglomerative"``: the segmenter's parts, joined step by step by how they look, touch
          and occur together in the training images; a
          :class:`~hierseg_learn.parts.PartAgglomeration` does so with weights that can be searched.
    descriptors : str, Descriptor or list of str and (str, Descriptor), default=($defaults)
        What is pooled, by name ($descriptors) or as objects, whose parameters can be searched as in
        :class:`~sklearn.pipeline.FeatureUnion`.
    describe_inner : bool, default=True
        Whether inner nodes describe their own pixels, too, or only combine their children.
    erosion : int, default=0
        Width in pixels of the border of every part that descriptors of appearance (color,
        gradients, texture) leave out: pixels that have one of another part, or of none, within so
        many rows and columns. The edge of the image is no border. A thinner part keeps its
        innermost pixels. Presence, area and shape are those of the whole part. Masks are rough, and
        gradients and textures reach across borders: without erosion a part shows its neighbors,
        too.
    image_shape : tuple of int, default=None
        ``(h, w)`` or ``(h, w, 3)``: shape of the images in a 2-D table. Without it every row is an
        image of one row of pixels, with a warning where the rows look like images.
    unlabeled : int or list of int, default=None
        Ids in label maps that are no part, besides -1, where the label maps do not bring their own
        (SegmentedImages do). None stands for 255 in uint8, unless the tree names it or it is the
        only id besides 0; a warning tells the share of pixels dropped so. ``[]`` for none. A fitted
        model keeps them, and images that say otherwise are an error.
    missing : {"mean", "nan"}, default="mean"
        Value of the descriptor columns of a part that an image lacks: the mean over the training
        images that have it, or NaN.
    memory : str or object with the interface of joblib.Memory, default=None
        Folder of a cache of rows, in blocks of images: what was described before, by a transformer
        that learned the same, from images and label maps of the same content, is read from there,
        also after an interruption. Images are decoded all the same. By default nothing is cached.
    device : {"auto", "cpu", "cuda"}, default="auto"
        Where the kernels of descriptors run. With "auto", only ``"patches"`` takes a GPU; color,
        gradients, patterns and outlines do with "cuda".
    n_jobs : int, default=None
        Number of processes that describe images. The table is the same for any number.
    verbose : int, default=0
        1 draws a progress bar.
    random_state : int, RandomState instance or None, default=None
        Seeds segmenters and descriptors that learn from samples, where they have no seed of their
        own.

    Attributes
    ----------
    tree_ : SegmentTree
        The tree; its leaf values are part ids.
    segmenter_ : Segmenter
        The fitted segmenter.
    descriptors_ : list of (str, Descriptor)
        The fitted descriptors.
    fill_values_ : ndarray of shape (n_columns,)
        Values of the columns of a missing part.
    leakage_ : dict of str to ndarray of shape (n_nodes,)
        For every deep descriptor, by its name, how much of what it says of a node comes from the
        pixels around the node: the norm of the change of its columns where everything else becomes
        another image, divided by their norm, in a few training images. 0: nothing. Empty without
        deep descriptors; NaN with a single image.
    encoding_ : PixelEncoding
        How pixel values are scaled.
    n_features_in_, feature_names_in_
        Number and names of the columns of a 2-D table; not set after other input.

    See Also
    --------
    HierarchicalMetricClassifier : Learns the node metrics from the table.
    SegmentedImages : Images that carry their label maps through scikit-learn.

    Notes
    -----
    Output is a pandas DataFrame unless ``set_output`` (or ``config_context``) asks for something
    else; ``set_output(transform="default")`` gives the bare array, float32, or float64 for a
    float64 table.

    References
    ----------
    .. [1] E. Andrews, P. Mishra. "Explainable Metric Learning for Deflating Data Bias".
       arXiv:2407.04866, 2024. (The idea of a hierarchy of segments.)

    Examples
    --------
    >>> from hierseg_learn import SegmentTreeTransformer
    >>> from hierseg_learn.datasets import make_portraits
    >>> portraits = make_portraits(n_samples=6, random_state=0)
    >>> table = SegmentTreeTransformer(tree=portraits.tree).fit_transform(portraits.images)
    >>> len(table), table.columns[0]
    (6, 'portrait/background|presence')
    """

    _parameter_constraints: dict = {
        "segmenter": [
            StrOptions({"auto", *SEGMENTERS, *CUTTERS}),
            Segmenter,
            callable,
        ],
        "tree": [Mapping, SegmentTree, PartAgglomeration, StrOptions({"agglomerative"}), None],
        "descriptors": [str, Descriptor, list, tuple],
        "describe_inner": ["boolean"],
        "erosion": [Interval(Integral, 0, None, closed="left")],
        "image_shape": [tuple, list, None],
        "unlabeled": ["array-like", Integral, None],
        "missing": [StrOptions({"mean", "nan"})],
        "memory": [str, HasMethods(["cache"]), None],
        "device": [StrOptions({"auto", "cpu", "cuda"})],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    # with metadata routing enabled, label maps need no further request
    __metadata_request__fit = {"segments": True}
    __metadata_request__transform = {"segments": True}

    def __init__(
        self,
        segmenter: Any = "auto",
        *,
        tree: Any = None,
        descriptors: Any = DEFAULT_DESCRIPTORS,
        describe_inner: bool = True,
        erosion: int = 0,
        image_shape: tuple[int, ...] | None = None,
        unlabeled: Any = None,
        missing: str = "mean",
        memory: Any = None,
        device: str = "auto",
        n_jobs: int | None = None,
        verbose: int = 0,
        random_state: Any = None,
    ) -> None:
        self.segmenter = segmenter
        self.tree = tree
        self.descriptors = descriptors
        self.describe_inner = describe_inner
        self.erosion = erosion
        self.image_shape = image_shape
        self.unlabeled = unlabeled
        self.missing = missing
        self.memory = memory
        self.device = device
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, segments: Any = None) -> Self:
        """Learn the tree, the descriptors and the values of missing parts.

        Parameters
        ----------
        X : array, list of images, list of paths, 2-D table or SegmentedImages
            The images: ``(n, h, w)`` gray, ``(n, h, w, 3)`` color, a list of images of any size
            (arrays, Pillow images, items of SegmentedImages) or of their files, or a table of
            flattened images with `image_shape`.
        y : array-like of shape (n_images,), default=None
            Classes, used only by a `tree` that joins parts by their learned metrics.
        segments : array, list of arrays or list of paths, default=None
            One label map per image, unless X brings its own.

        Returns
        -------
        self : SegmentTreeTransformer

        Raises
        ------
        ValueError, TypeError
            If an image, a label map or a parameter is invalid; the message names the argument and
            the position of the image.
        """
        self._fit_rows(X, segments, y, keep=False)
        return self

    def fit_transform(self, X: Any, y: Any = None, segments: Any = None) -> Any:
        """Fit, and describe the training images, in one pass over their pixels.

        Parameters
        ----------
        X, y, segments
            As in `fit`.

        Returns
        -------
        table : DataFrame of shape (n_images, n_columns)
            As `transform` returns it.
        """
        rows, batch = self._fit_rows(X, segments, y, keep=True)
        return self._finish(rows, batch)

    def transform(self, X: Any, segments: Any = None) -> Any:
        """Describe images.

        Parameters
        ----------
        X : array, list of images, list of paths, 2-D table or SegmentedImages
            Images of the kind that `fit` saw.
        segments : array, list of arrays or list of paths, default=None
            One label map per image, if the model was fitted on label maps and X does not bring its
            own.

        Returns
        -------
        table : DataFrame of shape (n_images, n_columns)
            One row per image, one block of columns per node in the tree's order: presence (0 or 1),
            area (pixels of the node divided by pixels of the image), and descriptors.

        Raises
        ------
        ValueError, TypeError
            If the images are of another kind than in `fit`, label maps are missing, or given to a
            model that was fitted without.
        """
        batch = self._check_batch(X, segments)
        rows = describe_images(
            self._describer(),
            batch,
            dtype=_table_dtype(X),
            n_jobs=self.n_jobs,
            verbose=self.verbose,
            memory=self.memory,
        )
        if not self.segmenter_._dropped_in_fit:
            self.segmenter_._warn_dropped(batch)
        return self._finish(rows, batch)

    def describe_to(
        self,
        path: Any,
        X: Any,
        y: Any = None,
        segments: Any = None,
        *,
        ids: Any = None,
        layout: str = "auto",
        block_size: int = 4096,
        on_error: str = "raise",
        max_errors: float = 0.01,
    ) -> StoredTable:
        """Describe images, and write their table to a folder, some rows at a time.

        The memory does not grow with the number of images. If the call is interrupted or killed,
        call it again with the same images: what is written stays, and only the block that was not
        finished is made again. The files are the same, byte by byte, as those of one run, and for
        any `n_jobs`. The cache of `memory` is not used.

        Parameters
        ----------
        path : str or path-like
            A new or empty folder in an existing one, or one with a part of the same table.
        X, segments
            As in `transform`. Give paths, or a collection on disk, where the images do not fit in
            memory.
        y : array-like of shape (n_images,), default=None
            One class or number per image, stored with the rows.
        ids : array-like of shape (n_images,), default=None
            What the rows are called, text or whole numbers. None takes the index of a Series or
            DataFrame, the paths of files, or else the positions of the images.
        layout : {"auto", "parquet", "npy"}, default="auto"
            Files of the blocks: Parquet (needs pyarrow), which other tools read, too, or arrays of
            NumPy, which are mapped into memory. ``"auto"`` takes Parquet where pyarrow is
            installed.
        block_size : int, default=4096
            Images per block: so many are described again, at most, after an interruption.
        on_error : {"raise", "skip"}, default="raise"
            Whether an image that cannot be read or described is an error, or is left out and listed
            with the reason in `skipped` of the result. Images in memory are checked before, and
            what is wrong with them is an error. If the file of one that was left out has changed
            in a later call, its block is made again.
        max_errors : int or float, default=0.01
            With ``on_error="skip"``, how many images may be left out; a float is a share of all of
            them, rounded up. One more is an error, and what is written stays.

        Returns
        -------
        table : StoredTable
            The table, to be read in blocks; :func:`~hierseg_learn.table.open_table` finds it again.

        Raises
        ------
        ValueError, TypeError
            As in `transform`, and if the folder holds something else, such as the table of other
            images or of another transformer: the message says what differs.
        OSError
            If the folder cannot be written; also as BlockingIOError where another process writes
            to it.
        ImportError
            If pyarrow is asked for and missing.

        Examples
        --------
        >>> import tempfile
        >>> from hierseg_learn import SegmentTreeTransformer
        >>> from hierseg_learn.datasets import make_portraits
        >>> portraits = make_portraits(n_samples=6, random_state=0)
        >>> transformer = SegmentTreeTransformer(tree=portraits.tree).fit(portraits.images)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     table = transformer.describe_to(folder, portraits.images, portraits.target)
        ...     table.shape == transformer.transform(portraits.images).shape, len(table.y)
        (True, 6)
        """
        check_is_fitted(self)
        request = check_request(
            path,
            layout=layout,
            block_size=block_size,
            on_error=on_error,
            max_errors=max_errors,
            n_jobs=self.n_jobs,
            verbose=self.verbose,
        )
        refuse_label_maps(y)
        batch = self._check_batch(X, segments)
        names, id_kind = check_ids(ids, batch)
        targets, y_kind = check_targets(y, len(batch))
        head = Head(
            columns=self._describer_.columns.names,
            dtype=_table_dtype(X).name,
            layout=request.layout,
            n_inputs=len(batch),
            block_size=request.block_size,
            id_kind=id_kind,
            y_kind=y_kind,
            remark=self.tree_.remark,
            settings=settings_of(self) | reading_of(batch),
        )
        fill_values = self.fill_values_ if self.missing == "mean" else None
        table = Describing(
            request, self._describer(), batch, head, names, targets, fill_values
        ).run()
        if not self.segmenter_._dropped_in_fit:
            self.segmenter_._warn_dropped(batch)
        return table

    def label_maps(self, X: Any, segments: Any = None, *, layer: int = 0) -> list[np.ndarray]:
        """Return the leaf of the tree that every pixel belongs to.

        Parameters
        ----------
        X, segments
            As in `transform`.
        layer : int, default=0
            Which child of the root, where a pixel belongs to a leaf below each of them.

        Returns
        -------
        label_maps : list of ndarray of shape (h, w), int32
            Node of every pixel, as in ``tree_.names[node]``: always a leaf, also where several
            part ids form one; -1 where the pixel belongs to no part.

        Examples
        --------
        >>> import numpy as np
        >>> from hierseg_learn import SegmentedImages, SegmentTreeTransformer
        >>> images = SegmentedImages(np.eye(2)[np.newaxis], np.array([[[7, 3], [3, -1]]]))
        >>> transformer = SegmentTreeTransformer(
        ...     tree={"photo": {"sky": 7, "sea": [3, 4]}}, descriptors="shape"
        ... ).fit(images)
        >>> transformer.tree_.names
        ('sky', 'sea', 'photo')
        >>> transformer.label_maps(images)
        [array([[ 0,  1],
               [ 1, -1]], dtype=int32)]
        """
        batch = self._check_batch(X, segments)
        return self._describer().node_maps(batch, layer)

    def _settled(self, batch: ImageBatch) -> ImageBatch:
        return self.segmenter_._settled(batch)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the columns: (n_columns,) object; `input_features` is ignored."""
        check_is_fitted(self)
        return np.array(self._describer().columns.names, dtype=object)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters; with ``deep=True`` also the descriptors and theirs, by names."""
        params = super().get_params(deep=deep)
        if deep:
            for name, descriptor in self._named_descriptors():
                params[name] = descriptor
                for key, value in descriptor.get_params().items():
                    params[f"{name}__{key}"] = value
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters, also descriptors and theirs, as `get_params` names them."""
        if "descriptors" in params:
            self.descriptors = params.pop("descriptors")
        names = [name for name, _ in self._named_descriptors()]
        replaced = {name: params.pop(name) for name in names if name in params}
        if replaced:
            self.descriptors = [
                (entry[0], replaced.get(entry[0], entry[1])) if _is_pair(entry) else entry
                for entry in self.descriptors
            ]
        return super().set_params(**params)

    def _named_descriptors(self) -> list[tuple[str, Descriptor]]:
        """Descriptors whose parameters have names here; the estimator's own parameters win."""
        entries = self.descriptors if isinstance(self.descriptors, list | tuple) else []
        own = self._get_param_names()
        return [
            (entry[0], entry[1]) for entry in entries if _is_pair(entry) and entry[0] not in own
        ]

    def _check_batch(self, X: Any, segments: Any) -> ImageBatch:
        """Check images after `fit`: of the same kind, with label maps if `fit` saw label maps."""
        check_is_fitted(self)
        batch = self._check_images(X, segments=segments, reset=False)
        if self.segmenter_.uses_masks and not batch.has_masks:
            raise ValueError(
                "X comes without label maps, but the model was fitted on images with label maps; "
                "pass SegmentedImages(images, masks) as X, or label maps as segments. They reach a "
                "step of a pipeline only with sklearn.set_config(enable_metadata_routing=True), "
                "and unless set_fit_request or set_transform_request(segments=False) keeps them."
            )
        if batch.has_masks and not self._fitted_with_masks:
            raise ValueError(
                "X or segments brings label maps, but the model was fitted on images without; "
                "pass the images alone, or fit on images with label maps."
            )
        return batch

    @_fit_context(prefer_skip_nested_validation=False)
    def _fit_rows(
        self, X: Any, segments: Any, y: Any, keep: bool
    ) -> tuple[np.ndarray | None, ImageBatch]:
        """Fit everything; return the images and, if kept, their rows, NaN for a missing part."""
        get_backend(self.device)
        refuse_label_maps(y)
        batch = self._check_images(X, segments=segments, reset=True)
        rng = None if self.random_state is None else check_random_state(self.random_state)
        segmenter = make_segmenter(self.segmenter, has_masks=batch.has_masks)
        segmenter = clone_with_context(segmenter, rng, self.verbose)
        choice = read_tree_choice(self.tree)
        given = choice if isinstance(choice, SegmentTree) else None
        if given is not None:
            segmenter._outer_parts = tuple(PartLookup(given).part_ids.tolist())
        segmenter.set_params(**self._open_params(segmenter, given))
        self.segmenter_ = segmenter.fit(batch)
        if given is not None and self.segmenter == "auto" and not batch.has_masks:
            self._check_ids_without_masks(given)
        batch = self.segmenter_._settled(batch)
        self._fitted_with_masks = batch.has_masks
        self.descriptors_ = [
            (name, clone_with_context(descriptor, rng, self.verbose).fit(batch))
            for name, descriptor in self._make_descriptors()
        ]
        if isinstance(choice, PartAgglomeration):
            self.tree_ = agglomerate_tree(
                choice, self.segmenter_, batch, y, self._describer_of, self.n_jobs
            )
        else:
            self.tree_ = self.segmenter_.tree_ if choice is None else choice
        describer = self._describer_of(self.tree_, self.describe_inner)
        self._describer_ = describer.with_found_layouts(batch)
        table, present = self._pass(X, batch, keep)
        self.leakage_ = measure_leakage(self._describer_, batch, present)
        self.tree_ = self.tree_.with_remark(leakage_in_words(self.tree_, self.leakage_))
        self._describer_ = replace(self._describer_, tree=self.tree_)
        if not self.segmenter_._dropped_in_fit:
            self.segmenter_._dropped_in_fit = self.segmenter_._warn_dropped(batch)
        return table, batch

    def _pass(self, X: Any, batch: ImageBatch, keep: bool) -> tuple[np.ndarray | None, np.ndarray]:
        """Describe the training images, and learn the values of missing parts from their rows.

        Returns the rows if they are to be kept, else None, and where nodes are present, (n_images,
        n_nodes) bool.
        """
        columns, dtype = self._describer_.columns, _table_dtype(X)
        nodes = np.unique(columns.presence)
        table = np.empty((len(batch), len(columns.names)), dtype=dtype) if keep else None
        present, means = (
            np.empty((len(batch), len(nodes)), dtype=bool),
            PresentMeans(len(columns.names)),
        )
        for chunk, rows in described_chunks(
            self._describer_,
            batch,
            dtype=dtype,
            n_jobs=self.n_jobs,
            verbose=self.verbose,
            memory=self.memory,
        ):
            present[chunk] = rows[:, nodes] > 0
            means.add(rows)
            if table is not None:
                table[chunk] = rows
        self._warn_absent(present)
        self.fill_values_ = np.where(columns.fades, means.means(), 0.0)
        return table, present

    def _check_ids_without_masks(self, tree: SegmentTree) -> None:
        """Raise if a tree names parts of label maps that did not come with the images."""
        known, cells = (set(PartLookup(t).part_ids.tolist()) for t in (tree, self.segmenter_.tree_))
        if known != cells:
            raise ValueError(
                "tree names parts by their ids, but X comes without label maps; pass "
                "SegmentedImages(images, masks) as X, label maps as segments=, or a segmenter that "
                "finds these parts."
            )

    def _open_params(self, segmenter: Segmenter, tree: SegmentTree | None) -> dict[str, Any]:
        """Parameters of the segmenter, and of those in it, that it leaves to the transformer."""
        params, given = segmenter.get_params(), check_unlabeled(self.unlabeled)
        # a tree spares it to look for the ids in all label maps
        found = {"tree": tree} if "tree" in params and params["tree"] is None else {}
        for name, value in params.items() if given is not None else ():
            if name.split("__")[-1] != "unlabeled":
                continue
            if value is not None and check_unlabeled(value) != given:
                raise ValueError(
                    f"unlabeled={self.unlabeled!r}, but the segmenter has {name}={value!r}; "
                    "expected the same ids, or None for one of them."
                )
            found[name] = list(given)
        return found

    def _make_descriptors(self) -> list[tuple[str, Descriptor]]:
        named = make_descriptors(self.descriptors)
        for name, _ in named:
            if name in self._get_param_names():
                raise ValueError(
                    f"descriptors names one {name!r}, which is a parameter of "
                    f"{type(self).__name__}; choose another name."
                )
        return named

    def _shorten(self, state: dict[str, Any]) -> None:
        if "_describer_" in state:
            state["_layouts"] = state.pop("_describer_").layouts

    def _complete(self) -> None:
        if "_layouts" in vars(self):
            layouts = vars(self).pop("_layouts")
            describer = self._describer_of(self.tree_, self.describe_inner)
            self._describer_ = replace(describer, layouts=layouts)

    def _describer(self) -> TreeDescriber:
        # where a model predicts, there may be another device
        return replace(self._describer_, device=self.device)

    def _describer_of(self, tree: SegmentTree, describe_inner: bool = True) -> TreeDescriber:
        return TreeDescriber.of(
            tree,
            self.segmenter_,
            self.descriptors_,
            describe_inner=describe_inner,
            erosion=self.erosion,
            device=self.device,
        )

    def _warn_absent(self, present: np.ndarray) -> None:
        """Warn of parts that no training image has; `present` is (n_images, n_nodes) bool."""
        seen = present.any(axis=0)
        absent = [self.tree_.names[leaf] for leaf in self.tree_.leaves if not seen[leaf]]
        if absent:
            warn_user(
                f"{', '.join(map(repr, absent))} never occurred in the training images: "
                "these parts' columns are constant."
            )

    def _finish(self, rows: np.ndarray, batch: ImageBatch) -> Any:
        """Fill in missing parts, and put the rows into the container that was asked for."""
        if self.missing == "mean":
            fill_missing(rows, self.fill_values_)
        explicit = getattr(self, "_sklearn_output_config", {}).get("transform")
        if explicit == "default" or (explicit or get_config()["transform_output"]) == "polars":
            return rows
        import pandas as pd

        table = pd.DataFrame(
            rows, columns=self.get_feature_names_out(), index=batch.index, copy=False
        )
        if self.tree_.remark:
            table.attrs[REMARK] = self.tree_.remark
        return table

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        # A DataFrame has no dtype to preserve.
        tags.transformer_tags.preserves_dtype = []
        return tags


def _is_pair(entry: Any) -> bool:
    return isinstance(entry, tuple | list) and len(entry) == 2 and isinstance(entry[1], Descriptor)


def clone_with_context(estimator: Any, rng: np.random.RandomState | None, verbose: int) -> Any:
    """Clone an estimator; give it a seed and a progress bar if it takes them and has none."""
    estimator = clone_with_seed(estimator, rng)
    if verbose and estimator.get_params(deep=False).get("verbose") == 0:
        estimator.set_params(verbose=verbose)
    return estimator


def _table_dtype(X: Any) -> np.dtype:
    """float64 where a float64 table comes in, float32 otherwise."""
    # scikit-learn reads a table of objects, as of mixed or nullable columns, as float64.
    is_float64 = is_table(X) and np.asarray(X).dtype in (np.float64, np.object_)
    return np.dtype(np.float64 if is_float64 else np.float32)

"""Base of the estimators that take images."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from .images import ImageBatch, SegmentedImage, check_images, flat_image_shape, is_table
from .utils import Estimator, warn_user
from .utils.tables import as_pandas


class ImageEstimator(Estimator):
    """Base of the estimators that take images: input checks and tags.

    A subclass calls :meth:`_check_images` with ``reset=True`` in ``fit`` and with
    ``reset=False`` elsewhere. A parameter ``image_shape``, where it has one, is the shape
    of the images in a 2-D table.

    Attributes
    ----------
    encoding_ : PixelEncoding
        How pixel values become float32, learned in ``fit``.
    n_features_in_ : int
        Number of columns; only after ``fit`` with a table.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Column names; only after ``fit`` with a data frame whose columns are all strings.

    Examples
    --------
    >>> import numpy as np
    >>> from hierseg_learn.base import ImageEstimator
    >>> class Brightness(ImageEstimator):
    ...     def fit(self, X, y=None):
    ...         batch = self._check_images(X, reset=True)
    ...         self.mean_ = np.mean([batch.image(i).mean() for i in range(len(batch))])
    ...         return self
    >>> float(Brightness().fit(np.full((3, 2, 2), 51, dtype=np.uint8)).mean_)
    0.2...
    """

    def _check_images(
        self,
        X: Any,
        *,
        segments: Any = None,
        reset: bool,
        names: tuple[str, str] = ("X", "segments"),
    ) -> ImageBatch:
        """Check X and, with ``reset=True``, learn how its pixels are stored."""
        if reset:
            self._forget_columns()
        else:
            check_is_fitted(self, "encoding_")
        if isinstance(X, ImageBatch) and segments is None:
            # another estimator has checked it
            batch = X
        else:
            batch = self._read_images(X, segments, reset, names)
        if reset:
            self.encoding_ = batch.encoding
            return batch
        if batch.n_channels != self.encoding_.n_channels:
            raise ValueError(
                f"{names[0]} has {batch.n_channels} channel(s) per image, the images seen in fit "
                f"had {self.encoding_.n_channels}; expected the same."
            )
        return self._settled(batch)

    def _read_images(
        self, X: Any, segments: Any, reset: bool, names: tuple[str, str]
    ) -> ImageBatch:
        """Check what a user passed as images, or as a table of images."""
        X = as_pandas(X, names[0])
        self._refuse_one_image(X, names[0], reset)
        image_shape = getattr(self, "image_shape", None)
        table = X if is_table(X) else None
        if table is not None:
            if not reset and image_shape is None and not hasattr(self, "n_features_in_"):
                raise ValueError(
                    f"{names[0]} is a table, but the model was fitted on images; expected images, "
                    "or a table of flattened images and image_shape. One gray image is passed as "
                    f"[{names[0]}]."
                )
            # NaN is looked for later, where the message can name the image
            X = validate_data(self, X, reset=reset, dtype="numeric", ensure_all_finite=False)
            if reset and image_shape is None:
                self._warn_of_flat_images(X, names[0])
        batch = check_images(
            X,
            image_shape=image_shape,
            segments=segments,
            unlabeled=self._unlabeled_masks() if reset else None,
            encoding=None if reset else self.encoding_,
            names=names,
        )
        if hasattr(table, "iloc"):
            batch.index = table.index
        return batch

    def _unlabeled_masks(self) -> Any:
        """Ids of no part in the label maps that come with the images, as the user gave them."""
        return getattr(self, "unlabeled", None)

    def _settled(self, batch: ImageBatch) -> ImageBatch:
        """Read label maps as those of `fit` were read."""
        return batch

    def _warn_of_flat_images(self, X: Any, name: str) -> None:
        """Warn where the rows of a table look like images of several rows of pixels."""
        shape = flat_image_shape(X)
        if shape is None:
            return
        cure = f"image_shape={shape}"
        if shape[0] == 3:
            cure = f"{name}.reshape{(-1, *shape)}.transpose(0, 2, 3, 1)"
        elif "image_shape" not in self.get_params(deep=False):
            cure = f"{name}.reshape{(-1, *shape)}"
        warn_user(
            f"{name} is a table whose rows look like images of shape {shape}, and without a shape "
            f"every row is an image of one row of pixels; pass {cure} if they are."
        )

    def _check_image(self, image: Any, mask: Any = None) -> ImageBatch:
        """Check one image, (h, w) or (h, w, 3), with its label map, (h, w): a batch of one."""
        check_is_fitted(self, "encoding_")
        image_shape = getattr(self, "image_shape", None)
        is_row = (
            image_shape is not None
            and not isinstance(image, SegmentedImage)
            and np.ndim(image) == 1
        )
        batch = check_images(
            np.asarray(image)[np.newaxis] if is_row else [image],
            image_shape=image_shape,
            segments=None if mask is None else [mask],
            encoding=self.encoding_,
            names=("image", "mask"),
        )
        return self._settled(batch)

    def _refuse_one_image(self, X: Any, name: str, reset: bool) -> None:
        """Raise for a single image in the place of several."""
        shape = np.shape(X) if isinstance(X, np.ndarray) else ()
        is_color = not reset and self.encoding_.n_channels == 3 and len(shape) == 3
        if is_color and shape[2] == 3:
            raise ValueError(
                f"{name} is one image, an array of shape {shape}; expected several, or "
                f"a collection of one: images[[i]], or the list [{name}]."
            )

    def _forget_columns(self) -> None:
        # A second fit may get images where the first got a table.
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self, name):
                delattr(self, name)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = False
        return tags


def refuse_label_maps(y: Any) -> None:
    """Raise where label maps were passed as labels, also by estimators that ignore labels."""
    if isinstance(y, list | tuple | np.ndarray) and len(y) and np.ndim(y[0]) > 1:
        raise ValueError(
            f"y must hold one label per image, got arrays of shape {np.shape(y[0])}; label "
            "maps are passed as segments=, or as SegmentedImages(images, masks)."
        )


def clone_with_seed(estimator: Any, rng: np.random.RandomState | None) -> Any:
    """Clone an estimator and give it a seed if it takes one and has none."""
    estimator = clone(estimator)
    params = estimator.get_params(deep=False)
    if rng is not None and "random_state" in params and params["random_state"] is None:
        estimator.set_params(random_state=rng.randint(np.iinfo(np.int32).max))
    return estimator

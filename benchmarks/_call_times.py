"""Single calls of explanations, timed beside an earlier version of the package, block by block.

Run as a script it is the process of one version: it fits the model, then times a block of calls
for every line that it reads.
"""

from __future__ import annotations

import datetime
import pickle
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from _versions import EARLIER, ROOT, ask, checkout, worker

N_PORTRAITS, N_BLOCKS, N_CALLS = 400, 200, 20
CALLS = ("explain_pair", "explain_contrast")


def measure_calls(quick: bool = False) -> dict[str, Any] | None:
    """Median times of both versions and their ratio, paired by blocks; None without the earlier."""
    from _harness import load_portraits

    from hierseg_learn import SegmentTreeTransformer

    n_portraits, n_blocks = (60, 2) if quick else (N_PORTRAITS, N_BLOCKS)
    data = load_portraits(n_portraits)
    table = SegmentTreeTransformer(tree=data.tree).fit_transform(data.images)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        try:
            earlier = stack.enter_context(checkout(folder / "earlier"))
        except (OSError, subprocess.CalledProcessError):
            print(f"Calls are not timed: git or the commit {EARLIER} is missing.")
            return None
        given = folder / "table.pickle"
        given.write_bytes(pickle.dumps((table, np.asarray(data.target))))
        processes = [stack.enter_context(worker(root, __file__, given)) for root in (ROOT, earlier)]
        # the versions take turns, so that both see the same load
        blocks = np.array([[ask(p) for p in processes] for _ in range(n_blocks)])
    rows = []
    for k, call in enumerate(CALLS):
        now, before = np.median(blocks[:, :, k], axis=0)
        ratios = np.quantile(blocks[:, 1, k] / blocks[:, 0, k], [0.5, 0.1, 0.9])
        rows.append(
            {
                "call": call,
                "ms": f"{1e3 * now:.2f}",
                f"ms at {EARLIER}": f"{1e3 * before:.2f}",
                "times faster": f"{ratios[0]:.1f} ({ratios[1]:.1f} to {ratios[2]:.1f})",
            }
        )
    return {
        "date": datetime.date.today().isoformat(),
        "rows of the table": len(table),
        "columns": table.shape[1],
        "blocks": n_blocks,
        "calls per block": N_CALLS,
        "calls": rows,
    }


def answer(given: Path) -> None:
    """Fit the default model and time blocks of calls until the input ends."""
    from hierseg_learn import HierarchicalMetricClassifier

    table, target = pickle.loads(given.read_bytes())
    model = HierarchicalMetricClassifier(random_state=0).fit(table, target)
    rows = [table.iloc[i] for i in range(N_CALLS + 1)]
    for _ in sys.stdin:
        seconds: list[list[float]] = [[], []]
        for a, b in pairwise(rows):
            start = time.process_time()
            model.explain_pair(a, b)
            middle = time.process_time()
            model.explain_contrast(a)
            seconds[0].append(middle - start)
            seconds[1].append(time.process_time() - middle)
        print(*np.median(seconds, axis=1), flush=True)


if __name__ == "__main__":
    answer(Path(sys.argv[1]))

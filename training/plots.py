"""The plot of an evaluation: bars with intervals, a group a judge. The one module that imports matplotlib."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from training.tables import name_of


def bars(summary: Mapping[str, Any], judges: Sequence[str], path: Path) -> bool:
    """Draw the NDCG of every kind of profile under every judge; False where matplotlib is not installed."""
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError:
        return False
    figure = Figure(figsize=(4 + 2.4 * len(judges), 4), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / len(summary["kinds"])
    for number, (kind, row) in enumerate(summary["kinds"].items()):
        means = [row[j]["ndcg"] for j in judges]
        spread = [
            [max(m - row[j]["ci95"][0], 0) for m, j in zip(means, judges, strict=True)],
            [max(row[j]["ci95"][1] - m, 0) for m, j in zip(means, judges, strict=True)],
        ]
        places = [at + number * width for at in range(len(judges))]
        label = f"{name_of(kind, summary)} ({row['words']:.0f} words)"
        axes.bar(places, means, width * 0.9, yerr=spread, capsize=2, label=label)
    axes.axhline(summary["chance"], color="black", linestyle=":", linewidth=1, label="chance")
    axes.set_xticks([at + 0.4 - width / 2 for at in range(len(judges))], judges)
    axes.set_ylim(0, 2)
    axes.set_ylabel("forward + backward NDCG")
    axes.set_title(f"{summary['data']}: {summary['users']} {summary['split']} users")
    figure.legend(loc="outside right center", fontsize="small")
    # without a date, and with names that do not change, the same numbers give the same file
    with rc_context({"svg.hashsalt": "bump-edge"}):
        figure.savefig(path, dpi=120, metadata={"Date": None} if path.suffix == ".svg" else None)
    return True

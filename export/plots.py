"""The plot of a report. The one module of export that imports matplotlib."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any


def draw(summary: Mapping[str, Any]) -> bytes | None:
    """Size against the NDCG of the profiles, or the KL where none were written, as PNG; None without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return None
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    rows = summary["variants"]
    judges = [judge for judge in summary["judges"] if any(f"ndcg_{judge}" in row for row in rows.values())]
    for judge in judges:
        shown = [row for row in rows.values() if f"ndcg_{judge}" in row]
        means = [row[f"ndcg_{judge}"] for row in shown]
        spread = [
            [max(row[f"ndcg_{judge}"] - row[f"ndcg_{judge}_ci95"][0], 0) for row in shown],
            [max(row[f"ndcg_{judge}_ci95"][1] - row[f"ndcg_{judge}"], 0) for row in shown],
        ]
        axes.errorbar([row["bytes"] / 1e6 for row in shown], means, yerr=spread, fmt="o", capsize=2, label=judge)
    if not judges:
        axes.plot([row["bytes"] / 1e6 for row in rows.values()], [max(row["kl"], 1e-12) for row in rows.values()], "o")
        axes.set_yscale("log")
    first = f"ndcg_{judges[0]}" if judges else "kl"
    for name, row in rows.items():
        if first in row:
            axes.annotate(name, (row["bytes"] / 1e6, max(row[first], 1e-12)), fontsize="x-small", rotation=30)
    axes.set_xlabel("megabytes on disk")
    axes.set_ylabel("forward + backward NDCG" if judges else "KL of the next token, nats")
    axes.set_title(f"{summary['source']}: what a device file keeps")
    if judges:
        axes.legend()
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=120)
    return picture.getvalue()

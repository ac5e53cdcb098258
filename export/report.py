"""The price of every export of one checkpoint, side by side: a table, a plot, and which one follows as the default.

    python -m export report --model CHECKPOINT --artefact FOLDER… --data HISTORIES --out FOLDER

Everything is measured in one run, see `export.verify`; the same command after a kill goes on with what it had. The
default is the smallest artefact whose profiles lose at most `tolerance` of the summed NDCG under every judge; where
none does, the one that loses least.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from bump_edge.errors import UsageError
from export.artefact import replace_file
from export.plots import draw
from export.progress import say
from export.verify import MeasureOptions, measure_all

TABLE, FIGURES, PLOT = "report.md", "report.json", "report.png"
KEPT = ".measured"
"""What was measured, until the report is written."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportOptions(MeasureOptions):
    """What to report on.

    Args:
        artefact: the folders that exports of `model` wrote; at least one.
        out: the folder for ``report.md``, ``report.json`` and, where matplotlib is installed, ``report.png``.
        tolerance: how much of the summed NDCG the default may lose; in [0, 2].
        force: replace a report that is there.
    """

    artefact: tuple[Path, ...]
    out: Path
    tolerance: float = 0.01
    force: bool = False

    def __post_init__(self) -> None:
        MeasureOptions.__post_init__(self)
        if not self.artefact:
            raise UsageError("artefact is empty: expected at least one folder", details={"option": "artefact"})
        if not 0 <= self.tolerance <= 2:
            raise UsageError(f"tolerance is {self.tolerance}: expected 0 to 2", details={"option": "tolerance"})


def run(options: ReportOptions) -> dict[str, Any]:
    """Measure, write the report; returns what the command prints. For the errors see `export.verify.run`."""
    if (options.out / FIGURES).exists() and not options.force:
        raise UsageError(f"there is a report in {options.out} already: replace it with --force")
    variants = measure_all(options, options.artefact, keep=options.out / KEPT)
    fastest = max(row.get("tokens_per_s", 0.0) for row in variants.values())
    for row in variants.values():
        row["relative_speed"] = round(row.get("tokens_per_s", 0.0) / fastest, 3) if fastest else None
    summary: dict[str, Any] = {
        "source": options.model.name,
        "data": options.data.name,
        "split": options.split,
        "judges": list(options.judges),
        "variants": variants,
        "default": default_of(variants, options.judges, options.tolerance) if options.users else None,
        "tolerance": options.tolerance,
    }
    table = "\n".join(table_lines(summary)) + "\n"
    say(table)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / FIGURES).unlink(missing_ok=True)  # written last: where it is, the rest belongs to it
    replace_file(options.out / TABLE, table.encode())
    picture = draw(summary)
    if picture is None:
        say("no plot: matplotlib is not installed (pip install 'bump-edge[bench]')")
        (options.out / PLOT).unlink(missing_ok=True)
    else:
        replace_file(options.out / PLOT, picture)
    replace_file(options.out / FIGURES, orjson.dumps(summary, option=orjson.OPT_INDENT_2) + b"\n")
    shutil.rmtree(options.out / KEPT)
    return {**summary, "out": str(options.out)}


def default_of(variants: Mapping[str, Mapping[str, Any]], judges: Sequence[str], tolerance: float) -> str | None:
    """The name of the smallest variant that loses at most `tolerance` under every judge; else of the best one."""

    def loss(row: Mapping[str, Any]) -> float:
        return max(-float(row[f"ndcg_{judge}_gain"]) for judge in judges)

    writers = {name: row for name, row in variants.items() if all(f"ndcg_{judge}" in row for judge in judges)}
    good = [name for name, row in writers.items() if loss(row) <= tolerance]
    if good:
        return min(good, key=lambda name: (writers[name]["bytes"], name))
    return min(writers, key=lambda name: (loss(writers[name]), name), default=None)


def table_lines(summary: Mapping[str, Any]) -> list[str]:
    """The report as a Markdown table and what follows from it."""
    judges = summary["judges"]
    judged = any(f"ndcg_{judge}" in row for row in summary["variants"].values() for judge in judges)
    heads = ["variant", "MB", "speed", "first token", "peak RSS", "greedy", "KL", "perplexity"]
    heads += [f"NDCG {judge} (loss)" for judge in judges] * judged
    lines = [" | ".join(["", *heads, ""]).strip(), "|---" * len(heads) + "|"]
    for name, row in summary["variants"].items():
        cells = [
            f"**{name}**" if name == summary["default"] else name,
            f"{row['bytes'] / 1e6:.1f}",
            _cell(row, "relative_speed", "{:.2f}"),
            _cell(row, "first_token_ms", "{:.0f} ms"),
            _cell(row, "peak_rss_mib", "{:.0f} MiB"),
            f"{row['greedy_agreement']:.1%}",
            f"{row['kl']:.1e}",
            f"{row['perplexity']:.2f} ({row['source_perplexity']:.2f})",
        ]
        for judge in judges * judged:
            low, high = row.get(f"ndcg_{judge}_ci95", (0, 0))
            cells.append(
                f"{row[f'ndcg_{judge}']:.3f} [{low:.3f}, {high:.3f}] ({-row[f'ndcg_{judge}_gain']:+.3f})"
                if f"ndcg_{judge}" in row
                else "-"
            )
        lines.append("| " + " | ".join(cells) + " |")
    users = next((row["users"] for row in summary["variants"].values() if "users" in row), 0)
    compared = next(row["tokens_compared"] for row in summary["variants"].values())
    lines += [
        "",
        f"{summary['source']}; next tokens on {compared} prompt tokens; profiles of {users} {summary['split']} users "
        f"of {summary['data']}; speed relative to the fastest, in one run; in brackets the source's perplexity, and "
        "what is lost against its own profiles.",
    ]
    if summary["default"] is not None:
        lines += ["", f"Default: {summary['default']} (at most {summary['tolerance']} of the NDCG may be lost)."]
    return lines


def _cell(row: Mapping[str, Any], key: str, form: str) -> str:
    value = row.get(key)
    return "-" if value is None else form.format(value)

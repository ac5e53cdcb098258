"""An evaluation as a table of Markdown, put between two marks of a file that people read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bump_edge.errors import InputError, UsageError
from training.runs import replace_file

MARKS = ("<!-- evaluation -->", "<!-- /evaluation -->")
"""What the table is put between, each a line of its own."""


def markdown(summary: Mapping[str, Any], judges: Sequence[str]) -> str:
    """The summary of `training.evaluate.run`: a row a kind of profile, its data sets' means under the first judge last.

    NDCG is forward + backward with its 95 % interval. ``fallen`` is the share of sentences that the device would not
    store, ``wrong names`` that of the names in what it would.
    """
    sets = list(summary.get("datasets", {}))
    head = ["profile", "words", "fallen", "wrong names", *judges, *(f"{name} ({judges[0]})" for name in sets)]
    rows = [head, ["---"] * len(head)]
    for kind, row in summary["kinds"].items():
        shares = ["" if row.get(k) is None else f"{row[k]:.1%}" for k in ("fallen", "wrong_names")]
        cells = [f"{row[j]['ndcg']:.3f} [{row[j]['ci95'][0]:.3f}, {row[j]['ci95'][1]:.3f}]" for j in judges]
        each = [f"{summary['datasets'][name]['kinds'][kind][judges[0]]['ndcg']:.3f}" for name in sets]
        rows.append([name_of(kind, summary), f"{row['words']:.0f}", *shares, *cells, *each])
    rows.append(["chance", "", "", "", *[f"{summary['chance']:.3f}"] * (len(judges) + len(sets))])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def name_of(kind: str, summary: Mapping[str, Any]) -> str:
    """What people read for a kind of profile: what was given goes by the last part of its path."""
    return Path(summary["given"]).name if kind == "given" else kind


def put(path: Path, text: str) -> None:
    """Replace what stands between `MARKS` in a file by `text`, in one step.

    Raises:
        InputError: the file cannot be read.
        UsageError: it has not each of the marks once, in their order.
    """
    try:
        whole = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {error}") from None
    before, opened, rest = whole.partition(MARKS[0])
    _, closed, after = rest.partition(MARKS[1])
    if not (opened and closed) or MARKS[0] in rest or MARKS[1] in before + after:
        raise UsageError(f"{path}: expected the lines {MARKS[0]} and {MARKS[1]} once each, in this order")
    replace_file(path, f"{before}{MARKS[0]}\n{text}\n{MARKS[1]}{after}".encode())

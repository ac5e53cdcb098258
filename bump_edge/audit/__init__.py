"""What a profile gives away of the log that it was written from, and what may leave the store."""

from bump_edge.audit.policy import check_text, permit_export, release
from bump_edge.audit.report import LeakReport, PiiFinding, audit, audit_profile
from bump_edge.audit.verbatim import VerbatimRun, longest_run

__all__ = [
    "LeakReport",
    "PiiFinding",
    "VerbatimRun",
    "audit",
    "audit_profile",
    "check_text",
    "longest_run",
    "permit_export",
    "release",
]

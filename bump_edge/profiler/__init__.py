"""The profiler's room: selection, generation, checks. Its public names are `Profiler` and `ProfilerOptions`."""

from bump_edge.profiler.options import ProfilerOptions
from bump_edge.profiler.profiler import Profiler

__all__ = ["Profiler", "ProfilerOptions"]

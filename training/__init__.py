"""Training by reconstruction: raw logs in, a profiler out that was never shown a label.

Run from a checkout: ``python -m training STAGE --config training/recipes/NAME.toml [--set section.key=value]``. Stages
meet through files. This package imports `bump_edge`; nothing of `bump_edge` imports this one, and the wheel leaves it
out. The method is BUMP (arXiv 2606.05336); where a module departs from it, its docstring says so.
"""

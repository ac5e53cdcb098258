"""The backend without a model: keyphrases, kinds of things, rating habits and trends, written as plain sentences.

It is the default where the package carries no model, the fallback where it does, and the baseline of every figure.
`reading` takes interactions apart (`names` for items, `topics` for texts), `phrases` finds what comes back, `habits`
counts, `writer` chooses and words the sentences from the tables in `frames`.
"""

from bump_edge.backends.extractive.backend import ExtractiveBackend

__all__ = ["ExtractiveBackend"]

"""The backends' room: what runs a model, behind the one protocol of `bump_edge.backends.base`.

Nothing here loads a runtime at import. `BACKENDS` names them; `bump_edge.backends.probe` says which run here.
"""

BACKENDS = ("extractive", "scripted", "onnx", "gguf")
"""The kinds of backend, in the order in which `doctor` shows them."""

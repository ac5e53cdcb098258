"""Export: from a checkpoint of `training/` to verified files for the device.

Run from a checkout: ``python -m export onnx|gguf|judge|encoder|trim --model FOLDER --out FOLDER …``. Everything that
is written is a folder with a ``manifest.json`` (`export.artefact`), which ``bump-edge models add`` takes as it is. This
package imports `bump_edge`; nothing of `bump_edge` imports this one, `training/` and `export/` meet through files only,
and the wheel leaves both out. Nothing here reaches the network.
"""

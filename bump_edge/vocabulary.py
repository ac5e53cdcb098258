"""Words that state a relation, a habit, a time or an amount, by language: what a profile says *about* its content.

`RELATION_WORDS` are those; `ACT_OF_TYPE` and `ACTS_OF_VERB` tie the types of a log to the verbs that claim them.

The evidence check counts them as no content: that somebody buys, mostly, lately or generously is computed or checked
apart, and no interaction has to have the word. Folded (`bump_edge.text.fold`). The frames of the extractive backend use
no other words but function words; a model may use all of these. The list is closed on purpose: a word that could name
a thing, a taste or a trait does not belong here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bump_edge.text import fold, word_set
from bump_edge.types import meta_labels

COUNT_KEYS = word_set(
    """
    plays play_count playcount play count counts listens views visits times opens uses sessions clicks minutes hours
    seconds duration quantity qty streams scrobbles
    """
)
"""Keys of `meta` whose numbers say how much a person did of something."""


def count_of(meta: Mapping[str, Any]) -> float | None:
    """How much of it, where a record's `meta` counts that; above 0; None where it does not."""
    found = None
    for key, _ in meta_labels(meta):
        raw = meta[key]
        if isinstance(raw, int | float) and fold(key) in COUNT_KEYS and raw > 0:
            found = float(str(raw))
    return found


_DECADES = " ".join(f"{d}0s" for d in range(190, 204)) + " 50s 60s 70s 80s 90s"
_ZEHNER = (
    " ".join(f"{d}0er {d}0ern" for d in range(190, 204)) + " 50er 60er 70er 80er 90er 50ern 60ern 70ern 80ern 90ern"
)

_EN = f"""
    calls call buys buy buying bought orders ordering ordered purchases purchasing purchased picks picking picked
    chooses choosing collects collecting owns reviews reviewing reviewed listens listening listened plays playing
    played watches watching watched rates rating ratings rated reads reading read looks looking searches searching
    searched asks asking asked writes wrote mentions mentioning mentioned discusses discussing talks talking
    talked visits visiting visited uses using used opens opening opened saves saving saved likes liking enjoys
    prefers preferring favours favors returns returning comes come coming goes going turns turning turned moves
    moving moved starts starting started adds adding keeps keeping tries trying shows showing gives giving gave
    marks marking marked gets getting stays staying pays paying attention interest interested interests shares
    sharing follows following explores exploring focuses focusing covers covering spends spending includes including
    include included ranges range ranging dates date dating does doing done active makes making works leans leaning
    sticks favourite favorite favourites favorites mostly mainly chiefly largely primarily especially particularly
    often usually regularly frequently repeatedly sometimes occasionally rarely seldom always never almost nearly
    still again more most less least fewer many several some few various single twice once times everything anything
    nothing else far than above all both each one two three four five six seven eight nine ten dozen half third
    quarter majority minority average mean range lately recently recent latest newest nowadays currently since
    before after earlier later early late first last new newly old older time day days week weeks weekend weekends
    weekday weekdays weekly daily month months monthly year years yearly season seasons seasonal spring summer
    autumn fall winter morning mornings afternoon evening evenings night nights january february march april may
    june july august september october november december monday tuesday wednesday thursday friday saturday sunday
    {_DECADES} high higher highest highly low lower lowest generous generously harsh harshly strict strictly
    critical critically best better worst worse well poorly up down star stars score scores scored mark top bottom
    scale rest others kind kinds type types sort sorts thing things item items title titles piece pieces set sets
    range variety mix mixed wide narrow series brand brands maker makers name names example examples among like
    similar same different such kinds bulk together next along beside besides instead rather around within across
    between same log person someone
"""

_DE = f"""
    nennt nennen vieles kauft kaufen gekauft bestellt bestellen bewertet bewerten bewertungen bewertung hört hören
    gehört sieht sehen schaut schauen liest lesen sucht suchen schreibt schreiben fragt fragen erwähnt erwähnen
    besucht besuchen nutzt nutzen verwendet verwenden öffnet spielt spielen merkt mag mögen bevorzugt interessiert
    interesse interessen achtet kommt kommen kehrt kehren zurück wendet zeigt gibt geben bekommt bekommen reicht
    reichen stammt stammen sammelt hinzu probiert wechselt beginnt folgt teilt beschäftigt befasst greift meist
    meistens meisten hauptsächlich vor allem oft häufig regelmäßig immer wieder manchmal selten nie fast mehr
    weniger viele mehrere mehreres einige einzelne alles anderes andere weit als rund um etwa beispiel beispiele
    darunter beides eins zwei drei vier fünf sechs sieben acht neun zehn dutzend hälfte drittel mehrheit
    durchschnitt schnitt zuletzt neuerdings kürzlich neueste neuesten neu neue neuer neues jüngst jüngste seit
    früher später zuerst tag tage tagen woche wochen wochenende wochenenden werktags täglich wöchentlich monat
    monate monaten jahr jahre jahren frühling sommer herbst winter morgens abends nachts aktiv januar februar märz
    april mai juni juli august september oktober november dezember montag dienstag mittwoch donnerstag freitag
    samstag sonntag zusammen selben gleichen {_ZEHNER} hoch hohe hohen höher höchste höchsten niedrig niedrige
    niedriger niedrigen niedrigste niedrigsten großzügig streng kritisch gut gute besser beste besten schlecht
    schlechter schlechtesten note noten stern sterne sternen skala wohlwollend art arten ding dinge sache sachen
    titel stück reihe reihen marke marken name namen ähnliche ähnliches solche verschiedene
"""

_FR = """
    dit dire achète acheter achat achats commande commandes commente commenter écoute écouter regarde regarder note
    noter notes noté notés lit lire recherche rechercher cherche chercher parle parler écrit écrire demande consulte
    consulter visite utilise utiliser ouvre joue jouer garde garder aime aimer préfère intéresse intérêt intérêts
    mentionne mentionner revient revenir tourne donne donner baisse va vont datent date trouve figurent fait
    attention collectionne commence suit partage essaie passe surtout principalement avant tout souvent
    régulièrement toujours sans cesse parfois rarement jamais presque plus moins plupart plusieurs quelques exemples
    exemple parmi bien que reste autour fois même autres autre chose choses deux trois quatre cinq six sept huit
    neuf dix douzaine moitié tiers majorité moyenne récemment dernièrement récent récents récente récentes dernier
    derniers dernière dernières nouveau nouveaux nouvelle nouvelles depuis auparavant tôt tard jour jours semaine
    semaines week end weekend mois an ans année années printemps été automne hiver matin soir nuit janvier février
    mars avril mai juin juillet août septembre octobre novembre décembre lundi mardi mercredi jeudi vendredi samedi
    dimanche actif active haut hauts haute hautes bas basse basses généreusement généreux sévèrement sévère mal bien
    mieux meilleur meilleure meilleures meilleurs pire étoile étoiles échelle genre genres type types sorte sortes
    titre titres pièce série séries marque marques nom noms semblable différents tel telle
"""

_ES = """
    decir suele comprar compra compras reseñar escuchar escucha ver ve puntuar puntúa leer lee buscar busca escribir
    escribe visitar visita usar usa abre jugar juega guardar guarda gusta gustarle gustar prefiere interesarse
    interesa interés intereses menciona vuelve volver presta atención pregunta habla da dar baja van están son
    colecciona empieza sigue comparte prueba pasa valora sobre todo principalmente ante menudo siempre casi veces
    vez otra una nunca raramente más menos mucho mayoría varias varios algunos ejemplos ejemplo entre ellos también
    demás torno mismo todo tipo tipos cosas cosa dos tres cuatro cinco seis siete ocho nueve diez docena mitad
    tercio media últimamente recientemente reciente recientes último últimos última últimas nuevo nuevos nueva
    nuevas desde antes después temprano tarde día días semana semanas fin mes meses año años primavera verano otoño
    invierno mañana noche enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre
    lunes martes miércoles jueves viernes sábado domingo activo alto alta altas altos bajo baja bajas bajos notas
    nota puntuado puntuación puntuaciones valoraciones generosamente severamente bien mejor mejores mal peor peores
    estrella estrellas escala clase clases título títulos pieza serie series marca marcas nombre nombres parecido
    parecidos distintos
"""

RELATION_WORDS: Mapping[str, frozenset[str]] = {
    language: frozenset(fold(word) for word in listed.split())
    for language, listed in (("en", _EN), ("de", _DE), ("fr", _FR), ("es", _ES))
}
"""By ISO 639-1 code."""

# Types as logs spell them, by class of act.
_ACTS = {
    "buy": "purchase purchased buy buys bought order ordered checkout kauf achat compra transaction",
    "review": "review reviewed critique bewertung avis resena rezension kundenrezension reseña opinion feedback",
    "listen": "listen listened listening stream song track scrobble podcast play_song hören écoute escucha",
    "watch": "watch watched watching view_video video movie film episode gesehen regarder ver",
    "rate": "rating rate rated ratings score",
    "read": "read reading article book paper news finished_reading lesen gelesen lecture leer lectura buch livre libro",
    "search": "search searched query searches web_search suche recherche busqueda",
    "write": "message chat post comment tweet note email mail prompt question reply say dialogue turn user "
    "conversation journal diary nachricht mensaje",
    "visit": "visit visited visits page pageview page_view browse browsed click clicked web checkin check_in",
    "use": "use used uses open opened launch event app app_event app_open feature command run usage start",
    "play": "play played game gaming session",
    "save": "save saved bookmark bookmarked favourite favorite star starred wishlist pin download",
    "like": "like liked likes upvote upvoted",
}
ACT_OF_TYPE: Mapping[str, str] = {word: act for act, listed in _ACTS.items() for word in listed.split()}
"""Which class of act an interaction's type belongs to; others are ``other``."""


def act_of(type_: str | None) -> str:
    """The class of act of an interaction's type: ``buy``, ``review``, …; ``other`` for an unknown or missing one."""
    folded = fold(type_ or "").strip()
    if folded in ACT_OF_TYPE:
        return ACT_OF_TYPE[folded]
    parts = re.split(r"[\W_]+", folded)
    return next((ACT_OF_TYPE[p] for p in parts if p in ACT_OF_TYPE), "other")


# What a verb claims to have seen. A rating or a review of a thing shows that it was bought, heard, seen or read.
_BOUGHT = ("buy", "review", "rate")
_HEARD = ("listen", "play", "review", "rate", "like", "save")
_SEEN = ("watch", "play", "review", "rate", "like", "save")
_READ = ("read", "visit", "review", "rate", "like", "save")
_WRITTEN = ("write", "review", "search")
_VERBS: Mapping[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "en": (
        ("buys buy buying bought orders ordering ordered purchases purchasing purchased", _BOUGHT),
        ("listens listening listened", _HEARD),
        ("watches watching watched", _SEEN),
        ("reads reading", _READ),
        ("searches searching searched looks", ("search", "write", "visit")),
        ("writes writing wrote mentions mentioning discusses discussing", _WRITTEN),
        ("reviews reviewing reviewed", ("review", "rate")),
    ),
    "de": (
        ("kauft gekauft bestellt", _BOUGHT),
        ("hört gehört", _HEARD),
        ("sieht schaut", _SEEN),
        ("liest", _READ),
        ("sucht", ("search", "write", "visit")),
        ("schreibt erwähnt", _WRITTEN),
        ("bewertet", ("review", "rate", "buy", "listen", "watch", "read")),
    ),
    "fr": (
        ("achète commande", _BOUGHT),
        ("écoute", _HEARD),
        ("regarde", _SEEN),
        ("lit", _READ),
        ("recherche cherche", ("search", "write", "visit")),
        ("parle écrit mentionne", _WRITTEN),
        ("commente", ("review", "rate", "write")),
    ),
    "es": (
        ("compra comprar", _BOUGHT),
        ("escucha escuchar", _HEARD),
        ("lee leer", _READ),
        ("busca buscar", ("search", "write", "visit")),
        ("escribe escribir menciona", _WRITTEN),
        ("reseñar", ("review", "rate")),
    ),
}
ACTS_OF_VERB: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    language: {fold(verb): acts for listed, acts in entries for verb in listed.split()}
    for language, entries in _VERBS.items()
}
"""By language and folded verb, the classes of act that bear the verb out, the one that it names first."""

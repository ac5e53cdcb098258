"""What each kind of app writes down: one function a kind, from a person and one of their interests to a record."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from training.synthesis import names
from training.synthesis.catalogue import parts
from training.synthesis.interests import TOPICS, Interest, favourite
from training.synthesis.personas import Persona
from training.synthesis.wording import chatted, hashtag, in_title_case, said, typed

Row = dict[str, Any]
_TYPES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "search": {
        "en": ("search", "query", "web_search"), "de": ("suche", "search"), "fr": ("recherche",), "es": ("busqueda",),
    },
    "post": {"en": ("post", "tweet", "comment")},
    "message": {"en": ("message", "chat"), "de": ("nachricht",), "es": ("mensaje",)},
    "note": {"en": ("note", "journal", "diary")},
    "purchase": {"en": ("purchase", "order", "buy"), "de": ("kauf",), "fr": ("achat",), "es": ("compra",)},
    "review": {"en": ("review",), "de": ("bewertung", "rezension"), "fr": ("avis",), "es": ("resena",)},
    "visit": {"en": ("visit", "check_in", "checkin")},
    "read": {"en": ("read", "article", "news"), "de": ("gelesen",), "fr": ("lecture",), "es": ("leer",)},
    "book": {"en": ("read", "book", "finished_reading"), "fr": ("livre",), "es": ("libro",)},
    "watch": {"en": ("watch", "video", "view_video")},
    "film": {"en": ("watch", "film", "movie", "rating")},
    "rate": {"en": ("rating", "rated", "rating", "movie", "watch")},
    "listen": {"en": ("listen", "scrobble", "song", "stream"), "fr": ("écoute",), "es": ("escucha",)},
    "play": {"en": ("play", "game", "gaming")},
    "use": {"en": ("app_event", "open", "use", "launch")},
    "cook": {"en": ("cooked", "recipe", "meal")},
    "commit": {"en": ("commit", "push")},
    "workout": {"en": ("workout", "activity", "training")},
}  # fmt: skip


class Author:
    """A person with the dice that their log is drawn with."""

    def __init__(self, persona: Persona, chance: random.Random) -> None:
        self.persona = persona
        self.chance = chance
        self._types = {kind: chance.choice(table.get(persona.language, table["en"])) for kind, table in _TYPES.items()}

    def often(self) -> bool:
        """Whether an optional field is there."""
        return self.chance.random() < self.persona.rich

    def row(self, kind: str, *, item: str = "", text: str = "", rating: float | None = None, **meta: Any) -> Row:
        """A record; what is empty is left out, keys of `meta` are named as this person's apps name them."""
        out: Row = {}
        if self.persona.types:
            out["type"] = self._types[kind]
        if item:
            out["item"] = item
        if text:
            out["text"] = text
        if rating is not None:
            out["rating"] = rating
        labels: dict[str, object] = {}
        for key, value in meta.items():
            if value not in (None, ""):
                labels |= self.persona.labelled(key, value)
        if labels:
            out["meta"] = labels
        return out

    def rated(self, interest: Interest, *, always: bool = False) -> tuple[float | None, str]:
        """A rating or none, and whether it was good: ``good``, ``fair`` or ``bad``."""
        habit, chance = self.persona.ratings, self.chance
        fifths = min(5.0, max(1.0, chance.gauss(habit.mean + (interest.rated if habit.spread else 0), habit.spread)))
        fifths = max(habit.step, round(fifths / habit.step) * habit.step)
        mood = "good" if fifths >= 3.75 else "fair" if fifths >= 2.75 else "bad"
        number = fifths * habit.top / 5
        shown = always or chance.random() < habit.share
        return (int(number) if number == int(number) else number) if shown else None, mood

    def slots(self, interest: Interest, good: str = "") -> dict[str, str]:
        """What fills a sentence about an interest; `good` is the product that it is about, where there is one."""
        chance = self.chance
        good = _lowered(good or (favourite(interest.goods, chance, steep=0.5) if interest.goods else ""))
        # "a decent flute for flutes" says nothing
        term = favourite(
            [t for t in interest.terms if not good or t.lower() not in good] or interest.terms, chance, steep=0.5
        )
        rest = [t for t in interest.terms if t != term] or [term]
        maker = interest.maker(chance, steep=1.2)
        out = {
            "term": term, "other": favourite(rest, chance, steep=0.5), "label": interest.label,
            "maker": maker, "maker2": chance.choice([m for m in interest.makers if m != maker] or [maker]),
            "person": interest.person(chance), "person2": interest.person(chance),
            "place": interest.place(chance)[0], "town": interest.town,
        }  # fmt: skip
        if interest.did:
            did, did2 = chance.sample(interest.did, 2)
            others = [g for g in interest.goods if _lowered(g) != good]
            out |= {"did": did, "did2": did2, "how": favourite(interest.how, chance)}
            out |= {"good": good, "good2": _lowered(chance.choice(others))}
        return out

    def write(self, purpose: str, interest: Interest) -> str:
        """A text for a purpose, in the interest's language and the person's style."""
        return chatted(purpose, interest.language, self.slots(interest), self.persona.style, self.chance)

    def remark(self, purpose: str, interest: Interest) -> str:
        """A short note beside an item, now and then; only English ones are known."""
        if interest.language != "en" or self.chance.random() > 0.4 * self.persona.rich:
            return ""
        return typed(said(purpose, "en", self.slots(interest), self.chance), self.persona.style, self.chance)


def _lowered(good: str) -> str:
    # "LED Tank Light" keeps its LED
    return " ".join(w if sum(c.isupper() for c in w) > 1 else w[:1].lower() + w[1:] for w in good.split())


def searches(author: Author, interest: Interest) -> Row:
    """A query: terse, in lower case mostly, now and then with a typo."""
    text = said("search", interest.language, author.slots(interest), author.chance)
    if interest.language == "en" or author.chance.random() < 0.5:
        text = text.lower()
    return author.row("search", text=typed(text, author.persona.style, author.chance))


def posts(author: Author, interest: Interest) -> Row:
    """A post, perhaps with hashtags."""
    text = author.write("post", interest)
    count = author.chance.randint(0, author.persona.style.hashtags)
    label = interest.label if interest.language == "en" else interest.terms[0]
    tags = list(dict.fromkeys(hashtag(t) for t in (label, *author.chance.sample(interest.terms, 2))))[:count]
    if tags and author.persona.look == 2:
        return author.row("post", text=text) | {"meta": {author.persona.keys["tags"]: [t[1:] for t in tags]}}
    return author.row("post", text=" ".join([text, *tags]))


def messages(author: Author, interest: Interest) -> Row:
    """What somebody writes to a friend or to an assistant."""
    row = author.row("message", text=author.write("message", interest))
    return row if author.persona.look == 0 else row | {"meta": {"role": "user"}}


def notes(author: Author, interest: Interest) -> Row:
    """A note to oneself."""
    return author.row("note", text=author.write("note", interest), category=_label(author, interest))


def shopping(author: Author, interest: Interest) -> Row:
    """A purchase, or a review of one."""
    chance, persona = author.chance, author.persona
    maker = interest.maker(chance, steep=1.2)
    good = favourite(interest.goods, chance) if interest.language == "en" else favourite(interest.terms, chance)
    good = good[:1].upper() + good[1:]
    variant = chance.choice([v.strip() for v in parts()["variants"][interest.family].split(";")])
    plain = f"{maker} {good}" if persona.look != 1 else good
    item = f"{plain}, {variant}" if interest.language == "en" and chance.random() < 0.6 else plain
    rating, mood = author.rated(interest)
    brand = maker if persona.look == 1 or chance.random() < 0.3 * persona.rich else None
    meta: Row = {"brand": brand, "category": _label(author, interest)}
    if chance.random() < 0.35:
        slots = author.slots(interest, good) | {"maker": maker}
        text = chatted(f"review_{mood}", interest.language, slots, persona.style, chance)
        return author.row("review", item="" if persona.look == 2 and chance.random() < 0.5 else item, text=text,
                          rating=rating, **meta)  # fmt: skip
    return author.row("purchase", item=item, rating=rating, **meta)


def visits(author: Author, interest: Interest) -> Row:
    """A place that somebody went to."""
    chance = author.chance
    place, kind = interest.place(chance)
    rating, mood = author.rated(interest)
    text = ""
    if mood != "bad" and chance.random() < 0.4:  # the notes are kind ones
        slots = author.slots(interest) | {"place": place}
        text = typed(said("place_note", interest.language, slots, chance), author.persona.style, chance)
    return author.row("visit", item=place, text=text, rating=rating, city=interest.town if author.often() else None,
                      venue=kind if author.often() else None)  # fmt: skip


def articles(author: Author, interest: Interest) -> Row:
    """An article."""
    title = said("article", interest.language, author.slots(interest), author.chance)
    title = in_title_case(title) if interest.language == "en" else title[:1].upper() + title[1:]
    return author.row(
        "read", item=title,
        section=_label(author, interest), author=interest.person(author.chance) if author.often() else None,
        minutes=author.chance.randint(2, 25) if author.persona.look == 1 else None,
    )  # fmt: skip


def videos(author: Author, interest: Interest) -> Row:
    """A video with its channel."""
    english = interest.language == "en"
    title = said("video" if english else "article", interest.language, author.slots(interest), author.chance)
    channel = interest.person(author.chance) if author.chance.random() < 0.7 else interest.maker(author.chance)
    title = in_title_case(title) if english else title[:1].upper() + title[1:]
    return author.row(
        "watch", item=f"{channel}: {title}" if author.persona.look == 1 else title,
        channel=None if author.persona.look == 1 else channel,
        minutes=author.chance.randint(3, 70) if author.persona.look == 2 else None, category=_label(author, interest),
    )  # fmt: skip


def listening(author: Author, interest: Interest) -> Row:
    """A track, or an artist with a number of plays."""
    chance, look = author.chance, author.persona.look
    artist = interest.maker(chance)
    genre = interest.label if author.often() else None
    if look == 2:
        return author.row("listen", item=artist, genre=genre, plays=int(1 + chance.expovariate(0.06)))
    title = interest.title(artist, chance, again=0.5)
    if look == 1:
        return author.row("listen", item=title, artist=artist, genre=genre)
    return author.row("listen", item=f"{artist} - {title}", genre=genre)


def films(author: Author, interest: Interest) -> Row:
    """A film, or an episode of a series."""
    chance = author.chance
    director = interest.maker(chance)
    serial = chance.random() < 0.35
    if serial:
        title = (
            f"{interest.title(interest.label, chance, again=0.85)}: S{chance.randint(1, 4)} E{chance.randint(1, 10)}"
        )
    else:
        title = interest.title(director, chance, again=0.05)
        if author.persona.look == 0:
            title = f"{title} ({chance.randint(1934, 2023)})"
    rating, mood = author.rated(interest)
    note = author.remark(f"media_note_{mood}", _led_by(interest, director))
    return author.row("film", item=title, text=note, rating=rating,
                      genre=interest.label if author.often() else None,
                      director=None if serial else director)  # fmt: skip


_ARTICLE = re.compile(r"^(The|A|An) (.+)$")
_PLAIN_GENRES = ("Action", "Adventure", "Animation", "Children", "Comedy", "Crime", "Drama", "Fantasy", "Horror",
                 "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War")  # fmt: skip


def ratings(author: Author, interest: Interest) -> Row:
    """A film as a catalogue lists it, with its year and plain genres, mostly rated."""
    chance = author.chance
    title = interest.title(interest.maker(chance), chance, again=0.05)
    form = chance.random()
    if form < 0.12:
        title = f"{title}: {names.title(chance, 'en', interest.terms)}"
    elif form < 0.2:
        title = f"{title} {chance.choice(('II', 'III', '2', '3', 'Part II', '4'))}"
    if author.persona.look:  # in two catalogues of three, the article behind
        title = _ARTICLE.sub(r"\2, \1", title)
    if 0.2 <= form < 0.25:
        title = f"{title} ({names.title(chance, chance.choice(('de', 'fr', 'es', 'it')))})"
    year = min(2023, max(1930, round(chance.gauss(interest.year, 7))))
    genres = {g.capitalize() if g != "sci-fi" else "Sci-Fi" for g in interest.filed if chance.random() < 0.8}
    genres |= set(chance.sample(_PLAIN_GENRES, chance.choices((0, 1, 2), (6, 3, 1))[0]))
    rating = author.rated(interest, always=author.persona.rich > 0.1)[0]
    return author.row("rate", item=f"{title} ({year})", rating=rating,
                      genre=tuple(sorted(genres or {interest.filed[0].capitalize()})))  # fmt: skip


def books(author: Author, interest: Interest) -> Row:
    """A book."""
    chance, look = author.chance, author.persona.look
    writer = interest.maker(chance)
    title = interest.title(writer, chance, again=0.12)
    rating, mood = author.rated(interest)
    return author.row("book", item=f"{title} - {writer}" if look == 0 else title,
                      text=author.remark(f"media_note_{mood}", _led_by(interest, writer)), rating=rating,
                      author=writer if look else None, genre=interest.label if author.often() else None)  # fmt: skip


def gaming(author: Author, interest: Interest) -> Row:
    """A session with a game."""
    chance = author.chance
    studio = interest.maker(chance)
    title = interest.title(interest.label, chance, again=0.7)
    rating, mood = author.rated(interest)
    return author.row(
        "play", item=title, genre=interest.label if author.often() else None,
        text=author.remark(f"media_note_{mood}", _led_by(interest, studio)),
        rating=rating if chance.random() < 0.3 else None,
        platform=chance.choice(("handheld", "desktop", "console", "tablet")) if author.persona.look == 1 else None,
        minutes=chance.randint(10, 240) if author.persona.look == 2 else None,
    )  # fmt: skip


def cooking(author: Author, interest: Interest) -> Row:
    """A dish that was cooked."""
    chance = author.chance
    dish = favourite(interest.terms, chance)
    dish = dish[:1].upper() + dish[1:] if author.persona.look else dish
    rating = author.rated(interest)[0]
    return author.row(
        "cook", item=dish, text=author.remark("cook_note", interest), rating=rating,
        cuisine=interest.label if author.persona.look != 1 or author.often() else None,
        author=interest.maker(chance) if author.often() else None,
        minutes=5 * chance.randint(3, 40) if author.persona.look == 2 else None,
    )  # fmt: skip


def code(author: Author, interest: Interest) -> Row:
    """A commit."""
    repository = favourite(interest.makers, author.chance, steep=1.5)
    text = typed(said("commit", "en", author.slots(interest), author.chance), author.persona.style, author.chance)
    return author.row("commit", text=text, item=repository if author.persona.look == 1 else "",
                      repo=repository if author.persona.look == 2 or author.often() else None,
                      language=interest.label if author.often() else None)  # fmt: skip


def apps(author: Author, interest: Interest) -> Row:
    """Something done in an app."""
    chance, look = author.chance, author.persona.look
    app, feature = favourite(interest.makers, chance, steep=1.5), favourite(interest.terms, chance, steep=0.4)
    if look == 2:
        return author.row("use", item=f"{app} {interest.label}", feature=feature, minutes=chance.randint(1, 50))
    if look == 1:
        return author.row("use", item=feature, app=app, category=interest.label if author.often() else None,
                          plays=chance.randint(1, 12) if author.often() else None)  # fmt: skip
    return author.row("use", item=app, category=interest.label if author.often() else None, feature=feature,
                      minutes=chance.randint(1, 50) if author.often() else None)  # fmt: skip


def workouts(author: Author, interest: Interest) -> Row:
    """A workout with its distance."""
    chance = author.chance
    *sessions, reach = interest.terms
    low, high = map(int, reach.split("-"))
    km = round(chance.uniform(low, high), 1) if high else None
    session = favourite(sessions, chance)
    known = session if author.persona.look or not author.often() else f"{session}, {interest.places[0]}"
    return author.row(
        "workout", item=known, text=author.remark("workout_note", interest), km=km,
        category=interest.label if author.often() else None,
        minutes=chance.randint(15, 150) if author.often() else None,
        route=favourite((*interest.places, interest.town), chance) if author.persona.look else None,
    )  # fmt: skip


def _label(author: Author, interest: Interest) -> str | None:
    if interest.universe != TOPICS or not author.often():
        return None
    return interest.label if interest.language == "en" else interest.terms[0]


def _led_by(interest: Interest, maker: str) -> Interest:
    """The interest with `maker` as the only name that a remark can praise."""
    return replace(interest, people=(maker, *interest.people[:1]))


KINDS: Mapping[str, Callable[[Author, Interest], Row]] = {
    "searches": searches, "posts": posts, "messages": messages, "notes": notes, "shopping": shopping, "visits": visits,
    "articles": articles, "videos": videos, "listening": listening, "films": films, "ratings": ratings, "books": books,
    "gaming": gaming, "cooking": cooking, "code": code, "apps": apps, "workouts": workouts,
}  # fmt: skip
"""By kind of app, see `personas.UNIVERSES`."""

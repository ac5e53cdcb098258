"""From what was read to sentences: which to say, in which order, within how many words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bump_edge.backends.extractive import habits
from bump_edge.backends.extractive.frames import FRAMES, Frames
from bump_edge.backends.extractive.groups import Group, ends_well, read_groups, word_count
from bump_edge.backends.extractive.phrases import Phrase
from bump_edge.backends.extractive.reading import Entry, read
from bump_edge.prompts import Prompt
from bump_edge.text import fold

# How many of each kind a sentence may list.
_MAIN, _SERIES, _NAMES, _TOPICS, _RECENT, _ALSO, _FACETS, _JUDGEMENTS = 6, 4, 5, 6, 5, 10, 4, 4


class Writer:
    """Writes one profile.

    Args:
        prompt: the selection and the facts about the history.
        seed: which wording of each frame; 0 is the plain default.
    """

    def __init__(self, prompt: Prompt, seed: int = 0) -> None:
        self._prompt = prompt
        self._language = prompt.language
        self._frames: Frames = FRAMES.get(prompt.language, FRAMES["en"])
        self._frame_language = prompt.language if prompt.language in FRAMES else "en"
        self._seed = seed
        self._room = max(1, prompt.max_words - 1)
        self._said: list[frozenset[str]] = []

    def sentences(self) -> list[str]:
        """The sentences, in reading order; none only when the log holds nothing that can be said."""
        entries = read(self._prompt.interactions)
        if not entries:
            return []
        groups = read_groups(entries, self._language)
        border = habits.split_recent(entries)
        rated = habits.ratings(entries, self._prompt.stats)
        first = groups[0]
        drafts: list[tuple[int, str]] = []

        def add(order: int, sentence: str) -> None:
            size = word_count(sentence)
            if sentence and size <= self._room:
                self._room -= size
                drafts.append((order, sentence))

        lone = len(groups) == 1
        for n, group in enumerate(groups):
            add(n, self._main(group, _MAIN if lone else 4))
        # by importance; the order of reading is the first number
        add(10, self._returns(groups))
        add(50, self._rating(rated, first))
        recent = self._lately(groups, border)
        for n, group in enumerate(groups):
            add(20 + n, self._second(group, border, rated))
        add(60, recent if word_count(recent) <= self._room else "")
        add(52, self._preferences(first, entries, rated))
        add(30, self._mentions(groups))
        add(51, self._sentence(self._frames.calls, self._fresh(self._judgements(groups), _JUDGEMENTS)))
        add(70, self._rhythm(entries, first))
        add(22, self._era(first))
        return [s for _, s in sorted(drafts, key=lambda d: d[0])]

    # Sentences

    def _main(self, group: Group, most: int) -> str:
        frames = self._frames
        verb = frames.verbs[group.act]
        total = len(group.entries)
        # only what has a word for it is tied to its place: one buys for a console, but reviews a thing
        facets = group.facets()[:_FACETS] if group.act in frames.facet else []
        if group.counted and group.names:
            return self._listens(group)
        chosen = self._fresh(group.main(self._language), most)
        if not chosen and not facets:
            if any(len(n.positions) >= max(3, 0.5 * total) for n in group.names):
                return ""  # the next sentence says what they come back to
            names = self._fresh(sorted(group.names, key=lambda p: (-len(p.positions), -max(p.positions))), 3)
            return self._sentence(verb.replace("{adv}", "") + ".", names)
        while facets:
            tie = "{x}" if group.act == "visit" else frames.facet.get(group.act, frames.facet["other"])
            adverb, lead = self._adverb(facets, total), ""
            if not adverb:
                lead, adverb = frames.often
            shell = lead + verb.format(adv=adverb, x=tie.format(x=self._list(facets)))
            text = self._sentence(f"{shell}, {frames.above_all}.", chosen) or f"{_capital(shell)}."
            if word_count(text) <= self._room:
                self._fresh(facets, _FACETS)
                return text
            facets.pop()
        if not chosen:
            return ""
        return self._sentence(verb.replace("{adv}", self._adverb(chosen, total)) + ".", chosen)

    def _listens(self, group: Group) -> str:
        frames = self._frames
        verb = frames.verbs[group.act]
        weight = {e.position: e.weight for e in group.entries}
        heavy = [sum(weight[p] for p in n.positions) for n in group.names]
        if len(heavy) > 1 and heavy[0] >= 2 * heavy[1]:
            clause = verb.replace("{adv}", "")
            return self._sentence(frames.far_more.replace("{clause}", clause) + ".", self._fresh(group.names, 1))
        share = sum(heavy[:4]) / sum(heavy)
        adverb = frames.mostly[self._seed % len(frames.mostly)] if share > 0.5 else ""
        return self._sentence(verb.replace("{adv}", adverb) + ".", self._fresh(group.names, 4))

    def _returns(self, groups: Sequence[Group]) -> str:
        found = [p for g in groups if not g.counted for p in g.phrases if p.role == "series"]
        found += [p for g in groups for p in g.topics if p.role == "series"]
        found += [n for g in groups if not g.counted and not g.written for n in g.names if len(n.positions) >= 3]
        found.sort(key=lambda p: -len(p.positions))
        return self._sentence(self._pick(self._frames.returns), self._fresh(found, _SERIES))

    def _second(self, group: Group, border: int | None, rated: habits.Ratings | None) -> str:
        """Some names, where kinds alone do not tell this log from another."""
        if group.described:
            brands = self._fresh(group.brands(self._language), 4)
            return self._sentence(self._pick(self._frames.brands), brands) if len(brands) > 1 else ""
        if not group.names or (group.written and group.act != "search"):
            return ""
        if group.counted:
            lead, adverb = self._frames.also
            clause = self._frames.verbs[group.act].replace("{adv}", adverb)
            return self._sentence(f"{lead}{clause}.", self._fresh(group.names, _ALSO))
        if rated is not None and rated.high_positions:
            return ""
        covered = {p for s in group.phrases[:8] if s.role == "series" for p in s.positions}
        rest = [n for n in group.names if not n.positions & covered] or group.names
        rest = [n for n in rest if border is None or min(n.positions) < border] or rest
        lead, adverb = self._frames.also
        clause = self._frames.verbs[group.act].replace("{adv}", adverb)
        return self._sentence(f"{lead}{clause}.", self._fresh(_spread(rest, _NAMES), _NAMES), group)

    def _judgements(self, groups: Sequence[Group]) -> list[Phrase]:
        return [p for g in groups if g.act in ("review", "rate") for p in g.judgements]

    def _mentions(self, groups: Sequence[Group]) -> str:
        said = [p for g in groups for p in g.topics if p.role == "aspect"]
        said += [p for g in groups for p in g.topics if p.role in ("topic", "name")]
        said.sort(key=lambda p: -len(p.positions))
        chosen = self._fresh(said, _TOPICS)
        often = all(len(p.positions) >= 3 for p in chosen)
        return self._sentence(self._pick(self._frames.mentions_often if often else self._frames.mentions), chosen)

    def _lately(self, groups: Sequence[Group], border: int | None) -> str:
        if border is None:
            return ""
        for group in groups:
            known = habits.new_lately([p for p in group.all_phrases() if p.role not in ("aspect", "facet")], border)
            known = [p for p in known if p.role != "series" or p not in group.topics]
            known += habits.new_lately([*group.kinds, *([] if group.described else group.names)], border, single=True)
            if any(p.role == "label" for p in known):
                known = [p for p in known if p.role == "label"]
            order = {id(p): n for n, p in enumerate(known)}
            known.sort(key=lambda p: (len(p.positions) < 2, order[id(p)]))
            chosen = self._fresh(known, _RECENT)
            if chosen:
                clause = self._frames.verbs[group.act].replace("{adv}", "")
                shell = self._pick(self._frames.lately).replace("{clause}", clause)
                return self._sentence(shell, chosen, group)
        return ""

    def _rating(self, found: habits.Ratings | None, group: Group) -> str:
        if found is None:
            return ""
        frames = self._frames
        if found.style == "same":
            return self._pick(frames.rates_all).format(n=self._number(found.mode))
        shell = {"generous": frames.rates_generous, "strict": frames.rates_strict, "range": frames.rates_range}[
            found.style
        ]
        text = self._pick(shell).format(low=self._number(found.low), high=self._number(found.high))
        tail = frames.mode_mostly if found.mode_share > 0.5 else frames.mode_often if found.mode_share >= 0.3 else ""
        text += tail.format(n=self._number(found.mode))
        if found.style == "generous" and found.low_positions:
            low = self._standing_for(found.low_positions, group)[:2]
            if low:
                text += frames.but_low.format(x=self._list(low))
        return text + "."

    def _preferences(self, group: Group, entries: Sequence[Entry], found: habits.Ratings | None) -> str:
        up, down = habits.preferred(group.labels, entries)
        parts = []
        if up and down:
            parts.append(self._pick(self._frames.rates_higher).format(x=self._list(up), y=self._list(down)))
        if found is not None and not group.described and group.names and found.style != "same":
            best = self._fresh(self._standing_for(found.high_positions, group, names=True), 4)
            worst = self._standing_for(found.low_positions, group, names=True) if found.style != "generous" else []
            worst = self._fresh(worst, 2)
            text = self._sentence(self._pick(self._frames.rates_highest), best)
            if text and worst:
                text += self._frames.and_lowest.format(x=self._list(worst))
            parts.append(f"{text or self._sentence(self._pick(self._frames.rates_lowest), worst)}.")
        parts = [p for p in parts if len(p) > 1]
        while parts and sum(word_count(p) for p in parts) > self._room:
            parts.pop()
        return " ".join(parts)

    def _standing_for(self, positions: Sequence[int], group: Group, *, names: bool = False) -> list[Phrase]:
        """Phrases that only these interactions bear out, in their order."""
        pool = (
            group.names
            if names or not (group.described or group.topics)
            else [*group.kinds, *(p for p in group.topics if p.role == "kind")]
        )
        inside = frozenset(positions)
        order = {p: n for n, p in enumerate(positions)}
        fitting = [p for p in pool if p.positions and p.positions <= inside]
        return sorted(fitting, key=lambda p: min(order[q] for q in p.positions))

    def _rhythm(self, entries: Sequence[Entry], group: Group) -> str:
        kind, months = habits.rhythm(entries)
        if kind == "season":
            named = [self._frames.months[m - 1] for m in months]
            return self._frames.season.format(x=f" {self._frames.conjunction} ".join(named))
        if kind == "bulk":
            several, tail = self._frames.bulk
            lead, adverb = self._frames.often
            clause = self._frames.verbs[group.act].format(adv=adverb, x=several)
            return _capital(f"{lead}{clause}{tail}.")
        return self._frames.weekend if kind == "weekend" else ""

    def _era(self, group: Group) -> str:
        found = habits.decade(group.entries)
        if found is None:
            return ""
        # in these languages the decade is a bare number, which a title's year must bear out
        if self._frame_language in ("fr", "es") and not any(e.item and e.item.year == found for e in group.entries):
            return ""
        return self._frames.era.format(decade=found)

    # Helpers

    def _pick(self, wordings: Sequence[str]) -> str:
        return wordings[self._seed % len(wordings)]

    def _number(self, value: float) -> str:
        text = f"{value:g}"
        return text.replace(".", ",") if self._frame_language in ("de", "fr", "es") else text

    def _adverb(self, chosen: Sequence[Phrase], total: int) -> str:
        covered = {p for phrase in chosen for p in phrase.positions}
        return self._pick(self._frames.mostly) if total >= 4 and len(covered) >= 0.6 * total else ""

    def _fresh(self, candidates: Iterable[Phrase], most: int) -> list[Phrase]:
        """The first of `candidates` that no sentence has named yet; they count as named from now on."""
        out: list[Phrase] = []
        for phrase in candidates:
            if len(out) == most:
                break
            content = frozenset(s for s in phrase.stems if not s.isdigit())
            if not ends_well(phrase.text) or any(content <= said or said <= content for said in self._said if said):
                continue
            out.append(phrase)
            self._said.append(content)
        return out

    def _list(self, phrases: Sequence[Phrase], group: Group | None = None) -> str:
        """``a, b and c``; with a group, names are gathered by what they are for: ``a and b for X, c for Y``."""
        facets = [*group.facets(), *group.platforms] if group is not None else []
        gathered: dict[str, list[str]] = {}
        for phrase in phrases:
            facet = next((f for f in facets if phrase.positions <= f.positions and not f.stems & phrase.stems), None)
            gathered.setdefault(facet.text if facet is not None else "", []).append(phrase.text)
        tie = self._frames.facet.get(group.act if group is not None else "", self._frames.facet["other"])
        bare = gathered.pop("", [])
        parts = [f"{self._join(texts)} {tie.format(x=facet)}" for facet, texts in gathered.items()]
        return self._join([*parts, *bare])

    def _join(self, texts: list[str]) -> str:
        joint = self._frames.conjunction
        # what holds the joining word itself reads better before the last, and behind a comma
        texts = sorted(texts, key=lambda t: f" {joint} " in t or " & " in t)
        if joint == "y" and fold(texts[-1])[:1] == "i":
            joint = "e"
        if len(texts) == 1:
            return texts[0]
        comma = "," if any(f" {joint} " in t for t in texts) else ""
        return f"{', '.join(texts[:-1])}{comma} {joint} {texts[-1]}"

    def _sentence(self, shell: str, phrases: Sequence[Phrase], group: Group | None = None) -> str:
        """`shell` with as many of `phrases` as there is room for; empty when not one fits."""
        kept = list(phrases)
        while kept:
            text = _capital(shell.replace("{x}", self._list(kept, group)))
            if word_count(text) <= self._room:
                return text
            kept.pop()
        return ""


def _spread(phrases: Sequence[Phrase], count: int) -> list[Phrase]:
    """`count` of `phrases`, newest first, spread evenly over their order; then the rest."""
    if len(phrases) <= count:
        return list(reversed(phrases))
    step = len(phrases) / count
    picked = [phrases[int((n + 0.5) * step)] for n in range(count)]
    return [*reversed(picked), *(p for p in reversed(phrases) if p not in picked)]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]

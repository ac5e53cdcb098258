"""The rules: what personal data look like, what their check digits say, and what must or must not stand before them.

A rule has a pattern, which is searched in flattened text (see `finding.flatten`: ASCII digits, plain spaces and hyphens), and
a check. Where form and check digits leave too much doubt, the words before a match decide: `needs` must match the end of
them, `unless` must not.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass

from bump_edge.pii import checksums

BEFORE = 32
"""Characters before a match that `needs` and `unless` look at."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """One form of personal data.

    Args:
        name: of the rule.
        kind: of the data, one of `finding.KINDS`.
        pattern: what it looks like; where it has a group ``v``, that is the datum.
        check: whether what was matched is one, or where it ends (an int, counted from the start of the match).
        needs: must match at the end of what stands before; None for nothing.
        unless: must not.
    """

    name: str
    kind: str
    pattern: re.Pattern[str]
    check: Callable[[str], bool | int] = bool
    needs: re.Pattern[str] | None = None
    unless: re.Pattern[str] | None = None


_FREE = r"(?<![0-9A-Za-z@])(?<![0-9A-Za-z][-./_#])"  # nothing that belongs to the match stands before it
_DONE = r"(?![-./_]?[0-9A-Za-z])"  # nor after it
_FIRST = r"(?<![0-9] )"  # no group of digits before it: it would be the tail of something longer
_ALONE = _DONE + r"(?! [0-9]{3})"  # nor after it

# Words that say that a number is a thing's: "order 4111…", "Art.-Nr. 212-555-0123", "ISBN: …".
_THING = re.compile(
    r"(?:\b(?:orders?|order\s*(?:no|nr|id|number)|tracking|shipment|parcel|invoice|receipt|ticket|case|claim|ref(?:erence)?|model|part|item|"
    r"product|sku|upc|ean|gtin|asin|isbn|issn|doi|serial|s/n|sn|lot|batch|catalog(?:ue)?|barcode|vin|membership|voucher|coupon|gift\s+card|loyalty\s+card|art(?:icle|ikel)?|patent|version|firmware|build|code|oclc|lccn|"
    r"bestell\w*|auftrag\w*|rechnung\w*|sendung\w*|artikel\w*|modell?|serien\w*|teile\w*|commande|facture|colis|suivi|"
    r"r[ée]f[ée]rence|mod[èe]le|article|pedido|factura|env[íi]o|modelo|art[íi]culo|ordine|fattura|spedizione|codice|"
    r"bestelling|factuur|zam[óo]wieni\w*|faktur\w*|beställning\w*)\b|#|№|订单|编号|型号|注文|品番|주문|제품|заказ\w*|модель|артикул|арт\.)"
    r"[\s.:#=_\-]*(?:(?:no|nr|n[°º]|num|number|nummer|id|code|numéro|número|numero|de|is|was|ist|lautet|番号|号|번호)\b[\s.:#=°º]*){0,2}$",
    re.I,
)
_PHONE_WORD = re.compile(
    r"(?:\b(?:phone|telephone|tel|tele?fon\w*|t[ée]l[ée]phone|t[ée]l|call|called|calling|ring|mobile|mobil\w*|cell|cellphone|fax|whats\s?app|"
    r"signal|sms|text|handy\w*|rufnummer|anruf\w*|ruf|erreichbar|portable|appel\w*|joindre|tel[ée]fono|m[óo]vil|celular|ll[áa]m\w*|"
    r"cellulare|chiam\w*|telefone|telem[óo]vel|ligue|bel|puh|puhelin|numer)\b|电话|手机|電話|携帯|전화|тел(?:ефон)?)"
    r"[^0-9\n]{0,18}$",
    re.I,
)
_CALLING_CODE = re.compile(
    r"1|7|20|27|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|21[12368]|22\d|23\d|24\d|25[0-8]|26\d|29[0-9]|35\d|37\d|38[0-35-79]"
    r"|42[0139]|50\d|59\d|67\d|68\d|69[0-2]|85[0-356]|88[06]|96[0-8]|97[0-79]|99[2-68]"
)
_VERSION = re.compile(
    r"(?:\bv(?:er(?:s(?:ion|ión|ão|ione|ie|ja)?)?)?\.?|versi\w*|верси\w*|firmware|release|build|update|driver|kernel|patch|windows|"
    r"android|ios|chrome|firefox|§|section|chapter|kapitel|clause|abschnitt|oid|版本|バージョン|버전|[a-z]+-)[\s:.]*$",
    re.I,
)
_DATE = re.compile(r"(?:\d{1,2}[-./ ]\d{1,2}[-./ ](?:19|20)\d\d|(?:19|20)\d\d[-./ ]\d{1,2}[-./ ]\d{1,2})\b")


_YEARS = range(1000, 2100)


def _listed(text: str) -> bool:
    """Whether `text` is a list in order, of four or more short numbers or of two or more years."""
    numbers = re.findall("[0-9]+", text)
    values = [int(number) for number in numbers]
    if values != sorted(values):
        return False
    return (len(values) >= 4 and all(len(n) <= 2 for n in numbers)) or (
        len(values) >= 2 and all(len(n) == 4 and int(n) in _YEARS for n in numbers[-2:])
    )


def _bare(text: str) -> str:
    return re.sub(r"[^0-9A-Za-z]", "", text).upper()


def _on_bare(check: Callable[[str], bool]) -> Callable[[str], bool]:
    return lambda text: check(_bare(text))


def _nanp(digits: str) -> bool:
    """Area and exchange code from 2 on, neither of the form N11."""
    return len(digits) == 10 and all(p[0] in "23456789" and p[1:] != "11" for p in (digits[:3], digits[3:6]))


def _international(text: str) -> bool:
    if _listed(text):
        return False
    digits = _bare(text)
    digits = digits[2:] if digits.startswith("00") else digits
    if digits.startswith("1"):
        return _nanp(digits[1:])
    return 8 <= len(digits) <= 15 and _CALLING_CODE.match(digits) is not None


def _national(text: str) -> bool:
    digits = _bare(text)
    pairs = len(digits) == 10 and len(re.findall("[0-9]+", text)) == 5  # a French number may well be in order
    return 9 <= len(digits) <= 12 and not _DATE.match(text) and len(set(digits)) > 2 and (pairs or not _listed(text))


def _said_to_be_phone(text: str) -> bool:
    digits = _bare(text)
    return (
        7 <= len(digits) <= 15 and not _DATE.match(text) and not digits.startswith(("978", "979")) and not _listed(text)
    )


def _card(text: str) -> bool:
    digits = _bare(text)
    head = int(digits[:4])
    size = len(digits)
    brand = (
        (digits[0] == "4" and size in (16, 19))
        or ((51 <= head // 100 <= 55 or 2221 <= head <= 2720) and size == 16)
        or (head // 100 in (34, 37) and size == 15)
        or ((head == 6011 or head // 100 == 65 or 644 <= head // 10 <= 649 or head // 100 == 62) and size in (16, 19))
        or (3528 <= head <= 3589 and size == 16)
        or ((300 <= head // 10 <= 305 or head // 100 in (36, 38, 39)) and size == 14)
    )
    return brand and checksums.luhn(digits) and len(set(digits)) > 1


def _iban(text: str) -> int:
    """How long the IBAN at the start of `text` is, with its separators; 0 if there is none."""
    length = checksums.iban_length(text[:2].upper())
    taken = at = 0
    while length and at < len(text) and taken < length:
        taken += text[at].isalnum()
        at += 1
    if not length or taken < length or (at < len(text) and text[at].isalnum()):
        return 0
    return at if checksums.iban(_bare(text[:at])) else 0


def _ipv4(text: str) -> bool:
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return not (
        address.is_loopback or address.is_unspecified or address.is_multicast or text.startswith(("0.", "255."))
    )


def _long_ipv4(text: str) -> bool:
    # short numbers, the first among them, are a version's as a rule
    parts = [int(part) for part in text.split(".")]
    return _ipv4(text) and (parts[0] > 31 or sum(part > 31 for part in parts) > 1)


def _ipv6(text: str) -> bool:
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return False
    groups = [g for g in text.split(":") if g]
    return len(groups) >= 3 and any(c.isdigit() for c in text) and not address.is_unspecified


def _email(text: str) -> bool:
    ending = text.rsplit(".", 1)[1].lower()
    return (
        ending not in ("png", "jpg", "jpeg", "gif", "svg", "webp", "ico", "js", "css", "py", "dll", "exe")
        and ".." not in text
    )


def _mixed(text: str) -> bool:
    """Whether a value can be a secret: letters and digits or signs in it, and no address of a file or a page."""
    letters, others = sum(c.isalpha() for c in text), sum(not c.isalpha() for c in text.rstrip(".,;!?)"))
    return letters > 0 and others > 0 and any(c.isdigit() for c in text) and not text.startswith(("http", "/", "./"))


_URL_SECRET = re.compile(
    r"://[^\s/@:?#]{1,99}:[^\s/@]{1,99}@|[?#&;](?:access_?token|auth_?token|token|api_?key|secret|password|passwd|pwd|jwt)=[^\s&]{6}",
    re.I,
)
_URL_MAYBE = re.compile(r"[?#&;](?:key|sig(?:nature)?|auth|session_?(?:id)?|sid|code)=([^\s&]{8,})", re.I)


def _url_secret(text: str) -> bool:
    # a word or a coupon can be a key or a code as well: a secret is long, and of letters and digits
    maybe = (m[1] for m in _URL_MAYBE.finditer(text))
    return _URL_SECRET.search(text) is not None or any(
        len(value) >= 16 or (any(map(str.isdigit, value)) and any(map(str.isalpha, value))) for value in maybe
    )


def _rule(
    name: str,
    kind: str,
    pattern: str,
    check: Callable[[str], bool | int] = bool,
    *,
    needs: str | re.Pattern[str] | None = None,
    unless: re.Pattern[str] | None = None,
    flags: int = 0,
) -> Rule:
    required = re.compile(needs, re.I) if isinstance(needs, str) else needs
    return Rule(name=name, kind=kind, pattern=re.compile(pattern, flags), check=check, needs=required, unless=unless)


def _id(name: str, pattern: str, check: Callable[[str], bool], needs: str | None = None) -> Rule:
    """A national identity number: `needs` are the words that have to stand shortly before it.

    A number whose form is any number's, and whose check one of a hundred made-up numbers passes, needs them.
    """
    said = None if needs is None else rf"(?:{needs})[^0-9\n]{{0,24}}$"
    return _rule(name, "national_id", _FREE + pattern + _DONE, _on_bare(check), needs=said, unless=_THING, flags=re.I)


_MONTH = (
    r"(?:jan|gen|ene|janv|sty|feb|f[ée]v|febb|lut|m[aä]r|mars|maa|mrt|apr|avr|abr|kwi|may|ma[ijy]|mag|jun|juin|giu|cze|jul|juil|lug|lip|"
    r"aug|ao[uû]t|ago|sie|sep|set|wrz|o[ck]t|ott|out|pa[zź]|nov|nou|lis|de[cszv]|d[ée]c|dic|gru)[^\W\d_]{0,9}\.?"
)
# Every repetition below is bounded: a text made to be slow must not be.
_WORD = r"[^\W\d_][\w'’.\-]{0,30}"

# In the order in which they win where two overlap.
RULES: tuple[Rule, ...] = (
    # --- secrets
    _rule("private_key", "secret",
          r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----(?:(?:[^-]|-(?!----)){0,6000}-----END [A-Z ]{0,30}PRIVATE KEY-----)?"),
    _rule("key_prefix", "secret",
          r"(?<![0-9A-Za-z])(?:(?:AKIA|ASIA)[0-9A-Z]{16}|gh[pousr]_[0-9A-Za-z]{36}|github_pat_[0-9A-Za-z_]{22,}|glpat-[\w\-]{20,}"
          r"|xox[abprs]-[0-9A-Za-z\-]{10,}|[sr]k_(?:live|test)_[0-9A-Za-z]{16,}|AIza[\w\-]{35}|sk-(?:proj-|ant-)?[\w\-]{20,}"
          r"|hf_[0-9A-Za-z]{30,}|npm_[0-9A-Za-z]{36}|SG\.[\w\-]{16,}\.[\w\-]{16,}|eyJ[\w\-]{8,}\.eyJ[\w\-]{8,}\.[\w\-]{8,})"),
    _rule("url_secret", "secret", r"\b[a-z][a-z0-9+.\-]{1,11}://\S{1,8000}", _url_secret, flags=re.I),
    _rule("said_secret", "secret",
          r"\b(?:pass\s?word|passwd|pwd|passphrase|passwort|kennwort|mot de passe|contraseña|senha|wachtwoord|hasło|lösenord|пароль|"
          r"api[ _\-]?key|access[ _\-]?key|secret(?:[ _\-]key)?|(?:auth|access|bearer)[ _\-]?token|密码|パスワード)[\"']?\s*"
          r"(?:[:=：]|\b(?:is|was|ist|lautet|est|es|to)\b)\s*[\"'`]?(?P<v>[^\s\"'`,;]{5,200})", _mixed, flags=re.I),
    _rule("said_pin", "secret", r"\bPIN(?:\s*(?:code|number|nummer))?\s*(?:[:=]|\b(?:is|ist|est|es)\b)\s*(?P<v>[0-9]{4,8})\b(?![.,]?\d)"),
    # --- e-mail
    _rule("email", "email",
          r"(?<![\w.%+\-@])\w(?:[\w.%+\-']{0,63}[\w+\-])?@(?!\d+[^A-Za-z.])(?:[^\W_](?:[\w\-]{0,61}[^\W_])?\.){1,6}[^\W\d_]{2,24}(?![\w@]|:[\w/])",
          _email),
    _rule("email_spelt", "email",
          r"(?<![\w.])[\w.+\-]{2,64}\s?[\[({<]\s?(?:at|ät|arroba)\s?[\])}>]\s?[\w\-]{1,63}(?:(?:\s?[\[({<]\s?(?:dot|punkt|punto|point)\s?[\])}>]\s?|\.)[\w\-]{1,63}){1,5}",
          flags=re.I),
    # --- accounts
    _rule("iban", "iban", r"(?<![0-9A-Za-z])[A-Z]{2}[0-9]{2}[ -]?(?:[0-9A-Z][ -]?){11,32}", _iban, flags=re.I),
    _rule("card", "card",
          _FIRST + _FREE + r"(?:[0-9]{4}([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{4}(?:\1[0-9]{3})?|[0-9]{4}([ -])[0-9]{6}\2[0-9]{4,5})" + _ALONE,
          _card, unless=_THING),
    _rule("card_bare", "card", _FREE + r"[0-9]{14,19}" + _ALONE, _card, unless=_THING),
    # --- identity numbers
    _rule("us_ssn", "national_id", _FREE + r"[0-9]{3}-[0-9]{2}-[0-9]{4}" + _DONE, _on_bare(checksums.us_ssn), unless=_THING),
    _id("us_ssn_bare", r"[0-9]{3} ?[0-9]{2} ?[0-9]{4}", checksums.us_ssn, r"\bssn\b|social security"),
    _id("uk_nino", r"(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] [0-9]{2} [0-9]{2} [0-9]{2} [A-D]", bool),
    _id("uk_nino_bare", r"(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z][0-9]{6} ?[A-D]", bool,
        r"\bni\b|\bnino\b|national insurance"),
    _id("uk_nhs", r"[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{4}", checksums.uk_nhs, r"\bnhs\b"),
    _id("de_tax", r"[1-9][0-9] ?[0-9]{3} ?[0-9]{3} ?[0-9]{3}", checksums.de_tax, r"steuer-?\s?id\w*|idnr|identifikationsnummer|\btin\b|tax id"),
    _id("fr_nir", r"[12] ?[0-9]{2} ?[0-9]{2} ?(?:[0-9]{2}|2[AB]) ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}", checksums.fr_nir),
    _id("es_dni", r"(?:[0-9]{8}|[XYZ]-?[0-9]{7})-?[A-Z]", checksums.es_dni, r"\b(?:dni|nif|nie|c[ée]dula|documento|identidad|identity|id)\b"),
    _id("es_dni_dotted", r"[0-9]{2}\.[0-9]{3}\.[0-9]{3}-?[A-Z]", checksums.es_dni),
    _id("it_fiscal", r"[A-Z]{6}[0-9]{2}[A-EHLMPRST][0-9]{2}[A-Z][0-9]{3}[A-Z]", checksums.it_fiscal),
    _id("nl_bsn", r"[0-9]{4}[. ]?[0-9]{2}[. ]?[0-9]{3}", checksums.nl_bsn, r"\bbsn\b|burgerservice|sofi"),
    _id("pl_pesel", r"[0-9]{11}", checksums.pl_pesel, r"pesel"),
    _id("se_person", r"(?:19|20)?[0-9]{6}[-+][0-9]{4}", lambda t: checksums.se_person(t[-10:])),
    _rule("fi_person", "national_id", _FREE + r"[0-3][0-9][01][0-9]{3}[-+A][0-9]{3}[0-9A-Y]" + _DONE,
          checksums.fi_person, unless=_THING),
    _id("be_national", r"[0-9]{2}\.[0-9]{2}\.[0-9]{2}-[0-9]{3}\.[0-9]{2}", checksums.be_national),
    _id("br_cpf", r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}", checksums.br_cpf),
    _id("br_cpf_bare", r"[0-9]{11}", checksums.br_cpf, r"\bcpf\b"),
    _id("in_aadhaar", r"[2-9][0-9]{3}([ -]?)[0-9]{4}\1[0-9]{4}", checksums.verhoeff, r"aadh?aa?r|आधार|\buid(?:ai)?\b"),
    _id("ca_sin", r"[1-9][0-9]{2}[ -]?[0-9]{3}[ -]?[0-9]{3}", checksums.luhn, r"\bsin\b|social insurance|\bnas\b"),
    _id("cn_resident", r"[1-9][0-9]{16}[0-9X]", checksums.cn_resident),
    _id("kr_resident", r"[0-9]{6}-[1-8][0-9]{6}", checksums.kr_resident),
    _id("za_person", r"[0-9]{6} ?[0-9]{4} ?[01][0-9]{2}", checksums.za_person),
    _id("mx_curp", r"[A-Z]{4}[0-9]{6}[HM][A-Z]{5}[0-9A-Z][0-9]", checksums.mx_curp),
    # --- devices and networks
    _rule("imei", "device", _FREE + r"[0-9]{2}[ -]?[0-9]{6}[ -]?[0-9]{6}[ -]?[0-9]" + _DONE, _on_bare(checksums.luhn),
          needs=r"\bimei\b[^0-9\n]{0,12}$"),
    _rule("mac", "device", r"(?<![0-9A-Za-z:\-])[0-9A-F]{2}([:-])(?:[0-9A-F]{2}\1){4}[0-9A-F]{2}(?![0-9A-Za-z:\-])", flags=re.I),
    _rule("ipv4", "ip", r"(?<![0-9A-Za-z.@])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![0-9A-Za-z]|\.[0-9])", _long_ipv4,
          unless=_VERSION),
    _rule("ipv4_said", "ip", r"(?<![0-9A-Za-z.@])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![0-9A-Za-z]|\.[0-9])", _ipv4,
          needs=r"\b(?:ip|ip[- ]?(?:address|adresse)|server|host|router|dns|gateway|ping|ssh)\b[^0-9\n]{0,14}$"),
    _rule("ipv6", "ip", r"(?<![0-9A-Za-z:.])(?:[0-9A-F]{0,4}:){2,7}[0-9A-F]{0,4}(?![0-9A-Za-z:])", _ipv6, flags=re.I),
    # --- phones
    _rule("phone_world", "phone", r"(?<![0-9A-Za-z+])\+\s?[1-9][0-9]{0,3}(?:[ ./-]{0,2}(?:\(0?\)|\([0-9]{1,5}\)|[0-9]{1,9})){1,6}"
          r"(?![0-9A-Za-z]|[.,][0-9]|\s?(?:points?|pts|xp|karma|punkte|%|€|\$))", _international, flags=re.I),
    _rule("phone_00", "phone", _FREE + r"00[1-9][0-9]{0,2}[ ./-](?:\([0-9]{1,5}\)|[0-9]{1,9})(?:[ ./-][0-9]{2,9}){0,5}" + _DONE,
          _international, unless=_THING),
    _rule("phone_nanp", "phone",
          _FIRST + r"(?<![0-9A-Za-z(@])(?<![0-9A-Za-z][-./_#])(?:1[-. ])?(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[-. ])[2-9][0-9]{2}[-. ][0-9]{4}" + _DONE,
          lambda t: _nanp(_bare(t)[-10:]), unless=_THING),
    _rule("phone_trunk", "phone",
          _FIRST + _FREE + r"\(?0[1-9][0-9]{0,4}(?:\) ?| ?/ ?|[ .-])[0-9]{2,8}(?:[ .-][0-9]{2,5}){0,4}" + _DONE, _national, unless=_THING),
    _rule("phone_said", "phone", r"(?<![0-9A-Za-z(+])\(?[0-9](?:[ ()./-]{0,2}[0-9]){6,14}" + _DONE, _said_to_be_phone, needs=_PHONE_WORD),
    # --- where and when
    _rule("address_us", "address",
          rf"\b[0-9]{{1,5}}[A-Z]? (?:{_WORD} ){{1,4}}(?:St|Street|Ave|Avenue|Rd|Road|Blvd|Boulevard|Dr|Drive|Ln|Lane|Ct|Court|Way|Pl|Place|Ter|"
          rf"Terrace|Pkwy|Parkway|Hwy|Cir|Circle|Sq)\b\.?(?:,? (?:Apt|Unit|Suite|Ste|#)\.? ?\w{{1,5}})?,? (?:{_WORD} ?){{1,3}},? [A-Z]{{2}},? [0-9]{{5}}(?:-[0-9]{{4}})?\b"),
    _rule("address_uk", "address",
          rf"\b[0-9]{{1,4}}[A-Za-z]? (?:{_WORD} ){{1,3}}(?:{_WORD}),? (?:{_WORD},? ){{0,3}}[A-Z]{{1,2}}[0-9][0-9A-Z]? [0-9][ABD-HJLNP-UW-Z]{{2}}\b"),
    _rule("address_de", "address",
          rf"\b(?:[^\W\d_][\w\-]{{0,30}})?(?:stra(?:ß|ss)e|str\.|weg|allee|platz|gasse|ring|damm|ufer) [0-9]{{1,4}} ?[a-h]?,? (?:D-|A-|CH-)?[0-9]{{4,5}} {_WORD}",
          flags=re.I),
    _rule("birth_date", "birth_date",
          r"(?:\b(?:date of birth|d\.?o\.?b\.?|birth ?date|born(?: on)?|geburtsdatum|geb(?:oren)?\.?(?: am)?|né(?:e)? le|date de naissance|nacid[oa] el|"
          r"fecha de nacimiento|nat[oa] il|data di nascita|geboren op|ur\.|født)|生年月日|出生日期)[\s:：]{0,3}"
          r"(?P<v>[0-9]{1,2}[./-][0-9]{1,2}[./-](?:[0-9]{4}|[0-9]{2})|[0-9]{4}[./-][0-9]{1,2}[./-][0-9]{1,2}"
          rf"|[0-9]{{1,2}}(?:\.|st|nd|rd|th|er|º)? (?:de |of )?{_MONTH},? (?:de |del )?(?:19|20)[0-9]{{2}}|{_MONTH} [0-9]{{1,2}}(?:st|nd|rd|th)?,? (?:19|20)[0-9]{{2}})(?![0-9])",
          flags=re.I),
)  # fmt: skip

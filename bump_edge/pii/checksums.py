"""Check digits: what tells a card, an account or an identity number from any other row of digits.

Every function takes the bare characters, without separators, and answers False for anything of another length or
alphabet; none raises.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

_IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "BY": 28,
    "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18,
    "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22,
    "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20,
    "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MR": 27, "MT": 31, "MU": 30, "NL": 18,
    "NO": 15, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SC": 31, "SE": 24,
    "SI": 19, "SK": 24, "SM": 27, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24,
    "XK": 20,
}  # fmt: skip

# The tables of Verhoeff's dihedral code: products and permutations in D5.
_D5 = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678", "5987604321", "6598710432", "7659821043",
    "8765932104", "9876543210",
)  # fmt: skip
_PERMUTED = (
    "0123456789", "1576283094", "5803796142", "8916043527", "9453126870", "4286573901", "2793806415", "7046913258",
)  # fmt: skip

_CF_ODD = dict(
    zip(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16,
         10, 22, 25, 24, 23),
        strict=True,
    )
)  # fmt: skip


def _digits(text: str, *lengths: int) -> bool:
    return text.isascii() and text.isdecimal() and (not lengths or len(text) in lengths)


def _weighted(text: str, weights: Sequence[int]) -> int:
    return sum(int(c) * w for c, w in zip(text, weights, strict=False))


def is_date(year: int, month: int, day: int) -> bool:
    """Whether there is such a day."""
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def luhn(digits: str) -> bool:
    """ISO/IEC 7812: payment cards, IMEI, Canadian and Swedish numbers; two digits at least."""
    if not _digits(digits) or len(digits) < 2:
        return False
    total = 0
    for place, c in enumerate(reversed(digits)):
        value = int(c) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def iban_length(country: str) -> int | None:
    """Characters of an IBAN of that country (two capitals); None for one without IBANs."""
    return _IBAN_LENGTHS.get(country)


def iban(text: str) -> bool:
    """ISO 13616: the country's length, and modulo 97 (ISO 7064)."""
    if iban_length(text[:2]) != len(text) or not (text.isascii() and text.isalnum() and text[2:4].isdecimal()):
        return False
    return int("".join(str(int(c, 36)) for c in text[4:] + text[:4])) % 97 == 1


def verhoeff(digits: str) -> bool:
    """Verhoeff's code: India's Aadhaar; one digit at least."""
    if not _digits(digits) or not digits:
        return False
    check = 0
    for place, c in enumerate(reversed(digits)):
        check = int(_D5[check][int(_PERMUTED[place % 8][int(c)])])
    return check == 0


def us_ssn(digits: str) -> bool:
    """No check digit, but areas, groups and serials that are never given out, and those of famous advertisements."""
    if not _digits(digits, 9) or digits in ("078051120", "219099999"):
        return False
    return digits[:3] not in ("000", "666") and digits[0] != "9" and digits[3:5] != "00" and digits[5:] != "0000"


def uk_nhs(digits: str) -> bool:
    """The ten digits of an NHS number: modulo 11."""
    return _digits(digits, 10) and (11 - _weighted(digits, range(10, 1, -1)) % 11) % 11 == int(digits[9])


def de_tax(digits: str) -> bool:
    """The German tax identity: eleven digits, one of the first ten twice or thrice, ISO 7064 modulo 11, 10."""
    if not _digits(digits, 11) or digits[0] == "0":
        return False
    counts = sorted(digits[:10].count(c) for c in set(digits[:10]))
    if counts[-1] not in (2, 3) or (len(counts) > 1 and counts[-2] != 1):
        return False
    product = 10
    for c in digits[:10]:
        total = (int(c) + product) % 10 or 10
        product = total * 2 % 11
    return (11 - product) % 10 == int(digits[10])


def fr_nir(text: str) -> bool:
    """The French social security number: thirteen characters (Corsica has 2A and 2B) and a key modulo 97."""
    if len(text) != 15:
        return False
    number = text[:13].replace("2A", "19", 1).replace("2B", "18", 1) if text[5:7] in ("2A", "2B") else text[:13]
    if not (_digits(number, 13) and _digits(text[13:], 2)) or text[0] not in "123478":
        return False
    return 97 - int(number) % 97 == int(text[13:])


def es_dni(text: str) -> bool:
    """The Spanish DNI (eight digits) or NIE (X, Y or Z and seven) and its letter modulo 23."""
    if len(text) != 9:
        return False
    number = text[:8].replace("X", "0").replace("Y", "1").replace("Z", "2") if text[0] in "XYZ" else text[:8]
    return _digits(number, 8) and "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23] == text[8]


def it_fiscal(text: str) -> bool:
    """The Italian codice fiscale: sixteen capitals and digits, the last one a check letter."""
    if len(text) != 16 or not (text.isascii() and text.isalnum() and text.isupper()):
        return False
    even = sum(int(c) if c.isdigit() else ord(c) - 65 for c in text[1:15:2])
    return chr(65 + (even + sum(_CF_ODD[c] for c in text[0:15:2])) % 26) == text[15]


def nl_bsn(digits: str) -> bool:
    """The Dutch burgerservicenummer: nine digits that pass the elf-proef."""
    return _digits(digits, 9) and int(digits) > 0 and _weighted(digits, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


def pl_pesel(digits: str) -> bool:
    """The Polish PESEL: a birth date whose month says the century, and a check digit."""
    if not _digits(digits, 11):
        return False
    century, month = divmod(int(digits[2:4]), 20)
    year = (1900, 2000, 2100, 2200, 1800)[century] + int(digits[:2])
    if not is_date(year, month, int(digits[4:6])):
        return False
    return _weighted(digits, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0


def se_person(digits: str) -> bool:
    """The Swedish personnummer: ten digits, a date first (days from 61 on for coordination numbers), Luhn."""
    if not _digits(digits, 10) or not luhn(digits):
        return False
    day = int(digits[4:6])
    return is_date(2000 + int(digits[:2]), int(digits[2:4]), day - 60 if day > 60 else day)


def fi_person(text: str) -> bool:
    """The Finnish henkilötunnus: date, sign of the century, serial, check character modulo 31."""
    if len(text) != 11 or text[6] not in "+-ABCDEFUVWXY" or not _digits(text[:6] + text[7:10], 9):
        return False
    if not is_date(2000 + int(text[4:6]), int(text[2:4]), int(text[:2])):
        return False
    return "0123456789ABCDEFHJKLMNPRSTUVWXY"[int(text[:6] + text[7:10]) % 31] == text[10]


def be_national(digits: str) -> bool:
    """The Belgian national number: nine digits and 97 minus their remainder; a 2 comes first from 2000 on."""
    if not _digits(digits, 11):
        return False
    return any(97 - int(prefix + digits[:9]) % 97 == int(digits[9:]) for prefix in ("", "2"))


def br_cpf(digits: str) -> bool:
    """The Brazilian CPF: eleven digits, the last two modulo 11; rows of one digit are not given out."""
    if not _digits(digits, 11) or len(set(digits)) == 1:
        return False
    for length in (9, 10):
        if _weighted(digits[:length], range(length + 1, 1, -1)) * 10 % 11 % 10 != int(digits[length]):
            return False
    return True


def cn_resident(text: str) -> bool:
    """The Chinese resident identity: seventeen digits with a birth date, and a check character modulo 11, 2."""
    if len(text) != 18 or not _digits(text[:17], 17):
        return False
    if not 1900 <= int(text[6:10]) <= 2100 or not is_date(int(text[6:10]), int(text[10:12]), int(text[12:14])):
        return False
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return "10X98765432"[_weighted(text[:17], weights) % 11] == text[17]


def kr_resident(digits: str) -> bool:
    """The Korean resident number: a date and a sex digit; its check digit, which those since October 2020 lack."""
    if not _digits(digits, 13) or digits[6] not in "12345678":
        return False
    year = (1900 if digits[6] in "1256" else 2000) + int(digits[:2])
    if not is_date(year, int(digits[2:4]), int(digits[4:6])):
        return False
    if year >= 2020:
        return True
    return (11 - _weighted(digits, (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)) % 11) % 10 == int(digits[12])


def za_person(digits: str) -> bool:
    """The South African identity: a date, a citizenship digit, Luhn."""
    if not _digits(digits, 13) or digits[10] not in "01" or not luhn(digits):
        return False
    return is_date(2000 + int(digits[:2]), int(digits[2:4]), int(digits[4:6]))


def mx_curp(text: str) -> bool:
    """The Mexican CURP: eighteen characters, the last one a check digit."""
    alphabet = "0123456789ABCDEFGHIJKLMNÑOPQRSTUVWXYZ"
    if len(text) != 18 or any(c not in alphabet for c in text) or not text[17].isdigit():
        return False
    total = sum(alphabet.index(c) * (18 - place) for place, c in enumerate(text[:17]))
    return (10 - total % 10) % 10 == int(text[17])

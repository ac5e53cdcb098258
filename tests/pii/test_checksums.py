"""Check digits: each against numbers that its issuer publishes, and against what one wrong digit does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bump_edge.pii import checksums

DIGITS = "0123456789"


def luhn_by_definition(digits: str) -> bool:
    total = 0
    for place, c in enumerate(digits[::-1]):
        doubled = int(c) * 2 if place % 2 else int(c)
        total += sum(int(d) for d in str(doubled))
    return total % 10 == 0


@given(st.text(alphabet=DIGITS, min_size=2, max_size=30))
def test_luhn_is_its_definition(digits: str) -> None:
    assert checksums.luhn(digits) == luhn_by_definition(digits)


@given(st.text(alphabet=DIGITS, min_size=3, max_size=20), st.data())
def test_luhn_and_verhoeff_catch_every_single_wrong_digit(body: str, data: st.DataObject) -> None:
    for check in (checksums.luhn, checksums.verhoeff):
        (whole,) = [body + c for c in DIGITS if check(body + c)]
        place = data.draw(st.integers(0, len(whole) - 1))
        wrong = data.draw(st.sampled_from(DIGITS.replace(whole[place], "")))
        assert not check(whole[:place] + wrong + whole[place + 1 :])


@given(st.text(alphabet=DIGITS, min_size=2, max_size=20), st.data())
def test_verhoeff_catches_every_swap_of_neighbours(body: str, data: st.DataObject) -> None:
    (whole,) = [body + c for c in DIGITS if checksums.verhoeff(body + c)]
    at = data.draw(st.integers(0, len(whole) - 2))
    swapped = whole[:at] + whole[at + 1] + whole[at] + whole[at + 2 :]
    assert checksums.verhoeff(swapped) == (swapped == whole)


@given(st.text(alphabet=DIGITS + "ABCXYZ", min_size=18, max_size=18), st.data())
def test_iban_has_one_pair_of_check_digits_and_catches_one_wrong_character(body: str, data: st.DataObject) -> None:
    # 02 to 98 are the check digits that ISO 7064 makes
    (whole,) = [w for n in range(2, 99) if checksums.iban(w := f"DE{n:02d}{body}")]
    place = data.draw(st.integers(4, len(whole) - 1))
    same = DIGITS if whole[place] in DIGITS else "ABCXYZ"
    wrong = data.draw(st.sampled_from(same.replace(whole[place], "")))
    assert not checksums.iban(whole[:place] + wrong + whole[place + 1 :])


# Published examples: ISO 13616's registry, card networks' test numbers, the issuers' own specifications.
PUBLISHED = {
    checksums.luhn: ["4111111111111111", "378282246310005", "490154203237518"],
    checksums.iban: ["GB29NWBK60161331926819", "DE89370400440532013000", "FR1420041010050500013M02606",
                     "NO9386011117947"],
    checksums.verhoeff: ["2363", "758722"],
    checksums.uk_nhs: ["9434765919"],
    checksums.de_tax: ["36574261809"],
    checksums.fr_nir: ["295109912611193"],
    checksums.es_dni: ["54362315K", "X2482300W"],
    checksums.it_fiscal: ["RCCMNL83S18D969H"],
    checksums.nl_bsn: ["111222333"],
    checksums.pl_pesel: ["44051401359"],
    checksums.se_person: ["8803200016"],
    checksums.fi_person: ["131052-308T"],
    checksums.be_national: ["85073003328"],
    checksums.br_cpf: ["39053344705"],
    checksums.cn_resident: ["11010519491231002X"],
    checksums.kr_resident: ["9704212016813"],
    checksums.za_person: ["8001015009087"],
    checksums.mx_curp: ["BOXW310820HNERXN09"],
}  # fmt: skip


def test_published_numbers_hold_and_fail_with_another_last_character() -> None:
    for check, numbers in PUBLISHED.items():
        for number in numbers:
            assert check(number), (check.__name__, number)
            others = DIGITS if number[-1] in DIGITS else "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
            passing = [c for c in others if check(number[:-1] + c)]
            assert passing == [number[-1]], (check.__name__, number, passing)


@given(st.text(max_size=25))
def test_no_text_makes_a_check_raise(text: str) -> None:
    for check in [*PUBLISHED, checksums.us_ssn]:
        assert check(text) in (True, False)

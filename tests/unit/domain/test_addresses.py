"""Two web addresses are one however they are spelled, and nothing that is called an address crashes."""

from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onramp.domain.addresses import same_address

OURS: Final = "https://partner.example.com/whatsapp"
PIECES: Final = (
    "https://", "HTTP://", "//", "/", "?", "#", "@", ":", "[", "]", "[::1]", ":443", ":99999", ":x", "..",
    ".", "%2f", "%2F", "%zz", "%", "%ff", "ß", "İ", "xn--", "xn--a-ecp.ru", "a" * 64, "example.com", "\ud800",
    "\udcff", "\x00", "\n", " ", "\\", "²", "℀", "\uff45",
)  # fmt: skip
addresses = st.one_of(
    st.text(),
    st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=8).map("".join),
    st.lists(st.sampled_from(PIECES), max_size=6).map(lambda pieces: "https://" + "".join(pieces)),
)


@settings(max_examples=1_000, deadline=None)
@given(addresses, addresses)
def test_any_two_texts_are_compared(one: str, other: str) -> None:
    assert same_address(one, one)
    assert same_address(one, other) is same_address(other, one)


@settings(max_examples=400, deadline=None)
@given(addresses, addresses, addresses)
def test_what_is_one_with_the_same_is_one(one: str, other: str, third: str) -> None:
    if same_address(one, other) and same_address(other, third):
        assert same_address(one, third)


@pytest.mark.parametrize("half", [0xD800, 0xDCFF, 0xDFFF])
@pytest.mark.parametrize("place", ["https://{}/x", "https://partner.example.com/{}", "https://a/?{}", "{}"])
def test_half_a_character_anywhere_is_just_another_address(place: str, half: int) -> None:
    address = place.format(chr(half))
    assert same_address(address, address)
    assert not same_address(address, OURS)


@pytest.mark.parametrize(
    "spelling",
    [
        OURS,
        "HTTPS://partner.example.com/whatsapp",
        "https://PARTNER.Example.COM/whatsapp",
        "https://partner.example.com:443/whatsapp",
        "https://partner.example.com/%77hatsapp",
        "https://partner.example.com/./whatsapp",
        "https://partner.example.com/x/../whatsapp",
        " https://partner.example.com/whatsapp ",
    ],
)
def test_one_address_in_many_spellings(spelling: str) -> None:
    assert same_address(spelling, OURS)


@pytest.mark.parametrize(
    "other",
    [
        "",
        "http://partner.example.com/whatsapp",
        "https://partner.example.com:8443/whatsapp",
        "https://partner.example.com/WhatsApp",
        "https://partner.example.com/whatsapp/",
        "https://partner.example.com/whatsapp?x=1",
        "https://partner.example.com/",
        "https://elsewhere.example.com/whatsapp",
        "https://partner.example.com.evil.example/whatsapp",
        "https://partner.example.com:port/whatsapp",
        "https://[::1/whatsapp",
        "partner.example.com/whatsapp",
    ],
)
def test_another_address_is_another(other: str) -> None:
    assert not same_address(other, OURS)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://a", "https://a/", True),
        ("http://a:80/", "http://a/", True),
        ("https://a:80/", "https://a/", False),
        ("https://bücher.example/", "https://xn--bcher-kva.example/", True),
        ("https://a/x%2Fy", "https://a/x%2fy", True),
        ("https://a/x%2Fy", "https://a/x/y", False),
        ("https://a/%C3%BC", "https://a/ü", True),
        ("https://a/x?b=1&a=2", "https://a/x?a=2&b=1", False),
        ("https://a/x#part", "https://a/x", True),
        ("https://a/%2e%2e/x", "https://a/x", True),
        ("https://me@a/x", "https://a/x", False),
        ("https://a//x", "https://a/x", False),
        ("https://a./x", "https://a/x", False),
    ],
)
def test_what_counts_and_what_does_not(one: str, other: str, same: bool) -> None:
    assert same_address(one, other) is same

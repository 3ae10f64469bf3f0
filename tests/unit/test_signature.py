"""Any bytes in, yes or no out."""

import hashlib
import hmac
import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from onramp.inbound.signature import MOST_VALUES, is_signed, usable_secrets

SECRETS = ("platform-one", "platform-two")
BODY = b'{"id":"1","event":"channel_live"}'


def signature(body: bytes = BODY, secret: str = SECRETS[0]) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(
    "written",
    [
        str,
        str.upper,
        "sha256={}".format,
        "SHA256={}".format,
        "Sha256={}".format,
        " {} ".format,
        "{}\r\n".format,
    ],
)
def test_a_right_signature_is_taken_however_it_is_written(secret: str, written: type[str]) -> None:
    assert is_signed(BODY, written(signature(secret=secret)), SECRETS)


def test_the_second_of_two_secrets_counts_and_a_retired_one_does_not() -> None:
    assert is_signed(BODY, signature(secret="new"), ("old", "new"))
    assert not is_signed(BODY, signature(secret="old"), ("new",))


@pytest.mark.parametrize(
    "written", ["{},{}", "{}, {}", "{},sha256={}", "other,{1}", "{1},other", ",{1}", "a,b,c,d,{1}", "é,{1}"]
)
def test_of_several_values_of_the_header_each_is_tried(written: str) -> None:
    old = signature(secret="retired")
    assert is_signed(BODY, written.format(old, signature()), SECRETS)
    assert not is_signed(BODY, written.format(old, old), SECRETS)


def test_no_more_than_a_few_values_are_tried() -> None:
    assert not is_signed(BODY, "a," * MOST_VALUES + signature(), SECRETS)


def test_an_empty_body_can_be_signed() -> None:
    assert is_signed(b"", signature(b""), SECRETS)


@pytest.mark.parametrize(
    "given_signature",
    [
        None,
        b"",
        signature().encode(),
        7,
        [signature()],
        "",
        " ",
        "sha256=",
        "sha256=sha256=" + signature(),
        "sha1=" + signature(),
        "sha256= " + signature(),
        signature()[:-1],
        signature() + "0",
        "0x" + signature(),
        signature()[::-1],
        signature().replace("0", "\uff10").replace("1", "\uff11"),
        "\ud800",
        "\x00" * 64,
        "é" * 64,
        signature(b""),
        signature(secret=""),
        signature(secret="other"),
        hashlib.sha256(BODY).hexdigest(),
        hmac.new(SECRETS[0].encode(), BODY, hashlib.sha1).hexdigest(),
    ],
)
def test_everything_else_is_refused(given_signature: object) -> None:
    assert not is_signed(BODY, given_signature, SECRETS)


def test_a_signature_belongs_to_its_bytes() -> None:
    for body in (BODY + b"\n", BODY[:-1], BODY.upper(), b"", BODY.decode().encode("utf-16")):
        assert not is_signed(body, signature(), SECRETS)


def test_without_a_secret_nothing_is_signed() -> None:
    assert not is_signed(BODY, signature(), ())
    assert not is_signed(BODY, signature(secret=""), ("",))
    assert not is_signed(BODY, signature(secret=""), ("", SECRETS[0]))
    assert is_signed(BODY, signature(), ("", SECRETS[0]))


def test_a_secret_may_have_any_characters() -> None:
    secret = "ü\ud800\x00"
    made = hmac.new(secret.encode("utf-8", "surrogatepass"), BODY, hashlib.sha256).hexdigest()
    assert is_signed(BODY, made, (secret,))


def test_every_secret_is_compared_whether_or_not_one_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []

    def counted(given_signature: bytes, expected: bytes) -> bool:
        compared.append(expected)
        return given_signature == expected

    monkeypatch.setattr("onramp.inbound.signature.hmac.compare_digest", counted)
    assert is_signed(BODY, signature(), SECRETS)
    assert not is_signed(BODY, "0" * 64, SECRETS)
    assert len(compared) == 4


def hostile(chance: random.Random) -> tuple[bytes, object]:
    """A body and a signature that does not belong to it, of every sort an attacker may try."""
    body = chance.randbytes(chance.choice([0, 1, 16, 64, 300]))
    right = signature(body, chance.choice(SECRETS))
    index = chance.randrange(64)
    flipped = (
        right[:index]
        + chance.choice([c for c in "0123456789abcdef" if c != right[index]])
        + right[index + 1 :]
    )
    anything = "".join(chr(chance.randrange(0x110000)) for _ in range(chance.randrange(80)))
    return body, chance.choice(
        [
            flipped,
            f"sha256={flipped}",
            right[:index],
            right + chance.choice("0123456789abcdefg \x00é\ud800") + "0",
            right[:index] + chr(chance.randrange(0x80, 0x110000)) + right[index + 1 :],
            chance.randbytes(32).hex(),
            signature(body + b"x"),
            signature(body, "stranger"),
            signature(body, ""),
            right.encode(),
            None,
            chance.randrange(2**256),
            [right],
            anything,
            f"sha256={anything}",
            f"sha256=sha256={right}",
            f"{flipped},{flipped}",
            f"{right[:32]},{right[32:]}",
        ]
    )


def test_ten_thousand_hostile_pairs_are_all_refused() -> None:
    chance = random.Random(360)
    for _ in range(10_000):
        body, given_signature = hostile(chance)
        assert is_signed(body, given_signature, SECRETS) is False, (body, given_signature)


anything = st.one_of(
    st.text(st.characters(exclude_categories=()), max_size=100),
    st.from_regex(r"(sha256=)?[0-9a-fA-F]{64}", fullmatch=True),
    st.binary(max_size=80),
    st.none(),
    st.integers(),
    st.lists(st.text(max_size=5), max_size=3),
)


@settings(max_examples=400, deadline=None)
@example(body=BODY, given_signature="")
@given(body=st.binary(max_size=300), given_signature=anything)
def test_whatever_comes_is_refused_and_never_raises(body: bytes, given_signature: object) -> None:
    assert is_signed(body, given_signature, SECRETS) is False


# --- the configured secrets


@pytest.mark.parametrize(
    ("value", "secrets"), [("one", ("one",)), (["one"], ("one",)), (["one", "two"], ("one", "two"))]
)
def test_secrets_are_a_text_or_a_list_of_texts(value: object, secrets: tuple[str, ...]) -> None:
    assert usable_secrets(value) == secrets


@pytest.mark.parametrize(
    "value",
    [
        "",
        "  ",
        [],
        [""],
        ["one", ""],
        ["one", " \t"],
        ["one", None],
        [7],
        None,
        7,
        {"a": "b"},
        ("one",),
        [["a"]],
    ],
)
def test_an_empty_secret_or_none_is_refused_by_name(value: object) -> None:
    with pytest.raises(ValueError, match="platform_secrets must") as raised:
        usable_secrets(value)
    assert "one" not in str(raised.value)

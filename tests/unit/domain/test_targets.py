"""Which addresses are public, in all their spellings."""

import pytest

from onramp.domain.targets import is_loopback, is_public, read_address

PRIVATE = [
    *("127.0.0.1", "0.1.2.3", "127.8.9.10", "10.0.0.1", "172.16.0.1", "192.168.1.1"),
    *("169.254.169.254", "169.254.170.2", "100.64.0.1", "100.100.100.200", "192.0.0.192", "198.18.0.1"),
    *("192.0.2.1", "203.0.113.7", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
    *("192.88.99.1", "168.63.129.16"),
    *("::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "ff0e::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::8.8.8.8"),
    *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::808:808"),
    *("2002:7f00:1::", "2002:a9fe:a9fe::1", "2002:c0a8:101::1"),
    *("2001::1", "2001:0:53aa:64c:0:fb4e:5601:1", "2001:db8::1", "2001:10::1", "2001:20::1", "3fff::1"),
    *("100::1", "5f00::1", "4000::1", "2606:4700::1%eth0"),
]
PUBLIC = [
    *("8.8.8.8", "93.184.215.14", "52.95.110.1", "100.63.255.255", "100.128.0.1"),
    *(
        "2606:4700:4700::1111",
        "2a00:1450:4001:80b::200e",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
        "2002:808:808::1",
    ),
]


@pytest.mark.parametrize("text", PRIVATE)
def test_what_is_inside_a_network_or_meant_for_something_else_is_not_public(text: str) -> None:
    address = read_address(text)
    assert address is None or not is_public(address)


@pytest.mark.parametrize("text", PUBLIC)
def test_what_the_internet_reaches_is_public(text: str) -> None:
    address = read_address(text)
    assert address is not None
    assert is_public(address)


@pytest.mark.parametrize("text", ["localhost", "2130706433", "0x7f.1", "127.1", "", "1.2.3.4.5"])
def test_only_an_address_as_a_resolver_gives_it_is_read(text: str) -> None:
    assert read_address(text) is None


@pytest.mark.parametrize(
    ("text", "mine"), [("127.0.0.1", True), ("::1", True), ("::ffff:127.0.0.1", True), ("10.0.0.1", False)]
)
def test_this_machine_is_known(text: str, mine: bool) -> None:
    address = read_address(text)
    assert address is not None
    assert is_loopback(address) is mine

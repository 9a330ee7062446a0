import pytest

from e2e3d.errors import InputError
from e2e3d.service.webhooks.addresses import AddressGuard, parse_networks, target_of

PUBLIC = ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "2a00:1450:4001:82a::200e", "::ffff:8.8.8.8"]
PRIVATE = [
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:a9fe:a9fe",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "2001:0:1::",
    "2001:db8::1",
    "2002:7f00:1::",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "not an address",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_may_be_called(address: str) -> None:
    assert AddressGuard().may_call(address)


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_of_no_public_network_are_refused(address: str) -> None:
    assert not AddressGuard().may_call(address)


def test_an_allowed_network_may_be_called_and_its_neighbours_not() -> None:
    guard = AddressGuard(parse_networks(["10.1.0.0/16", "fd00::/64"]))
    assert guard.may_call("10.1.2.3")
    assert guard.may_call("::ffff:10.1.2.3")
    assert guard.may_call("fd00::5")
    assert not guard.may_call("10.2.0.1")
    assert not guard.may_call("127.0.0.1")


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f.1", "0177.0.0.1", "localhost", "::1"])
def test_other_spellings_of_this_machine_are_refused(host: str) -> None:
    with pytest.raises(InputError) as caught:
        AddressGuard().addresses(host, 80)
    assert caught.value.code == "webhook-address-refused"


def test_one_private_address_among_public_ones_refuses_the_name() -> None:
    guard = AddressGuard(resolve=lambda host, port: ("8.8.8.8", "10.0.0.1"))
    with pytest.raises(InputError):
        guard.addresses("mixed.example", 443)


def test_an_unknown_name_is_refused_in_the_same_words_as_a_private_one() -> None:
    def unknown(host: str, port: int) -> tuple[str, ...]:
        raise OSError("Name or service not known")

    said = []
    for resolve in (unknown, lambda host, port: ("10.0.0.1",)):
        with pytest.raises(InputError) as caught:
            AddressGuard(resolve=resolve).addresses("inside.example", 443)
        said.append(str(caught.value))
    assert said[0] == said[1]


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://example.com/hook?a=b", ("example.com", 443)),
        ("http://example.com", ("example.com", 80)),
        ("https://example.com:8443/", ("example.com", 8443)),
        ("http://[::1]:9/", ("::1", 9)),
    ],
)
def test_host_and_port_of_a_url(url: str, target: tuple[str, int]) -> None:
    assert target_of(url) == target


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com/hook",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "http:///hook",
        "http://user:password@example.com/",
        "http://good.example@10.0.0.1/",
        "http://example.com:0/",
        "http://example.com:99999/",
        "http://example.com/a b",
        "http://example.com/\r\nX-Header: 1",
        "http://exämple.com/",
        "http://example.com/" + "a" * 2048,
        "http://[::1/",
    ],
)
def test_urls_that_cannot_be_webhooks(url: str) -> None:
    with pytest.raises(InputError) as caught:
        target_of(url)
    assert caught.value.code == "webhook-url"

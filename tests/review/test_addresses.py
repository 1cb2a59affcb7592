"""To which names a server of a review answers, and where it listens."""

import re
import socket
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from seedstep.errors import InputError
from seedstep.review.app import address_of, free_socket, make_app
from seedstep.review.pages import answers_to
from seedstep.runs.reviews import Review
from support.reviewing import an_item, make


@pytest.fixture
def path(tmp_path: Path) -> Path:
    items = [an_item(number, shared=number < 3) for number in range(9)]
    return make(tmp_path / "review", items)


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_a_server_for_other_machines_answers_to_numbers_and_its_own_name(
    path: Path, host: str
) -> None:
    """A page whose name is resolved to this machine sends that name, and is refused."""
    with Review.open(path, write=True) as review:
        app = make_app(review, host, 8090)
        page = f"/{review.tokens['ann']}/list"
        client = TestClient(app, base_url="http://10.1.2.3:8090", follow_redirects=False)
        own = socket.gethostname()
        for good in ("10.1.2.3", "192.168.7.8", "[2001:db8::7]", "localhost", own, own.upper()):
            reply = client.get(page, headers={"Host": f"{good}:8090"})
            assert reply.status_code == 200, good
            origin = {"Host": f"{good}:8090", "Origin": f"http://{good}:8090"}
            assert client.get(page, headers=origin).status_code == 200, good
        bad = ("evil.example", "10.1.2.3.evil.example", "0x7f000001", "10.1.2", "10.1.2.3@evil", "")
        for name in bad:
            assert client.get(page, headers={"Host": f"{name}:8090"}).status_code == 421, name
        for port in ("", ":80", ":8091", ":080900", ":8090:8090"):
            assert client.get(page, headers={"Host": f"10.1.2.3{port}"}).status_code == 421, port
        origin = {"Host": "10.1.2.3:8090", "Origin": "http://10.1.2.4:8090"}
        assert client.get(page, headers=origin).status_code == 403


@pytest.mark.parametrize(
    "host, port, given, answered",
    [
        ("192.168.7.8", 8090, "192.168.7.8:8090", True),
        ("192.168.7.8", 8090, "192.168.7.9:8090", False),
        ("192.168.7.8", 8090, "localhost:8090", False),
        ("fe80::1", 8090, "[fe80::1]:8090", True),
        ("fe80::1", 8090, "[::1]:8090", False),
        ("127.0.0.1", 80, "127.0.0.1", True),
        ("127.0.0.1", 80, "localhost:80", True),
        ("127.0.0.1", 8090, "10.1.2.3:8090", False),
    ],
)
def test_which_names_a_server_answers_to(host: str, port: int, given: str, answered: bool) -> None:
    assert answers_to(host, port)(given) is answered


def test_the_address_for_other_machines_is_none_that_they_can_not_use() -> None:
    address = address_of("0.0.0.0", 8090, "secret")
    assert re.fullmatch(r"http://[^/]+:8090/secret/", address)
    assert "0.0.0.0" not in address
    assert answers_to("0.0.0.0", 8090)(address.split("/")[2])


@pytest.mark.parametrize(
    "host, port, told",
    [
        ("", 0, "--host names no address"),
        ("127.0.0.1", 99_999, "port must be 0-65535"),
        ("127.0.0.1", -1, "port must be 0-65535"),
        ("a..b", 0, "can't listen on a..b"),
        ("no\0name", 0, "can't listen on"),
        ("192.0.2.1", 0, "can't listen on 192.0.2.1"),
        ("zz::1", 0, "can't listen on zz::1"),
    ],
)
def test_an_address_that_is_none_is_one_line(host: str, port: int, told: str) -> None:
    with pytest.raises(InputError, match=told) as raised:
        free_socket(host, port)
    assert len(str(raised.value).splitlines()) == 1

"""What decides where a request goes: its address, and the proxy of the environment. Never netrc."""

from pathlib import Path

import pytest

from seedstep.errors import DeniedError, InputError
from seedstep.llm import Endpoint, Engine, MemoryLedger, Reply
from seedstep.llm.addresses import is_loopback_host, server_address
from seedstep.llm.exchange import exchange
from seedstep.tune.openai_jobs import FineTuningApi
from support.asking import asked
from support.scripted_server import ScriptedServer

pytestmark = pytest.mark.usefixtures("no_backoff")

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
DEAD = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A netrc whose password is for every host."""
    text = "machine api.test login me password p4ssw0rd\ndefault login me password p4ssw0rd\n"
    (tmp_path / ".netrc").write_text(text)
    (tmp_path / "other").write_text(text)
    for path in (tmp_path / ".netrc", tmp_path / "other"):
        path.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "other"))


async def _ask(url: str, key: str = "") -> None:
    async with Engine(Endpoint("openai:test", "m", url, key), MemoryLedger(), 1) as engine:
        assert isinstance(await engine.ask(asked("a")), Reply)


@pytest.mark.usefixtures("netrc")
@pytest.mark.parametrize("key", ["", "sk-a-key-of-the-user"])
@pytest.mark.parametrize("host", ["api.test", "127.0.0.1"])
async def test_no_password_of_netrc_is_read(
    host: str, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ScriptedServer() as server:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.port}")
        await _ask(f"http://{host}:{server.port}/v1", key)
        (headers,) = server.headers
    assert headers.get("Authorization") == (f"Bearer {key}" if key else None)
    assert "Proxy-Authorization" not in headers


@pytest.mark.usefixtures("netrc")
async def test_a_fine_tuning_server_gets_no_password_of_netrc(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with ScriptedServer() as server:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.port}")
        endpoint = Endpoint("openai:test", "m", "http://api.test/v1", "sk-key")
        async with FineTuningApi.opened(endpoint) as api:
            await exchange(api.session, endpoint, "POST", "completions", b'{"prompt": "a"}')
        (headers,) = server.headers
    assert headers["Authorization"] == "Bearer sk-key"


@pytest.mark.parametrize(
    ("named", "credentials"),
    [
        ("http://127.0.0.1:{port}", None),
        ("127.0.0.1:{port}", None),
        ("http://me:p4ss@127.0.0.1:{port}", "Basic bWU6cDRzcw=="),
    ],
)
async def test_the_proxy_of_the_environment_is_used(
    named: str, credentials: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ScriptedServer() as server:
        monkeypatch.setenv("http_proxy", named.format(port=server.port))
        await _ask("http://api.test/v1", "sk-key")
        (headers,) = server.headers
    assert headers["Host"] == "api.test"
    assert headers["Authorization"] == "Bearer sk-key"
    assert headers.get("Proxy-Authorization") == credentials


async def test_no_proxy_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", DEAD)
    monkeypatch.setenv("no_proxy", "api.test,127.0.0.1.nip.test")
    engine = Engine(Endpoint("openai:test", "m", "http://api.test/v1"), MemoryLedger(), 1)
    async with engine:
        assert engine._wire.session._default_proxy is None  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "named", ["socks5://me:p4ssw0rd@h:1", "http://", "http://h:99999", "ftp://h"]
)
async def test_a_proxy_that_can_not_be_used_is_named_without_its_password(
    named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", named)
    with pytest.raises(InputError, match="http_proxy") as caught:
        await _ask("http://api.test/v1")
    assert "p4ssw0rd" not in str(caught.value)


LOOPBACK = (
    "localhost", "localhost.", "LOCALHOST", "api.localhost", "localhost.localdomain", "127.0.0.1",
    "127.0.0.1.", "127.0.0.2", "127.255.255.254", "127.1", "2130706433", "0x7f.1", "0177.0.0.1",
    "0.0.0.0", "0", "::1", "::", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1", "::ffff:7f00:2",
    "::ffff:0.0.0.0", "::1%lo",
)  # fmt: skip
ELSEWHERE = (
    "128.0.0.1", "126.255.255.255", "10.0.0.1", "1.0.0.127", "localhost.com", "notlocalhost",
    "127.0.0.1.example.org", "::2", "::ffff:10.0.0.1", "fe80::1", "localhost.example", "",
)  # fmt: skip


@pytest.mark.parametrize("host", LOOPBACK)
def test_an_address_of_this_machine(host: str) -> None:
    assert is_loopback_host(host)
    url = f"http://[{host.replace('%', '%25')}]:1/v1" if ":" in host else f"http://{host}:1/v1"
    assert Endpoint("", "", server_address(url)).is_loopback


@pytest.mark.parametrize("host", ELSEWHERE)
def test_an_address_elsewhere(host: str) -> None:
    assert not is_loopback_host(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", "[::ffff:127.0.0.1]"])
async def test_no_proxy_stands_before_this_machine(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, DEAD)
    with ScriptedServer() as server:
        await _ask(f"http://{host}:{server.port}/v1")
        assert server.requests == 1


async def test_an_address_that_can_not_be_asked_ends_the_run_at_once() -> None:
    with pytest.raises(DeniedError, match=r"127\.1 - is not a canonical IPv4 address"):
        await _ask("http://127.1:9/v1")


@pytest.mark.parametrize(
    "url",
    [
        "http://a..b/v1", "http://.a/v1", "http://a.b../v1", f"http://{'a' * 64}.org/v1",
        "http://é..x/v1", "http://a b/v1", "http://a\tb/v1", "http://a\x00b/v1", "http://\ud800/v1",
        "http://[::1/v1", "http://h:99999/v1", "http://h:0/v1", "http:///v1", "h/v1", "ftp://h/v1",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="is not an address"):
        server_address(url)

"""One function alone: what is missing is said in one sentence, and containers reach the stack's loopback by doors."""

import asyncio
import contextlib
import ipaddress
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local import deployment, invoke
from local.configuration import ROOT, Configuration, StageFailed
from local.invoke import Bridge, door

SAMPLE = ROOT / "events" / "read-drop.json"
# This machine in place of Docker's bridge, so that the tests need no Docker and listen on loopback alone.
HERE = Bridge("127.0.0.1", ipaddress.IPv4Network("127.0.0.0/8"))
STRANGERS = Bridge("127.0.0.1", ipaddress.IPv4Network("192.0.2.0/24"))
DOCKERS_OWN = {"Subnet": "172.17.0.0/16", "Gateway": "172.17.0.1"}


@pytest.fixture
def configuration(tmp_path: Path) -> Configuration:
    return Configuration.of({"STATE_DIR": str(tmp_path / "state")})


@pytest.fixture
def docker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Put a program ``docker`` that runs ``script`` in place of every other program."""

    def put(script: str) -> None:
        program = tmp_path / "bin" / "docker"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(program.parent))

    return put


def run_alone(configuration: Configuration, function: str = "ReadDrop", event: Path = SAMPLE) -> int:
    return invoke.run_alone(configuration, function, event, skip_pull_image=True)


def test_an_unknown_function_is_answered_with_the_names_there_are(configuration: Configuration) -> None:
    with pytest.raises(
        StageFailed, match=r"There is no function Nobody; there are Api, BeginJob, .*, VerifyDatablocks"
    ):
        run_alone(configuration, "Nobody")


def test_a_missing_event_file_is_answered_with_the_samples_there_are(configuration: Configuration) -> None:
    with pytest.raises(StageFailed, match=r"no event file nowhere\.json; samples are .*, events/read-drop\.json,"):
        run_alone(configuration, event=Path("nowhere.json"))


def test_a_machine_without_docker_is_told_so(
    configuration: Configuration, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StageFailed, match="Docker is not installed"):
        run_alone(configuration)


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo 'Is the docker daemon running?' >&2; exit 1", "Docker does not answer: Is the docker daemon running?"),
        ("exit 1", "Docker does not answer: no reason given"),
    ],
)
def test_a_docker_that_does_not_run_is_told_with_its_reason(
    configuration: Configuration, docker: Callable[[str], None], script: str, told: str
) -> None:
    docker(script)
    with pytest.raises(StageFailed) as failure:
        run_alone(configuration)
    assert str(failure.value) == told


def test_a_stack_that_is_not_up_is_told_with_the_remedy(
    configuration: Configuration, docker: Callable[[str], None]
) -> None:
    docker(f"echo '{json.dumps([{'IPAM': {'Config': [DOCKERS_OWN]}}])}'")
    with pytest.raises(StageFailed, match="The stack is not up: `make up`"):
        run_alone(configuration)


@pytest.mark.parametrize(
    ("networks", "gateway"),
    [
        ([DOCKERS_OWN], "172.17.0.1"),
        ([{"Subnet": "172.17.0.0/16"}], "172.17.0.1"),
        ([{"Subnet": "fd00::/64", "Gateway": "fd00::1"}, {"Subnet": "10.9.0.0/24", "Gateway": "10.9.0.5"}], "10.9.0.5"),
    ],
)
def test_the_bridge_is_what_docker_says_it_is(networks: list[dict[str, Any]], gateway: str) -> None:
    bridge = Bridge.of_description({"IPAM": {"Config": networks}})
    assert bridge.gateway == gateway
    assert ipaddress.ip_address(gateway) in bridge.containers


def test_the_template_for_one_function_declares_where_aws_is_and_is_else_the_built_one(
    configuration: Configuration,
) -> None:
    built = {"Globals": {"Function": {"Environment": {"Variables": {"LANES": "8"}}}}, "Resources": {}}
    folder = deployment.build_folder(configuration)
    folder.mkdir(parents=True)
    (folder / "template.yaml").write_text(json.dumps(built))

    template = json.loads(invoke._template(configuration).read_text())

    variables = template["Globals"]["Function"]["Environment"]["Variables"]
    assert variables == {"LANES": "8", "AWS_ENDPOINT_URL": ""}
    assert template["Resources"] == {}


@pytest.mark.parametrize("address", ["", "https://scicat.example.org/base", "http://192.0.2.7:9000"])
def test_a_service_that_is_not_on_this_machines_loopback_needs_no_door(address: str) -> None:
    async def through() -> str:
        async with door(address, HERE) as opened:
            return opened

    assert asyncio.run(through()) == address


async def _ask(address: str) -> bytes:
    """Send a line to the service at ``address`` and read until it hangs up, politely or not."""
    host, _, port = address.removeprefix("http://").removesuffix("/base").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"ping\n")
    with contextlib.closing(writer), contextlib.suppress(ConnectionResetError):
        return await reader.read()
    return b""


async def _through_a_door(bridge: Bridge) -> tuple[str, bytes]:
    """What a service that answers in capitals says through a door, and the address of that door."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.readline()).upper())
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as service:
        port = service.sockets[0].getsockname()[1]
        async with door(f"http://localhost:{port}/base", bridge) as opened:
            assert opened != f"http://127.0.0.1:{port}/base"
            return opened, await _ask(opened)


def test_a_container_reaches_a_service_on_loopback_through_a_door_of_another_port() -> None:
    opened, answer = asyncio.run(_through_a_door(HERE))
    assert opened.startswith("http://127.0.0.1:")
    assert opened.endswith("/base")
    assert answer == b"PING\n"


def test_nobody_but_a_container_comes_through_a_door() -> None:
    assert asyncio.run(_through_a_door(STRANGERS))[1] == b""


def test_a_service_that_does_not_answer_hangs_up_on_the_container() -> None:
    async def ask() -> bytes:
        async with door("http://localhost:9", HERE) as opened:
            return await _ask(opened)

    assert asyncio.run(ask()) == b""


def test_a_bridge_that_is_not_on_this_machine_is_told() -> None:
    async def through() -> None:
        async with door("http://localhost:4566", Bridge("192.0.2.1", ipaddress.IPv4Network("192.0.2.0/24"))):
            pass

    with pytest.raises(StageFailed, match=r"bridge 192\.0\.2\.1 is not an address of this machine"):
        asyncio.run(through())


def test_the_function_gets_the_deployed_settings_with_doors_in_place_of_loopback_addresses(
    configuration: Configuration, capfd: pytest.CaptureFixture[str]
) -> None:
    (configuration.state / "sam").mkdir(parents=True)
    settings = {
        "LANES": "8",
        "PUBLIC_API_URL": "http://localhost:4566/api/v1",
        "AWS_ENDPOINT_URL": "http://localhost:4566",
        "SCICAT_URL": "https://scicat.example.org",
        "LTS_ENDPOINT_URL": "",
    }
    # In place of SAM: a program that shows the file after --env-vars.
    command = ["sh", "-c", 'cat "$2"; exit 3', "sam"]

    code = asyncio.run(invoke._invoke(configuration, command, settings, HERE))

    given = json.loads(capfd.readouterr().out)["Parameters"]
    assert code == 3
    assert given.pop("AWS_ENDPOINT_URL").startswith("http://127.0.0.1:")
    assert given.items() <= settings.items()
    assert given.keys() == settings.keys() - {"AWS_ENDPOINT_URL"}

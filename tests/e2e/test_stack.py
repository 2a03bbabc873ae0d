"""The local stack itself: what a second start does, how changes become live, how failures read."""

import contextlib
import json
import socket
import stat
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from local.configuration import Configuration
from local.deployment import Deployed
from local.executor.process_executor.process_tree import descendants
from local.processes.services import Register
from tests.e2e.conftest import RunningStack, run_local, settings_of_its_own
from tests.support.state_machines import definitions

LOOPBACK = "0100007F"  # 127.0.0.1 in /proc/net/tcp


def test_endpoints_file_names_everything_and_is_private(stack: RunningStack) -> None:
    file = stack.configuration.endpoints_file
    body = json.loads(file.read_text())

    assert set(body) == {"aws", "api", "docs", "scicat", "lts", "buckets", "stateMachines", "logs", "accounts"}
    assert set(body["buckets"]) == {"landing", "staging", "retrieval", "lts"}
    assert set(body["stateMachines"]) == set(definitions())
    assert set(body["accounts"]) == {"admin", "archiver", "jobcreator", "user1", "user2"}
    assert body["lts"] == stack.configuration.lts_url
    assert body["buckets"]["lts"] == stack.configuration.lts_bucket
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_api_answers_at_its_address(stack: RunningStack) -> None:
    with urllib.request.urlopen(stack.endpoints.docs) as answer:
        assert answer.status == 200


def test_nothing_listens_beyond_this_machine(stack: RunningStack) -> None:
    services = Register(stack.configuration.state).all()
    ours = {pid for service in services for pid in (service.pid, *descendants(service.pid))}
    sockets = {link for pid in ours for link in _links(Path(f"/proc/{pid}/fd"))}

    listening = {line.split()[1] for line in _tcp_sockets() if f"socket:[{line.split()[9]}]" in sockets}
    assert {int(address.rpartition(":")[2], 16) for address in listening} >= {service.port for service in services}
    assert {address.rpartition(":")[0] for address in listening} == {LOOPBACK}


def test_second_up_changes_nothing(stack: RunningStack) -> None:
    services = Register(stack.configuration.state).all()
    again = stack.command("up")

    assert again.returncode == 0, again.stdout
    assert "nothing changed" in again.stdout
    assert Register(stack.configuration.state).all() == services


def test_status_says_what_runs(stack: RunningStack) -> None:
    status = stack.command("status")

    assert status.returncode == 0
    assert status.stdout.count("runs") == 3


def test_up_with_other_settings_is_refused_in_one_line(stack: RunningStack) -> None:
    refused = run_local(stack.environment | {"STRICT": "0"}, "up")

    assert refused.returncode == 1
    assert refused.stdout.splitlines()[-1] == "LocalStack runs with other settings: `make down` first"


def test_reloaded_layer_and_workflow_are_live(stack: RunningStack) -> None:
    deployed = Deployed.read(stack.configuration)
    assert deployed
    workflow = stack.clients.stepfunctions.describe_state_machine(
        stateMachineArn=stack.endpoints.stateMachines["ingest"]
    )
    _forget(stack.configuration, layer="older", workflows=deployed.sources.workflows | {"Ingest": "older"})

    reloaded = stack.command("reload")

    assert reloaded.returncode == 0, reloaded.stdout
    assert "workflow Ingest" in reloaded.stdout
    assert "layer, in every function" in reloaded.stdout
    again = stack.clients.stepfunctions.describe_state_machine(stateMachineArn=stack.endpoints.stateMachines["ingest"])
    assert json.loads(again["definition"]) == json.loads(workflow["definition"])
    assert Deployed.read(stack.configuration) == deployed
    with urllib.request.urlopen(stack.endpoints.docs) as answer:
        assert answer.status == 200


def test_one_function_is_reloaded_by_its_name(stack: RunningStack) -> None:
    assert "function ReadDrop" in stack.command("reload", "ReadDrop").stdout

    unknown = stack.command("reload", "NoSuchFunction")
    assert unknown.returncode == 1
    assert unknown.stdout.startswith("There is no function NoSuchFunction; there are ")


def test_taken_port_ends_in_one_line_that_names_the_variable(tmp_path: Path) -> None:
    environment = settings_of_its_own(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(environment["LOCALSTACK_PORT"])))
        taken.listen()
        refused = run_local(environment, "up")

    assert refused.returncode == 1
    assert refused.stdout == (
        f"Port {environment['LOCALSTACK_PORT']} (LocalStack) is taken by another program: "
        "choose another port with LOCALSTACK_PORT=…, or stop what listens there\n"
    )


def _tcp_sockets() -> list[str]:
    """The listening TCP sockets of this machine, as proc(5) writes them."""
    tables = [Path(f"/proc/net/{name}").read_text() for name in ("tcp", "tcp6")]
    return [line for table in tables for line in table.splitlines()[1:] if line.split()[3] == "0A"]


def _links(folder: Path) -> Iterator[str]:
    with contextlib.suppress(FileNotFoundError):  # closed, or its process ended, while we looked
        for link in folder.iterdir():
            yield str(link.readlink())


def _forget(configuration: Configuration, **changed: object) -> None:
    """Make the record of the last deployment say that these sources were others."""
    file = configuration.state / "deployed.json"
    body = json.loads(file.read_text())
    body["sources"] |= changed
    file.write_text(json.dumps(body))

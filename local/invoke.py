"""One function alone, in AWS's own runtime image: ``sam local invoke`` with the settings of the running stack.

SAM starts its containers on Docker's bridge network (``--docker-network host`` changes nothing), from where the
stack, which listens on loopback alone, is out of reach. So the stack's ports are joined with those of the container
by sockets beside the function's code (``local.ports``), and every address holds there as it is.
"""

import asyncio
import contextlib
import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console

from local import deployment
from local.accounts import write_private
from local.configuration import ROOT, Configuration, StageFailed, venv
from local.deployment import Aws, Deployed
from local.processes import ports
from local.processes.services import Register
from local.progress import Progress
from local.sources import LAYER, Sources

# The settings that are addresses of services. boto3 reads the first one, which the executor sets on the local stack.
_ADDRESSES = ("AWS_ENDPOINT_URL", "SCICAT_URL", "LTS_ENDPOINT_URL")
_LOOPBACK = {"localhost", "127.0.0.1"}
# What the container starts in place of the function, which it then is.
_ENTRY = """from pathlib import Path

import ports

ports.open_in_container(Path(__file__).parent)

from app import handler
"""


def run_alone(configuration: Configuration, function: str, event: Path, *, skip_pull_image: bool) -> int:
    """Run ``function`` as it is in the working tree on ``event``; SAM's exit code.

    The function's answer goes to standard output, its log to standard error. With ``skip_pull_image`` the
    runtime image must be here already. Raises StageFailed.
    """
    sources = Sources.read()
    _check(sources, function, event)
    _check_docker()
    settings = _deployed_settings(configuration, function)
    with Progress(Console(stderr=True, highlight=False)).stage("sam build") as outcome:
        outcome.note("functions and layer" if deployment.build(configuration, sources) else "nothing changed")
    with tempfile.TemporaryDirectory(prefix="invoke-", dir=configuration.state / "sam") as folder:
        command = [str(venv("sam") / "bin" / "sam"), "local", "invoke", function, "--event", str(event.resolve())]
        command += _options(configuration, function, settings, Path(folder))
        command += ["--skip-pull-image"] if skip_pull_image else []
        return asyncio.run(_invoke(configuration, command, local_ports(settings), Path(folder) / "code"))


def _check(sources: Sources, function: str, event: Path) -> None:
    if function not in sources.functions:
        raise StageFailed(f"There is no function {function}; there are {', '.join(sources.functions)}")
    if not event.is_file():
        samples = ", ".join(f"events/{sample.name}" for sample in sorted((ROOT / "events").glob("*.json")))
        raise StageFailed(f"There is no event file {event}; samples are {samples}")


def _check_docker() -> None:
    try:
        asked = subprocess.run(["docker", "version"], capture_output=True, check=False)
    except FileNotFoundError:
        raise StageFailed("Docker is not installed; of all commands only this one needs it") from None
    if asked.returncode:
        reason = asked.stderr.decode(errors="replace").strip().splitlines()
        raise StageFailed(f"Docker does not answer: {reason[-1] if reason else 'no reason given'}")


def _deployed_settings(configuration: Configuration, function: str) -> dict[str, str]:
    """The environment that the function has on the running stack, and where its AWS is."""
    if Deployed.read(configuration) is None or Register(configuration.state).find("LocalStack") is None:
        raise StageFailed("The stack is not up: `make up`")
    name = deployment.physical_ids(configuration).get(function)
    if name is None:
        raise StageFailed(f"{function} is not deployed yet: `make up`")
    variables = Aws(configuration).functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    return {**variables, "AWS_ENDPOINT_URL": configuration.aws_url}


def local_ports(settings: dict[str, str]) -> set[int]:
    """The ports of this machine's loopback on which services listen that the function needs."""
    addresses = [urlsplit(settings[name]) for name in _ADDRESSES]
    return {address.port or 80 for address in addresses if address.hostname in _LOOPBACK}


def _options(configuration: Configuration, function: str, settings: dict[str, str], folder: Path) -> list[str]:
    """Put the function's code, the template and the settings for SAM into ``folder``; the options that name them."""
    built = deployment.build_folder(configuration)
    code = folder / "code"
    shutil.copytree(built / function, code)
    shutil.copy(ports.__file__, code / "ports.py")
    (code / "entry.py").write_text(_ENTRY)
    template = deployment.built_template(configuration)
    resources = template["Resources"]
    resources[function]["Properties"] |= {"CodeUri": str(code), "Handler": "entry.handler"}
    resources[LAYER]["Properties"]["ContentUri"] = str(built / LAYER)
    # SAM gives a container those variables only that the template declares.
    template["Globals"]["Function"]["Environment"]["Variables"]["AWS_ENDPOINT_URL"] = ""
    # JSON is YAML.
    (folder / "template.yaml").write_text(json.dumps(template))
    write_private(folder / "settings.json", {"Parameters": settings})
    return ["--template-file", str(folder / "template.yaml"), "--env-vars", str(folder / "settings.json")]


async def _invoke(configuration: Configuration, command: list[str], shared: set[int], code: Path) -> int:
    async with contextlib.AsyncExitStack() as joined:
        try:
            for port in shared:
                await joined.enter_async_context(ports.shared(port, code))
        except OSError as error:
            raise StageFailed(
                f"The container cannot be joined with the stack: {error}; try a shorter STATE_DIR"
            ) from None
        sam = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=deployment.sam_environment(configuration))
        return await sam.wait()

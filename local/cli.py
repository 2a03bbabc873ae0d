"""The command ``python -m local``: up, demo, down, status, reload, sweep, invoke, logs, environments."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from local import environments as venvs
from local import sweeping
from local.configuration import Configuration, StageFailed
from local.demo import round_trip as demonstration
from local.deployment import Aws
from local.endpoints import Endpoints
from local.invoke import run_alone
from local.reload import reload as reload_stack
from local.stack import Stack

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="The one-machine stack.",
)
console = Console(highlight=False)


def main() -> None:
    """Run the command; what fails ends in one line and exit code 1."""
    try:
        app()
    except ResponseParserError:
        _end(f"{Configuration.of().aws_url} is another program's: LOCALSTACK_PORT says where LocalStack listens")
    except StageFailed as failure:
        _end(str(failure))
    except (BotoCoreError, ClientError, OSError) as failure:
        _end(f"{failure}. Logs: {Configuration.of().logs}")


def _end(sentence: str) -> NoReturn:
    """Say why the command did not succeed, in one line."""
    Console(stderr=True, highlight=False).print(f"[red]{escape(sentence)}[/]", soft_wrap=True)
    raise SystemExit(1) from None


@app.command()
def up() -> None:
    """Start the whole service on this machine; what already runs and is unchanged stays as it is."""
    begun = time.monotonic()
    endpoints = Stack.of(Configuration.of(), may_lose=may_lose).up()
    show(endpoints)
    console.print(f"Up after {time.monotonic() - begun:.1f} s.")


@app.command()
def demo() -> None:
    """Start the service, archive real cryo-EM files, retrieve them, compare every byte."""
    configuration = Configuration.of()
    endpoints = Stack.of(configuration, may_lose=may_lose).up()
    raise typer.Exit(demonstration.demo(configuration, endpoints, console))


@app.command()
def down() -> None:
    """Stop everything that `up` started. LocalStack and the mocks forget all they hold; the logs stay."""
    stopped = Stack.of(Configuration.of()).down()
    console.print("Nothing of the stack runs any more." if stopped else "Nothing was running.")


@app.command()
def status() -> None:
    """Say what runs, and where; exit code 1 when not all of it does."""
    stack = Stack.of(Configuration.of())
    services = stack.register.all()
    table = Table("service", "port", "pid", "state", box=None)
    for service in services:
        table.add_row(service.name, str(service.port), str(service.pid), service.condition())
    if not services or not stack.configuration.endpoints_file.is_file():
        console.print("The stack is not up.")
        raise typer.Exit(1)
    console.print(table)
    show(Endpoints.read(stack.configuration.endpoints_file))
    if not all(service.alive() for service in services):
        raise typer.Exit(1)


@app.command()
def reload(function: Annotated[str, typer.Argument(help="Only this function, as the template names it.")] = "") -> None:
    """Make changed functions, the layer and workflows live again, in seconds."""
    begun = time.monotonic()
    for line in reload_stack(Stack.of(Configuration.of()), function):
        console.print(line)
    console.print(f"Live after {time.monotonic() - begun:.1f} s.")


@app.command()
def sweep() -> None:
    """Put right at once what was stopped, lost or never begun; exit code 1 when that failed."""
    configuration = Configuration.of()
    arn = Endpoints.read(configuration.endpoints_file).stateMachines["sweep"]
    client = Aws(configuration).stepfunctions
    execution = client.start_execution(stateMachineArn=arn)["executionArn"]
    while (ended := client.describe_execution(executionArn=execution))["status"] == "RUNNING":
        time.sleep(0.5)
    told = ended["cause"] if ended.get("error") == sweeping.PARTS_NOT_SWEPT else sweeping.told_by(ended.get("output"))
    for line in sweeping.lines(told):
        console.print(line)
    if ended["status"] != "SUCCEEDED":
        failures = sweeping.failures(client.get_execution_history(executionArn=execution, maxResults=1000)["events"])
        raise StageFailed(f"Not all could be swept. {' '.join(failures) or ended.get('error', ended['status'])}")


@app.command()
def invoke(
    function: Annotated[str, typer.Argument(help="As the template names it.")],
    event: Annotated[Path, typer.Argument(help="A JSON file, such as those in events/.")],
    skip_pull_image: Annotated[
        bool, typer.Option("--skip-pull-image", help="Use the runtime image that is already here.")
    ] = False,
) -> None:
    """Run one function in AWS's own runtime image, against the running stack (needs Docker)."""
    raise typer.Exit(run_alone(Configuration.of(), function, event, skip_pull_image=skip_pull_image))


@app.command()
def logs(function: Annotated[str, typer.Argument(help="Part of a function's name.")] = "") -> None:
    """Follow the logs of the functions (Ctrl-C ends it)."""
    folder = Configuration.of().logs / "functions"
    files = sorted(str(file) for file in folder.glob(f"*{function}*.log"))
    if not files:
        raise StageFailed(f"No function{f' like {function}' if function else ''} has written anything to {folder}")
    try:
        subprocess.run(["tail", "--lines=20", "--follow=name", *files], check=False)
    except KeyboardInterrupt:
        return


@app.command()
def environments(
    names: Annotated[list[str] | None, typer.Argument(help="Of: sam, localstack, lambda.")] = None,
) -> None:
    """Make the environments that the stack and the checks need."""
    configuration = Configuration.of()
    for name in names or list(venvs.NAMES):
        if name not in venvs.NAMES:
            raise StageFailed(f"There is no environment {name}; there are {', '.join(venvs.NAMES)}")
        made = venvs.make(name, configuration)
        console.print(f".venv-{name} {'made' if made else 'is up to date'}")


def may_lose(why: str) -> bool:
    """Whether what the stack holds may go: ``ANEW=1`` says so; else whoever sits there is asked."""
    if os.environ.get("ANEW", "") not in {"", "0"}:
        console.print(f"{why}.")
        return True
    return sys.stdin.isatty() and typer.confirm(f"{why}. Go on?")


def show(endpoints: Endpoints) -> None:
    """Print where everything is."""
    lines = {
        "API": endpoints.api,
        "its documentation": endpoints.docs,
        "SciCat": f"{endpoints.scicat}/explorer" if endpoints.accounts else endpoints.scicat,
        "long-term storage": endpoints.lts,
        "AWS": endpoints.aws,
        "drop datasets into": f"s3://{endpoints.buckets['landing']}/incoming/",
        "logs": endpoints.logs,
        "all addresses": str(Configuration.of().endpoints_file),
    }
    for name, address in lines.items():
        console.print(f"  {name:<20}{address}", soft_wrap=True)

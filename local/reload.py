"""Making changed code live on a running stack without a deployment."""

import io
import json
import shutil
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from local import deployment
from local.configuration import ACCOUNT_ID, REGION, ROOT, Configuration, StageFailed
from local.deployment import Aws, Deployed
from local.sources import LAYER, Changes, Sources, folder_name, source_files
from local.stack import Stack

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient


def reload(stack: Stack, function: str = "") -> Iterator[str]:
    """Make what changed live; with ``function``, that one alone, changed or not. Yields what was done.

    Raises StageFailed when the stack is not up.
    """
    configuration = stack.configuration
    deployed = Deployed.read(configuration)
    if deployed is None or stack.register.find("LocalStack") is None:
        raise StageFailed("The stack is not up: `make up`")
    current = Sources.read()
    if function:
        yield from _reload_one(configuration, deployed, current, function)
        return
    changes = Changes.between(deployed.sources, current)
    if changes.everything:
        yield "The template or the dependencies changed: all of it is deployed."
        stack.up()
        return
    yield from _reload_changes(configuration, changes)
    replace(deployed, sources=current).write(configuration)


def _reload_one(configuration: Configuration, deployed: Deployed, current: Sources, function: str) -> Iterator[str]:
    if function not in deployed.sources.functions or function not in current.functions:
        raise StageFailed(f"There is no function {function}; there are {', '.join(deployed.sources.functions)}")
    _update_function(configuration, function, deployment.physical_ids(configuration)[function])
    fingerprints = deployed.sources.functions | {function: current.functions[function]}
    replace(deployed, sources=replace(deployed.sources, functions=fingerprints)).write(configuration)
    yield f"function {function}"


def _reload_changes(configuration: Configuration, changes: Changes) -> Iterator[str]:
    if not (changes.layer or changes.functions or changes.workflows):
        yield "Nothing changed."
        return
    names = deployment.physical_ids(configuration)
    for function in changes.functions:
        _update_function(configuration, function, names[function])
        yield f"function {function}"
    for workflow in changes.workflows:
        _update_workflow(configuration, workflow, names)
        yield f"workflow {workflow}"
    if changes.layer:
        _update_layer(configuration, names)
        yield "layer, in every function"


def _update_function(configuration: Configuration, function: str, physical_name: str) -> None:
    code = ROOT / "functions" / folder_name(function)
    functions = Aws(configuration).functions
    functions.update_function_code(FunctionName=physical_name, ZipFile=zip_of(code))
    _wait_until_live(functions, [physical_name])


def _update_layer(configuration: Configuration, names: dict[str, str]) -> None:
    """Publish the built layer with today's package in it, and give it to every function that uses the layer."""
    built = deployment.build_folder(configuration) / LAYER
    shutil.rmtree(built / "python" / "archiver")
    shutil.copytree(
        ROOT / "layers" / "archiver" / "archiver",
        built / "python" / "archiver",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    functions = Aws(configuration).functions
    layer = functions.publish_layer_version(LayerName=LAYER, Content={"ZipFile": zip_of(built)})
    users = _functions_of(configuration, names)
    for name in users:
        functions.update_function_configuration(FunctionName=name, Layers=[layer["LayerVersionArn"]])
    _wait_until_live(functions, users)


def _wait_until_live(functions: "LambdaClient", names: Iterable[str]) -> None:
    """Lambda changes a function after it has answered, and refuses another change until then."""
    waiter = functions.get_waiter("function_updated_v2")
    for name in names:
        waiter.wait(FunctionName=name, WaiterConfig={"Delay": 1})


def _functions_of(configuration: Configuration, names: dict[str, str]) -> list[str]:
    resources = deployment.built_template(configuration)["Resources"]
    return [names[name] for name, body in resources.items() if body["Type"] == "AWS::Serverless::Function"]


def _update_workflow(configuration: Configuration, workflow: str, names: dict[str, str]) -> None:
    properties = deployment.built_template(configuration)["Resources"][workflow]["Properties"]
    values = {name: resolve(value, names) for name, value in properties["DefinitionSubstitutions"].items()}
    source = (ROOT / "statemachine" / f"{folder_name(workflow)}.asl.json").read_text()
    definition = substitute(source, values)
    Aws(configuration).stepfunctions.update_state_machine(stateMachineArn=names[workflow], definition=definition)


def substitute(source: str, values: dict[str, str]) -> str:
    """Put ``values`` in place of ``${Name}``, as CloudFormation does. Raises KeyError on a name without a value."""

    class Braced(Template):
        # Only ${Name}: JSONPath begins with a dollar sign of its own.
        pattern = r"\$\{(?P<braced>\w+)\}|(?P<escaped>(?!))|(?P<named>(?!))|(?P<invalid>(?!))"  # type: ignore[assignment]

    return Braced(source).substitute(values)


def resolve(value: object, names: dict[str, str]) -> str:
    """The value of ``!Ref X`` and ``!GetAtt X.Arn`` as ``sam build`` writes them; text stays text."""
    match value:
        case str():
            return value
        case {"Ref": name}:
            return names.get(name, "")
        case {"Fn::GetAtt": [name, "Arn"]}:
            is_arn = names[name].startswith("arn:")
            return names[name] if is_arn else f"arn:aws:lambda:{REGION}:{ACCOUNT_ID}:function:{names[name]}"
    raise StageFailed(f"A workflow is substituted with {json.dumps(value)}, which only `make down up` can do")


def zip_of(folder: Path) -> bytes:
    """The files of ``folder`` as a zip, uncompressed: it travels within this machine."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for file in source_files(folder):
            archive.write(file, file.relative_to(folder))
    return buffer.getvalue()

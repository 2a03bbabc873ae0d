"""``sam build`` and ``sam deploy`` against the local stack, and what is deployed there."""

import json
import os
import shutil
import subprocess
import textwrap
import tomllib
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import yaml
from botocore.config import Config
from botocore.exceptions import ClientError

from local.accounts import Accounts, write_private
from local.configuration import (
    ACCESS_KEY_ID,
    REGION,
    ROOT,
    SECRET_ACCESS_KEY,
    STACK_NAME,
    Configuration,
    Login,
    StageFailed,
    aws_environment,
    venv,
)
from local.processes.locks import alone
from local.sources import Sources

if TYPE_CHECKING:
    from types_boto3_apigateway import APIGatewayClient
    from types_boto3_cloudformation import CloudFormationClient
    from types_boto3_lambda import LambdaClient
    from types_boto3_s3 import S3Client
    from types_boto3_secretsmanager import SecretsManagerClient
    from types_boto3_stepfunctions import SFNClient

_CODE_BUCKET = f"{STACK_NAME}-code"
_STAGE = "api"
# Of an error of SAM; its log has the rest.
_SHOWN_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Deployed:
    """What was deployed, where (``localstack`` names the process) and with which parameters."""

    localstack: str
    parameters: str
    sources: Sources

    @classmethod
    def read(cls, configuration: Configuration) -> "Deployed | None":
        """The last deployment that succeeded, if there was one."""
        try:
            body = json.loads(_record(configuration).read_text())
        except FileNotFoundError:
            return None
        return cls(body["localstack"], body["parameters"], Sources(**body["sources"]))

    def write(self, configuration: Configuration) -> None:
        """Remember it."""
        _record(configuration).write_text(json.dumps(asdict(self)))


class Aws:
    """Clients of the stack's LocalStack."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration

    @property
    def cloudformation(self) -> "CloudFormationClient":
        """CloudFormation."""
        client: CloudFormationClient = self._client("cloudformation")
        return client

    @property
    def functions(self) -> "LambdaClient":
        """Lambda."""
        client: LambdaClient = self._client("lambda")
        return client

    @property
    def s3(self) -> "S3Client":
        """S3."""
        client: S3Client = self._client("s3")
        return client

    @property
    def stepfunctions(self) -> "SFNClient":
        """Step Functions."""
        client: SFNClient = self._client("stepfunctions")
        return client

    @property
    def secretsmanager(self) -> "SecretsManagerClient":
        """Secrets Manager."""
        client: SecretsManagerClient = self._client("secretsmanager")
        return client

    @property
    def apigateway(self) -> "APIGatewayClient":
        """API Gateway."""
        client: APIGatewayClient = self._client("apigateway")
        return client

    def _client(self, service: Any) -> Any:  # noqa: ANN401 # boto3 types a client by its literal name
        return boto3.client(
            service,
            endpoint_url=self._configuration.aws_url,
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY_ID,
            aws_secret_access_key=SECRET_ACCESS_KEY,
            config=Config(s3={"addressing_style": "path"}, read_timeout=120, proxies={}),
        )


def build_folder(configuration: Configuration) -> Path:
    """Where ``sam build`` puts the functions, the layer and the template that is deployed."""
    return configuration.state / "sam" / "build"


def built_template(configuration: Configuration) -> dict[str, Any]:
    """The template as ``sam build`` wrote it: intrinsic functions in their long form."""
    body: dict[str, Any] = yaml.safe_load((build_folder(configuration) / "template.yaml").read_text())
    return body


def template_to_deploy(configuration: Configuration, values: dict[str, str]) -> Path:
    """The file of the template that is deployed with these parameters.

    LocalStack 4.14 takes an empty value for none and uses the parameter's default, which therefore must be empty, too
    (``localstack.services.cloudformation.engine.v2.change_set_model_preproc``).
    """
    body, built = built_template(configuration), build_folder(configuration) / "template.yaml"
    emptied = [name for name, value in values.items() if not value and body["Parameters"][name].get("Default")]
    if not emptied:
        return built
    for name in emptied:
        body["Parameters"][name]["Default"] = ""
    file = built.with_name("deployed.yaml")
    file.write_text(yaml.safe_dump(body, sort_keys=False))
    return file


# Parameters that an environment variable may give.
_GIVEN = {
    "DatablockBytes": "DATABLOCK_BYTES",
    "SliceSeconds": "SLICE_SECONDS",
    "DropQuietSeconds": "DROP_QUIET_SECONDS",
    "DropMissingSeconds": "DROP_MISSING_SECONDS",
}


def parameters(configuration: Configuration, accounts: Accounts) -> dict[str, str]:
    """The parameters of the template on this machine. Some may be given by the environment."""
    scicat, jobs = accounts.scicat["archiver"], accounts.scicat["jobcreator"]
    if configuration.scicat:
        scicat, jobs = configuration.scicat.login, configuration.scicat.jobs_login or Login("", "")
    given = {name: os.environ.get(variable) for name, variable in _GIVEN.items()}
    return {
        "StageEnvironment": "local",
        "SciCatUrl": configuration.scicat_url,
        "SciCatUsername": scicat.username,
        "SciCatPassword": scicat.password,
        "SciCatJobsUsername": jobs.username,
        "SciCatJobsPassword": jobs.password,
        "SciCatGroupJobType": configuration.group_job_type,
        "PidPrefix": configuration.pid_prefix,
        "JobApiUsername": accounts.job_api.username,
        "JobApiPassword": accounts.job_api.password,
        "PublicApiUrl": configuration.api_url,
        "LtsEndpointUrl": configuration.lts_url,
        "LtsBucketName": configuration.lts_bucket,
        "LtsAccessKeyId": configuration.lts_login.username,
        "LtsSecretAccessKey": configuration.lts_login.password,
        **{name: value for name, value in given.items() if value},
    }


def parameters_fingerprint(values: dict[str, str]) -> str:
    """Tells one set of parameters from another, without the passwords in it."""
    return sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def build(configuration: Configuration, sources: Sources) -> bool:
    """Run ``sam build`` unless these very ``sources`` are built already; whether it ran. Raises StageFailed."""
    stamp = configuration.state / "sam" / "built.json"
    wanted = json.dumps(asdict(sources))
    if stamp.is_file() and stamp.read_text() == wanted:
        return False
    stamp.unlink(missing_ok=True)
    folder = build_folder(configuration)
    folder.mkdir(parents=True, exist_ok=True)
    options = ["--build-dir", str(folder), "--cache-dir", str(ROOT / ".aws-sam" / "cache"), "--cached", "--parallel"]
    # It keeps what it downloads in `.aws-sam` and does not expect another build there.
    with alone(ROOT / ".aws-sam" / "build.lock"):
        _sam(configuration, "build", options)
    stamp.write_text(wanted)
    return True


def deploy(configuration: Configuration, values: dict[str, str]) -> None:
    """Run ``sam deploy`` with the section ``default`` of samconfig.toml and these parameters. Raises StageFailed."""
    settings = configuration.state / "sam" / "samconfig.yaml"
    # JSON is YAML. A file of our own keeps the passwords off the command line.
    write_private(settings, _samconfig(values))
    Aws(configuration).s3.create_bucket(Bucket=_CODE_BUCKET)
    template = template_to_deploy(configuration, values)
    _sam(configuration, "deploy", ["--template-file", str(template), "--config-file", str(settings)])
    _mend_stage(configuration)


def stack_status(configuration: Configuration) -> str | None:
    """The state of the deployed stack in CloudFormation's words; None when there is none."""
    try:
        stacks = Aws(configuration).cloudformation.describe_stacks(StackName=STACK_NAME)["Stacks"]
    except ClientError:
        return None
    return stacks[0]["StackStatus"]


def outputs(configuration: Configuration) -> dict[str, str]:
    """The outputs of the deployed template."""
    stack = Aws(configuration).cloudformation.describe_stacks(StackName=STACK_NAME)["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


def physical_ids(configuration: Configuration) -> dict[str, str]:
    """What each resource of the template is called in the account, by logical id."""
    pages = Aws(configuration).cloudformation.get_paginator("list_stack_resources").paginate(StackName=STACK_NAME)
    return {
        resource["LogicalResourceId"]: resource["PhysicalResourceId"]
        for page in pages
        for resource in page["StackResourceSummaries"]
        if "PhysicalResourceId" in resource
    }


def _mend_stage(configuration: Configuration) -> None:
    """Publish the API again: LocalStack drops its stage when an update deletes the deployment before."""
    api = Aws(configuration).apigateway
    api_id = physical_ids(configuration).get("RestApi")
    if api_id and not api.get_stages(restApiId=api_id)["item"]:
        api.create_deployment(restApiId=api_id, stageName=_STAGE)


def _record(configuration: Configuration) -> Path:
    return configuration.state / "deployed.json"


def _samconfig(values: dict[str, str]) -> dict[str, Any]:
    ours = tomllib.loads((ROOT / "samconfig.toml").read_text())["default"]
    # A bucket made by one call, in place of a stack that makes it.
    given = {name: value for name, value in ours["deploy"]["parameters"].items() if name != "resolve_s3"}
    given |= {
        "stack_name": STACK_NAME,
        "s3_bucket": _CODE_BUCKET,
        # SAM takes an empty value, or one with a space in it, only in quotes.
        "parameter_overrides": [f'{name}="{value}"' for name, value in values.items()],
    }
    return {"version": 0.1, "default": {"deploy": {"parameters": given}}}


def sam_environment(configuration: Configuration) -> dict[str, str]:
    """The environment in which SAM works on the stack."""
    return aws_environment(configuration) | {
        # The layer's dependencies are installed by the pip of a python3.13 on PATH.
        "PATH": f"{venv('sam') / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "SAM_CLI_TELEMETRY": "0",
        "SAM_CLI_POLL_DELAY": "1",
        "__SAM_CLI_APP_DIR": str(configuration.state / "sam" / "home"),
    }


def _sam(configuration: Configuration, command: str, options: list[str]) -> None:
    sam = venv("sam") / "bin" / "sam"
    log = configuration.logs / f"sam-{command}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        done = subprocess.run(
            [str(sam), command, *options],
            cwd=ROOT,
            env=sam_environment(configuration),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode:
        raise StageFailed(f"sam {command} failed: {_first_error(log)}", log)


def _first_error(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    telling = [line for line in lines if "CREATE_FAILED" in line or "UPDATE_FAILED" in line or "Error" in line]
    return textwrap.shorten((telling or lines or ["no output"])[0], _SHOWN_CHARACTERS, placeholder=" …")


def forget(configuration: Configuration) -> None:
    """Nothing is deployed any more."""
    _record(configuration).unlink(missing_ok=True)
    shutil.rmtree(configuration.state / "sam" / "home", ignore_errors=True)

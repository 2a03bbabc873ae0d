"""Whom the doctor examines; addresses and accounts come from options, a deployed stack, or the local one."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import boto3
import typer
from botocore.exceptions import BotoCoreError, ClientError

from archiver.models.states import JobKind
from local.configuration import PID_PREFIX, STACK_NAME, Configuration, Login, StageFailed
from local.deployment import Aws

if TYPE_CHECKING:
    from types_boto3_cloudformation import CloudFormationClient
    from types_boto3_secretsmanager import SecretsManagerClient

# A group that no account is in: what the archiver may do to its datasets, it may do by right and not as their owner.
OWNER_GROUP = "scopemarchiver-doctor"


@dataclass(frozen=True, slots=True)
class Patient:
    """One catalogue, and how the archiver comes to it."""

    url: str
    archiver: Login
    # Creates jobs where that is another account.
    creator: Login | None
    pid_prefix: str
    # Whose the doctor's dataset is, and on whose behalf its jobs are created.
    owner_group: str
    owner_user: str | None
    # The type of the jobs of a group none of whose users is known.
    group_job_type: str
    # With what SciCat calls the archiver's API, and where that is, as far as they are known.
    job_api: Login | None = None
    api: str | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """What was said on the command line and in the environment.

    Passwords come from the environment alone, and the prefix of pids, which may be empty.
    """

    scicat_url: str
    scicat_username: str
    scicat_jobs_username: str
    job_api_username: str
    stack: str
    owner_group: str
    owner_user: str
    scicat_group_job_type: str

    def patient(self, environment: Mapping[str, str] = os.environ) -> Patient:
        """Find out the rest. Raises StageFailed naming what is missing."""
        if self.scicat_url:
            return self._named(environment)
        if self.stack:
            deployed = self._deployed(self.stack, boto3.client("cloudformation"), boto3.client("secretsmanager"))
        else:
            aws = Aws(Configuration.of(environment))
            deployed = self._deployed(STACK_NAME, aws.cloudformation, aws.secretsmanager)
        return replace(deployed, pid_prefix=environment.get("PID_PREFIX", deployed.pid_prefix))

    def _named(self, environment: Mapping[str, str]) -> Patient:
        if not self.scicat_username:
            raise StageFailed("SCICAT_URL is given without SCICAT_USERNAME")

        def login(username: str, variable: str) -> Login:
            return Login(username, environment.get(variable) or _asked_for(variable, username))

        creator = self.scicat_jobs_username
        # Without its password the header's form is examined all the same.
        job_api = self.job_api_username and environment.get("JOB_API_PASSWORD")
        return Patient(
            url=self.scicat_url.rstrip("/"),
            archiver=login(self.scicat_username, "SCICAT_PASSWORD"),
            creator=login(creator, "SCICAT_JOBS_PASSWORD") if creator else None,
            pid_prefix=environment.get("PID_PREFIX", PID_PREFIX),
            owner_group=self.owner_group or OWNER_GROUP,
            owner_user=self.owner_user or None,
            group_job_type=self.scicat_group_job_type or JobKind.ARCHIVE,
            job_api=Login(self.job_api_username, job_api) if job_api else None,
        )

    def _deployed(self, stack: str, cloudformation: "CloudFormationClient", secrets: "SecretsManagerClient") -> Patient:
        try:
            found = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
            pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
            resources = {
                one["LogicalResourceId"]: one.get("PhysicalResourceId", "")
                for page in pages
                for one in page["StackResourceSummaries"]
            }

            def login(secret: str) -> Login | None:
                if not resources.get(secret):
                    return None
                return Login(**json.loads(secrets.get_secret_value(SecretId=resources[secret])["SecretString"]))

            parameters = {one["ParameterKey"]: one.get("ParameterValue", "") for one in found.get("Parameters", [])}
            outputs = {one["OutputKey"]: one["OutputValue"] for one in found.get("Outputs", [])}
            archiver = login("SciCatSecret")
            if archiver is None:
                raise StageFailed(f"The stack {stack} is none of this service: it has no SciCatSecret")
            return Patient(
                url=parameters["SciCatUrl"].rstrip("/"),
                archiver=archiver,
                creator=login("SciCatJobsSecret"),
                pid_prefix=parameters["PidPrefix"],
                owner_group=self.owner_group or OWNER_GROUP,
                owner_user=self.owner_user or None,
                group_job_type=self.scicat_group_job_type or parameters["SciCatGroupJobType"],
                job_api=login("JobApiSecret"),
                api=outputs.get("ApiUrl"),
            )
        except (BotoCoreError, ClientError) as error:
            where = f"The stack {stack} cannot be read" if self.stack else "The local stack is not up"
            raise StageFailed(
                f"{where} ({error}). Name a catalogue with SCICAT_URL=…, or a deployment with STACK=…"
            ) from None


def _asked_for(variable: str, username: str) -> str:
    """A password typed by a person, which is not shown."""
    if not sys.stdin.isatty():
        raise StageFailed(f"{variable} is not set: the password of the account {username}")
    password: str = typer.prompt(f"Password of {username} ({variable})", hide_input=True)
    return password

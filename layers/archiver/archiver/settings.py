"""Every setting of the service, read once from the environment and validated together.

The names are the environment variables of ``template.yaml``; a test keeps the two equal.
"""

import os
from functools import cache
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

MIB = 1024**2
GIB = 1024**3

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Url = Annotated[str, StringConstraints(pattern=r"^https?://[^/\s]+(/\S*)?$")]

# Words with commas between them; an empty variable has none.
Words = Annotated[tuple[Name, ...], BeforeValidator(lambda text: [word for word in text.split(",") if word.strip()])]
# Whoever has a public key can verify with these, and not sign.
Algorithm = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^((RS|PS|ES)(256|384|512)|EdDSA)$")]
Algorithms = Annotated[tuple[Algorithm, ...], BeforeValidator(lambda text: text.split(","))]


def _not_retrieve(job_type: str) -> str:
    if job_type == "retrieve":
        raise ValueError("jobs of this type ask for data back")
    return job_type


JobType = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+$"), AfterValidator(_not_retrieve)]


class Settings(BaseModel):
    """The environment of a function. Secrets are named here (ARNs), never held."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    landing_bucket: Name
    staging_bucket: Name
    lts_bucket: Name
    retrieval_bucket: Name

    scicat_url: Url
    scicat_secret: Name
    # The account that creates jobs, on the functions that do; empty means that the one account does it, too.
    scicat_jobs_secret: str = ""
    # The type of the archive jobs of a group none of whose users is known; see ``archiver.scicat.JobTypes``.
    scicat_group_job_type: JobType = "archive"
    # What the pids of dropped datasets begin with, before a slash; empty means that they are UUIDs alone.
    pid_prefix: Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^([^\s/]+(/[^\s/]+)*)?$")]

    job_api_secret: Name
    link_secret: Name
    token_secret: Name
    # An access token outlives the upload of the largest file, a refresh token the upload of a dataset.
    access_token_hours: int = Field(default=12, ge=1, le=72)
    refresh_token_days: int = Field(default=7, ge=1, le=30)
    # An identity provider whose tokens are accepted as well as our own; empty means none.
    identity_issuer: str = ""
    identity_audience: str = ""
    identity_keys_url: str = ""
    identity_algorithms: Algorithms = ("RS256",)
    # Clients of the provider (``azp``) whose users may call; none means any.
    identity_clients: Words = ()
    # Groups of SciCat whose members may upload to, and look at, every dataset.
    administrator_groups: Words = ()
    # Whether a dataset's access groups may upload to it, as its owner group may; they may look at it anyway.
    access_groups_may_upload: bool = False
    # Web pages whose scripts may call the API ("https://scicat.example.org").
    cors_origins: Words = ()
    # What one caller may ask of one process for in the long run.
    requests_per_second: int = Field(default=100, ge=1, le=10_000)
    # Where users reach the API (".../api/v1"); empty means API Gateway's own address of this deployment.
    public_api_url: str = ""

    # The page that explains every error code; whoever is given a code is given its anchor there.
    error_codes_url: Url = "https://github.com/SwissOpenEM/ScopeMArchiver/blob/main/docs/error-codes.md"

    # Empty means the LTS is a bucket of this AWS account.
    lts_endpoint_url: str = ""
    lts_secret: str = ""
    lts_storage_class: Name = "GLACIER"
    lts_recall_tier: Annotated[str, StringConstraints(pattern="^(Standard|Bulk|Expedited)$")] = "Standard"
    # How long a recalled tar is kept; a link to it ends a day before.
    retrieval_days: int = Field(default=8, ge=2, le=365)

    # How much the landing bucket may hold of datasets whose upload was granted, in GiB.
    landing_budget_gib: int = Field(default=100 * 1024, ge=0)
    # How long files lie in the landing bucket that nobody uploads, archives or waits for.
    landing_days: int = Field(default=14, ge=1, le=365)
    # How long nothing may come into a dropped folder before it counts as complete without a list of its files.
    drop_quiet_seconds: int = Field(default=30, ge=1, le=3600)
    # How long nothing may come before a drop is rejected whose listed files are missing.
    drop_missing_seconds: int = Field(default=120, ge=1, le=24 * 3600)
    # Names in the long-term storage that another archiver gave begin with these; "{pid}" is the pid of the dataset.
    former_archive_prefixes: Words = ()
    # The size at which a datablock closes.
    datablock_bytes: int = Field(default=20 * GIB, ge=10 * MIB)
    # How long one invocation works before it hands the rest to the next.
    slice_seconds: int = Field(default=600, ge=1, le=840)
    # How many functions work on one dataset at once.
    lanes: int = Field(default=8, ge=1, le=40)

    # Set on the functions that start workflows or ask after them.
    ingest_state_machine_arn: str = ""
    archive_state_machine_arn: str = ""
    archive_dataset_state_machine_arn: str = ""
    retrieve_state_machine_arn: str = ""
    retrieve_dataset_state_machine_arn: str = ""

    @model_validator(mode="after")
    def _identity_provider_is_whole(self) -> Self:
        """A provider without an audience would let in whoever it knows, for whatever purpose."""
        if self.identity_issuer and not (self.identity_audience and self.identity_keys_url):
            raise ValueError("IDENTITY_ISSUER needs IDENTITY_AUDIENCE and IDENTITY_KEYS_URL")
        return self

    def page_about(self, code: str) -> str:
        """Where ``code`` is explained."""
        return f"{self.error_codes_url}#{code}"


@cache
def settings() -> Settings:
    """The settings of this process. Raises ValueError naming each variable that is missing or wrong."""
    given = {name: os.environ[name.upper()] for name in Settings.model_fields if name.upper() in os.environ}
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        found = error.errors(include_input=False)
        wrong = "; ".join(": ".join([*(str(name).upper() for name in e["loc"][:1]), e["msg"]]) for e in found)
        raise ValueError(f"The environment is not complete: {wrong}") from None

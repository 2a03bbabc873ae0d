"""Every setting of the service, read once from the environment and validated together.

The names are the environment variables of ``template.yaml``; a test keeps the two equal.
"""

import os
from functools import cache
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

MIB = 1024**2
GIB = 1024**3

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Url = Annotated[str, StringConstraints(pattern=r"^https?://[^/\s]+(/\S*)?$")]


class Settings(BaseModel):
    """The environment of a function. Secrets are named here (ARNs), never held."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    landing_bucket: Name
    staging_bucket: Name
    lts_bucket: Name
    retrieval_bucket: Name

    scicat_url: Url
    scicat_secret: Name
    # The form in which SciCat is asked about jobs; a release may serve both, or only the older one.
    scicat_jobs_api: Literal["v3", "v4"] = "v4"
    pid_prefix: Name

    job_api_secret: Name
    link_secret: Name
    # Where users reach the API (".../api/v1"); empty means API Gateway's own address of this deployment.
    public_api_url: str = ""

    # Empty means the LTS is a bucket of this AWS account.
    lts_endpoint_url: str = ""
    lts_secret: str = ""
    lts_storage_class: Name = "GLACIER"
    lts_recall_tier: Annotated[str, StringConstraints(pattern="^(Standard|Bulk|Expedited)$")] = "Standard"
    # How long a recalled tar is kept; a link to it ends a day before.
    retrieval_days: int = Field(default=8, ge=2, le=365)

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


@cache
def settings() -> Settings:
    """The settings of this process. Raises ValueError naming each variable that is missing or wrong."""
    given = {name: os.environ[name.upper()] for name in Settings.model_fields if name.upper() in os.environ}
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        wrong = "; ".join(f"{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors(include_input=False))
        raise ValueError(f"The environment is not complete: {wrong}") from None

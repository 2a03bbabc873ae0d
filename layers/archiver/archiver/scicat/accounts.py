"""SciCat with the accounts of this service."""

from functools import cache, partial

from archiver.aws import secrets
from archiver.scicat.client import Catalogue
from archiver.scicat.jobs import JobTypes
from archiver.settings import settings

# A new password in the secret is noticed so soon.
_PASSWORD_SECONDS = 10


@cache
def catalogue() -> Catalogue:
    """The catalogue of this deployment, with the accounts in Secrets Manager."""
    jobs_secret = settings().scicat_jobs_secret
    return Catalogue(
        settings().scicat_url,
        partial(_account, settings().scicat_secret),
        partial(_account, jobs_secret) if jobs_secret else None,
        JobTypes(for_groups=settings().scicat_group_job_type),
    )


def _account(secret: str) -> tuple[str, str]:
    """Username and password."""
    account = secrets.fields(secret, _PASSWORD_SECONDS)
    return account["username"], account["password"]

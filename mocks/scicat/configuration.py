"""One SciCat installation: its release, its environment and its job configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mocks.scicat.jobs.configuration import JobConfiguration, read_job_configuration
from mocks.scicat.releases import MASTER, Release


@dataclass(frozen=True, slots=True)
class Configuration:
    """What an operator chooses. ``variables`` are SciCat's environment: settings, and what job templates call ``env``.

    Without ``ARCHIVER_URL`` among them nobody is told of new jobs.
    """

    release: Release = MASTER
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    jobs: JobConfiguration = field(default_factory=read_job_configuration)

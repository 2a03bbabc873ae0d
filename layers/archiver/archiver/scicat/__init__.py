"""The one package that knows SciCat's wire format: jobs, datasets, datablocks and the lifecycle.

Spoken is api v3 for logins, datasets and datablocks (the archiver's account may read files only
through a dataset's ``include``) and api v4 for jobs. Every failure leaves as one of the three exceptions of
``errors``, by the table in ``answers``.

Who uses SciCat imports from here, and never from the modules within.
"""

from archiver.scicat.accounts import catalogue
from archiver.scicat.client import Catalogue
from archiver.scicat.jobs import Job, JobDataset, JobStatus, JobTypes
from archiver.scicat.rights import Right
from archiver.scicat.users import Identity

__all__ = ["Catalogue", "Identity", "Job", "JobDataset", "JobStatus", "JobTypes", "Right", "catalogue"]

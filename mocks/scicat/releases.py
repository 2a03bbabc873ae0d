"""What differs between SciCat's releases, as recorded: one row of facts each. No other module knows a release by name.

Facts of documents, filters and answers are recordings under ``tests/contract/scicat/recordings``; their numbers stand
in brackets.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Release:
    """One release's answers where they are not every release's."""

    name: str

    # Settings and tokens.
    group_settings_are_lists: bool
    """The settings of lifecycle and job groups are lists; otherwise one text, of which a group is a part [264, 542]."""
    expired_tokens_are_refused: bool
    """With 401 ``SESSION_EXPIRED`` on every route; otherwise their caller is anonymous [830-838]."""

    # Jobs.
    job_rights_exclude: bool
    """A group of only one job setting forbids what the other allows; otherwise the first setting that names one of the
    caller's groups decides, administrator before creator before updater [241, 1013-1015, 1044]."""
    owner_group_is_enough: bool
    """Who may create jobs for others owns, for ``#datasetOwner``, what the job's owner group owns [221]."""
    job_owner_is_checked: bool
    """For ``#dataset...`` the named owner group and user are checked, not the caller's groups [221, 223, 227]."""
    job_refusals_are_named: bool
    """Malformed jobs are 422 and jobs of a wrong owner 403; otherwise 400 in the plain form [203, 216-218, 237]."""
    v3_jobs_name_the_callers_group: bool
    """A job of api v3 for ``#datasetAccess`` is of a group that the caller shares with the dataset [211]."""
    jobs_are_sorted: bool
    """Lists of jobs heed ``limits.sort``, and end at 100 [108, 109]."""

    # Datasets and their blocks.
    blocks_are_guarded: bool
    """Only who may change a dataset adds blocks to it; otherwise everybody who may create datasets [603, 1079]."""
    archivers_list_datablocks: bool
    """Members of the delete groups find all datablocks in a list [639]."""
    archivers_include_datablocks: bool
    """Members of the delete groups get a dataset's datablocks by api v4 [440]."""
    counting_is_a_change: bool
    """A block changes ``updatedBy`` of its dataset and its history, as a person does [411, 528]."""
    v4_changes_reset_counters: bool
    """PATCH by api v4 takes what a dataset counts back to zero, but for the archived files [536]."""
    v4_shows_public_datasets: bool
    """An anonymous caller of api v4 reads public datasets; otherwise 403 before one is looked for [905, 906]."""
    v4_shows_object_ids_as_bytes: bool
    """A dataset read by api v4 has MongoDB's ids in their binary form [440]."""
    changed_datasets_have_an_id: bool
    """DELETE of a dataset, and PATCH by api v4, answer with ``id`` beside ``_id`` [536, 1370]."""
    v4_attachments_are_for_users: bool
    """The owner of a dataset attaches by api v4; otherwise 403 [939]."""
    changed_datasets_are_named: bool
    """412 names the dataset that was changed since, and since when [1429]."""
    empty_owner_groups_are_named: bool
    """A body without owner group breaks two rules, that it is a text and that it is not empty [938]."""


MASTER = Release(
    name="master",
    group_settings_are_lists=True,
    expired_tokens_are_refused=True,
    job_rights_exclude=True,
    owner_group_is_enough=True,
    job_owner_is_checked=False,
    job_refusals_are_named=True,
    v3_jobs_name_the_callers_group=False,
    jobs_are_sorted=True,
    blocks_are_guarded=True,
    archivers_list_datablocks=False,
    archivers_include_datablocks=True,
    counting_is_a_change=False,
    v4_changes_reset_counters=False,
    v4_shows_public_datasets=True,
    v4_shows_object_ids_as_bytes=True,
    changed_datasets_have_an_id=False,
    v4_attachments_are_for_users=True,
    changed_datasets_are_named=True,
    empty_owner_groups_are_named=True,
)

V5_2_1 = Release(
    name="5.2.1",
    group_settings_are_lists=True,
    expired_tokens_are_refused=True,
    job_rights_exclude=False,
    owner_group_is_enough=False,
    job_owner_is_checked=False,
    job_refusals_are_named=True,
    v3_jobs_name_the_callers_group=False,
    jobs_are_sorted=True,
    blocks_are_guarded=False,
    archivers_list_datablocks=True,
    archivers_include_datablocks=False,
    counting_is_a_change=True,
    v4_changes_reset_counters=True,
    v4_shows_public_datasets=False,
    v4_shows_object_ids_as_bytes=False,
    changed_datasets_have_an_id=True,
    v4_attachments_are_for_users=True,
    changed_datasets_are_named=True,
    empty_owner_groups_are_named=True,
)

V4_28_0 = Release(
    name="4.28.0",
    group_settings_are_lists=False,
    expired_tokens_are_refused=False,
    job_rights_exclude=False,
    owner_group_is_enough=True,
    job_owner_is_checked=True,
    job_refusals_are_named=False,
    v3_jobs_name_the_callers_group=True,
    jobs_are_sorted=False,
    blocks_are_guarded=False,
    archivers_list_datablocks=True,
    archivers_include_datablocks=False,
    counting_is_a_change=True,
    v4_changes_reset_counters=True,
    v4_shows_public_datasets=False,
    v4_shows_object_ids_as_bytes=False,
    changed_datasets_have_an_id=True,
    v4_attachments_are_for_users=False,
    changed_datasets_are_named=False,
    empty_owner_groups_are_named=False,
)

RELEASES = {release.name: release for release in (MASTER, V5_2_1, V4_28_0)}

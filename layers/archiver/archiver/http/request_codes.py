"""Why the HTTP API refuses a request, besides what a run can fail for (``archiver.codes``)."""

from enum import StrEnum

from archiver.codes import Explanation

_NEW_LINKS = "Ask for the files with a retrieve job: it gives new links."


class RequestCode(StrEnum):
    """Every reason a request is refused for that no run fails for; nothing is told to SciCat."""

    about: Explanation

    def __new__(cls, code: str, *about: Explanation) -> "RequestCode":
        """Written with its explanation; ``RequestCode("forbidden")`` looks it up by its code alone."""
        member = str.__new__(cls, code)
        member._value_ = code
        (member.about,) = about
        return member

    UNAUTHORIZED = (
        "unauthorized",
        Explanation(
            "The request has no valid credentials.",
            "Log in to SciCat, and send its token; or renew the token of the upload.",
        ),
    )
    FORBIDDEN = (
        "forbidden",
        Explanation(
            "The dataset belongs to others.", "Ask somebody of its owner group; or have SciCat name you in it."
        ),
    )
    TOO_MANY_GROUPS = (
        "too_many_groups",
        Explanation(
            "The caller is in more groups than fit into a token.",
            "Ask the operator.",
            "Let SciCat tell fewer groups of this user.",
        ),
    )
    TOO_MANY_REQUESTS = (
        "too_many_requests",
        Explanation("The caller asks too often.", "Wait as long as Retry-After says, and ask again."),
    )
    BODY_TOO_LARGE = (
        "body_too_large",
        Explanation("The request is larger than the API takes.", "Send it in smaller pieces."),
    )
    UNSUPPORTED_MEDIA_TYPE = (
        "unsupported_media_type",
        Explanation(
            "The body of the request is not said to be what the route reads.",
            "Send it with the Content-Type that the message names.",
        ),
    )
    METHOD_NOT_ALLOWED = (
        "method_not_allowed",
        Explanation("The route exists, but not with this method.", "Use a method that the header Allow names."),
    )
    NOT_FOUND = (
        "not_found",
        Explanation("There is no such route.", "Compare the address with the reference of the API."),
    )
    NOT_UTF8 = "not_utf8", Explanation("The body of the request is not UTF-8.", "Send it as UTF-8.")
    NOT_VALID = "not_valid", Explanation("Fields of the request are wrong.", "Correct the fields that are named.")
    IDENTITY_PROVIDER_UNAVAILABLE = (
        "identity_provider_unavailable",
        Explanation(
            "The identity provider does not answer.",
            "Wait as long as Retry-After says, and ask again.",
            "See whether IdentityKeysUrl can be reached.",
        ),
    )
    JOB_UNKNOWN = (
        "job_unknown",
        Explanation("The job was never started here, or is somebody else's.", "Correct the id of the job."),
    )
    JOB_ENDED = (
        "job_ended",
        Explanation("The job has ended, and cannot be stopped any more.", "Nothing: its status says how it ended."),
    )
    JOB_TYPE_UNKNOWN = (
        "job_type_unknown",
        Explanation("The archiver does no jobs of this type.", "Ask for archive or retrieve."),
    )
    JOB_TYPE_MISMATCH = (
        "job_type_mismatch",
        Explanation("SciCat knows the job as one of another type.", "Send the type that the job has in SciCat."),
    )
    DATASET_LOCKED = (
        "dataset_locked",
        Explanation(
            "The dataset is archived, or being archived, or its upload was finished.",
            "Nothing can be uploaded to it now. Its archiving tells how it ended in SciCat.",
        ),
    )
    DATASET_BUSY = "dataset_busy", Explanation("Another request works on the same upload.", "Ask again in a moment.")
    UPLOADS_OPEN = (
        "uploads_open",
        Explanation(
            "Files of the dataset are still being uploaded.",
            "Complete or abort the uploads that are named, and ask again.",
        ),
    )
    UPLOAD_UNKNOWN = (
        "upload_unknown",
        Explanation(
            "There is no such upload: it was completed, or aborted, or never begun.",
            "Begin the upload of the file anew.",
        ),
    )
    FILE_NOT_LISTED = (
        "file_not_listed",
        Explanation("SciCat does not list the file.", "List the file in SciCat first; or correct its name."),
    )
    FILE_MISSING = "file_missing", Explanation("The file is not there.", "Upload it, and ask again.")
    NO_SPACE_GRANTED = (
        "no_space_granted",
        Explanation(
            "No space was granted for the upload of the dataset.",
            "Begin the upload of the dataset; or wait until there is space.",
        ),
    )
    NO_SUCH_PART = (
        "no_such_part",
        Explanation("The file has no part of this number.", "Ask for parts that the file has."),
    )
    MISSING_PARTS = (
        "missing_parts",
        Explanation("S3 does not have all parts of the file.", "Send the parts that are named."),
    )
    UNKNOWN_PARTS = (
        "unknown_parts",
        Explanation("Parts are claimed that S3 does not have.", "Send the parts that are named."),
    )
    OTHER_PARTS = (
        "other_parts",
        Explanation("Parts that S3 has are not those that are claimed.", "Send the parts that are named once more."),
    )
    PARTS_TOO_SMALL = "parts_too_small", Explanation("Parts are smaller than S3 takes.", "Send larger parts.")
    PARTS_REFUSED = (
        "parts_refused",
        Explanation("S3 does not take the parts.", "Upload the file anew.", "The message has S3's own word for it."),
    )
    WRONG_LINK = "wrong_link", Explanation("The link was not written by this archiver.", _NEW_LINKS)
    LINK_EXPIRED = "link_expired", Explanation("The link has expired.", _NEW_LINKS)
    LINK_REVOKED = "link_revoked", Explanation("The link was revoked.", _NEW_LINKS)
    NO_COPY = (
        "no_copy",
        Explanation("The recalled copy is no longer kept.", "Ask for the files with a retrieve job; it recalls them."),
    )
    RENEWING = (
        "renewing",
        Explanation("The recalled copy is large, and is still being renewed.", "Ask again in a second."),
    )

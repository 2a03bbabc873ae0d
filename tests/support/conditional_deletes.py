"""Conditional deletes on moto, which does not look at the ETag of an object that is to be deleted."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


def compare_etags(client: "S3Client", account: "S3Client") -> None:
    """Let the service's client be answered as S3 answers: ``account`` tells what lies there now."""

    def etag_of(bucket: str, key: str) -> str | None:
        found = account.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1).get("Contents", [])
        return next((one["ETag"].strip('"') for one in found if one["Key"] == key), None)

    def compare(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        objects = params["Delete"]["Objects"]
        changed = [
            one["Key"]
            for one in objects
            if "ETag" in one and etag_of(params["Bucket"], one["Key"]) not in {None, one["ETag"].strip('"')}
        ]
        context["changed"] = changed
        # An empty list is no request; of nothing under a key moto says that it is deleted.
        kept = [one for one in objects if one["Key"] not in changed] or [{"Key": "nothing lies here"}]
        params["Delete"] = params["Delete"] | {"Objects": kept}

    def tell(parsed: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        parsed["Errors"] = [{"Key": key, "Code": "PreconditionFailed"} for key in context["changed"]]

    client.meta.events.register("before-parameter-build.s3.DeleteObjects", compare)
    client.meta.events.register("after-call.s3.DeleteObjects", tell)

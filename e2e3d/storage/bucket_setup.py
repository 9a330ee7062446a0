"""A bucket as the service needs it, with versions, a lifecycle and encryption, and users of least privilege."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from e2e3d.config.deployment.s3 import S3Options
from e2e3d.errors import MachineError, SettingsError
from e2e3d.storage.s3_bucket import S3Bucket

WRITES = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload")
READS = ("s3:GetObject",)
USERS = {"service": WRITES, "backup": READS}
"""Who uses the bucket, and does what with objects: replicas, runner and workers; `e2e3d admin backup`."""
_UNKNOWN_TO_SERVER = {"NotImplemented", "XNotImplemented", "MethodNotAllowed", "UnsupportedOperation"}
_UNFINISHED_DAYS = 8
"""A day longer than the service keeps uploads that nobody goes on with."""


class Outcome(Enum):
    """What became of one part of the preparation."""

    DONE = "done"
    NOT_SUPPORTED = "not supported"
    REFUSED = "refused"


@dataclass(frozen=True)
class Step:
    """One part of the preparation, and what became of it."""

    what: str
    outcome: Outcome
    detail: str


def policy(url: str, actions: tuple[str, ...]) -> dict[str, Any]:
    """What a user may do, as AWS, MinIO and SeaweedFS read it: `actions` on the objects of the store, and list them.

    Versions are neither read nor removed: who has a user's keys cannot destroy what it deleted or wrote over.
    """
    bucket, _, prefix = url.removeprefix("s3://").strip("/").partition("/")
    objects = f"arn:aws:s3:::{bucket}/{f'{prefix}/' if prefix else ''}*"
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": list(actions), "Resource": [objects]},
            {"Effect": "Allow", "Action": ["s3:List*"], "Resource": [f"arn:aws:s3:::{bucket}"]},
        ],
    }


def prepare_bucket(url: str, options: S3Options, keep_versions_days: int) -> Iterator[Step]:
    """Make the bucket of a store, or change it where it is different; what is as it should be is left alone.

    Args:
        url: ``s3://bucket/prefix``.
        options: keys of somebody who may do so.
        keep_versions_days: for how long what was deleted or written over can be brought back.

    Raises:
        SettingsError: ``store-not-s3``.
        MachineError: ``store-denied`` when there is no bucket and none may be made, ``store-unreachable``.
    """
    if not url.startswith("s3://"):
        raise SettingsError("store-not-s3", f"{url} is no bucket.", "Folders need no preparation.")
    bucket = S3Bucket(url, options)
    yield _make(bucket)
    yield _attempt("versions", lambda: _keep_versions(bucket))
    yield _attempt("lifecycle", lambda: _remove_old(bucket, keep_versions_days))
    yield _attempt("encryption", lambda: _encrypt(bucket, options.sse or "AES256"))
    yield _attempt("public access", lambda: _close(bucket))


def _make(bucket: S3Bucket) -> Step:
    try:
        bucket.call("head_bucket")
        return Step("bucket", Outcome.DONE, "is there")
    except FileNotFoundError:
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
        where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        bucket.call("create_bucket", **where)
        return Step("bucket", Outcome.DONE, "was made")


def _attempt(what: str, act: Callable[[], str]) -> Step:
    """Every store has buckets; of the rest some servers lack parts, and some users rights."""
    try:
        return Step(what, Outcome.DONE, act())
    except MachineError as error:
        code, words = _answer(error)
        outcome = Outcome.NOT_SUPPORTED if code in _UNKNOWN_TO_SERVER else Outcome.REFUSED
        return Step(what, outcome, f"{code}: {words}")


def _answer(error: BaseException) -> tuple[str, str]:
    """Code and words of the server's answer behind an error."""
    cause: BaseException | None = error
    while cause is not None:
        said = getattr(cause, "response", {}).get("Error", {})
        if said:
            return str(said.get("Code")), str(said.get("Message"))
        cause = cause.__cause__
    return type(error).__name__, str(error)


def _keep_versions(bucket: S3Bucket) -> str:
    if bucket.call("get_bucket_versioning").get("Status") == "Enabled":
        return "are kept"
    bucket.call("put_bucket_versioning", VersioningConfiguration={"Status": "Enabled"})
    return "are kept from now on"


def _remove_old(bucket: S3Bucket, keep_versions_days: int) -> str:
    everything = {"Prefix": bucket.prefix}
    rules = [
        {
            "ID": "e2e3d-old-versions",
            "Status": "Enabled",
            "Filter": everything,
            "NoncurrentVersionExpiration": {"NoncurrentDays": keep_versions_days},
            "Expiration": {"ExpiredObjectDeleteMarker": True},
        },
        {
            "ID": "e2e3d-unfinished-uploads",
            "Status": "Enabled",
            "Filter": everything,
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": _UNFINISHED_DAYS},
        },
    ]
    ours = {rule["ID"] for rule in rules}
    others = [rule for rule in _lifecycle(bucket) if rule.get("ID") not in ours]
    bucket.call("put_bucket_lifecycle_configuration", LifecycleConfiguration={"Rules": others + rules})
    return f"old versions go after {keep_versions_days} days, unfinished uploads after {_UNFINISHED_DAYS}"


def _lifecycle(bucket: S3Bucket) -> list[dict[str, Any]]:
    """The rules that there are: those of others stay."""
    try:
        return list(bucket.call("get_bucket_lifecycle_configuration").get("Rules", ()))
    except (FileNotFoundError, MachineError):
        return []


def _encrypt(bucket: S3Bucket, sse: str) -> str:
    kind, _, key = sse.removeprefix("aws:").partition(":")
    chosen = (
        {"SSEAlgorithm": sse}
        if kind != "kms"
        else {"SSEAlgorithm": "aws:kms", **({"KMSMasterKeyID": key} if key else {})}
    )
    rules = {"Rules": [{"ApplyServerSideEncryptionByDefault": chosen}]}
    bucket.call("put_bucket_encryption", ServerSideEncryptionConfiguration=rules)
    return f"{chosen['SSEAlgorithm']} for everything that is written"


def _close(bucket: S3Bucket) -> str:
    names = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    bucket.call("put_public_access_block", PublicAccessBlockConfiguration=dict.fromkeys(names, True))
    return "is blocked"


def prepare_user(name: str, url: str, options: S3Options, has_key: bool) -> tuple[Step, dict[str, str]]:
    """Make one of :data:`USERS` with its policy, through the API of AWS's IAM.

    Args:
        name: of the user; on the server ``e2e3d-NAME``.
        url: ``s3://bucket/prefix`` of the store.
        options: keys of somebody who may make users.
        has_key: that a key of it is known, so that none is made.

    Returns:
        what became of it, and a new key by the names of the settings; nothing where it has one.
    """
    import botocore.session
    from botocore.exceptions import BotoCoreError, ClientError

    user = f"e2e3d-{name}"
    keys = {"aws_access_key_id": options.key, "aws_secret_access_key": options.secret}
    session = botocore.session.get_session()
    iam = session.create_client("iam", endpoint_url=options.endpoint, region_name="us-east-1", **keys)
    try:
        with contextlib.suppress(iam.exceptions.EntityAlreadyExistsException):
            iam.create_user(UserName=user)
        iam.put_user_policy(UserName=user, PolicyName="e2e3d", PolicyDocument=json.dumps(policy(url, USERS[name])))
        if has_key:
            return Step(f"user {user}", Outcome.DONE, "has its policy"), {}
        made = iam.create_access_key(UserName=user)["AccessKey"]
    except (BotoCoreError, ClientError) as error:
        code, words = _answer(error)
        return Step(f"user {user}", Outcome.REFUSED, f"{code}: {words}"), {}
    key = {"s3_key": made["AccessKeyId"], "s3_secret": made["SecretAccessKey"]}
    return Step(f"user {user}", Outcome.DONE, "was made, with a new key"), key

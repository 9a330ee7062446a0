"""The image sets of a batch, and what became of all of them."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from airflow.sdk.exceptions import AirflowFailException

from e2e3d.batch.requests import read_image_sets
from e2e3d.errors import E2E3DError
from e2e3d_provider.outcomes import line, unknown_outcome

_log = logging.getLogger(__name__)


def image_sets(
    manifest: str | None,
    prefix: str | None,
    quality: str,
    download_to: str | None = None,
    aws_conn_id: str = "aws_default",
) -> list[dict[str, Any]]:
    """Arguments of :class:`~e2e3d_provider.operators.E2E3DReconstructOperator` for each set.

    Args:
        manifest: a file as `e2e3d batch` reads it; all lines are checked before anything is uploaded.
        prefix: ``s3://bucket/prefix``, whose folders are the sets, where there is no manifest.
        quality: of the sets below `prefix`.
        download_to: folder for the results, one below it a set.
        aws_conn_id: of the connection that lists `prefix`.

    Raises:
        AirflowFailException: a line is wrong, there are no sets, or neither or both of the two are given.
    """
    if (manifest is None) == (prefix is None):
        raise AirflowFailException("Give either a manifest or a prefix.")
    try:
        sets = _of_prefix(prefix, quality, aws_conn_id) if prefix else _of_manifest(str(manifest))
    except E2E3DError as error:
        raise AirflowFailException(f"[{error.code}] {error}") from error
    if download_to is None:
        return sets
    return [{**each, "download_to": str(Path(download_to) / each["name"])} for each in sets]


def report_outcomes(sets: Sequence[Mapping[str, Any]] | None, outcomes: Sequence[Mapping[str, Any] | None]) -> None:
    """Log a line for each set.

    Raises:
        AirflowFailException: with the lines of the sets that have no model.
    """
    if not sets:
        raise AirflowFailException("There are no sets: see the log of list_sets.")
    known = [outcome or unknown_outcome(each["name"]) for each, outcome in zip(sets, outcomes, strict=True)]
    for outcome in known:
        _log.info("%s", line(outcome))
    failed = [line(outcome) for outcome in known if outcome["state"] != "succeeded"]
    if failed:
        raise AirflowFailException("\n".join([f"{len(failed)} of {len(known)} sets have no model:", *failed]))


def _of_manifest(manifest: str) -> list[dict[str, Any]]:
    sets = [dataclasses.asdict(each) for each in read_image_sets(Path(manifest))]
    return [{name: value for name, value in each.items() if value is not None} for each in sets]


def _of_prefix(prefix: str, quality: str, aws_conn_id: str) -> list[dict[str, Any]]:
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook  # the extra `s3`

    bucket, _, path = prefix.removeprefix("s3://").partition("/")
    below = f"{path.rstrip('/')}/" if path.strip("/") else ""
    folders = S3Hook(aws_conn_id).list_prefixes(bucket, below, "/")
    if not folders:
        raise AirflowFailException(f"There are no folders below {prefix}.")
    return [
        {"name": folder.rstrip("/").rpartition("/")[2], "photos": f"s3://{bucket}/{folder}", "quality": quality}
        for folder in folders
    ]

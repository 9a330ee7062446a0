"""Many image sets, side by side: those of a manifest (as `e2e3d batch` reads it), or the folders below an S3 prefix.

Each set is a mapped task of its own, named after the set, which Airflow tries again by itself where the machine failed.
"""

from __future__ import annotations

import datetime
from typing import Any

from airflow.sdk import Param, TriggerRule, dag, task
from e2e3d_provider.operators import E2E3DReconstructOperator

AT_ONCE = (
    16  # fewer than the unfinished jobs that the user of the connection may have (20 unless the operator says more)
)


@dag(
    schedule=None,
    catchup=False,
    tags=["e2e3d"],
    doc_md=__doc__,
    params={
        "manifest": Param(None, type=["null", "string"], description="A file with one JSON object a line."),
        "prefix": Param(None, type=["null", "string"], description="s3://bucket/prefix, a folder a set, instead."),
        "quality": Param("medium", type="string", description="Of sets below a prefix; a manifest names its own."),
        "download_to": Param(None, type=["null", "string"], description="Folder for the results, one below it a set."),
        "aws_conn_id": Param("aws_default", type="string", description="Lists the prefix."),
    },
)
def e2e3d_batch() -> None:
    """List the sets, compute each, report all."""

    @task(retries=3, retry_delay=datetime.timedelta(seconds=30))
    def list_sets(params: dict[str, Any]) -> list[dict[str, Any]]:
        """What is given to the operator of each set."""
        from e2e3d_provider.batches import image_sets

        return image_sets(**params)

    @task(retries=3, retry_delay=datetime.timedelta(seconds=30), trigger_rule=TriggerRule.ALL_DONE)
    def report(sets: list[dict[str, Any]] | None, ti: Any) -> None:
        """A line for each set; fails where one has no model."""
        from e2e3d_provider.batches import report_outcomes

        indexes = range(len(sets or ()))
        report_outcomes(sets, ti.xcom_pull(task_ids="reconstruct", key="outcome", map_indexes=indexes))

    sets = list_sets()
    reconstruct = E2E3DReconstructOperator.partial(
        task_id="reconstruct",
        map_index_template="{{ task.name }}",
        max_active_tis_per_dagrun=AT_ONCE,
        retries=3,
        retry_delay=datetime.timedelta(seconds=30),
        retry_exponential_backoff=2,
    ).expand_kwargs(sets)
    reconstruct >> report(sets)


e2e3d_batch()

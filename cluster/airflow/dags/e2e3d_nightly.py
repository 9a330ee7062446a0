"""Every night the models of the day again with other settings: drafts by day, full quality when machines are free."""

from __future__ import annotations

import datetime
from typing import Any

from airflow.sdk import CronTriggerTimetable, Param, dag, task
from e2e3d_provider.operators import E2E3DRerunOperator

AT_ONCE = 4


@dag(
    schedule=CronTriggerTimetable("0 22 * * *", timezone="UTC"),
    start_date=datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
    catchup=False,
    max_active_runs=1,
    tags=["e2e3d"],
    doc_md=__doc__,
    params={
        "hours": Param(24, type="integer", minimum=1, description="Jobs that were submitted within so many hours."),
        "text": Param("", type="string", description="Only jobs whose names have this part."),
        "quality": Param(
            "high", type="string", description="What they are computed with; those that have it are left out."
        ),
        "settings": Param({}, type="object", description='Further changes, such as {"depth.max_size_px": 1600}.'),
    },
)
def e2e3d_nightly() -> None:
    """Choose jobs, run each again."""

    @task(retries=3, retry_delay=datetime.timedelta(minutes=1))
    def choose_jobs(params: dict[str, Any], dag_run: Any) -> list[dict[str, Any]]:
        """What is given to the operator of each job."""
        from e2e3d_provider.reruns import jobs_to_rerun

        return jobs_to_rerun(before=dag_run.run_after, **params)

    E2E3DRerunOperator.partial(
        task_id="rerun",
        map_index_template="{{ task.name }}",
        max_active_tis_per_dagrun=AT_ONCE,
        retries=3,
        retry_delay=datetime.timedelta(minutes=5),
    ).expand_kwargs(choose_jobs())


e2e3d_nightly()

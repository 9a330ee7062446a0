"""A backup of the service every night, then verified: restored into a scratch place, every object read and compared.

Runs `e2e3d admin` where the worker has all of E2E3D and the settings of the service (`E2E3D_…`): E2E3D_COMMAND names
the program, since the one beside Airflow is the client alone.
"""

from __future__ import annotations

import datetime

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import CronTriggerTimetable, Param, dag

GIVEN = {
    "PLACE": "{{ params.place }}",
    "KEEP": "{{ params.keep }}",
    "PASSPHRASE_FILE": "{{ params.passphrase_file or '' }}",
}
"""Parameters reach the shell as variables, so that nothing in them is taken for a command."""


@dag(
    schedule=CronTriggerTimetable("30 1 * * *", timezone="UTC"),
    start_date=datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
    catchup=False,
    max_active_runs=1,
    tags=["e2e3d"],
    doc_md=__doc__,
    params={
        "place": Param("/backups", type="string", minLength=1, description="A folder, or s3://bucket/prefix."),
        "keep": Param(14, type="integer", minimum=1, description="How many backups stay."),
        "passphrase_file": Param(None, type=["null", "string"], description="Encrypts the settings in the backup."),
    },
)
def e2e3d_backup() -> None:
    """Make one, verify it."""
    program = '"${E2E3D_COMMAND:-e2e3d}" admin'
    common = {"env": GIVEN, "append_env": True, "retries": 2, "retry_delay": datetime.timedelta(minutes=5)}
    backup = BashOperator(
        task_id="backup",
        bash_command=program
        + ' backup "$PLACE" --keep "$KEEP" ${PASSPHRASE_FILE:+--passphrase-file "$PASSPHRASE_FILE"}',
        **common,
    )
    backup >> BashOperator(task_id="verify", bash_command=program + ' verify "$PLACE"', **common)


e2e3d_backup()

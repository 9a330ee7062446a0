"""Tasks that make models: of photographs, and of a job again with other settings.

A task may be tried again, resumed or cleared at any moment, and nothing is uploaded or submitted twice: its image set
has a name, and its submission a key, that only this task of this DAG run has (ADR 69).
"""

from __future__ import annotations

import contextlib
import datetime
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowException

from e2e3d.client import Client, RateLimitedError, ServiceUnavailableError
from e2e3d.client.models import Job
from e2e3d.client.watching import failure_of
from e2e3d.errors import E2E3DError
from e2e3d_provider.failures import failure
from e2e3d_provider.hooks import E2E3DHook
from e2e3d_provider.idempotency import latest_try, submission_key, task_token
from e2e3d_provider.outcomes import OUTCOME, failed_outcome, outcome_of
from e2e3d_provider.photographs import job_options, photographs_of
from e2e3d_provider.triggers import AWAY_S, E2E3DImportTrigger, E2E3DJobTrigger

_FULL = ("quota-jobs", "queue-full")
_FULL_PAUSE = datetime.timedelta(minutes=1)


class E2E3DJobOperator(BaseOperator):
    """Submits a job and waits for its end without holding a worker; the base of the other operators.

    The task returns its outcome, and pushes it as the XCom ``outcome`` also when it fails: `name`, `state`, `job_id`,
    `judgement` with `reasons` of a model, and `code`, `message` and `hint` of a failure. A failure that lies in the
    photographs or settings is not tried again; clear the task after a correction.

    Args:
        name: what people call the set, and the job.
        conn_id: of the connection.
        download_to: a folder for the results; None leaves them in the service.
        away_s: how long the service may be away while the task waits for the job.
        arguments: as of every operator, such as `retries`.
    """

    template_fields: Sequence[str] = ("name", "conn_id", "download_to")
    ui_color = "#d7e8f2"

    def __init__(
        self,
        *,
        name: str,
        conn_id: str = E2E3DHook.default_conn_name,
        download_to: str | None = None,
        away_s: float = AWAY_S,
        **arguments: Any,
    ) -> None:
        super().__init__(**arguments)
        self.name = name
        self.conn_id = conn_id
        self.download_to = download_to
        self.away_s = away_s

    @abstractmethod
    def submitted(self, context: Context, client: Client, **known: Any) -> Job:
        """The job of this task: made, or found where an earlier try has made it."""

    def submit(self, context: Context, event: object = None, **known: Any) -> dict[str, Any]:
        """Submit the job, or wait until there is room for it; also called by Airflow when that time is over."""
        with self._client(context) as client:
            try:
                job = self.submitted(context, client, **known)
            except (RateLimitedError, ServiceUnavailableError) as error:
                if error.code not in _FULL:
                    raise
                self.log.info("%s waits for its turn: %s", self.name, error)
                self.defer(trigger=TimeDeltaTrigger(_FULL_PAUSE), method_name="submit", kwargs=known)
            self.log.info("%s: job %s is %s", self.name, job.id, job.state)
            return self._followed(context, client, job)

    def job_ended(self, context: Context, event: Mapping[str, Any], job_id: str) -> dict[str, Any]:
        """Called by Airflow when the trigger has seen the end of the job, or gave up."""
        with self._client(context) as client:
            job = client.job(job_id)
            if not job.ended:
                raise AirflowException(
                    f"{self.name}: nobody could follow the job {job_id}: {event.get('error')}. It goes on, and the "
                    "next try of this task waits for it."
                )
            return self._followed(context, client, job)

    def _followed(self, context: Context, client: Client, job: Job) -> dict[str, Any]:
        if not job.ended:
            trigger = E2E3DJobTrigger(job.id, self.conn_id, self.away_s, cancels=True)
            self.defer(trigger=trigger, method_name="job_ended", kwargs={"job_id": job.id})
        if job.state != "succeeded":
            context["ti"].xcom_push(key=OUTCOME, value=outcome_of(self.name, job))
            raise failure(self.name, failure_of(job))
        if self.download_to is not None:
            files = client.download(job.id, Path(self.download_to))
            self.log.info("%s: %d files are in %s", self.name, len(files), self.download_to)
        outcome = outcome_of(self.name, job)
        context["ti"].xcom_push(key=OUTCOME, value=outcome)
        return outcome

    @contextlib.contextmanager
    def _client(self, context: Context) -> Iterator[Client]:
        """A client; what goes wrong ends the task in Airflow's terms."""
        try:
            with E2E3DHook(self.conn_id).get_conn() as client:
                yield client
        except E2E3DError as error:
            context["ti"].xcom_push(key=OUTCOME, value=failed_outcome(self.name, error))
            raise failure(self.name, error) from error


class E2E3DReconstructOperator(E2E3DJobOperator):
    """Makes a model of photographs.

    Args:
        photos: a folder, zip archive or video that the worker has, or an ``s3://`` prefix that the service imports.
        image_set_id: photographs that the service has already, instead of `photos`.
        quality: ``preview``, ``low``, ``medium``, ``high`` or ``ultra``.
        settings: changes to it by dotted name, such as ``{"depth.max_size_px": 768}``.
        outputs: of ``sparse``, ``cloud``, ``mesh``, ``obj``, ``glb``, ``report``, ``depth``; none = all but depth.
        masks: a folder or zip archive of masks.
        intrinsics: a text file with the 3 x 3 calibration matrix of all photographs.
        scale: metres per unit of the model.
        known_distance: names of two photographs, and the metres between their cameras.
        arguments: as of :class:`E2E3DJobOperator`.
    """

    template_fields: Sequence[str] = (
        *E2E3DJobOperator.template_fields,
        *("photos", "image_set_id", "quality", "settings", "outputs", "masks", "intrinsics"),
    )

    def __init__(
        self,
        *,
        photos: str | None = None,
        image_set_id: str | None = None,
        quality: str = "medium",
        settings: Mapping[str, Any] | None = None,
        outputs: Sequence[str] = (),
        masks: str | None = None,
        intrinsics: str | None = None,
        scale: float | None = None,
        known_distance: Sequence[Any] | None = None,
        **arguments: Any,
    ) -> None:
        super().__init__(**arguments)
        self.photos = photos
        self.image_set_id = image_set_id
        self.quality = quality
        self.settings = dict(settings or {})
        self.outputs = list(outputs)
        self.masks = masks
        self.intrinsics = intrinsics
        self.scale = scale
        self.known_distance = known_distance

    def execute(self, context: Context) -> dict[str, Any]:
        """Bring the photographs into the service, then :meth:`submit`."""
        if (self.photos is None) == (self.image_set_id is None):
            raise ValueError(f"{self.name}: give either photos or image_set_id.")
        with self._client(context) as client:
            image_set_id, upload = self.image_set_id, None
            if self.photos is not None:
                called = f"{self.name[:150]} [{task_token(context)}]"
                image_set_id, upload = photographs_of(client, called, self.photos, self.masks, self.log.info)
            elif self.masks is not None:
                client.upload(self.image_set_id, [], masks=self.masks)
            known = {"image_set_id": image_set_id}
            if upload is not None:
                trigger = E2E3DImportTrigger(upload, self.conn_id, self.away_s)
                self.defer(trigger=trigger, method_name="photographs_arrived", kwargs={"upload_id": upload, **known})
        return self.submit(context, **known)

    def photographs_arrived(
        self, context: Context, event: Mapping[str, Any], upload_id: str, image_set_id: str
    ) -> dict[str, Any]:
        """Called by Airflow when an import has ended, or nobody could follow it."""
        with self._client(context) as client:
            upload = client.upload_state(upload_id)
            if upload.error is not None:
                raise E2E3DError(upload.error.code, upload.error.detail, upload.error.action)
            if upload.state != "done":
                raise AirflowException(f"{self.name}: nobody could follow the import: {event.get('error')}.")
            self.log.info("%s: %d photographs were imported, %d rejected", self.name, upload.added, upload.rejected)
        return self.submit(context, image_set_id=image_set_id)

    def submitted(self, context: Context, client: Client, **known: Any) -> Job:
        """See :class:`E2E3DJobOperator`."""
        request = {
            "image_set_id": known["image_set_id"],
            "quality": self.quality,
            "settings": self.settings,
            "name": self.name,
            "outputs": self.outputs,
            "options": job_options(self.intrinsics, self.scale, self.known_distance),
        }
        key = submission_key(context, request)
        return latest_try(client, client.submit(**request, idempotency_key=key), key)


class E2E3DRerunOperator(E2E3DJobOperator):
    """Runs a job of the service again with other settings; what those do not concern is not computed again.

    Args:
        job_id: of the earlier job.
        changes: `quality`, `settings`, `options`, `outputs` or `priority`, see :meth:`e2e3d.client.Client.rerun`.
        arguments: as of :class:`E2E3DJobOperator`.
    """

    template_fields: Sequence[str] = (*E2E3DJobOperator.template_fields, "job_id", "changes")

    def __init__(self, *, job_id: str, changes: Mapping[str, Any], **arguments: Any) -> None:
        super().__init__(**arguments)
        self.job_id = job_id
        self.changes = dict(changes)

    def execute(self, context: Context) -> dict[str, Any]:
        """See :meth:`submit`."""
        return self.submit(context)

    def submitted(self, context: Context, client: Client, **known: Any) -> Job:
        """See :class:`E2E3DJobOperator`."""
        changes = {**self.changes, "name": self.name}
        key = submission_key(context, {"job_id": self.job_id, **changes})
        return latest_try(client, client.rerun(self.job_id, idempotency_key=key, **changes), key)

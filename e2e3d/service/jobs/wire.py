"""What is said of jobs over HTTP."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import ConfigDict, Field, field_validator

from e2e3d.config.presets import QUALITIES
from e2e3d.config.run_options import SCALE, CalibrationText, RunOptions
from e2e3d.service.http.wire import RequestModel, ResponseModel, values
from e2e3d.service.results.outputs import DEFAULT_OUTPUTS

if TYPE_CHECKING:
    from e2e3d.service.jobs.records import JobRecord, LogLine, StageRecord

StateName = Literal["queued", "running", "succeeded", "failed", "cancelled"]
OutputName = Literal["sparse", "cloud", "mesh", "obj", "glb", "report", "depth", "tiles"]
Quality = Annotated[str, Field(max_length=32, description=f"One of {', '.join(QUALITIES)}.")]
SettingValue = bool | int | float | str | list[bool | int | float | str]
Settings = Annotated[
    dict[Annotated[str, Field(max_length=100)], SettingValue],
    Field(max_length=100, description="Changes to the preset by dotted name, such as `depth.max_size_px`."),
]
SettingChanges = Annotated[dict[Annotated[str, Field(max_length=100)], SettingValue | None], Field(max_length=100)]


class Distance(RequestModel):
    """A distance that gives the model its scale."""

    photo_a: str = Field(max_length=255, description="Name of a photograph.")
    photo_b: str = Field(max_length=255, description="Name of another photograph.")
    metres: float = Field(ge=SCALE.low, le=SCALE.high, description="Between the two cameras.")


class JobOptions(RequestModel):
    """What is known of the photographs."""

    intrinsics: str | None = Field(
        default=None, max_length=2000, description="The 3 x 3 calibration matrix in pixels: three rows of numbers."
    )
    scale: float | None = Field(default=None, ge=SCALE.low, le=SCALE.high, description="Metres per unit of the model.")
    known_distance: Distance | None = None

    @field_validator("intrinsics")
    @classmethod
    def _no_zero_bytes(cls, value: str | None) -> str | None:
        if value is not None and "\0" in value:
            raise ValueError("must not contain zero bytes")
        return value

    def run_options(self) -> RunOptions:
        """What the run is told."""
        distance = self.known_distance
        return RunOptions(
            intrinsics=None if self.intrinsics is None else CalibrationText(self.intrinsics),
            scale=self.scale,
            known_distance=None if distance is None else (distance.photo_a, distance.photo_b, distance.metres),
        )

    @classmethod
    def of(cls, options: RunOptions) -> JobOptions:
        """What a job was given, as a request gives it; what was not given counts as not named."""
        given: dict[str, Any] = options.to_json()
        if options.known_distance is not None:
            photo_a, photo_b, metres = options.known_distance
            given["known_distance"] = Distance(photo_a=photo_a, photo_b=photo_b, metres=metres)
        return cls(**given)


class ForecastRequest(RequestModel):
    """A job that may be submitted."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"image_set_id": "5f0c8a3e-5b0e-4c6e-9a55-0a1b2c3d4e5f", "quality": "medium", "settings": {}}]
        },
    )

    image_set_id: str = Field(max_length=36)
    quality: Quality = "medium"
    settings: Settings = Field(default_factory=dict)


class JobRequest(ForecastRequest):
    """A job to be computed."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "image_set_id": "5f0c8a3e-5b0e-4c6e-9a55-0a1b2c3d4e5f",
                    "quality": "medium",
                    "settings": {"depth.max_size_px": 768},
                    "outputs": ["glb", "report"],
                    "name": "Statue in the park",
                }
            ]
        },
    )

    name: str = Field(default="", max_length=200)
    options: JobOptions = Field(default_factory=JobOptions)
    outputs: list[OutputName] = Field(
        default_factory=list, max_length=10, description=f"Files to keep; none named = {', '.join(DEFAULT_OUTPUTS)}."
    )
    priority: int = Field(
        default=0, ge=-100, le=100, description="Among your jobs, larger comes first; above 0 is for administrators."
    )
    webhook_url: str | None = Field(default=None, max_length=2000, description="Told of every change of state.")

    @field_validator("name")
    @classmethod
    def _printable(cls, value: str) -> str:
        if "\0" in value:
            raise ValueError("must not contain zero bytes")
        return value.strip()


class RerunRequest(RequestModel):
    """What shall be different when a job runs again; everything else is as it was, and is not computed again."""

    quality: Quality | None = None
    settings: SettingChanges | None = Field(
        default=None, description="Change those of the job, which keeps the others; null takes one back to its preset."
    )
    options: JobOptions | None = Field(
        default=None, description="Change those of the job, which keeps the others; null takes one away."
    )
    outputs: list[OutputName] | None = Field(default=None, max_length=10)
    priority: int | None = Field(default=None, ge=-100, le=100)
    name: str | None = Field(default=None, max_length=200)


class ForecastView(ResponseModel):
    """What a job will probably cost."""

    seconds_low: float
    seconds_high: float
    memory_bytes: int
    disk_bytes: int
    photos: int
    megapixels: float = Field(description="Of one photograph, on average.")
    queued_ahead: int = Field(default=0, description="Jobs that come before it.")
    reused: tuple[str, ...] = Field(
        default=(), description="Passes of an earlier job whose results are used again; the seconds are without them."
    )


class ErrorView(ResponseModel):
    """Why a job failed."""

    code: str
    message: str
    action: str = Field(description="What you can do about it.")


class ReasonView(ResponseModel):
    """Why a model is doubted, or why there is none."""

    code: str
    message: str
    action: str = Field(description="What you can do about it.")


class JudgementView(ResponseModel):
    """What the model of a job is worth."""

    verdict: Annotated[str, values("good", "doubtful", "failed")] = Field(
        description="`doubtful`: there is a model, but signs speak against it; `failed`: there is none."
    )
    reasons: tuple[ReasonView, ...] = Field(description="Empty when good.")


class JobView(ResponseModel):
    """A job."""

    id: str
    image_set_id: str | None
    name: str
    state: Annotated[str, values(*get_args(StateName))]
    quality: str
    settings: dict[str, Any]
    options: dict[str, Any]
    outputs: tuple[str, ...]
    priority: int
    attempt: int = Field(description="How often it was begun; what interrupted it from outside does not count.")
    interruptions: int = Field(description="How often the service stopped or broke down while it was computed.")
    retry_of: str | None = Field(description="The job that this one repeats.")
    webhook_url: str | None
    stage: str | None = Field(description="What is being computed.")
    units_done: int = Field(description="Finished units of the stage.")
    units_total: int
    progress: float = Field(ge=0, le=1, description="Of the whole job.")
    eta_low_s: float | None = Field(description="Least and most seconds that probably remain.")
    eta_high_s: float | None
    place_in_queue: int | None = Field(description="1 for the job that comes next.")
    cancel_requested: bool
    forecast: ForecastView | None
    error: ErrorView | None
    judgement: JudgementView | None = Field(description="Of a job that succeeded or failed.")
    result_bytes: int
    created_at: datetime.datetime
    started_at: datetime.datetime | None
    finished_at: datetime.datetime | None
    expires_at: datetime.datetime | None = Field(description="When the results will be removed.")


class StageView(ResponseModel):
    """What a stage took."""

    attempt: int
    stage: str
    units: int
    reused_units: int
    elapsed_s: float
    cpu_s: float
    peak_bytes: int
    finished_at: datetime.datetime | None


class JobDetail(JobView):
    """A job with what its stages took."""

    stages: tuple[StageView, ...]


class LogView(ResponseModel):
    """A line of a job's log."""

    id: int
    at: datetime.datetime
    level: str
    message: str


def job_view(job: JobRecord, place: int | None = None) -> JobView:
    """A job as HTTP shows it."""
    return JobView.from_record(job, **_derived(job, place))


def job_detail(job: JobRecord, place: int | None, stages: tuple[StageRecord, ...]) -> JobDetail:
    """A job with its stages."""
    return JobDetail.from_record(job, **_derived(job, place), stages=stages)


def log_view(line: LogLine) -> LogView:
    """A line of the log as HTTP shows it."""
    return LogView.from_record(line)


def _derived(job: JobRecord, place: int | None) -> dict[str, Any]:
    """What a job shows in another form than its record has; every other member is the record's, by name."""
    error = None
    if job.error_code is not None:
        error = ErrorView(code=job.error_code, message=job.error_message or "", action=job.error_hint or "")
    return {
        "options": job.options.to_json(),
        "place_in_queue": place,
        "cancel_requested": job.cancel_requested_at is not None,
        "forecast": job.forecast or None,
        "error": error,
        "judgement": _judgement(job, error),
    }


def _judgement(job: JobRecord, error: ErrorView | None) -> JudgementView | None:
    if job.state == "failed" and error is not None:
        return JudgementView(verdict="failed", reasons=(ReasonView(**error.model_dump()),))
    return None if job.judgement is None else JudgementView(**job.judgement)

"""What an error of E2E3D means to Airflow: whether a further try of the same task may help."""

from __future__ import annotations

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from e2e3d.client import ConflictError, JobEndedError, RateLimitedError
from e2e3d.errors import E2E3DError, MachineError
from e2e3d.service.public_errors import WORDS


def is_final(error: E2E3DError) -> bool:
    """Whether the same photographs and settings would fail again, as in a batch; what the machine lacks may come.

    Of a job that failed the code alone says whether it was the machine: those codes have words of their own.
    """
    if isinstance(error, JobEndedError):
        return error.code not in WORDS
    return error.exit_code != MachineError.exit_code and not isinstance(error, ConflictError | RateLimitedError)


def failure(name: str, error: E2E3DError) -> AirflowException:
    """The exception that ends the task: Airflow tries again, or does not where that is of no use."""
    kind = AirflowFailException if is_final(error) else AirflowException
    return kind(f"{name}: [{error.code}] {error}")

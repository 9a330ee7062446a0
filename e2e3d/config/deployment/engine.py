"""Settings of the engine: where results are kept, which cluster computes, what is logged."""

from __future__ import annotations

import os
from typing import Literal

from pydantic import Field, field_validator

from e2e3d.config.deployment.s3 import S3Options
from e2e3d.config.deployment.sources import EnvironmentOrFile, read_settings

_SCHEMES = ("s3://", "file://")


class Settings(EnvironmentOrFile):
    """Settings read from variables with the prefix ``E2E3D_``; each has a default that suits one machine.

    Attributes:
        store: folder or ``s3://bucket/prefix`` of the artifact store; None = the folder ``.e2e3d/store`` of each OUT.
        s3_endpoint: URL of an S3 server other than AWS, such as MinIO.
        s3_key: access key, and `s3_secret` its secret; None = the usual AWS environment and files.
        s3_sse: server-side encryption that S3 is asked for: ``AES256``, ``aws:kms`` or ``aws:kms:<key id>``.
        ray_address: of a running Ray cluster; None = RAY_ADDRESS, and without it a private Ray on this machine.
        device: ``auto``, ``cpu`` or ``cuda``.
        log_level: of the log on the terminal and in OUT.
    """

    store: str | None = None
    s3_endpoint: str | None = None
    s3_key: str | None = None
    s3_secret: str | None = Field(default=None, repr=False)
    s3_sse: str | None = None
    ray_address: str | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("device", "log_level", mode="before")
    @classmethod
    def _lower_case(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("store")
    @classmethod
    def _known_scheme(cls, value: str | None) -> str | None:
        if value is not None and "://" in value and not value.startswith(_SCHEMES):
            raise ValueError(f"must be a folder or begin with one of {', '.join(_SCHEMES)}")
        return value or None

    @field_validator("s3_endpoint")
    @classmethod
    def _endpoint_is_url(cls, value: str | None) -> str | None:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        return value or None

    @property
    def s3_options(self) -> S3Options:
        """How to reach S3."""
        return S3Options(self.s3_endpoint, self.s3_key, self.s3_secret, self.s3_sse)

    @property
    def address(self) -> str | None:
        """The Ray cluster to join, if any; inside `ray job submit` that is the cluster of the job."""
        return self.ray_address or os.environ.get("RAY_ADDRESS") or None


def load_settings(**given: object) -> Settings:
    """Read the settings; values that are `given`, by name, win over what is read (None is not given).

    Raises:
        SettingsError: ``environment``, naming the variable and its value; ``config-file``; ``bad-setting`` for a value
            that was given.
    """
    return read_settings(Settings, **given)

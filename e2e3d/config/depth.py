"""Settings of the photometric pass of multi-view stereo."""

from __future__ import annotations

from dataclasses import dataclass

from e2e3d.config.bounds import bounded
from e2e3d.config.stereo import StereoConfig
from e2e3d.config.workload import DEPTH_BYTES, KERNELS_BYTES, Cost, Workload
from e2e3d.errors import SettingsError


@dataclass(frozen=True)
class DepthConfig(StereoConfig):
    """Settings of the photometric pass, beside those of the match.

    Attributes:
        max_size_px: longest side of the depth maps, pixels (the pipeline hands it to undistortion).
        coarsest_px: the longest side of the coarsest pyramid level is at least this, pixels.
        sweeps: red-black sweeps at the coarsest level, at those between, and at the finest.
        seed: of the random hypotheses.
    """

    max_size_px: int = bounded(1200, 64, 8192, before="max_size")
    coarsest_px: int = bounded(192, 32, 2048)
    sweeps: tuple[int, int, int] = bounded((5, 2, 1), 1, 50)
    seed: int = bounded(0, 0, 2**31 - 1)

    def __post_init__(self) -> None:
        self.check_match("depth")
        if len(self.sweeps) != 3:
            raise SettingsError("bad-setting", f"depth.sweeps={self.sweeps}.", "Give three numbers.")


_SWEEPS = (5, 2, 1)  # that the rate was measured with


def depth_cost(work: Workload, config: DepthConfig) -> Cost:
    """Of the depth of each view from colours alone."""
    sweeps = sum(count / 4 ** (2 - level) for level, count in enumerate(config.sweeps))
    usual = sum(count / 4 ** (2 - level) for level, count in enumerate(_SWEEPS))
    return Cost(
        memory_bytes=KERNELS_BYTES + (40e6 + 10e6 * config.sources) * work.view_mp,
        cpu_s=5.5 * work.photos * work.view_mp * sweeps / usual,
        disk_bytes=DEPTH_BYTES * 1e6 * work.photos * work.view_mp,
    )

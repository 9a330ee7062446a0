"""All settings of a reconstruction: one frozen config per stage."""

from __future__ import annotations

from dataclasses import dataclass, field

from e2e3d.config.consistency import ConsistencyConfig
from e2e3d.config.depth import DepthConfig
from e2e3d.config.features import FeaturesConfig
from e2e3d.config.frames import FramesConfig
from e2e3d.config.fusion import FusionConfig
from e2e3d.config.ingest import IngestConfig
from e2e3d.config.learned import LearnedConfig
from e2e3d.config.mapping import MappingConfig
from e2e3d.config.matching import MatchingConfig
from e2e3d.config.mesh import MeshConfig
from e2e3d.config.pairs import PairsConfig
from e2e3d.config.texture import TextureConfig


@dataclass(frozen=True)
class PipelineConfig:
    """Settings by stage; users reach them as ``stage.setting`` (``depth.max_size_px``). Undistortion follows depth."""

    frames: FramesConfig = field(default_factory=FramesConfig)
    ingest: IngestConfig = field(default_factory=IngestConfig)
    features: FeaturesConfig = field(default_factory=FeaturesConfig)
    pairs: PairsConfig = field(default_factory=PairsConfig)
    matching: MatchingConfig = field(default_factory=MatchingConfig)
    mapping: MappingConfig = field(default_factory=MappingConfig)
    learned: LearnedConfig = field(default_factory=LearnedConfig)
    depth: DepthConfig = field(default_factory=DepthConfig)
    consistency: ConsistencyConfig = field(default_factory=ConsistencyConfig)
    fusion: FusionConfig = field(default_factory=FusionConfig)
    mesh: MeshConfig = field(default_factory=MeshConfig)
    texture: TextureConfig = field(default_factory=TextureConfig)

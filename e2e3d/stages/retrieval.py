"""Global descriptors for image retrieval: a vocabulary of the whole set, then one vector for each photograph."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from e2e3d.config.pairs import retrieval_cost, vocabulary_cost
from e2e3d.data.features import Features, GlobalDescriptor, Vocabulary
from e2e3d.data.ref import Ref
from e2e3d.errors import SettingsError
from e2e3d.ops.matching import vlad
from e2e3d.stages.stage import RunContext, Stage


@dataclass(frozen=True)
class VocabularyConfig:
    """Settings of the vocabulary.

    Attributes:
        words: how many visual words; a global descriptor has 128 numbers for each.
        samples: descriptors to train on, over the whole set.
    """

    words: int = 64
    samples: int = 100_000

    def __post_init__(self) -> None:
        if not 1 <= self.words <= self.samples:
            message = f"vocabulary.words is {self.words} and vocabulary.samples {self.samples}."
            raise SettingsError("bad-setting", message, "Use at least one word, and more samples than words.")


@dataclass(frozen=True)
class VocabularyInputs:
    """The features of every usable photograph."""

    features: tuple[Ref[Features], ...]


def run_vocabulary(inputs: VocabularyInputs, config: VocabularyConfig, context: RunContext) -> Vocabulary:
    """Train visual words on a sample of all descriptors; one photograph is in memory at a time."""
    each = max(1, config.samples // max(1, len(inputs.features)))
    samples = [vlad.sample_descriptors(features.load().descriptors, each) for features in inputs.features]
    descriptors = np.concatenate(samples) if samples else np.zeros((0, 128), np.uint8)
    return Vocabulary(vlad.train_vocabulary(descriptors, config.words))


@dataclass(frozen=True)
class RetrievalConfig:
    """Describing a photograph has no settings of its own."""


@dataclass(frozen=True)
class RetrievalInputs:
    """One photograph's features and the set's vocabulary."""

    features: Ref[Features]
    vocabulary: Ref[Vocabulary]


def run(inputs: RetrievalInputs, config: RetrievalConfig, context: RunContext) -> GlobalDescriptor:
    """Describe one photograph by one vector."""
    words = inputs.vocabulary.load().words
    return GlobalDescriptor(vlad.describe_photo(inputs.features.load().descriptors, words))


VOCABULARY_STAGE = Stage(
    name="vocabulary",
    version=1,
    config=VocabularyConfig,
    output=Vocabulary,
    run=run_vocabulary,
    cost=vocabulary_cost,
)

STAGE = Stage(
    name="retrieval",
    version=1,
    config=RetrievalConfig,
    output=GlobalDescriptor,
    run=run,
    cost=retrieval_cost,
)

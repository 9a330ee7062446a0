"""The executor that computes nothing: a run on it finds everything stored, or says what would be computed."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

from e2e3d.data.ref import Ref
from e2e3d.errors import SettingsError
from e2e3d.pipeline.base_executor import StoreExecutor, UnitDone
from e2e3d.pipeline.passes import PassUnits


class StoredOnlyExecutor(StoreExecutor):
    """Refuses what is not stored, with SettingsError ``not-stored``; arguments as in :class:`StoreExecutor`."""

    def put_blob(self, data: bytes | memoryview) -> Ref[bytes]:
        """The reference of bytes that are stored; others are refused."""
        ref = self.blob(hashlib.sha256(data).hexdigest())
        if self.store.size_bytes(ref.key) != len(data):
            raise _refusal("A photograph or mask is not in the store")
        return ref

    def close(self) -> None:
        """Nothing is held."""

    def _compute(self, work: Sequence[PassUnits], done: UnitDone) -> None:
        missing: Counter[str] = Counter()
        for part in work:
            missing[part.stage.name] += len(part.units)
        units = ", ".join(f"{count} of {stage}" for stage, count in missing.items() if count)
        raise _refusal(f"Results of stages are not stored ({units})")


def _refusal(what: str) -> SettingsError:
    return SettingsError(
        "not-stored",
        f"{what}; they would be computed.",
        "Give the photographs, settings and options of the finished run, or leave out only_stored.",
    )

"""Puts the files of a job into the store and into its list of results, while it runs and when it has finished."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from e2e3d.data.ref import Ref
from e2e3d.errors import E2E3DError
from e2e3d.service.database import Database
from e2e3d.service.database.table_base import now
from e2e3d.service.jobs import leases
from e2e3d.service.jobs.records import Fence, NewResult
from e2e3d.service.results.outputs import DEFAULT_OUTPUTS, media_type, output_of
from e2e3d.storage.atomic_files import sha256_of
from e2e3d.storage.objects import BLOCK_BYTES, ObjectStore

log = logging.getLogger(__name__)

_HASH_DIGITS = 16


class Publisher:
    """Uploads result files behind the fence of a job's lease.

    A file whose bytes are published already is not sent again, so what was published while the job ran costs little at
    its end. A file lies under a name with the start of its own hash: a driver that lost its lease without having
    noticed overwrites nothing of its successor's. The collector removes what no result names any more.

    Args:
        files: the store.
        database: where results are recorded.
        fence: the right to write.
        outputs: groups of files that the user wants; empty = the usual ones.
        folder: for files that are on their way; removed by :meth:`close`.
        lost: called when the lease is lost.
    """

    def __init__(
        self,
        files: ObjectStore,
        database: Database,
        fence: Fence,
        outputs: Sequence[str],
        folder: Path,
        lost: Callable[[], None],
    ) -> None:
        self._files = files
        self._database = database
        self._fence = fence
        self._outputs = frozenset(outputs or DEFAULT_OUTPUTS)
        self._folder = folder
        self._lost = lost
        self._published = database.retry(lambda session: leases.results_of(session, fence.job_id))
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="publisher")

    def wants(self, path: str) -> bool:
        """Whether a file of the result folder is to be kept."""
        group = output_of(path)
        return group is None or group in self._outputs

    def pass_finished(self, label: str, results: Sequence[Ref[Any]]) -> None:
        """Publish what a pass made, in the background; a failure is logged, and the end of the job tries again."""
        from e2e3d.outputs.partial_export import PARTIAL_PASSES

        if label in PARTIAL_PASSES:
            self._thread.submit(self._publish_pass, label, results)

    def publish(self, folder: Path, done: Callable[[int, int], None] = lambda done, total: None) -> None:
        """Publish every wanted file below `folder`, after what is under way in the background.

        Raises:
            MachineError: as the store says.
        """
        self._thread.submit(lambda: None).result()
        paths = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
        for count, path in enumerate(paths):
            self._publish_file(path, path.relative_to(folder).as_posix())
            done(count + 1, len(paths))

    def close(self) -> None:
        """Forget what is still waiting, and remove the folder."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _publish_pass(self, label: str, results: Sequence[Ref[Any]]) -> None:
        from e2e3d.outputs.partial_export import export_partial

        folder = self._folder / label
        try:
            export_partial(folder, label, results)
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    self._publish_file(path, path.relative_to(folder).as_posix())
        except (E2E3DError, OSError) as error:
            log.warning("the results of %s could not be published yet: %s", label, error)
        except Exception:  # the executor's thread would drop it silently
            log.exception("the results of %s could not be published", label)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _publish_file(self, path: Path, name: str) -> None:
        sha256 = sha256_of(path)
        if not self.wants(name) or self._published.get(name) == sha256:
            return
        key = f"results/{self._fence.job_id}/{sha256[:_HASH_DIGITS]}/{name}"
        written = self._files.write(key, _blocks(path))
        result = NewResult(name, media_type(name), written.bytes, written.sha256, key)
        if self._database.retry(lambda session: leases.record_result(session, self._fence, result, now())):
            self._published[name] = sha256
        else:
            self._lost()


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            yield block

"""Files of strangers, each taken in as the service does and as ``e2e3d run`` does, with limits of time and memory.

usage: python benchmarks/hostile_files.py [COUNT] [SEED] [--quick]

Attacks made by hand, and random changes of small files of every format, COUNT (1000) in all. Printed are, by kind of
file and way in, how many were taken and refused, the longest time, the most memory of the process that took them in and
of the one that looked at them; then every code that was answered; then what went wrong: a process that died or hung, an
error that is none of ours. Exit code 1 when anything did. With --quick the attacks that live on their size are small.
"""

from __future__ import annotations

import contextlib
import datetime
import multiprocessing
import resource
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import hostile_pictures
import hostile_zips
import numpy as np
import psutil

from e2e3d.errors import E2E3DError

TIME_S = 900.0  # a machine may do other things as well
MEMORY_BYTES = {"service": 1 << 30, "run": 4 << 30}
_SYSTEM = ("died", "hung", "mistake")


@dataclass(frozen=True)
class Case:
    """A file, and what kind it is."""

    kind: str
    name: str
    data: bytes


@dataclass(frozen=True)
class Outcome:
    """What became of it: ``taken``, ``refused`` or what went wrong, with a code; memory beside what was there."""

    how: str
    code: str
    seconds: float = 0.0
    megabytes: float = 0.0
    checker_megabytes: float = 0.0


def cases(count: int, seed: int, scale: float) -> Iterator[Case]:
    """The attacks, then changed files until there are `count`."""
    made = [Case("zip attacks", name, data) for name, data in hostile_zips.attacks(scale).items()]
    made += [Case("picture attacks", name, data) for name, data in hostile_pictures.attacks(scale).items()]
    yield from made
    whole = [(name, data, hostile_pictures.damaged) for name, data in hostile_pictures.bases().items()]
    whole += [(name, data, hostile_zips.damaged_zip) for name, data in hostile_zips.bases().items()]
    for number in range(count - len(made)):
        name, data, damage = whole[number % len(whole)]
        changed = damage(np.random.default_rng((seed, number)), data)
        yield Case(f"changed {name.rpartition('.')[2]}", f"{number}-{name}", changed)


class Service:
    """The way into the service: an upload that has arrived is imported."""

    def __init__(self, folder: Path) -> None:
        from e2e3d.service.accounts import queries as accounts
        from e2e3d.service.accounts.records import Quotas
        from e2e3d.service.database import Database, upgrade
        from e2e3d.service.database.table_base import now
        from e2e3d.service.intake.checkers import PhotoCheckers
        from e2e3d.service.intake.intake import Intake
        from e2e3d.storage.opening import open_objects

        database = Database(f"sqlite:///{folder / 'database.sqlite'}")
        upgrade(database)
        self._intake = Intake(database, open_objects(str(folder / "store")), now, PhotoCheckers(1))
        with database.session() as session:
            self._user = accounts.create(session, "a@example.org", "", "user", "x", Quotas(9, 10**12, 9)).id

    def take(self, case: Case) -> tuple[str, str]:
        """Send the file, and import it."""
        from e2e3d.config.deployment.s3 import S3Options
        from e2e3d.service.intake.imports import run_import
        from e2e3d.service.uploads import queries as uploads

        upload_id = self._arrived(case)
        run_import(self._intake, upload_id, S3Options())
        with self._intake.database.reading() as session:
            upload = uploads.find(session, self._user, upload_id)
        assert upload is not None
        progress = upload.progress
        if upload.state == "failed" and progress.error_code != "import-failed":
            return "refused", str(progress.error_code)
        if upload.state != "done":
            return "mistake", f"{upload.state} {progress.error_code}"
        codes = {finding.code for remark in progress.remarks for finding in remark.findings if finding.fatal}
        return ("taken" if progress.added else "refused"), " ".join(sorted(codes)) or "-"

    def _arrived(self, case: Case) -> str:
        from e2e3d.service.image_sets import queries as image_sets
        from e2e3d.service.intake.photo_names import safe_name
        from e2e3d.service.intake.upload_parts import PART_BYTES, PartWriter
        from e2e3d.service.uploads import queries as uploads

        now, size = self._intake.clock(), len(case.data)
        later = now + datetime.timedelta(days=1)
        with self._intake.database.session() as session:
            into = image_sets.create(session, self._user, case.name[:100], now).id
            upload = uploads.create(session, self._user, into, "tus", safe_name(case.name), size, later, now)
        writer = PartWriter(self._intake.files, upload.id, 0)
        for start in range(0, size, PART_BYTES):
            writer.add(case.data[start : start + PART_BYTES])
            part = writer.flush()
            assert part is not None
            with self._intake.database.session() as session:
                uploads.advance(session, upload.id, start, (part,), now)
        with self._intake.database.session() as session:
            uploads.begin_import(session, upload.id)
        return upload.id


class Run:
    """The way into ``e2e3d run``: the source is read, and ingest looks at its photographs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0

    def take(self, case: Case) -> tuple[str, str]:
        """Give the archive, or a folder with the picture."""
        from e2e3d.config.pipeline import PipelineConfig
        from e2e3d.pipeline.inprocess import InProcessExecutor
        from e2e3d.pipeline.pipeline import check_photos
        from e2e3d.pipeline.sources.source_set import read_source
        from e2e3d.storage.store import ArtifactStore

        self._number += 1
        place = self._folder / str(self._number)
        place.mkdir()
        (place / case.name).write_bytes(case.data)
        executor = InProcessExecutor(ArtifactStore(str(self._folder / "store")), device="cpu")
        try:
            source = read_source(place / case.name if case.name.endswith(".zip") else place, executor)
            check_photos(source, None, PipelineConfig(), executor)
        except E2E3DError as error:
            whole = error.code == "too-few-photographs" and ": " not in error.message
            return ("taken" if whole else "refused"), error.code
        return "taken", "-"


def worker(way: str, folder: str, pipe: Connection) -> None:
    """Take in one file after another, in as much memory as is allowed."""
    taker = {"service": Service, "run": Run}[way](Path(folder))
    taker.take(Case("", "warm.jpg", hostile_pictures.picture(0, "JPEG")))
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * resource.getpagesize() + MEMORY_BYTES[way]
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))  # checkers have their own
    warnings.simplefilter("ignore")  # of damaged tags
    start_bytes = psutil.Process().memory_info().rss
    pipe.send(None)
    while True:
        case = pipe.recv()
        began_s = time.monotonic()
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # begins the peak of memory anew
        try:
            how, code = taker.take(case)
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            how, code = "mistake", f"{type(error).__name__}: {error}"[:200]
        seconds = time.monotonic() - began_s
        pipe.send(Outcome(how, code, seconds, (_peak_bytes("self") - start_bytes) / 1e6, _checker_megabytes()))


def _peak_bytes(pid: object) -> int:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)


def _checker_megabytes() -> float:
    peaks = [0]
    for child in psutil.Process().children():
        with contextlib.suppress(OSError):
            peaks.append(_peak_bytes(child.pid))
    return max(peaks) / 1e6


class Watched:
    """A worker that is watched, and replaced when it dies or hangs."""

    def __init__(self, way: str, folder: Path) -> None:
        self._way, self._folder, self._count = way, folder, 0
        self._start()

    def take(self, case: Case) -> Outcome:
        """What became of a file."""
        self._pipe.send(case)
        try:
            if self._pipe.poll(TIME_S):
                outcome: Outcome = self._pipe.recv()
                return outcome
            how = "hung"
        except EOFError:
            how = "died"
        self.end()
        self._start()
        return Outcome(how, "", TIME_S)

    def end(self) -> None:
        """End the worker."""
        self._process.kill()
        self._process.join()

    def _start(self) -> None:
        self._count += 1
        place = self._folder / f"{self._way}{self._count}"
        place.mkdir()
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=worker, args=(self._way, str(place), theirs), daemon=True)
        self._process.start()
        theirs.close()
        self._pipe.recv()


def table(found: list[tuple[str, Case, Outcome]]) -> str:
    """A row for every way in and kind of file."""
    rows = ["| way | files | count | taken | refused | wrong | longest s | most MB | checker MB |", "|---" * 9 + "|"]
    for way, kind in sorted({(way, case.kind) for way, case, _ in found}):
        these = [outcome for each, case, outcome in found if (each, case.kind) == (way, kind)]
        how = Counter("wrong" if each.how in _SYSTEM else each.how for each in these)
        most = [max(getattr(each, name) for each in these) for name in ("seconds", "megabytes", "checker_megabytes")]
        figures = f"{most[0]:.1f} | {most[1]:.0f} | {most[2]:.0f}"
        rows.append(
            f"| {way} | {kind} | {len(these)} | {how['taken']} | {how['refused']} | {how['wrong']} | {figures} |"
        )
    return "\n".join(rows)


def main(count: int, seed: int, quick: bool) -> int:
    """Take everything in both ways, and print what became of it."""
    found: list[tuple[str, Case, Outcome]] = []
    with tempfile.TemporaryDirectory() as folder:
        ways = {way: Watched(way, Path(folder)) for way in MEMORY_BYTES}
        for case in cases(count, seed, 0.01 if quick else 1.0):
            for way, watched in ways.items():
                outcome = watched.take(case)
                found.append((way, Case(case.kind, case.name, b""), outcome))
                if outcome.how in _SYSTEM or outcome.seconds > 30:
                    print(f"{way} {case.name}: {outcome}", file=sys.stderr, flush=True)
        for watched in ways.values():
            watched.end()
    print(table(found))
    for way in MEMORY_BYTES:
        codes = Counter(outcome.code for each, _, outcome in found if each == way)
        print(f"\n{way}: " + ", ".join(f"{code} {number}" for code, number in codes.most_common()))
    wrong = [(way, case.name, outcome) for way, case, outcome in found if outcome.how in _SYSTEM]
    print(f"\n{len(found) // 2} files, {len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    given = [argument for argument in sys.argv[1:] if argument != "--quick"]
    numbers = [*map(int, given), *(1000, 1)[len(given) :]]
    sys.exit(main(numbers[0], numbers[1], "--quick" in sys.argv))

import datetime
import hashlib
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from e2e3d.service.accounts.tables import UserRow
from e2e3d.service.database import Database
from e2e3d.service.image_sets import photo_queries as photos
from e2e3d.service.image_sets import queries as image_sets
from e2e3d.service.image_sets.records import Arrival, PhotoRecord
from e2e3d.service.intake.intake import ImportTarget, Intake
from e2e3d.service.intake.photo_check import judged
from e2e3d.service.intake.upload_parts import PartWriter
from e2e3d.service.uploads import queries as uploads
from e2e3d.service.uploads.records import UploadRecord
from e2e3d.storage.objects import ObjectStore
from e2e3d.storage.opening import open_objects

DAY = datetime.timedelta(days=1)


@dataclass
class Place:
    """A database, a store and one user with an image set."""

    database: Database
    files: ObjectStore
    user_id: str = ""
    set_id: str = ""
    later: datetime.timedelta = field(default_factory=datetime.timedelta)

    def __post_init__(self) -> None:
        self.user_id = self.user()
        self.set_id = self.image_set()
        self.intake = Intake(self.database, self.files, self.now)

    def now(self) -> datetime.datetime:
        return datetime.datetime.now(datetime.UTC) + self.later

    def user(self, quota_bytes: int = 10**9) -> str:
        row = UserRow(
            email=f"{uuid.uuid4().hex}@example.org",
            password_hash="x",
            quota_photos=100,
            quota_bytes=quota_bytes,
            quota_jobs=2,
        )
        with self.database.session() as session:
            session.add(row)
            session.flush()
            return row.id

    def image_set(self, user_id: str | None = None) -> str:
        with self.database.session() as session:
            return image_sets.create(session, user_id or self.user_id, "set", self.now()).id

    def target(self) -> ImportTarget:
        return ImportTarget(self.user_id, self.set_id)

    def send(self, name: str, data: bytes, target: ImportTarget | None = None) -> Arrival:
        return self.intake.take(target or self.target(), name, hashlib.sha256(data).hexdigest(), lambda: data)

    def known(self, name: str, sha256: str, target: ImportTarget | None = None) -> Arrival | None:
        """What becomes of a photograph that the user says to have sent before."""
        return self.intake.take_known(target or self.target(), [(name, sha256)])[0]

    def listed(self) -> dict[str, PhotoRecord]:
        with self.database.reading() as session:
            found = photos.listed(session, self.set_id, 1000)
            return {photo.name: photo for photo in judged(found, photos.usual_sharpness(session, self.set_id))}

    def stored_bytes(self) -> int:
        with self.database.reading() as session:
            return session.get_one(UserRow, self.user_id).stored_bytes

    def arrived(self, name: str, data: bytes, piece: int = 300_000) -> str:
        """An upload whose bytes have all arrived."""
        now = self.now()
        with self.database.session() as session:
            upload = uploads.create(session, self.user_id, self.set_id, "tus", name, len(data), now + DAY, now)
        writer = PartWriter(self.files, upload.id, 0)
        for start in range(0, len(data), piece):
            writer.add(data[start : start + piece])
            part = writer.flush()
            assert part is not None
            with self.database.session() as session:
                assert uploads.advance(session, upload.id, start, (part,), now)
        with self.database.session() as session:
            assert uploads.begin_import(session, upload.id)
        return upload.id

    def upload(self, upload_id: str) -> UploadRecord:
        with self.database.reading() as session:
            found = uploads.find(session, self.user_id, upload_id)
        assert found is not None
        return found


@pytest.fixture
def place(database: Database, tmp_path: Path) -> Place:
    return Place(database, open_objects(str(tmp_path / "store")))

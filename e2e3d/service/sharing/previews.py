"""What other sites show of a shared model before anybody opens it: its name and a picture (https://ogp.me)."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from e2e3d.outputs.front_picture import PICTURE_WITHIN_BYTES, front_picture
from e2e3d.service.database.table_base import now
from e2e3d.service.jobs import queries as jobs
from e2e3d.service.results import queries as results
from e2e3d.service.services import Services
from e2e3d.service.sharing import queries as shares
from e2e3d.service.sharing.share_tokens import share_of
from e2e3d.storage.objects import ObjectStore

REPORT = "report.html"
WIDTH_PX, HEIGHT_PX = 720, 540
"""Of the picture, as reports have it."""


@dataclass(frozen=True)
class Preview:
    """A shared model without a password: its name, and the addresses of its view and its picture."""

    name: str
    url: str
    picture_url: str | None

    def tags(self) -> str:
        """The elements of a document's head that other sites read."""
        title = escape(self.name or "A model", quote=True)
        properties = {"og:type": "website", "og:site_name": "E2E3D", "og:title": title, "og:url": self.url}
        if self.picture_url is not None:
            properties |= {"og:image": self.picture_url, "og:image:type": "image/jpeg"}
            properties |= {"og:image:width": str(WIDTH_PX), "og:image:height": str(HEIGHT_PX), "og:image:alt": title}
        tags = [f'<meta property="{name}" content="{value}">' for name, value in properties.items()]
        card = "summary_large_image" if self.picture_url else "summary"
        return "".join((*tags, f'<meta name="twitter:card" content="{card}">'))


def preview_of(services: Services, token: str) -> Preview | None:
    """What may be said of a shared model to whoever knows its address; None with a password, or where there is none."""
    share_id = share_of(services.settings.secret_key or "", token)
    if share_id is None:
        return None
    with services.database.reading() as session:
        share = shares.current(session, share_id, now())
        if share is None or share.password_hash is not None:
            return None
        job = jobs.by_id(session, share.job_id)
        has_report = bool(results.chosen(session, share.job_id, [REPORT]))
    url = services.settings.url
    picture = f"{url}/v1/shared/{token}/picture" if has_report else None
    return None if job is None else Preview(job.name, f"{url}/shared/{token}", picture)


def picture_of(files: ObjectStore, report_key: str, report_bytes: int) -> bytes | None:
    """The picture of a model out of its report in the store; None where there is none. Raises FileNotFoundError."""
    head = b"".join(files.read(report_key, 0, min(report_bytes, PICTURE_WITHIN_BYTES)))
    return front_picture(head)

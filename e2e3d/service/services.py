"""What the routes work with, built once in an entry point and handed to the application."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from e2e3d.config.deployment import ServiceSettings
from e2e3d.service.database import Database
from e2e3d.service.database.table_base import now
from e2e3d.service.events.event_notifier import EventNotifier
from e2e3d.service.events.followers import Followers
from e2e3d.service.http.user_threads import UserThreads
from e2e3d.service.intake.import_threads import ImportThreads
from e2e3d.service.intake.intake import Intake
from e2e3d.service.open_id.provider import OpenIdProvider
from e2e3d.service.sign_in.device_tokens import DeviceTokens
from e2e3d.service.sign_in.passwords import Passwords
from e2e3d.service.sign_in.throttle import Throttle
from e2e3d.service.sign_in.tokens import TokenSigner
from e2e3d.storage.objects import ObjectStore
from e2e3d.storage.opening import open_objects

Check = Callable[[], object]


@dataclass(frozen=True)
class Services:
    """Everything that a request may need; safe to share between threads.

    Attributes:
        files: big files of the store.
        intake: takes photographs in.
        open_id: the organisation's own accounts; None = passwords only.
        imports: take archives and folders of S3 in, in the background.
        notifier: tells other processes of new events; `followers` are the event streams of this one.
        threads: for what waits on behalf of one user.
        checks: what ``/readyz`` asks beside database, store and disk, by name; each raises when its part is not ready.
    """

    settings: ServiceSettings
    database: Database
    files: ObjectStore
    intake: Intake
    imports: ImportThreads
    tokens: TokenSigner
    devices: DeviceTokens
    passwords: Passwords
    throttle: Throttle
    notifier: EventNotifier
    followers: Followers
    threads: UserThreads
    open_id: OpenIdProvider | None = None
    checks: Mapping[str, Check] = field(default_factory=dict)

    def close(self) -> None:
        """End what goes on in the background, and close the connections."""
        self.imports.close()
        if self.open_id is not None:
            self.open_id.close()
        self.notifier.close()
        self.throttle.close()
        self.database.close()


def build_services(settings: ServiceSettings, checks: Mapping[str, Check] | None = None) -> Services:
    """Build the services that the settings describe; nothing is connected before it is used.

    Raises:
        SettingsError: a setting that cannot be used.
        MachineError: the store cannot be opened.
    """
    assert settings.secret_key is not None, "load_service_settings gives the settings a key"
    database, notifier = Database(settings.database), EventNotifier(settings.redis_url)
    files = open_objects(settings.store_url, settings.s3_options)
    intake = Intake(database, files, now)
    return Services(
        settings=settings,
        database=database,
        files=files,
        intake=intake,
        imports=ImportThreads(lambda: intake, settings.s3_options),
        tokens=TokenSigner(settings.secret_key, settings.access_token_s),
        devices=DeviceTokens(settings.secret_key),
        passwords=Passwords(),
        throttle=Throttle(database, settings.redis_url),
        notifier=notifier,
        followers=Followers(database, notifier),
        threads=UserThreads(),
        open_id=OpenIdProvider(settings, f"{settings.url}/v1/auth/oidc/callback") if settings.oidc_issuer else None,
        checks=dict(checks or {}),
    )

"""The clients that programs use. Their methods are the flows of this package, carried out one way or the other."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator
from typing import Any, Concatenate, ParamSpec, TypeVar

from e2e3d.client import (
    accounts,
    administration,
    annotated_models,
    archives,
    exchange,
    hooks,
    images,
    jobs,
    models,
    shared_models,
    transfers,
    uploads,
    watching,
)
from e2e3d.client.asynchronous import AsyncDriver
from e2e3d.client.blocking import BlockingDriver
from e2e3d.client.flow import Command
from e2e3d.client.session import Session

P = ParamSpec("P")
T = TypeVar("T")
Operation = Callable[Concatenate[Session, P], Generator[Command, Any, T]]


def _call(operation: Operation[P, T]) -> Callable[Concatenate[Client, P], T]:
    @functools.wraps(operation)
    def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.driver.run(operation(self.session, *args, **kwargs))

    return method


def _each(operation: Operation[P, None], of: type[T]) -> Callable[Concatenate[Client, P], Iterator[T]]:
    @functools.wraps(operation)
    def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        return self.driver.iterate(operation(self.session, *args, **kwargs))

    return method


def _acall(operation: Operation[P, T]) -> Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, T]]:
    @functools.wraps(operation)
    async def method(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.driver.run(operation(self.session, *args, **kwargs))

    return method


def _aeach(operation: Operation[P, None], of: type[T]) -> Callable[Concatenate[AsyncClient, P], AsyncIterator[T]]:
    @functools.wraps(operation)
    def method(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[T]:
        return self.driver.iterate(operation(self.session, *args, **kwargs))

    return method


class Client:
    """A service that is called with blocking methods; safe to use from several threads.

    Args:
        url: of the service; None = E2E3D_URL, the service signed in to last, or http://127.0.0.1:8000.
        api_key: None = E2E3D_API_KEY, and without it the last sign-in (``e2e3d login``, :meth:`sign_in`).
        patience_s: how long calls are repeated while the service is away or busy.
    """

    def __init__(self, url: str | None = None, api_key: str | None = None, patience_s: float = 60.0) -> None:
        self.session = Session(url, api_key, patience_s)
        self.driver = BlockingDriver(self.session)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self.driver.close()

    sign_in = _call(exchange.sign_in)
    sign_in_with_key = _call(exchange.sign_in_with_key)
    sign_out = _call(exchange.sign_out)
    me = _call(accounts.me)
    rename_account = _call(accounts.rename_account)
    change_password = _call(accounts.change_password)
    list_api_keys = _call(accounts.list_api_keys)
    create_api_key = _call(accounts.create_api_key)
    revoke_api_key = _call(accounts.revoke_api_key)
    list_sessions = _call(accounts.list_sessions)
    end_session = _call(accounts.end_session)

    list_users = _call(administration.list_users)
    user = _call(administration.user)
    create_user = _call(administration.create_user)
    change_user = _call(administration.change_user)
    delete_user = _call(administration.delete_user)
    restore_user = _call(administration.restore_user)
    list_user_api_keys = _call(administration.list_user_api_keys)
    revoke_user_api_key = _call(administration.revoke_user_api_key)
    list_audit = _call(administration.list_audit)
    log_level = _call(administration.log_level)
    set_log_level = _call(administration.set_log_level)
    overview = _call(administration.overview)
    list_jobs_of_all = _call(administration.list_jobs_of_all)
    cancel_job_of_any = _call(administration.cancel_job_of_any)
    readiness = _call(administration.readiness)

    create_image_set = _call(images.create_image_set)
    image_set = _call(images.image_set)
    list_image_sets = _call(images.list_image_sets)
    rename_image_set = _call(images.rename_image_set)
    delete_image_set = _call(images.delete_image_set)
    list_photos = _call(images.list_photos)
    all_photos = _each(images.all_photos, models.Photo)
    photo = _call(images.photo)
    thumbnail = _call(images.thumbnail)
    remove_photo = _call(images.remove_photo)
    remove_photos = _call(images.remove_photos)
    upload = _call(uploads.upload)
    list_uploads = _call(transfers.list_uploads)
    upload_state = _call(transfers.upload_state)
    discard_upload = _call(transfers.discard_upload)
    import_photos = _call(transfers.import_photos)
    begin_presigned_upload = _call(transfers.begin_presigned_upload)
    sign_upload_parts = _call(transfers.sign_upload_parts)
    complete_presigned_upload = _call(transfers.complete_presigned_upload)

    forecast = _call(jobs.forecast)
    submit = _call(jobs.submit)
    job = _call(jobs.job)
    list_jobs = _call(jobs.list_jobs)
    all_jobs = _each(jobs.all_jobs, models.Job)
    watch = _each(watching.watch, models.Event)
    watch_all = _each(watching.watch_all, models.Event)
    wait = _call(watching.wait)
    cancel = _call(jobs.cancel)
    retry = _call(jobs.retry)
    rerun = _call(jobs.rerun)
    rerun_forecast = _call(jobs.rerun_forecast)
    delete = _call(jobs.delete)
    log = _each(jobs.log, models.LogLine)
    results = _call(jobs.results)
    download = _call(jobs.download)
    download_archive = _call(archives.download_archive)
    result_links = _call(jobs.result_links)
    share = _call(shared_models.share)
    list_shares = _call(shared_models.list_shares)
    withdraw_share = _call(shared_models.withdraw_share)
    annotate = _call(annotated_models.annotate)
    list_annotations = _call(annotated_models.list_annotations)
    change_annotation = _call(annotated_models.change_annotation)
    remove_annotation = _call(annotated_models.remove_annotation)

    create_webhook = _call(hooks.create_webhook)
    list_webhooks = _call(hooks.list_webhooks)
    webhook = _call(hooks.webhook)
    change_webhook = _call(hooks.change_webhook)
    delete_webhook = _call(hooks.delete_webhook)
    rotate_webhook_secret = _call(hooks.rotate_webhook_secret)
    ping_webhook = _call(hooks.ping_webhook)
    list_deliveries = _call(hooks.list_deliveries)
    delivery = _call(hooks.delivery)
    replay_delivery = _call(hooks.replay_delivery)
    job_webhook_secret = _call(hooks.job_webhook_secret)


class AsyncClient:
    """The same as :class:`Client` with methods that are awaited, on one event loop."""

    def __init__(self, url: str | None = None, api_key: str | None = None, patience_s: float = 60.0) -> None:
        self.session = Session(url, api_key, patience_s)
        self.driver = AsyncDriver(self.session)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self.driver.close()

    sign_in = _acall(exchange.sign_in)
    sign_in_with_key = _acall(exchange.sign_in_with_key)
    sign_out = _acall(exchange.sign_out)
    me = _acall(accounts.me)
    rename_account = _acall(accounts.rename_account)
    change_password = _acall(accounts.change_password)
    list_api_keys = _acall(accounts.list_api_keys)
    create_api_key = _acall(accounts.create_api_key)
    revoke_api_key = _acall(accounts.revoke_api_key)
    list_sessions = _acall(accounts.list_sessions)
    end_session = _acall(accounts.end_session)

    list_users = _acall(administration.list_users)
    user = _acall(administration.user)
    create_user = _acall(administration.create_user)
    change_user = _acall(administration.change_user)
    delete_user = _acall(administration.delete_user)
    restore_user = _acall(administration.restore_user)
    list_user_api_keys = _acall(administration.list_user_api_keys)
    revoke_user_api_key = _acall(administration.revoke_user_api_key)
    list_audit = _acall(administration.list_audit)
    log_level = _acall(administration.log_level)
    set_log_level = _acall(administration.set_log_level)
    overview = _acall(administration.overview)
    list_jobs_of_all = _acall(administration.list_jobs_of_all)
    cancel_job_of_any = _acall(administration.cancel_job_of_any)
    readiness = _acall(administration.readiness)

    create_image_set = _acall(images.create_image_set)
    image_set = _acall(images.image_set)
    list_image_sets = _acall(images.list_image_sets)
    rename_image_set = _acall(images.rename_image_set)
    delete_image_set = _acall(images.delete_image_set)
    list_photos = _acall(images.list_photos)
    all_photos = _aeach(images.all_photos, models.Photo)
    photo = _acall(images.photo)
    thumbnail = _acall(images.thumbnail)
    remove_photo = _acall(images.remove_photo)
    remove_photos = _acall(images.remove_photos)
    upload = _acall(uploads.upload)
    list_uploads = _acall(transfers.list_uploads)
    upload_state = _acall(transfers.upload_state)
    discard_upload = _acall(transfers.discard_upload)
    import_photos = _acall(transfers.import_photos)
    begin_presigned_upload = _acall(transfers.begin_presigned_upload)
    sign_upload_parts = _acall(transfers.sign_upload_parts)
    complete_presigned_upload = _acall(transfers.complete_presigned_upload)

    forecast = _acall(jobs.forecast)
    submit = _acall(jobs.submit)
    job = _acall(jobs.job)
    list_jobs = _acall(jobs.list_jobs)
    all_jobs = _aeach(jobs.all_jobs, models.Job)
    watch = _aeach(watching.watch, models.Event)
    watch_all = _aeach(watching.watch_all, models.Event)
    wait = _acall(watching.wait)
    cancel = _acall(jobs.cancel)
    retry = _acall(jobs.retry)
    rerun = _acall(jobs.rerun)
    rerun_forecast = _acall(jobs.rerun_forecast)
    delete = _acall(jobs.delete)
    log = _aeach(jobs.log, models.LogLine)
    results = _acall(jobs.results)
    download = _acall(jobs.download)
    download_archive = _acall(archives.download_archive)
    result_links = _acall(jobs.result_links)
    share = _acall(shared_models.share)
    list_shares = _acall(shared_models.list_shares)
    withdraw_share = _acall(shared_models.withdraw_share)
    annotate = _acall(annotated_models.annotate)
    list_annotations = _acall(annotated_models.list_annotations)
    change_annotation = _acall(annotated_models.change_annotation)
    remove_annotation = _acall(annotated_models.remove_annotation)

    create_webhook = _acall(hooks.create_webhook)
    list_webhooks = _acall(hooks.list_webhooks)
    webhook = _acall(hooks.webhook)
    change_webhook = _acall(hooks.change_webhook)
    delete_webhook = _acall(hooks.delete_webhook)
    rotate_webhook_secret = _acall(hooks.rotate_webhook_secret)
    ping_webhook = _acall(hooks.ping_webhook)
    list_deliveries = _acall(hooks.list_deliveries)
    delivery = _acall(hooks.delivery)
    replay_delivery = _acall(hooks.replay_delivery)
    job_webhook_secret = _acall(hooks.job_webhook_secret)

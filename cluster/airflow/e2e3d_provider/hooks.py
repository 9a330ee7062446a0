"""The connection to a service of E2E3D."""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseHook, Connection
from airflow.sdk.exceptions import AirflowException

from e2e3d.client import AsyncClient, Client
from e2e3d.errors import E2E3DError

PATIENCE_S = 60.0
_TEST_PATIENCE_S = 5.0


class E2E3DHook(BaseHook):
    """Clients of the service that a connection names.

    A connection has the address of the service as its host and an API key (scopes `read` and `write`) as its password;
    ``{"patience_s": 300}`` in its extra says how long calls of tasks are repeated while the service is away.

    Args:
        conn_id: of the connection.
        patience_s: as in the extra, which it takes the place of.
    """

    conn_name_attr = "conn_id"
    default_conn_name = "e2e3d_default"
    conn_type = "e2e3d"
    hook_name = "E2E3D"

    def __init__(
        self, conn_id: str = default_conn_name, patience_s: float | None = None, logger_name: str | None = None
    ) -> None:
        super().__init__(logger_name)
        self.conn_id = conn_id
        self.patience_s = patience_s

    def get_conn(self) -> Client:
        """A client with blocking methods; use it in a ``with`` block.

        Raises:
            AirflowException: the connection lacks its address or its key.
        """
        return Client(*self._arguments(self.get_connection(self.conn_id)))

    async def get_async_conn(self) -> AsyncClient:
        """A client with awaited methods; use it in an ``async with`` block. Raises as :meth:`get_conn`."""
        return AsyncClient(*self._arguments(await self.aget_connection(self.conn_id)))

    def test_connection(self) -> tuple[bool, str]:
        """Whether the service answers and takes the key, and what it says; for ``airflow connections test``."""
        self.patience_s = _TEST_PATIENCE_S
        try:
            with self.get_conn() as client:
                return True, f"Signed in to {client.session.url} as {client.me().email}."
        except (E2E3DError, AirflowException) as error:
            return False, str(error)

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """What the form of a connection asks for."""
        return {
            "hidden_fields": ["schema", "port", "login"],
            "relabeling": {"host": "Address of the service", "password": "API key"},
            "placeholders": {
                "host": "https://models.example.org",
                "password": "e2e3d keys create airflow",
                "extra": '{"patience_s": 60}',
            },
        }

    def _arguments(self, connection: Connection) -> tuple[str, str, float]:
        if not connection.host:
            raise AirflowException(f"The connection {self.conn_id} has no address: set its host to that of E2E3D.")
        if not connection.password:
            raise AirflowException(
                f"The connection {self.conn_id} has no API key: make one with 'e2e3d keys create airflow', and set it "
                "as the password."
            )
        url = connection.host
        if "://" not in url:
            port = f":{connection.port}" if connection.port else ""
            url = f"{connection.schema or 'https'}://{url}{port}"
        patience_s = float(connection.extra_dejson.get("patience_s", PATIENCE_S))
        return url, connection.password, patience_s if self.patience_s is None else self.patience_s

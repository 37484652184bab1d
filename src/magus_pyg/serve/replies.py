"""Requests that may be sent again: the same `Idempotency-Key` gives the same reply, and has one effect."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from magus_pyg.errors import InputError
from magus_pyg.serve.stores import Reply, Store

__all__ = ["Replies", "Resend"]

_SECONDS = 86400.0


@dataclass(frozen=True)
class Resend:
    """What tells a request that is sent again from a new one.

    Attributes:
        scope: whose keys these are.
        key: the `Idempotency-Key`.
        fingerprint: of the request.
    """

    scope: str
    key: str
    fingerprint: str


class Replies:
    """What replies can be given again, or computed again, from.

    Args:
        store: keeps it for a day.
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    def find(self, resend: Resend | None) -> Any:
        """What was kept of the reply to the same request; None where there was none.

        Raises:
            InputError: the key was used for another request.
        """
        found = None if resend is None else self.store.find_reply(resend.scope, resend.key)
        if found is None or resend is None:
            return None
        if found.fingerprint != resend.fingerprint:
            raise InputError(
                "this Idempotency-Key was used for another request", [("#header/idempotency-key", "used before")]
            )
        return json.loads(found.body)

    def reply(
        self, resend: Resend | None, status: int, body: Mapping[str, Any] | Sequence[int], session_id: str | None = None
    ) -> Reply | None:
        """What the store is to keep of a reply; None where the request has no key.

        Args:
            resend: of the request.
            status: HTTP status.
            body: what the reply can be computed from.
            session_id: the session that it is about.
        """
        if resend is None:
            return None
        expires = self.store.now() + _SECONDS
        return Reply(resend.scope, resend.key, resend.fingerprint, status, json.dumps(body), expires, session_id)

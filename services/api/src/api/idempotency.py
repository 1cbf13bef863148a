"""Idempotency keys: a request that comes twice has one effect and one answer."""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Self, TypeVar

from fastapi import Request, Response
from pydantic import BaseModel

from api.exceptions import IdempotencyKeyReusedError
from api.services.authentication import Caller
from api.storage.unit_of_work import UnitOfWork

AnswerT = TypeVar("AnswerT", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A key of a caller, and the digest of the request that it came with."""

    token_id: int
    key: str
    request_sha256: bytes

    @classmethod
    async def of(cls, request: Request, *, caller: Caller, key: str) -> Self:
        """Return the key of a request; a body with other blanks is the same request."""
        digest = hashlib.sha256(f"{request.method} {request.url.path}\n".encode())
        digest.update(await request.body())
        return cls(caller.token_id, key, digest.digest())


class Once:
    """Makes something once for each key, within the transaction of the request."""

    def __init__(
        self, *, work: UnitOfWork, response: Response, key: IdempotencyKey | None
    ) -> None:
        self._keys = work.idempotency_keys
        self._response = response
        self._key = key

    async def answer(
        self, kind: type[AnswerT], make: Callable[[], Awaitable[AnswerT]]
    ) -> AnswerT:
        """Return what `make` returns, or what it returned the first time.

        Raise IdempotencyKeyReusedError if the key came with another request before.
        """
        if self._key is None:
            return await make()
        key = self._key
        await self._keys.delete_old()
        if not await self._keys.claim(
            token_id=key.token_id, key=key.key, request_sha256=key.request_sha256
        ):
            return await self._repeat(kind, key)
        answer = await make()
        await self._keys.answer(
            token_id=key.token_id,
            key=key.key,
            status=self._response.status_code,
            answer=answer.model_dump_json().encode(),
        )
        return answer

    async def _repeat(self, kind: type[AnswerT], key: IdempotencyKey) -> AnswerT:
        known = await self._keys.get(token_id=key.token_id, key=key.key)
        if known.request_sha256 != key.request_sha256 or known.answer is None:
            raise IdempotencyKeyReusedError
        if known.status is not None:
            self._response.status_code = known.status
        return kind.model_validate_json(known.answer)

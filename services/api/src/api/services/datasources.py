"""What can be done with datasources."""

import base64
import binascii
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from pydantic import ValidationError

from api.exceptions import (
    DatasourceRejectedError,
    DeploymentOverError,
    NotFoundError,
    ValidationFailedError,
)
from api.paging import PageRequest
from api.storage.unit_of_work import UnitOfWork
from api.tables.datasource_row import DatasourceRow
from api.tables.outbox_record import MAX_VALUE_BYTES
from kafkaml.control import MAX_ID, ControlMessage, deployment_id_of
from kafkaml.events import DatasourceRecorded, DatasourceRejected
from kafkaml.exceptions import ControlMessageError, FormatError
from kafkaml.formats import stream_format
from kafkaml.schemas.base import Page
from kafkaml.schemas.datasources import Datasource, DatasourceRecord, DatasourceSend
from kafkaml.schemas.problems import FieldError
from kafkaml.schemas.states import DatasourceState

MAX_PARTITION = 2**31 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_TIMESTAMP_MS = 253_402_300_799_999  # the last moment of the year 9999
_MAX_REJECTION_CHARACTERS = 2000


class DatasourceService:
    """Decides about control messages."""

    def __init__(self, *, work: UnitOfWork) -> None:
        self._work = work

    async def record(self, record: DatasourceRecord) -> tuple[Datasource, bool]:
        """Keep a control message, a bad one as rejected, and say whether it is new."""
        _check_place(record)
        key = _decoded(record.key, "body.key")
        value = _decoded(record.value, "body.value")
        deployment_id, rejection = await self._judge(key, value)
        datasource = await self._work.datasources.add(
            state=DatasourceState.RECORDED
            if rejection is None
            else DatasourceState.REJECTED,
            rejection=rejection,
            deployment_id=deployment_id,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            key=key,
            value=value,
            announced_at=_EPOCH + timedelta(milliseconds=record.timestamp_ms),
        )
        if datasource is None:
            known = await self._work.datasources.at(
                topic=record.topic, partition=record.partition, offset=record.offset
            )
            return known.to_resource(), False
        self._tell(datasource)
        return datasource.to_resource(), True

    async def get(self, datasource_id: int) -> Datasource:
        return (await self._work.datasources.get(datasource_id)).to_resource()

    async def page(
        self, page: PageRequest, *, deployment_id: int | None, state: DatasourceState | None
    ) -> Page[Datasource]:
        rows = await self._work.datasources.page(
            page, deployment_id=deployment_id, state=state
        )
        return Page(
            items=[row.to_resource() for row in rows.items], next_cursor=rows.next_cursor
        )

    async def send(self, datasource_id: int, wanted: DatasourceSend) -> Datasource:
        """Announce the same records to another deployment, by way of the outbox."""
        datasource = await self._work.datasources.get(datasource_id)
        fields = datasource.fields
        if datasource.state is DatasourceState.REJECTED or fields is None:
            rejection = datasource.rejection or "it is not a JSON object"
            raise DatasourceRejectedError(datasource_id, rejection=rejection)
        await self._check_awaited(wanted.deployment_id)
        fields["deployment_id"] = wanted.deployment_id
        for name in ("validation_rate", "test_rate"):
            rate = getattr(wanted, name)
            if rate is not None:
                fields[name] = rate
        self._announce(datasource_id, fields)
        return datasource.to_resource()

    def _announce(self, datasource_id: int, fields: dict[str, Any]) -> None:
        try:
            message = ControlMessage.model_validate(fields)
        except ValidationError as e:
            raise ValidationFailedError(
                [
                    FieldError(
                        location=".".join(["body", *(str(part) for part in each["loc"])]),
                        message=each["msg"],
                    )
                    for each in e.errors(include_url=False, include_context=False)
                ]
            ) from e
        value = orjson.dumps(fields)
        if len(value) > MAX_VALUE_BYTES:
            raise DatasourceRejectedError(datasource_id, rejection="it is too large")
        self._work.outbox.add_control(message, value=value)

    async def _judge(
        self, key: bytes | None, value: bytes | None
    ) -> tuple[int | None, str | None]:
        """Return the deployment that a message names and why it is rejected, if it is."""
        try:
            message = ControlMessage.from_record(key, value)
            stream_format(message.input_format, message.input_config)
        except (ControlMessageError, FormatError) as e:
            rejection = str(e).replace("\x00", "")[:_MAX_REJECTION_CHARACTERS]
            return _named_deployment(key, value), rejection
        if not await self._work.deployments.exists(message.deployment_id):
            return message.deployment_id, f"there is no deployment {message.deployment_id}"
        return message.deployment_id, None

    async def _check_awaited(self, deployment_id: int) -> None:
        try:
            await self._work.deployments.lock(deployment_id)
        except NotFoundError as e:
            raise ValidationFailedError.at("body.deployment_id", e.detail) from e
        if not await self._work.trainings.is_awaited(deployment_id):
            raise DeploymentOverError(deployment_id)

    def _tell(self, datasource: DatasourceRow) -> None:
        if datasource.rejection is None and datasource.deployment_id is not None:
            self._work.outbox.add_event(
                DatasourceRecorded(id=datasource.id, deployment_id=datasource.deployment_id)
            )
        else:
            self._work.outbox.add_event(
                DatasourceRejected(
                    id=datasource.id,
                    deployment_id=datasource.deployment_id,
                    rejection=datasource.rejection or "",
                )
            )


def _check_place(record: DatasourceRecord) -> None:
    limits = {
        "partition": MAX_PARTITION,
        "offset": MAX_ID,
        "timestamp_ms": _MAX_TIMESTAMP_MS,
    }
    for name, limit in limits.items():
        if getattr(record, name) > limit:
            raise ValidationFailedError.at(f"body.{name}", f"use {limit} at most")
    if record.timestamp_ms < -1:
        raise ValidationFailedError.at("body.timestamp_ms", "use -1 for none, or more")


def _decoded(text: str | None, location: str) -> bytes | None:
    if text is None:
        return None
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as e:
        raise ValidationFailedError.at(location, "use Base64") from e


def _named_deployment(key: bytes | None, value: bytes | None) -> int | None:
    """Return the id that a rejected message names, if it names one at all."""
    try:
        fields = orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        return deployment_id_of(key)
    named = fields.get("deployment_id") if isinstance(fields, dict) else None
    if type(named) is int and 0 <= named <= MAX_ID:
        return named
    return deployment_id_of(key)

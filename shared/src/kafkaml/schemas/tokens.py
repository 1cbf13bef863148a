"""Tokens: who may do what."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, Field

from kafkaml.schemas.base import Id, Name, Request, Resource, Time, example


class Scope(StrEnum):
    """What a bearer may do; each of the first three includes the one before."""

    VIEWER = "viewer"
    EDITOR = "editor"
    ADMIN = "admin"
    ORCHESTRATOR = "orchestrator"
    CONTROL_LOGGER = "control_logger"
    ATTEMPT = "attempt"


class TokenCreate(Request):
    """A personal token; its secret is shown once, in the answer."""

    model_config = example({"name": "notebook", "scope": "editor"})

    name: Name = Field(examples=["notebook"])
    scope: Annotated[Scope, Field(strict=False)] = Field(examples=["editor"])
    expires_at: Annotated[AwareDatetime | None, Field(strict=False)] = None


class Token(Resource):
    """A token without its secret."""

    id: Id
    name: str
    scope: Scope
    prefix: str = Field(description="the first characters, to recognise it by")
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    created_at: Time


class NewToken(Token):
    """A token just made, with its secret."""

    secret: str = Field(description="kept nowhere: store it now")

"""What all shapes of the HTTP API have in common.

What is answered is built when it is first used: no process uses all, and it takes long.
"""

from typing import Annotated, Generic, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

from kafkaml.control import MAX_ID, check_topic_name

Id = Annotated[int, Field(ge=1, le=MAX_ID)]
TopicName = Annotated[str, AfterValidator(check_topic_name)]
Time = AwareDatetime


def _one_line(text: str) -> str:
    if text != text.strip() or not text.isprintable():
        raise ValueError("use printable characters only, without blanks at either end")
    return text


def _no_nul(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as e:
        raise ValueError("the text is not valid Unicode") from e
    if "\x00" in text:
        raise ValueError("the text must not contain NUL characters")
    return text


Name = Annotated[
    str,
    Field(min_length=1, max_length=100),
    AfterValidator(_no_nul),
    AfterValidator(_one_line),
]
Text = Annotated[str, Field(max_length=10_000), AfterValidator(_no_nul)]
Message = Annotated[
    str,
    Field(max_length=10_000),
    AfterValidator(lambda text: text.replace("\x00", "\N{REPLACEMENT CHARACTER}")),
]
Source = Annotated[str, Field(min_length=1, max_length=256 * 1024), AfterValidator(_no_nul)]


Notice = Annotated[
    str | None,
    Field(description="what keeps it from running, for people; null when nothing does"),
]


def example(body: dict[str, JsonValue]) -> ConfigDict:
    """Return the configuration of a request whose documentation shows a body to send."""
    return ConfigDict(json_schema_extra={"examples": [body]})


class Request(BaseModel):
    """A body that a caller sends: unknown fields are refused, types are not bent."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Resource(BaseModel):
    """A body that the API answers with; fields are only ever added."""

    model_config = ConfigDict(
        extra="ignore", frozen=True, from_attributes=True, defer_build=True
    )


ItemT = TypeVar("ItemT", bound=BaseModel)


class Page(BaseModel, Generic[ItemT]):
    """Some items of a list, newest first, and where to go on."""

    model_config = ConfigDict(defer_build=True)

    items: list[ItemT]
    next_cursor: str | None = Field(
        default=None,
        description="pass it as `cursor` for the next page; null at the end",
    )

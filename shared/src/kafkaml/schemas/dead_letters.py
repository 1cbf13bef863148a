"""Dead letters: records that an inference has no answer to."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from kafkaml.schemas.base import Id, Request, Resource, Time, example

MAX_LETTERS_NAMED = 100
MAX_LETTERS_SENT = 1000

Rate = Annotated[float, Field(gt=0, le=1)]
PartitionNumber = Annotated[int, Field(ge=0, le=2**31 - 1)]
Offset = Annotated[int, Field(ge=0, le=2**63 - 1)]
FilterText = Annotated[str, Field(min_length=1, max_length=200)]


class DeadLetterLimit(Request):
    """When an inference pauses: `rate` of the last `window_records` were dead letters.

    Each replica counts its own records.
    """

    rate: Rate = 0.9
    window_records: int = Field(default=10_000, ge=1, le=10_000_000)


class Pause(Resource):
    """Why an inference answers nothing until it is told to resume."""

    reason: str
    since: Time


class LetterPlace(Request):
    """Where a dead letter is in its topic."""

    partition: PartitionNumber
    offset: Offset


class LetterFilter(Request):
    """Which dead letters: those that fit in all that is given."""

    stage: FilterText | None = Field(
        default=None, examples=["decode"], description="decode, predict or deliver"
    )
    reason: FilterText | None = Field(
        default=None, examples=["BadRecord"], description="the kind of error"
    )
    since: Annotated[Time, Field(strict=False)] | None = Field(
        default=None, description="by the timestamp of the record"
    )
    until: Annotated[Time, Field(strict=False)] | None = Field(
        default=None, description="likewise; exclusive"
    )


class DeadLettersSend(Request):
    """Which dead letters are to be sent again: by one of `letters`, `filter` and `all`.

    `filter` and `all` take the oldest first and those that are there now; go on with
    `next_cursor` of the answer as `cursor`.
    """

    model_config = example({"filter": {"stage": "decode"}, "limit": 500})

    letters: list[LetterPlace] | None = Field(
        default=None, min_length=1, max_length=MAX_LETTERS_NAMED
    )
    filter: LetterFilter | None = None
    all: bool = False
    limit: int = Field(default=500, ge=1, le=MAX_LETTERS_SENT)
    cursor: str | None = Field(default=None, max_length=20_000)

    @model_validator(mode="after")
    def _check_choice(self) -> Self:
        if [self.letters is not None, self.filter is not None, self.all].count(True) != 1:
            raise ValueError("give one of letters, filter and all (true)")
        if self.letters is not None and self.cursor is not None:
            raise ValueError("a cursor goes with filter or all, not with letters")
        return self


class Content(Resource):
    """Bytes of a record, from their beginning."""

    size_bytes: int
    base64: str
    text: str | None = Field(
        default=None, description="the same as text; null if it is not UTF-8"
    )
    is_cut: bool = Field(default=False, description="there are more than are shown")


class LetterHeader(Resource):
    """A header that the record came with."""

    name: str
    value: Content | None


class RecordPlace(Resource):
    """Where a record was read."""

    topic: str
    partition: int
    offset: int


class DeadLetter(Resource):
    """A record without an answer, and why; `source` is where it was read."""

    partition: int
    offset: int
    source: RecordPlace
    stage: str
    reason: str
    message: str
    timestamp: Time | None
    key: Content | None
    value: Content | None
    headers: list[LetterHeader]
    headers_left_out: int = Field(default=0, description="there are so many more")
    omitted: str | None = Field(
        default=None,
        description="why key, value and headers are not here but only at `source`",
    )
    sent_at: Time | None = Field(default=None, description="when it was sent again")


class LetterRefusal(Resource):
    """A dead letter that is not sent again, and why."""

    partition: int
    offset: int
    message: str


class DeadLettersSent(Resource):
    """What became of dead letters that were to be sent again."""

    inference_id: Id
    sent: int
    already_sent: int = Field(description="and not sent another time")
    refused: list[LetterRefusal]
    next_cursor: str | None = Field(
        default=None, description="send the same body with it as `cursor`; null at the end"
    )

"""Problem details for HTTP (RFC 9457): the one shape of every error answer."""

from pydantic import BaseModel, ConfigDict, Field

PROBLEM_TYPE_PREFIX = "urn:kafka-ml:problem:"


class FieldError(BaseModel):
    """One field that was refused."""

    model_config = ConfigDict(defer_build=True)

    location: str = Field(
        description="where, as a path", examples=["body.fit.class_weight"]
    )
    message: str = Field(description="what is wrong with it")


class Problem(BaseModel):
    """What is wrong, where, and what to do about it."""

    model_config = ConfigDict(extra="allow", defer_build=True)

    type: str = Field(examples=["urn:kafka-ml:problem:name-taken"])
    title: str = Field(examples=["The name is taken"])
    status: int = Field(examples=[409])
    detail: str = Field(
        examples=["A model named 'digits-cnn' exists. Choose another name."]
    )
    instance: str | None = Field(default=None, examples=["/api/v1/models"])
    errors: list[FieldError] = Field(default_factory=list)

    @property
    def code(self) -> str:
        """The stable last part of the type, such as `name-taken`."""
        return self.type.removeprefix(PROBLEM_TYPE_PREFIX)

    def to_text(self) -> str:
        """Return one line for people."""
        fields = "; ".join(f"{each.location}: {each.message}" for each in self.errors)
        return f"{self.title}: {self.detail}" + (f" ({fields})" if fields else "")

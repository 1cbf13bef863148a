"""What is wrong with one picture or sound."""


class UnusableError(Exception):
    """One record cannot be decoded; the text, without a subject, says why."""

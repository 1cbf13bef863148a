"""Jobs whose start was cut short."""

from datetime import datetime, timedelta

PATIENCE = timedelta(minutes=5)


class UnfinishedStarts:
    """Hides what was made without its Secret, so that it is started once more.

    If that doesn't happen, nobody wants it: then it is shown, to be removed.
    """

    def __init__(self) -> None:
        self._seen_since: dict[str, datetime] = {}
        self._shown: set[str] = set()

    def is_hidden(self, uid: str, now: datetime) -> bool:
        since = self._seen_since.setdefault(uid, now)
        return uid not in self._shown and now < since + PATIENCE

    def show(self, uid: str) -> None:
        """Hide it no longer: it is in the way."""
        self._shown.add(uid)

    def keep_only(self, uids: set[str]) -> None:
        """Drop what is about objects that are gone."""
        self._seen_since = {uid: at for uid, at in self._seen_since.items() if uid in uids}
        self._shown &= uids

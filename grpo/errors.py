"""The one exception a user is meant to read: it names the thing, the place, and what to do."""


class UserError(Exception):
    """A mistake that the user can mend (a recipe, a file, a package). Shown without a traceback.

    `where` names the place (a recipe key such as `stages.zero.data.source`, a file and row); `advice` says what to do.
    """

    def __init__(self, message: str, *, where: str | None = None, advice: str | None = None) -> None:
        self.message, self.where, self.advice = message, where, advice
        parts = [f"{where}: {message}" if where else message]
        if advice:
            parts.append(advice)
        super().__init__("\n".join(parts))


class GuardError(Exception):
    """A guard stopped the run: going on would train on wrong data (stale engine weights, unjudged rewards, NaN).

    Not a user's mistake and never to be caught around work; the message says what was measured against which bound.
    """

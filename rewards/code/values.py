"""What a test holds in place of the candidate's function and of objects that cannot travel."""

import builtins
from typing import Any

from rewards.code import literals
from rewards.code.engine import CandidateError, CandidateFailed, Session, Unsendable


class Kept:
    """An object that stayed with the candidate: it is passed back, called, or asked for an attribute, and is equal to
    itself alone."""

    def __init__(self, session: Session, number: int, kind: str, path: tuple[str, ...] = ()) -> None:
        self._session, self._number, self._kind, self._path = session, number, kind, path

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._session.call(self._number, list(self._path), args, kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"{self._kind} object of the candidate: {name} is not asked for")
        return self._session.call(self._number, [*self._path, name], None, {})

    def __repr__(self) -> str:
        return f"<{self._kind} object of the candidate>"


class Function:
    """The candidate's function by its name (`add`), or a method of a class made without arguments (`Solution().add`).
    Remembers the last call, for the verdict's detail."""

    def __init__(self, session: Session, name: str, path: tuple[str, ...] = ()) -> None:
        self._session, self._path = session, path
        self.__name__ = name
        self.calls = 0
        self.last = "was not called"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        self.last = "gave no answer"
        try:
            value = self._session.call(self.__name__, list(self._path), args, kwargs)
        except Exception as error:
            self.last = f"raised {type(error).__name__}: {error}"
            raise
        self.last = f"returned {brief(value)}"
        return value


def brief(value: Any, limit: int = 120) -> str:
    """A short repr, of a value that may be huge."""
    if isinstance(value, int) and value.bit_length() > 1000:
        return f"an integer of {value.bit_length()} bits"
    if isinstance(value, str | bytes | bytearray):
        value = value[:limit]
    try:
        text = repr(value[:limit] if isinstance(value, list | tuple) else value)
    except (ValueError, RecursionError):  # a huge integer within, or deep nesting
        text = f"a {type(value).__name__}"
    return text if len(text) <= limit else text[:limit] + "…"


def number_of(value: Any) -> int:
    """For `literals.dumps` in the judge: only objects that came from the candidate can go back."""
    if isinstance(value, Kept):
        return value._number
    raise Unsendable(f"the test passes a {type(value).__name__}, which is no plain literal")


def read_answer(data: bytes, session: Session) -> Any:
    """The value in a candidate's answer, or raise what it says was raised. Raises CandidateFailed for nonsense."""
    try:
        answer = literals.loads(data, lambda number, kind: Kept(session, number, kind))
    except literals.Malformed as error:
        raise CandidateFailed(f"answered with nonsense ({error})") from None
    if not isinstance(answer, dict) or len(answer) != 1:
        raise CandidateFailed("answered with nonsense")
    if "value" in answer:
        return answer["value"]
    raise _raised(answer.get("raised"))


def _raised(content: Any) -> BaseException:
    """The candidate's exception as one of the same built-in class, marked as the candidate's."""
    if not (isinstance(content, list) and len(content) == 2 and isinstance(content[0], list)):
        return CandidateFailed("answered with nonsense")
    names, message = [str(name)[:80] for name in content[0][:20]], str(content[1])[:300]
    if "Exception" not in names:
        return CandidateFailed(f"ended with {names[0] if names else 'nothing'} {message}".rstrip())
    kinds = [getattr(builtins, name, None) for name in names]
    known = next((k for k in kinds if isinstance(k, type) and issubclass(k, Exception)), Exception)
    if known is Exception and names[0] != "Exception":
        error: Exception = CandidateError(f"{names[0]}: {message}")
    else:
        try:
            error = known(message)
        except TypeError:  # UnicodeDecodeError and its like take five arguments
            error = CandidateError(f"{names[0]}: {message}")
    error.from_candidate = True  # type: ignore[attr-defined]
    return error

"""What a comparison says, and the two things that a user may choose about it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mode:
    r"""How alike an answer must be.

    strict: names of variables and forms must match, not just values: `x+1` is not `t+1`, a tuple is no set, `1011_2` is
        not `11`.
    set_relations: an inequality is the interval that it describes, `-2 \leq x \leq 7` and `[-2,7]`.
    """

    strict: bool = True
    set_relations: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """equal or not (it is also its truth value), and the rule that decided, for the verdict's detail."""

    equal: bool
    why: str

    def __bool__(self) -> bool:
        return self.equal


def yes(why: str) -> Decision:
    return Decision(True, why)


def no(why: str) -> Decision:
    return Decision(False, why)

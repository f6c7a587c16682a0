"""Random seeds as functions of where we are, never of what ran before, so that a resumed run draws the same numbers."""

from hashlib import blake2b


def derive_seed(*parts: int | str) -> int:
    """A 63-bit seed from its parts, e.g. `derive_seed(seed, stage, step, prompt_id, sample)`.

    Parts are length-prefixed and typed, so `("a", "bc")` and `("ab", "c")`, `1` and `"1"` give different seeds.
    """
    digest = blake2b(digest_size=8)
    for part in parts:
        encoded = str(part).encode()
        digest.update(f"{type(part).__name__}:{len(encoded)}:".encode() + encoded)
    return int.from_bytes(digest.digest(), "big") >> 1

"""Run by test_sandbox as another user, or where namespaces are forbidden: all attacks, outcome as JSON.

argv: layer, folder to use, `forbid` to forbid new namespaces first. Imports nothing but the standard library and us.
"""

import json
import os
import sys
import time
from pathlib import Path

from rewards.code import CodeReward
from rewards.code.sandbox import kernel, process, seccomp
from tests.rewards.code.attacks import ESCAPES, HACKS, RESOURCES, ROW, escape

UNSHARE, CLONE = {"x86_64": (272, 56), "aarch64": (97, 220)}[os.uname().machine]


def forbid_namespaces() -> None:
    """What a container's default profile does: `unshare`, and `clone` with a namespace's flag, are refused."""

    class Profile(seccomp.Filter):
        def __init__(self) -> None:
            original, seccomp.program = seccomp.program, lambda machine: code
            try:
                super().__init__()
            finally:
                seccomp.program = original

    code = [(seccomp.LOAD, 0, 0, seccomp.NUMBER), (seccomp.EQUAL, 0, 1, UNSHARE), (seccomp.RETURN, 0, 0, 0x50001)]
    code += [(seccomp.EQUAL, 0, 4, CLONE), (seccomp.LOAD, 0, 0, 16), (seccomp.AND, 0, 0, 0x7E020000)]
    code += [(seccomp.EQUAL, 1, 0, 0), (seccomp.RETURN, 0, 0, 0x50001), (seccomp.RETURN, 0, 0, 0x7FFF0000)]
    kernel.prctl(kernel.SET_NO_NEW_PRIVILEGES, 1)
    Profile().put_on()


def main() -> None:
    layer, folder = sys.argv[1], Path(sys.argv[2])
    if "forbid" in sys.argv:
        forbid_namespaces()
    process.IDLE_SECONDS, process.GLANCE = 0.3, 0.05
    reward = CodeReward(layer=layer, seconds=0.3, memory=2**28)
    greeting = reward.engine.greeting()
    victim = folder / "victim"
    victim.write_text("untouched")
    programs = {n: escape(b) for n, b in ESCAPES.items()} | HACKS | RESOURCES
    if "few" in sys.argv:
        programs = {name: programs[name] for name in list(programs)[::9]}
    gained = []
    start = time.monotonic()
    for name, program in programs.items():
        for word, value in {"VICTIM": str(victim), "MARK": str(folder / "mark"), "PORT": "9", "SOCKET": "/s"}.items():
            program = program.replace(word, value)
        verdict = reward.judge_one(f"```python\n{program}\n```", ROW)
        if (verdict.status, verdict.score) != ("scored", 0.0):
            gained.append(f"{name}: {verdict}")
    honest = reward.judge_one("def add(a, b): return a + b", ROW)
    left = sorted(path.name for path in folder.iterdir())
    outcome = {"uid": os.getuid(), "attacks": len(programs), "gained": gained, "honest": honest.score, "left": left}
    outcome |= {"victim": victim.read_text(), "layer": greeting["layer"], "seconds": time.monotonic() - start}
    print(json.dumps(outcome))


main()

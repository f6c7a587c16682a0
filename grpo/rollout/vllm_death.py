"""When vLLM's engine process dies, whoever waits for it is told.

vLLM's client learns that its engine core is gone, and refuses further calls; what waits at that moment (for a step, for
the answer to a call) it leaves waiting for ever.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from grpo.errors import GuardError

if TYPE_CHECKING:
    from vllm import LLM

SECONDS = 0.5  # between two looks


class DeathWatch:
    """Of an engine core in a process of its own; without one there is nothing to watch."""

    def __init__(self, llm: "LLM") -> None:
        core: Any = llm.llm_engine.engine_core
        self._over = threading.Event()
        if hasattr(core, "resources"):
            threading.Thread(target=self._watch, args=(core,), name="engine-death-watch", daemon=True).start()

    def end(self) -> None:
        self._over.set()

    def _watch(self, core: Any) -> None:
        from vllm.v1.engine.exceptions import EngineDeadError

        while not self._over.wait(SECONDS):
            if not core.resources.engine_dead:
                continue
            core.outputs_queue.put_nowait(EngineDeadError())
            for call in list(core.utility_results.values()):
                if not call.done():
                    call.set_exception(EngineDeadError())
            return


@contextmanager
def naming_death() -> Iterator[None]:
    """Raises GuardError where the engine process is gone."""
    from vllm.v1.engine.exceptions import EngineDeadError

    try:
        yield
    except EngineDeadError as error:
        raise GuardError(
            "vLLM's engine process died (its own messages are above; memory is the usual cause: lower "
            "rollout.kv_cache_gib or rollout.gpu_memory_utilization). The same command goes on from the newest "
            "checkpoint"
        ) from error

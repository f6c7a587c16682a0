"""Inside a worker process: load the rewards, then judge what arrives, one task at a time, until the parent is gone.

The deadline of a judgement is set in the kernel (`setitimer(ITIMER_PROF)`, CPU seconds of this process, default
action): no Python code has to run for it to end the process, so an arithmetic monster that never returns to the
interpreter is ended like any other. The parent sees SIGPROF as the cause, and starts another worker.
"""

import os
import pickle
import resource
import select
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from rewards.batch import BatchResult, call_batch
from rewards.load import load_reward
from rewards.protocol import Judging, RowReward
from rewards.verdict import Verdict

serving = False  # whether this process is a worker: some rewards judge nowhere else

Loaded = dict[str, Judging | Callable[..., Any] | str]


def main(descriptor: int) -> None:
    """Serve the socket. First message: the settings; then tasks; each is answered in turn."""
    global serving
    serving = True
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGPROF})
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    threading.Thread(target=_end_with_parent, args=(descriptor,), daemon=True).start()
    connection = Connection(descriptor)
    settings = pickle.loads(connection.recv_bytes())
    sys.path[:] = settings["path"]
    rewards = _load(settings["rewards"])
    _limit_memory(settings["memory"])
    connection.send_bytes(b"")
    while True:
        try:
            message = connection.recv_bytes()
        except EOFError:
            return
        kind, label, seconds, payload = pickle.loads(message)
        signal.setitimer(signal.ITIMER_PROF, seconds)
        answer = _judge_row(rewards[label], *payload) if kind == "row" else _judge_batch(rewards[label], payload)
        signal.setitimer(signal.ITIMER_PROF, 0)
        connection.send_bytes(pickle.dumps(answer))


def _end_with_parent(descriptor: int) -> None:
    """A worker whose parent was killed must not go on, even in the middle of a reward that sleeps."""
    poll = select.poll()
    poll.register(descriptor, 0)  # hang-up is always reported
    poll.poll()
    os._exit(0)


def _load(specs: dict[str, tuple[str, dict[str, Any], str] | bytes]) -> Loaded:
    """Each reward, or the traceback of loading it: other rewards go on, and its verdicts tell."""
    loaded: Loaded = {}
    for label, spec in specs.items():
        try:
            reward = pickle.loads(spec) if isinstance(spec, bytes) else load_reward(spec[0], spec[1], Path(spec[2]))
            if isinstance(reward, Judging):
                reward.warm_up()
            loaded[label] = reward
        except Exception:  # the boundary to code of others
            loaded[label] = traceback.format_exc()
    return loaded


def _limit_memory(allowance: int) -> None:
    """Cap the address space at what is in use now plus the allowance in bytes (the rewards' own imports are free)."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = pages * resource.getpagesize() + allowance
    resource.setrlimit(resource.RLIMIT_AS, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


def _judge_row(reward: Judging | Callable[..., Any] | str, completion: str, row: dict[str, Any]) -> Verdict:
    if isinstance(reward, str):
        return Verdict("error", detail=reward)
    assert isinstance(reward, RowReward)
    start = time.process_time()
    try:
        verdict = reward.judge_one(completion, row)
    except Exception:  # the boundary to code of others
        verdict = Verdict("error", detail=traceback.format_exc())
    return replace(verdict, seconds=time.process_time() - start)


def _judge_batch(reward: Judging | Callable[..., Any] | str, kwargs: dict[str, Any]) -> BatchResult:
    if isinstance(reward, str):
        return BatchResult([Verdict("error", detail=reward)] * len(kwargs["completions"]))
    return call_batch(reward, kwargs)

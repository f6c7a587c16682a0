"""The sandbox for the tests of this folder: skipped, with the reason, where this machine cannot lock a program down."""

from collections.abc import Iterator

import pytest

from rewards.code import CodeReward
from rewards.code.sandbox.launcher import IDLE
from rewards.code.sandbox.local import LocalSandbox
from rewards.errors import RewardError


@pytest.fixture(scope="session")
def sandbox() -> Iterator[LocalSandbox]:
    try:
        engine = LocalSandbox(layer="none")
        engine.start()
    except RewardError as error:
        pytest.skip(str(error))
    yield engine
    IDLE.close()


@pytest.fixture(scope="session")
def code(sandbox: LocalSandbox) -> CodeReward:
    return CodeReward(layer="none")

"""Set before torch and the hub's client are imported anywhere: see `grpo.cli.train`; a test run shares its cores with
what it starts, and asks no hub."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

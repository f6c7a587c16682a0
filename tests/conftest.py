"""Set before torch is imported anywhere: see `grpo.cli.train`; a test run shares its cores with what it starts."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

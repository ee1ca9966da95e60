"""Runs the mutations whose names contain one of the arguments; all without arguments.

PYTHONPATH=tests .venv/bin/python -m mutations [NAME…]
"""

from __future__ import annotations

import sys

from mutations.run import run_all
from mutations.store_rules import STORE_RULES
from mutations.stream_rules import STREAM_RULES
from mutations.worker_rules import WORKER_RULES

wanted = sys.argv[1:]
chosen = [
    mutation
    for mutation in (*STREAM_RULES, *STORE_RULES, *WORKER_RULES)
    if not wanted or any(part in mutation.name for part in wanted)
]
faults = [fault for mutation in chosen if (fault := mutation.fault())]
if faults:
    sys.exit("\n".join(faults))
verdicts = run_all(chosen)
survivors = [verdict.mutation.name for verdict in verdicts if not verdict.failed]
print(f"\n{len(verdicts) - len(survivors)} of {len(verdicts)} caught")
sys.exit(f"no test fails for: {', '.join(survivors)}" if survivors else 0)

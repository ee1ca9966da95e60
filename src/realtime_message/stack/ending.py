"""How a process ends: an error becomes one sentence on stderr and its documented exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable

from realtime_message.errors import EXIT_FAILED, EXIT_INTERRUPTED, RealtimeMessageError
from realtime_message.stack.terminal import give_up_stdout, settle_stdout, stdout_failure


def run_to_exit_code(run: Callable[[], int | None]) -> int:
    """Run something and return the exit code that its end means.

    A mistake of the user gets its sentence and no traceback; `RTM_DEBUG=1` shows that too. A fault
    of this package is shown with its traceback.

    Args:
        run: what to run; it may return an exit code.
    """
    try:
        try:
            return run() or 0
        finally:
            settle_stdout()
    except RealtimeMessageError as error:
        if os.environ.get("RTM_DEBUG") == "1":
            traceback.print_exc()
        print(f"rtm: {error}", file=sys.stderr)  # noqa: T201 - the sentence is the product
        return error.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of a pipe went away, as `head` does.
        give_up_stdout()
        return EXIT_FAILED
    except OSError:
        failure = stdout_failure()
        if failure is None:
            raise
        give_up_stdout()
        print(f"rtm: cannot write to stdout: {failure.strerror}", file=sys.stderr)  # noqa: T201
        return EXIT_FAILED

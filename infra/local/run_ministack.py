"""Runs the emulator, with a shorter wait for the log lines of a call.

After every call of a function ministack waits 50 ms for a first line, which is most of the time of a call that logs nothing. The
functions here write their lines before they answer. A line that comes later still reaches the log, with the function's next call.
"""

import functools
import sys

from ministack.app import main
from ministack.core.lambda_runtime import Worker

SECONDS = 0.005

Worker._drain_stderr_bounded = functools.partialmethod(Worker._drain_stderr_bounded, first_line_wait=SECONDS)
sys.exit(main())

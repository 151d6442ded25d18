"""Runs the emulator without two waits in every call of a function, which are most of the time of a short call.

- ministack writes an event to a function in two parts. Without TCP_NODELAY the second one waits 40 ms, until the function's side
  acknowledges the first one.
- After the answer ministack waits 50 ms for a first log line. The functions here write their lines before they answer. A line that
  comes later still reaches the log, with the function's next call.
"""

import functools
import socketserver
import sys

from ministack.app import main
from ministack.core.lambda_runtime import Worker

SECONDS = 0.005

socketserver.StreamRequestHandler.disable_nagle_algorithm = True
Worker._drain_stderr_bounded = functools.partialmethod(Worker._drain_stderr_bounded, first_line_wait=SECONDS)
sys.exit(main())

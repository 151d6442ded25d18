"""Runs the emulator without two waits in every call of a function, and without a repetition in every query.

- ministack writes an event to a function in two parts. Without TCP_NODELAY the second one waits 40 ms, until the function's side
  acknowledges the first one.
- After the answer ministack waits 50 ms for a first log line. The functions here write their lines before they answer. A line that
  comes later still reaches the log, with the function's next call.
- ministack parses the condition of a query once for each item of the partition: a fifth of its processor time.
"""

import functools
import socketserver
import sys

from ministack.app import main
from ministack.core.lambda_runtime import Worker
from ministack.services import dynamodb

SECONDS = 0.005

socketserver.StreamRequestHandler.disable_nagle_algorithm = True
Worker._drain_stderr_bounded = functools.partialmethod(Worker._drain_stderr_bounded, first_line_wait=SECONDS)
# Both depend on the text of the condition alone. The caller gets a list of its own.
dynamodb._condition_syntax_error = functools.lru_cache(dynamodb._condition_syntax_error)
tokens = functools.lru_cache(dynamodb._tokenize)
dynamodb._tokenize = lambda condition: [*tokens(condition)]
sys.exit(main())

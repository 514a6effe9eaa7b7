"""Every error that anyprefer raises on purpose.

    AnypreferError
    ├── ConfigError            a recipe, a flag, a missing extra or key: nothing has started (exit code 2)
    ├── DataError              a task file or a record that cannot be used (exit code 2)
    ├── RunFolderError         a run folder that belongs to another recipe, or cannot be written (exit code 2)
    ├── ModelError             a model call failed after its retries: becomes a failed record
    │   ├── ModelUnavailableError   the endpoint did not answer, or answered with a server error
    │   ├── ModelRefusedError       the endpoint rejected the request (wrong key, unknown model, too long)
    │   └── MalformedReplyError     the reply never fitted the schema asked for, or was empty
    ├── StopRunError           the run must stop here; unfinished tasks stay unfinished and go on when it is resumed
    │   ├── EndpointDownError       an endpoint has not answered for too long, or rejects the key
    │   └── BudgetSpentError        the next call would go over the budget
    ├── ToolError              a tool could not do its work: reaches the judge as evidence that says so
    ├── TrainingError          a training went wrong on the way; its checkpoints stay (exit code 2)
    └── ModelFetchError        catalogue weights could not be fetched or did not match their checksum

Errors are classified once, where the foreign exception is caught. A message says what failed, the offending value and what
to do about it.
"""

from typing import Literal


class AnypreferError(Exception):
    """The root of the tree; the command line prints its message without a traceback."""


class ConfigError(AnypreferError):
    """Raised before any work starts when a recipe, flag, extra or key is wrong."""


class DataError(AnypreferError):
    """Raised when input data cannot be used; names the file, the line and the fix."""


class RunFolderError(AnypreferError):
    """Raised when a run folder cannot be opened, belongs to another recipe or cannot be written."""


class ModelError(AnypreferError):
    """Raised when a model call failed for good.

    Attributes:
        cause: One printable line that says who answered what, the same for every task that it happens to; empty: unknown.
    """

    cause: str = ""


TroubleKind = Literal["throttled", "overloaded", "timeout", "lost", "unreachable", "error"]
"""429; 503; no answer in time; a connection that broke off; no connection; any other answer that a retry may mend."""


class ModelUnavailableError(ModelError):
    """Raised when an endpoint is down, times out or keeps answering with server errors.

    Attributes:
        kind: What went wrong.
        retry_after: Seconds that the endpoint asks to wait, where it does.
    """

    def __init__(self, message: str, kind: TroubleKind = "error", retry_after: float | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.retry_after = retry_after


class ModelRefusedError(ModelError):
    """Raised when an endpoint rejects a request that a retry would not mend.

    Attributes:
        said: What it said, in lower case; never shown.
        param: The field of the request that it names, if any.
        of_request: Whether only this request is at fault, such as one that is too long; others may go well.
    """

    def __init__(self, message: str, *, said: str = "", param: str = "", of_request: bool = False) -> None:
        super().__init__(message)
        self.said = said
        self.param = param
        self.of_request = of_request


class MalformedReplyError(ModelError):
    """Raised when a reply is empty, or does not fit its schema after one repair attempt."""


class StopRunError(AnypreferError):
    """Raised when no task can go on; never makes a failed record.

    Attributes:
        cause: One printable line, as of a `ModelError`.
        told: Whether a person has been told already, while the run was still finishing its calls.
    """

    cause: str = ""
    told: bool = False


class EndpointDownError(StopRunError):
    """Raised when an endpoint has not answered for too long, or rejects the key."""


class BudgetSpentError(StopRunError):
    """Raised when the next call would go over the budget of the run."""


class ToolError(AnypreferError):
    """Raised by a tool that cannot answer; becomes evidence, never content."""


class TrainingError(AnypreferError):
    """Raised when a training goes wrong on the way: a loss that is no number, no memory left."""


class ModelFetchError(AnypreferError):
    """Raised when model weights cannot be fetched, naming every source that was tried."""

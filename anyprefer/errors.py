"""Every error that anyprefer raises on purpose.

    AnypreferError
    ├── ConfigError            a recipe, a flag, a missing extra or key: nothing has started (exit code 2)
    ├── DataError              a task file or a record that cannot be used (exit code 2)
    ├── RunFolderError         a run folder that belongs to another recipe, or cannot be written (exit code 2)
    ├── ModelError             a model call failed after its retries: becomes a failed record
    │   ├── ModelUnavailableError   the endpoint did not answer, or answered with a server error
    │   ├── ModelRefusedError       the endpoint rejected the request (wrong key, unknown model, too long)
    │   └── MalformedReplyError     the reply never fitted the schema asked for, or was empty
    ├── ToolError              a tool could not do its work: reaches the judge as evidence that says so
    └── ModelFetchError        catalogue weights could not be fetched or did not match their checksum

Errors are classified once, where the foreign exception is caught. A message says what failed, the offending value and what
to do about it.
"""


class AnypreferError(Exception):
    """The root of the tree; the command line prints its message without a traceback."""


class ConfigError(AnypreferError):
    """Raised before any work starts when a recipe, flag, extra or key is wrong."""


class DataError(AnypreferError):
    """Raised when input data cannot be used; names the file, the line and the fix."""


class RunFolderError(AnypreferError):
    """Raised when a run folder cannot be opened, belongs to another recipe or cannot be written."""


class ModelError(AnypreferError):
    """Raised when a model call failed for good."""


class ModelUnavailableError(ModelError):
    """Raised when an endpoint is down, times out or keeps answering with server errors."""


class ModelRefusedError(ModelError):
    """Raised when an endpoint rejects a request that a retry would not mend."""


class MalformedReplyError(ModelError):
    """Raised when a reply is empty, or does not fit its schema after one repair attempt."""


class ToolError(AnypreferError):
    """Raised by a tool that cannot answer; becomes evidence, never content."""


class ModelFetchError(AnypreferError):
    """Raised when model weights cannot be fetched, naming every source that was tried."""

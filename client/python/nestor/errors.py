"""The one error type, with a class per code so that `except` can choose."""


class Error(Exception):
    """Whatever Nestor refuses or fails at. `code` is the word the other doors use."""

    code = "internal"


class InvalidArgument(Error, ValueError):
    code = "invalid_argument"


class InvalidType(InvalidArgument, TypeError):
    """An argument of a type that is not accepted."""


class NotFound(Error, LookupError):
    code = "not_found"


class AlreadyExists(Error):
    code = "already_exists"


class FailedPrecondition(Error):
    code = "failed_precondition"


class ResourceExhausted(Error):
    code = "resource_exhausted"


class PermissionDenied(Error, PermissionError):
    code = "permission_denied"


class DataLoss(Error):
    code = "data_loss"


class Unavailable(Error, ConnectionError):
    code = "unavailable"


_BY_CODE = {kind.code: kind for kind in Error.__subclasses__()}


def of_code(code):
    """The class for a code; Error itself for one that is not known."""
    return _BY_CODE.get(code.replace(" ", "_"), Error)

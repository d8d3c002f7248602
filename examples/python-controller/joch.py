"""What a controller needs besides its own logic. To be copied as it is.

A call to the host fails by raising `Err`. `about` makes it a `Failure` that says what it was about and
whether trying again is of use; `answering` hands that over to the host. `apply` and `report` are the calls
that most controllers make. `print` writes to the host's log.
"""

import io
import json
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps

from componentize_py_types import Err
from wit_world.imports import joch_kube_types as kube
from wit_world.imports import log, status
from wit_world.imports.joch_controller_types import Failure_Permanent, Failure_Transient, Problem
from wit_world.imports.writer import Change


@dataclass
class Failure(Exception):
    """Why a reconcile failed: one CamelCase word, one sentence, and whether only a change can help."""

    reason: str
    message: str
    permanent: bool = False
    retry_after_ms: int | None = None


@contextmanager
def about(subject: str) -> Iterator[None]:
    """Makes a failed call to the host a `Failure` about `subject`."""
    try:
        yield
    except Err as error:
        raise failure_of(subject, error.value) from None


def apply(wanted: dict) -> None:
    """Makes an object what is wanted, owned by the one being reconciled; it takes over what others set."""
    group, _, version = wanted["apiVersion"].rpartition("/")
    kind, metadata = wanted["kind"], wanted["metadata"]
    name = metadata["name"]
    target = kube.ObjectRef(kube.Gvk(group, version, kind), metadata.get("namespace"), name, None)
    with about(f"{kind} {name}"), Change(target) as change:
        change.owned()
        change.force()
        change.apply(json.dumps(wanted))


def report(fields: dict) -> None:
    """Reports the status; the host adds times and generation, and writes only what differs."""
    with about("the status"):
        status.report(json.dumps(fields), None)


def failure_of(subject: str, error: kube.Error) -> Failure:
    """Permanent where only a person or another object can help, transient where time can."""
    match error:
        case kube.Error_Denied(denial):
            return Failure("Denied", f"{subject}: not granted: {denial.missing_grant}", permanent=True)
        case kube.Error_Invalid(text):
            return Failure("Invalid", f"{subject}: {text}", permanent=True)
        case kube.Error_NotWatched(kind):
            return Failure("NotWatched", f"{subject}: plugin.toml watches no {kind}", permanent=True)
        case kube.Error_OwnedByOther(fields):
            message = f"{subject}: others own {', '.join(fields)}"
            return Failure("OwnedByOther", message, permanent=True)
        case kube.Error_NotFound():
            return Failure("NotFound", f"{subject}: there is none")
        case kube.Error_AlreadyExists(other):
            return Failure("AlreadyExists", f"{subject}: exists already, as {other.uid}")
        case kube.Error_Stale():
            return Failure("Stale", f"{subject}: has changed meanwhile")
        case kube.Error_OverLimit(limit):
            return Failure("OverLimit", f"{subject}: {limit}")
        case kube.Error_Unavailable(retry_after_ms):
            message = f"{subject}: the API server cannot answer now"
            return Failure("Unavailable", message, retry_after_ms=retry_after_ms)
        case kube.Error_Fenced():
            return Failure("Fenced", f"{subject}: another replica goes on")
        case _:
            return Failure("HostError", f"{subject}: {error}")


def answering(reconcile: Callable) -> Callable:
    """Hands a `Failure` over to the host, and any other exception as a permanent one.

    An exception that left `reconcile` would end the instance without a word. It is a bug, or an object
    that nobody thought of, so only a change can help; and a change calls again.
    """

    @wraps(reconcile)
    def answered(*args):
        try:
            return reconcile(*args)
        except Failure as failure:
            raise Err(answer(failure)) from None
        except Exception as error:
            what, way = f"{type(error).__name__}: {error}", trail(error)
            print(f"{what}, by way of {' > '.join(way)}", file=sys.stderr)
            raise Err(answer(Failure("Exception", f"{what} ({way[-1]})", permanent=True))) from None

    return answered


def answer(failure: Failure) -> Failure_Permanent | Failure_Transient:
    """A failure as the WIT writes it."""
    kind = Failure_Permanent if failure.permanent else Failure_Transient
    return kind(Problem(failure.reason, failure.message, failure.retry_after_ms))


def trail(error: Exception) -> list[str]:
    """The calls that led to an exception. (Formatting it would read the source: there are no files.)"""
    calls = traceback.walk_tb(error.__traceback__)
    return [f"{frame.f_code.co_name}, line {line}" for frame, line in calls]


class Lines(io.TextIOBase):
    """A stream whose lines go to the host's log."""

    def __init__(self, level: log.Level):
        self.level = level
        self.begun = ""

    def write(self, text: str) -> int:
        *lines, self.begun = (self.begun + text).split("\n")
        for line in lines:
            log.write(self.level, line, [])
        return len(text)


# The real ones are files: writing to them would end the instance.
sys.stdout, sys.stderr = Lines(log.Level.INFO), Lines(log.Level.WARN)

"""What travels between a host and its worker: JSON-RPC 2.0, one object a line, UTF-8.

Requests, each answered by one reply or one failure with the same id:

  hello    {protocol}                   -> {protocol, version, device}: the device asked for, which is not tried yet
  frame    {shot, frame, subject?}      -> {frame, path, key, steps, confidence}
  render   {shot, frames?, subject?}    -> events, then {frames}
  status   {shot, subject?, before?, have?} -> {cached, missing, tasks, spans, reached?, stale?}: frame ranges
  methods  {}                           -> what methods.json holds: recipes, methods, their described options
  cancel   {id}                         -> {cancelled}: whether that request was running or waiting
  bye      {}                           -> {}; then the worker ends

Events are notifications that name the request they belong to:

  progress {id, done, total, eta}                   eta: seconds left, null while unknown
  frame    {id, frame, path, key, confidence, subject}   a result lies at path; a confidence that is no number is null
  warning  {id, message, frame?}
  log      {message}

Pixels never travel; paths of EXRs do. Batches are not spoken: one object a line.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Union

PROTOCOL = 1
EVENTS = ("progress", "frame", "warning", "log")

# A Shot with a guide on each of 20 000 frames is under 4 MB; a longer line is a mistake, not a job.
LONGEST_LINE = 16 * 1024 * 1024

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
UNKNOWN_METHOD = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603

# The tree in seqmatte/errors.py; a test holds the two equal.
CODES = {
    "SeqmatteError": 1,
    "ShotError": 3,
    "PlateError": 4,
    "GuideError": 5,
    "RecipeError": 6,
    "WeightsError": 7,
    "DeviceError": 8,
    "CacheError": 9,
    "OutputError": 10,
    "ColourError": 11,
    "Cancelled": 130,
}
CANCELLED = CODES["Cancelled"]


class WireError(ValueError):
    """A line that is not a message. code: the JSON-RPC code to answer with. id: the sender's, where it was readable."""

    def __init__(self, code: int, message: str, id: int | str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.id = id


@dataclass(frozen=True)
class Request:
    """id None: a notification, which is what events are."""

    method: str
    params: dict[str, Any] = field(default_factory=dict)
    id: int | str | None = None


@dataclass(frozen=True)
class Reply:
    id: int | str | None
    result: Any


@dataclass(frozen=True)
class Failure:
    """code: one of CODES, or a JSON-RPC code below zero. data: frame, path, field, kind where known."""

    id: int | str | None
    code: int
    message: str
    data: dict[str, Any] = field(default_factory=dict)


Message = Union[Request, Reply, Failure]


def written(message: Message) -> bytes:
    """One line, ASCII, newline included. Raises ValueError for values that JSON does not have (NaN)."""
    document: dict[str, Any] = {"jsonrpc": "2.0"}
    if isinstance(message, Request):
        document.update(method=message.method, params=message.params)
        if message.id is not None:
            document["id"] = message.id
    elif isinstance(message, Reply):
        document.update(id=message.id, result=message.result)
    else:
        error = {"code": message.code, "message": message.message, "data": message.data}
        document.update(id=message.id, error=error)
    return json.dumps(document, allow_nan=False, separators=(",", ":")).encode("ascii") + b"\n"


def read(line: bytes) -> Message:
    """The message of a line. Raises WireError for anything else, whatever the bytes are."""
    document = _document(line)
    if not isinstance(document, dict):
        raise WireError(INVALID_REQUEST, "not a JSON object; one object a line")
    id = document.get("id")
    if isinstance(id, bool) or not isinstance(id, (int, str, type(None))):
        raise WireError(INVALID_REQUEST, "id: neither a text nor a whole number")
    if document.get("jsonrpc") != "2.0":
        raise WireError(INVALID_REQUEST, 'jsonrpc: not "2.0"', id)
    if "method" in document:
        return _request(document, id)
    if "error" in document:
        return _failure(document["error"], id)
    if "result" in document:
        return Reply(id, document["result"])
    raise WireError(INVALID_REQUEST, "neither method, result nor error", id)


def _document(line: bytes) -> Any:
    try:
        return json.loads(line.decode("utf-8"), parse_constant=_refused)
    except UnicodeDecodeError as error:
        raise WireError(PARSE_ERROR, f"not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise WireError(PARSE_ERROR, f"not JSON: {error.msg} at {error.pos}") from None
    except (ValueError, RecursionError) as error:
        # Numbers of thousands of digits, NaN, and objects nested deeper than any job.
        raise WireError(PARSE_ERROR, f"not readable as JSON: {error}") from None


def _refused(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _request(document: dict[str, Any], id: int | str | None) -> Request:
    method, params = document["method"], document.get("params", {})
    if not isinstance(method, str):
        raise WireError(INVALID_REQUEST, "method: not a text", id)
    if not isinstance(params, dict):
        raise WireError(INVALID_PARAMS, "params: not an object", id)
    return Request(method, params, id)


def _failure(error: Any, id: int | str | None) -> Failure:
    if not isinstance(error, dict) or not isinstance(error.get("code"), int):
        raise WireError(INVALID_REQUEST, "error: without a code", id)
    data = error.get("data")
    return Failure(id, error["code"], str(error.get("message", "")), data if isinstance(data, dict) else {})

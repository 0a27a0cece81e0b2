"""Options declared once, beside what they steer.

A method declares a frozen dataclass whose fields are made by `param`. Knobs, flags, checks, documentation
and cache keys all come from that one declaration.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping, Sequence
from typing import Any


def param(
    default: Any,
    *,
    help: str,
    low: float | None = None,
    high: float | None = None,
    choices: Sequence[str] = (),
    label: str = "",
    unit: str = "",
    advanced: bool = False,
) -> Any:
    """One option: default, limits (inclusive) and a sentence. Its type is the type of the default."""
    facts = {
        "help": help, "low": low, "high": high, "choices": tuple(choices),
        "label": label, "unit": unit, "advanced": advanced,
    }  # fmt: skip
    return dataclasses.field(default=default, metadata=facts)


def describe(params: type) -> list[dict[str, Any]]:
    """The options of a Params class as plain data, in the order declared, ready for JSON."""
    rows = []
    for field in dataclasses.fields(params):
        row = {"name": field.name, "type": type(field.default).__name__, "default": field.default}
        row.update({k: list(v) if isinstance(v, tuple) else v for k, v in field.metadata.items()})
        rows.append(row)
    return rows


def parse(params: type, values: Mapping[str, object], where: str = "") -> Any:
    """A Params object from plain values (numbers or strings).

    Raises ValueError which names the option, what is wrong with it and what would be right.
    """
    known = {field.name: field for field in dataclasses.fields(params)}
    prefix = f"{where}." if where else ""
    checked = {}
    for name, value in values.items():
        if name not in known:
            raise ValueError(f"{prefix}{name}: no such option. Available: {', '.join(sorted(known)) or 'none'}")
        checked[name] = _checked(known[name], value, prefix + name)
    return params(**checked)


def values(params: Any) -> dict[str, Any]:
    """Every option with its value, defaults included: what goes into a cache key."""
    return {field.name: getattr(params, field.name) for field in dataclasses.fields(params)}


def _checked(field: dataclasses.Field[Any], value: object, where: str) -> Any:
    made = _converted(type(field.default), value, where)
    low, high, choices = (field.metadata.get(k) for k in ("low", "high", "choices"))
    if choices and made not in choices:
        raise ValueError(f"{where}: {made!r} is not one of {', '.join(map(str, choices))}")
    if (low is not None and made < low) or (high is not None and made > high):
        raise ValueError(f"{where}: {made} is outside {low} to {high}")
    return made


def _converted(kind: type, value: object, where: str) -> Any:
    text = str(value).strip().lower()
    if kind is bool:
        if text in ("true", "1", "yes", "on"):
            return True
        if text in ("false", "0", "no", "off"):
            return False
        raise ValueError(f"{where}: {value!r} is neither true nor false")
    if kind is str:
        return str(value)
    try:
        made, exact = kind(typing.cast(Any, value)), float(typing.cast(Any, value))
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{where}: {value!r} is not {'a whole number' if kind is int else 'a number'}") from None
    if kind is int and exact != made:
        raise ValueError(f"{where}: {value!r} is not a whole number")
    if made != made:
        raise ValueError(f"{where}: not a number")
    return made

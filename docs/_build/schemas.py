"""JSON schemas of the documents that commands print, made from the types in `ssem_advisor.documents`.

`python docs/_build/schemas.py` writes ssem_advisor/schemas/ anew.
"""

from __future__ import annotations

import enum
import inspect
import json
import types
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from ssem_advisor.documents import DOCUMENTS

FOLDER = Path(__file__).parents[2] / "ssem_advisor" / "schemas"
_PLAIN = {int: "integer", float: "number", str: "string", bool: "boolean", type(None): "null"}


def schema_of(command: str) -> dict[str, Any]:
    """The JSON schema of what a command prints with `--format json`."""
    shared: dict[str, Any] = {}
    kinds = [_of(kind, shared) for kind in DOCUMENTS[command]]
    root = shared.pop(DOCUMENTS[command][0].__name__) if len(kinds) == 1 else {"anyOf": kinds}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"ssem-advisor {command} --format json",
        **root,
        **({"$defs": dict(sorted(shared.items()))} if shared else {}),
    }


def text_of(command: str) -> str:
    return json.dumps(schema_of(command), indent=2, ensure_ascii=False) + "\n"


def _of(kind: Any, shared: dict[str, Any]) -> dict[str, Any]:
    """The schema of one type; records are described once, in `shared`."""
    if get_origin(kind) is Annotated:
        inner, *more = get_args(kind)
        return {**_of(inner, shared), **{name: value for extra in more for name, value in extra.items()}}
    if get_origin(kind) in (NotRequired, Required):
        return _of(get_args(kind)[0], shared)
    if kind is Any:
        return {}
    if kind in _PLAIN:
        return {"type": _PLAIN[kind]}
    if is_typeddict(kind):
        if kind.__name__ not in shared:
            shared[kind.__name__] = {}  # holds the place, should a record hold itself
            shared[kind.__name__] = _record(kind, shared)
        return {"$ref": f"#/$defs/{kind.__name__}"}
    if get_origin(kind) is Literal:
        values = list(get_args(kind))
        return {"const": values[0]} if len(values) == 1 else {"enum": values}
    if inspect.isclass(kind) and issubclass(kind, enum.Enum):
        return {"enum": [member.value for member in kind]}
    if get_origin(kind) is list:
        return {"type": "array", "items": _of(get_args(kind)[0], shared)}
    if get_origin(kind) is dict:
        return {"type": "object", "additionalProperties": _of(get_args(kind)[1], shared)}
    if get_origin(kind) in (Union, types.UnionType):
        parts = [_of(part, shared) for part in get_args(kind)]
        if all(set(part) == {"type"} for part in parts):
            return {"type": [part["type"] for part in parts]}
        return {"anyOf": parts}
    raise TypeError(f"no JSON schema for {kind}")


def _record(kind: Any, shared: dict[str, Any]) -> dict[str, Any]:
    hints = get_type_hints(kind, include_extras=True)
    return {
        "description": " ".join((inspect.getdoc(kind) or "").split()),
        "type": "object",
        "required": [name for name in hints if name in kind.__required_keys__],
        "properties": {name: _of(hint, shared) for name, hint in hints.items()},
    }


if __name__ == "__main__":
    for command in DOCUMENTS:
        (FOLDER / f"{command}.schema.json").write_text(text_of(command), encoding="utf-8")

"""The command line that asks `recommend` about a setting."""

from __future__ import annotations

from ssem_advisor.domain import FIELDS, Setting, a_setting

_LONGEST = 80  # characters of class sizes that are written out


def command_for(setting: Setting) -> str:
    """The call of `recommend` that repeats a setting of scalar fields; FILE stands for many class sizes."""
    parts, setting = ["ssem-advisor recommend"], a_setting(setting)
    for name in FIELDS:
        value = getattr(setting, name)
        if value is None or value == _DEFAULTS[name]:
            continue
        if name in ("classes", "instances_per_class") and setting.class_counts is not None:
            continue  # the sizes say them
        if name == "class_counts":
            sizes = ",".join(map(str, value))
            value = sizes if len(sizes) <= _LONGEST else "FILE"
        elif isinstance(value, float):
            value = f"{value:.6g}"
        parts.append(f"--{name.replace('_', '-')} {value}")
    return " ".join(parts)


_DEFAULTS = {name: Setting.__dataclass_fields__[name].default for name in FIELDS}

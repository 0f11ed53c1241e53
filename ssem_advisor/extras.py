"""Packages that only a part of this one needs, and the one line that says which is missing and how to get it.

The line names the packages themselves, so that its command works from a checkout, from a wheel and from an index alike.
"""

from __future__ import annotations

from importlib.util import find_spec

# Extra -> module as imported -> package as installed; the same as in pyproject.toml.
EXTRAS: dict[str, dict[str, str]] = {
    "torch": {"torch": "torch"},
    "plot": {"matplotlib": "matplotlib"},
    "measure": {"pyarrow": "pyarrow", "safetensors": "safetensors"},
    "validate": {"torch": "torch", "sklearn": "scikit-learn", "jinja2": "jinja2", "PIL": "pillow"},
}


def need(extra: str, who: str) -> None:
    """Raise ModuleNotFoundError with its one line unless every package of an extra is there."""
    for module in EXTRAS[extra]:
        if not _there(module):
            raise ModuleNotFoundError(_line(module, extra, who), name=module)


def line_for(error: ModuleNotFoundError, who: str = "this") -> str | None:
    """The one line about a missing package; None where the module belongs to no extra."""
    module = (error.name or "").partition(".")[0]
    extra = next((extra for extra, modules in EXTRAS.items() if module in modules), None)
    if extra is None:
        return None
    told = str(error)
    return told if "pip install" in told else _line(module, extra, who)


def _line(module: str, extra: str, who: str) -> str:
    missing = [package for name, package in EXTRAS[extra].items() if name == module or not _there(name)]
    return (
        f"{who} needs {EXTRAS[extra][module]}, which is not installed: pip install {' '.join(missing)} "
        f"(what the extra ssem-advisor[{extra}] brings)"
    )


def _there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ValueError:  # loaded by hand, without a specification
        return True

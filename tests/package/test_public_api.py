"""The API page: every public name is on it, and says what its arguments and fields are, what it raises, where from."""

import dataclasses
import importlib
import inspect
import re
from pathlib import Path

import pytest

import ssem_advisor
from ssem_advisor.theory.registry import theorems

NAMES = re.findall(r"^::: (\S+)", (Path(__file__).parents[2] / "docs/reference/api.md").read_text(), re.M)
RAISES_NOTHING = {"regime_of", "equivalent_alpha"}


def found(name):
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def text_of(thing):
    """The docstring, with that of the class that it leaves the arguments to."""
    text = inspect.getdoc(thing) or ""
    for other in re.findall(r"function behind :class:`(\w+)`", text):
        text += inspect.getdoc(getattr(inspect.getmodule(thing), other))
    return text


FUNCTIONS = [name for name in NAMES if inspect.isfunction(found(name))]
RECORDS = [name for name in NAMES if dataclasses.is_dataclass(found(name)) or hasattr(found(name), "_fields")]
SHORT = {name.rpartition(".")[2] for name in NAMES}


def test_every_name_of_the_package_is_on_the_page():
    assert set(ssem_advisor.__all__) - {"__version__"} <= SHORT
    assert len(FUNCTIONS) > 20
    assert len(RECORDS) > 15


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_public_function_documents_its_arguments_its_errors_and_its_types(name):
    function = found(name)
    text = text_of(function)
    signature = inspect.signature(function)
    silent = [p for p in signature.parameters if p != "setting" and not re.search(rf"\b{p}\b", text)]
    assert silent == []
    assert "Raises" in text or function.__name__ in RAISES_NOTHING
    untyped = [p for p, of in signature.parameters.items() if of.annotation is inspect.Parameter.empty]
    assert untyped == []
    assert signature.return_annotation is not inspect.Signature.empty


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if ".theory." in name])
def test_a_theory_function_names_the_theorem_behind_it(name):
    if found(name).__name__ == "regime_of":  # tells theorems apart and rests on none
        return
    source = re.search(r"Source: ([^.]*)", text_of(found(name)))
    assert source, "no Source"
    assert set(re.findall(r"\b[A-Z][A-Z-]+[A-Z]\b", source[1])) & set(theorems()), source[1]


@pytest.mark.parametrize("name", RECORDS)
def test_a_public_record_documents_its_fields(name):
    """But for those whose type is a record or an enumeration of the page itself."""
    record = found(name)
    kinds = inspect.get_annotations(record)
    text = text_of(record)
    fields = (
        [field.name for field in dataclasses.fields(record)] if dataclasses.is_dataclass(record) else record._fields
    )
    assert [
        field
        for field in fields
        if not re.search(rf"\b{field}\b", text) and not SHORT & set(re.findall(r"\w+", str(kinds.get(field, ""))))
    ] == []


TAKE_A_SETTING = [
    name
    for name in FUNCTIONS
    if "setting" in inspect.signature(found(name)).parameters and not name.endswith("judge_spread")  # raises nothing
]


@pytest.mark.parametrize("given", [10, {"classes": 10}], ids=str)
@pytest.mark.parametrize("name", TAKE_A_SETTING)
def test_what_is_no_setting_is_refused_in_one_sentence(name, given):
    function = found(name)
    needed = [p for p in inspect.signature(function).parameters.values() if p.default is inspect.Parameter.empty]
    rest = {p.name: 0.1 for p in needed if p.name != "setting"}
    with pytest.raises(ssem_advisor.SettingError, match=r"^setting=.*: must be a Setting, as in Setting\(classes=10"):
        function(**rest, setting=given)


def test_the_functions_that_take_a_setting_are_found():
    assert {"recommend", "collapse_threshold", "suggest", "measure"} <= {n.rpartition(".")[2] for n in TAKE_A_SETTING}


def test_a_config_of_another_type_is_refused_in_one_sentence():
    with pytest.raises(ssem_advisor.AdvisorError, match="config=10: must be a Setting, a mapping or the path"):
        ssem_advisor.assert_safe(10)

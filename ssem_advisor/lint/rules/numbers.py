"""SSM5xx: how numbers are written and computed."""

from __future__ import annotations

from collections.abc import Iterator

from ssem_advisor.lint.core import Case, Says, rule

# Below these temperatures: exp(-2/tau) is under the least positive float16, 2**-24; rounding a similarity near 1 to
# bfloat16, by up to 2**-9, changes its softmax weight by more than 2 %.
_LEAST_TEMPERATURE = {"fp16": 0.1202, "bf16": 0.0976}
_HARM = {
    "fp16": "exp(-2/temperature) underflows",
    "bf16": "rounding alone changes a softmax weight by more than 2 %",
}


@rule("SSM501", "half-precision-temperature", "warning", uses=("precision", "temperature"))
def half_precision_temperature(case: Case) -> Iterator[Says]:
    """The temperature is too low for a softmax in half precision.

    ## What it does

    The rule compares the temperature with the range of float16 and with the resolution of bfloat16. In float16, the
    softmax weight exp(-2/tau) of two opposite embeddings is zero below 0.1202. In bfloat16, rounding changes a softmax
    weight by more than 2 % below 0.0976. Mixed precision by autocast is not reported for float16, because it computes
    the softmax in float32. It is reported for bfloat16, because the similarities themselves are computed in bfloat16.

    ## Why is this bad

    Negatives lose their effect, or softmax weights become noise. In code that does not subtract the maximum, float16
    overflows below 0.0902 and the loss is NaN.

    ## Example

    ```yaml
    method: supcon
    temperature: 0.05
    batch_size: 256
    precision: fp16
    ```

    ## Use instead

    ```yaml
    method: supcon
    temperature: 0.2
    batch_size: 256
    precision: fp16
    ```

    or compute the loss in float32: cast the embeddings before it.

    ## When to ignore

    Ignore it if the code casts to float32 itself.
    """
    temperature, precision = case.value("temperature"), case.value("precision")
    if not case.supervised or not isinstance(temperature, (int, float)) or precision not in _LEAST_TEMPERATURE:
        return
    if precision == "fp16" and next(case.traps("autocast"), None) is not None:
        return
    if temperature < _LEAST_TEMPERATURE[precision]:
        yield Says(
            "temperature",
            f"temperature {temperature} in {precision}: {_HARM[precision]}",
            "compute the loss in float32 (cast the embeddings before it)",
        )


@rule("SSM502", "base-temperature-only", "warning", theorem="REFERENCE", uses=("base_temperature", "temperature"))
def base_temperature_only(case: Case) -> Iterator[Says]:
    """The config sets `base_temperature`, but not the temperature.

    ## What it does

    The rule reports a config that states the base temperature but leaves the temperature itself to a default of the
    code.

    ## Why is this bad

    The base temperature multiplies the loss by `temperature / base_temperature`, which acts like a change of the
    learning rate. It is not part of the softmax, and neither the optimum nor the collapse threshold depends on it.

    ## Example

    ```yaml
    method: supcon
    base_temperature: 0.1
    batch_size: 256
    ```

    ## Use instead

    ```yaml
    method: supcon
    temperature: 0.1
    batch_size: 256
    ```

    ## When to ignore

    Ignore it if you want the default temperature and only meant to change the scale of the loss.
    """
    base, temperature = case.run.fields.get("base_temperature"), case.run.fields.get("temperature")
    if not case.supervised or base is None or base.origin != "stated":
        return
    if temperature is None or temperature.origin != "stated":
        yield Says(
            "base_temperature",
            f"base_temperature {base.value} only scales the loss; the temperature of the softmax is not set",
            "set the temperature; leave base_temperature equal to it unless the learning rate is to change",
        )


@rule("SSM503", "value-parsers-disagree-on", "warning")
def value_parsers_disagree_on(case: Case) -> Iterator[Says]:
    """A value reads as a number, or a truth value, to people and as something else to the training program.

    ## What it does

    The rule reports values on which parsers disagree. `1e-1` without a dot is text for PyYAML, a quoted number is text
    for every parser, and `010` is eight or ten. As a note it also reports `on` and `yes`, which are truth values for
    some parsers and text for others.

    ## Why is this bad

    At best the run fails. At worst the program uses the value as text, or it uses a default instead.

    ## Example

    ```yaml
    method: supcon
    temperature: 1e-1
    batch_size: 256
    ```

    ## Use instead

    ```yaml
    method: supcon
    temperature: 0.1
    batch_size: 256
    ```

    ## When to ignore

    Ignore it if the training program converts the value itself.
    """
    if not case.supervised:
        return
    for trap in case.traps("string-number", "odd-number"):
        yield Says(trap, trap.detail, "write the number in plain decimals, without quotes")
    for trap in case.traps("word-bool"):
        yield Says(trap, trap.detail, "write true or false", "note")

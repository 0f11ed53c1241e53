"""SSM9xx: the project's own configuration and its exceptions. These are found while the other rules run."""

from __future__ import annotations

from collections.abc import Iterator

from ssem_advisor.lint.core import Case, Says, rule


@rule("SSM901", "unused-suppression", "warning")
def unused_suppression(case: Case) -> Iterator[Says]:
    """A suppression comment silences nothing.

    ## What it does

    The rule reports `# ssem: ignore[...]` comments whose rules find nothing at that place, that name no rule, or that
    name an unknown rule.

    ## Why is this bad

    An exception that is no longer needed would hide the next real finding on its line.

    ## Example

    ```yaml
    method: simclr  # ssem: ignore[SSM201] collapse is the subject of this ablation
    temperature: 0.1
    batch_size: 256
    ```

    ## Use instead

    ```yaml
    method: supcon  # ssem: ignore[SSM201] collapse is the subject of this ablation
    temperature: 0.1
    batch_size: 256
    ```

    ## When to ignore

    Ignore it if the finding depends on facts that differ between machines.
    """
    return iter(())


@rule("SSM902", "unknown-own-key", "error")
def unknown_own_key(case: Case) -> Iterator[Says]:
    """The project's own configuration has a key that this tool does not know.

    ## What it does

    The rule reports keys under `[tool.ssem-advisor]`, or in `ssem-advisor.toml`, that have no meaning.

    ## Why is this bad

    Without this rule a misspelt key would be ignored silently, and so would the fact or the exception that it states.

    ## Example

    ```toml
    [tool.ssem-advisor]
    gaol = "transfer"
    ```

    ## Use instead

    ```toml
    [tool.ssem-advisor]
    goal = "transfer"
    ```

    ## When to ignore

    Never. Remove the key.
    """
    return iter(())


@rule("SSM903", "stale-exception", "warning")
def stale_exception(case: Case) -> Iterator[Says]:
    """An entry of the baseline or of `per-file-ignores` silences nothing any more.

    ## What it does

    The rule reports baseline entries whose finding is gone, and per-file ignores whose files are all clean. It judges
    an entry only if the run checked its files. A commit hook that gives one file does not make the other entries
    stale.

    ## Why is this bad

    As long as the entry stays, the repaired problem can come back unnoticed.

    ## Example

    ```toml
    [tool.ssem-advisor.per-file-ignores]
    "*.yaml" = ["SSM201"]
    ```

    ## Use instead

    ```toml
    [tool.ssem-advisor.per-file-ignores]
    ```

    ## When to ignore

    Never. Run `--write-baseline` again, or remove the entry.
    """
    return iter(())

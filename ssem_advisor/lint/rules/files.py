"""SSM9xx: the project's own configuration and its exceptions. These are found while the other rules run."""

from __future__ import annotations

from collections.abc import Iterator

from ssem_advisor.lint.core import Case, Says, rule


@rule("SSM901", "unused-suppression", "warning")
def unused_suppression(case: Case) -> Iterator[Says]:
    """A suppression comment silences nothing.

    ## What it does

    Reports `# ssem: ignore[...]` comments whose rules find nothing there, that name no rule, or an unknown one.

    ## Why is this bad

    An exception that is no longer needed hides the next real finding on its line.

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

    When the finding depends on facts that differ between machines.
    """
    return iter(())


@rule("SSM902", "unknown-own-key", "error")
def unknown_own_key(case: Case) -> Iterator[Says]:
    """The project's own configuration has a key that this tool does not know.

    ## What it does

    Reports keys under `[tool.ssem-advisor]`, or in a stand-alone file, that mean nothing.

    ## Why is this bad

    A misspelt key is ignored silently otherwise, and with it the fact or the exception it was to state.

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

    Never: remove the key.
    """
    return iter(())


@rule("SSM903", "stale-exception", "warning")
def stale_exception(case: Case) -> Iterator[Says]:
    """An entry of the baseline or of `per-file-ignores` silences nothing any more.

    ## What it does

    Reports baseline entries whose finding is gone, and per-file ignores whose files are all clean. An entry is judged
    only when the run looked at its files: one file given by a commit hook does not make the others stale.

    ## Why is this bad

    As long as the entry stays, the mended problem may come back unseen.

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

    Never: run `--write-baseline` again, or remove the entry.
    """
    return iter(())

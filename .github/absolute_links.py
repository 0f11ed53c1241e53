"""Give the package's page and metadata the addresses of the repository that releases it.

    python .github/absolute_links.py https://github.com/OWNER/ssem-advisor v1.2.3

Rewrites README.md (relative links and pictures mean nothing outside the repository) and pyproject.toml in place.
"""

import re
import sys
from pathlib import Path

RELATIVE = r"(?!https?://|#|mailto:)"


def absolute(text: str, repository: str, tag: str) -> str:
    """The same Markdown with every relative link under the repository's address at that tag."""
    pages, raw = f"{repository}/blob/{tag}/", f"{repository}/raw/{tag}/"
    text = re.sub(rf"(!\[[^\]]*\]\(){RELATIVE}", rf"\g<1>{raw}", text)
    text = re.sub(rf"((?:src|srcset)=\"){RELATIVE}", rf"\g<1>{raw}", text)
    return re.sub(rf"((?<!\!)\[(?:[^\[\]]|\[[^\]]*\]\([^)]*\))*\]\(|href=\"){RELATIVE}", rf"\g<1>{pages}", text)


def with_addresses(pyproject: str, repository: str) -> str:
    added = f'Repository = "{repository}"\nChangelog = "{repository}/blob/main/CHANGELOG.md"\n'
    return pyproject.replace("[project.urls]\n", f"[project.urls]\n{added}", 1)


if __name__ == "__main__":
    repository, tag = sys.argv[1:]
    readme, project = Path("README.md"), Path("pyproject.toml")
    readme.write_text(absolute(readme.read_text(), repository, tag))
    project.write_text(with_addresses(project.read_text(), repository))

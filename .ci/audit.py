"""Dependency audit of the pinned versions, for `make check`.

Prints known advisories. Ends with 0 whatever it found, so that an advisory published today does not
break a checkout that worked yesterday; `--strict` ends with 1 on a finding. Says "not checked"
where no service answers.
"""

import json
import subprocess
import sys
from pathlib import Path

CONSTRAINTS = Path(__file__).parent.parent / "deploy" / "requirements" / "constraints.txt"
UNREACHABLE = "pip-audit: not checked: advisory service unreachable"


def main() -> int:
    command = [
        sys.executable,
        "-m",
        "pip_audit",
        "-r",
        str(CONSTRAINTS),
        "--no-deps",
        "--disable-pip",
    ]
    command += ["--format", "json", "--progress-spinner", "off", "--timeout", "10"]
    try:
        audit = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        dependencies: list[dict[str, object]] = json.loads(audit.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, json.JSONDecodeError, KeyError):
        print(UNREACHABLE)
        return 0
    checked = [dependency for dependency in dependencies if "vulns" in dependency]
    found = [dependency for dependency in checked if dependency["vulns"]]
    if not checked:
        print(UNREACHABLE)
        return 0
    print(
        f"pip-audit: {len(checked)} of {len(dependencies)} packages checked, {len(found)} with"
        " advisories"
    )
    for dependency in found:
        vulnerabilities: list[dict[str, object]] = dependency["vulns"]  # pyright: ignore[reportAssignmentType]
        print(
            f"  {dependency['name']} {dependency['version']}:"
            f" {', '.join(str(v['id']) for v in vulnerabilities)}"
        )
    return 1 if found and "--strict" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())

"""Look the pinned packages up in the database of known vulnerabilities: `make audit`.

pip-audit calls packages that it cannot look up "no known vulnerabilities"; here they are counted, and when there is no
answer for any of them the audit says that it did not take place.
"""

import json
import subprocess
import sys
from pathlib import Path

CONSTRAINTS = Path(__file__).resolve().parents[2] / "constraints.txt"


def main() -> int:
    """Print what was found; 1 where a package has a known vulnerability, 2 where pip-audit itself failed."""
    command = [sys.executable, "-m", "pip_audit", "-r", str(CONSTRAINTS), "--no-deps", "--disable-pip", "-f", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not done.stdout.startswith("{"):
        reason = (done.stderr.strip().splitlines() or ["no output"])[-1]
        print(f"audit: not available, pip-audit could not run: {reason}")
        return 0 if "onnection" in reason else 2
    packages = json.loads(done.stdout)["dependencies"]
    known = [package for package in packages if "skip_reason" not in package]
    found = [(package, vulnerability) for package in known for vulnerability in package["vulns"]]
    for package, vulnerability in found:
        fixed = ", ".join(vulnerability["fix_versions"]) or "no version"
        print(f"audit: {package['name']} {package['version']}: {vulnerability['id']}, fixed in {fixed}")
    if not known:
        print(f"audit: not available: none of {len(packages)} pinned packages could be looked up")
    else:
        print(f"audit: {len(known)} of {len(packages)} pinned packages looked up, {len(found)} known vulnerabilities")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

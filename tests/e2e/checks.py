"""Static checks of the deployment, without a cloud: form, Terraform's own tests, the rendered state machine, security.

``python -m tests.e2e.checks``, or ``make lint-terraform``. The security scanner has requirements of its own and gets an
environment of its own under `.cache/`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from stockstream.ingest.machine import definition
from tests.e2e.deployment import REPOSITORY, TERRAFORM, provider_installation

SCANNER = "checkov>=3.3,<4"


def check(name: str, command: list[str | Path], **environment: str) -> bool:
    done = subprocess.run(
        [str(word) for word in command],
        cwd=TERRAFORM,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    print(f"{'ok' if done.returncode == 0 else 'FAILED':6} {name}")
    if done.returncode:
        print(done.stdout[-6000:], done.stderr[-4000:], sep="\n")
    return done.returncode == 0


def scanner() -> Path:
    folder = REPOSITORY / ".cache" / "scanner"
    if not (folder / "complete").exists():
        venv.create(folder, with_pip=True, clear=True)
        python = folder / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "-qq", "--disable-pip-version-check", SCANNER], check=True)
        (folder / "complete").touch()
    return folder / "bin" / "checkov"


def rendered(folder: Path) -> Path:
    """Return the state machine as Terraform renders it: with addresses in the place of names."""
    text = json.dumps(definition())
    for name in ("symbol_updater", "stock_fetcher", "run_reporter"):
        address = f"arn:aws:lambda:ap-southeast-2:123456789012:function:{name}"
        text = text.replace(f"${{{name}_arn}}", address)
    path = folder / "state_machine.json"
    path.write_text(text)
    return path


def main() -> int:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "terraform.rc").write_text(provider_installation())
        terraform = {
            "TF_CLI_CONFIG_FILE": str(folder / "terraform.rc"),
            "TF_DATA_DIR": str(folder / "data"),
            "CHECKPOINT_DISABLE": "1",
        }
        linter = Path(sys.executable).with_name("statelint")
        checks = [
            check("terraform fmt", ["terraform", "fmt", "-check", "-recursive", "-diff"]),
            check("terraform init", ["terraform", "init", "-backend=false", "-input=false"], **terraform),
            check("terraform validate", ["terraform", "validate"], **terraform),
            check("terraform test", ["terraform", "test"], **terraform),
            check("statelint", [linter, rendered(folder)]),
            check("checkov", [scanner(), "-d", ".", "--config-file", ".checkov.yaml"]),
        ]
    (TERRAFORM / ".terraform.lock.hcl").unlink(missing_ok=True)
    return 0 if all(checks) else 1


if __name__ == "__main__":
    sys.exit(main())

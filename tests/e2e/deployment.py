"""Terraform and the loopback cloud as a test drives them: started, applied, executed, destroyed."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import venv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
TERRAFORM = REPOSITORY / "terraform"
REGION = "ap-southeast-2"
#: Where Debian, HashiCorp and people put provider mirrors, besides what the user's own Terraform configuration names.
MIRROR_PARENTS = (
    Path("/opt"),
    Path("/usr/share/terraform"),
    Path("/usr/local/share/terraform"),
    Path.home() / ".terraform.d",
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def provider_mirror() -> Path | None:
    """Return a folder of Terraform providers on this machine, None where Terraform has to download them."""
    found = (path.parent for parent in MIRROR_PARENTS for path in sorted(parent.glob("*/registry.terraform.io")))
    return next(found, None)


def provider_installation() -> str:
    """Return what Terraform's own configuration says of where providers come from."""
    mirror = provider_mirror()
    source = f'filesystem_mirror {{\n    path = "{mirror}"\n  }}' if mirror else "direct {}"
    return f"provider_installation {{\n  {source}\n}}\n"


def runtime_environment(folder: Path) -> Path:
    """Return the Python of an environment that holds what AWS' runtime holds, and nothing else."""
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        venv.create(folder, with_pip=True, clear=True)
        run(
            [
                python,
                "-m",
                "pip",
                "install",
                "-qq",
                "--disable-pip-version-check",
                "awslambdaric>=4.2,<5",
                "boto3>=1.44,<2",
            ]
        )
        (folder / "complete").touch()
    return python


def run(command: list[Any], **options: Any) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, **options)
    if done.returncode:
        raise AssertionError(
            f"{' '.join(str(word) for word in command[:4])} failed:\n{done.stdout[-4000:]}\n{done.stderr[-6000:]}"
        )
    return done.stdout


@dataclass(kw_only=True)
class Deployment:
    """One deployment of the pipeline: `aws` holds the variables that name the account, wherever it is."""

    folder: Path
    packages: Path

    @property
    def aws(self) -> dict[str, str]:
        raise NotImplementedError

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a person who deploys."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))}
        return {
            **kept,
            **self.aws,
            "CHECKPOINT_DISABLE": "1",
            "TF_IN_AUTOMATION": "1",
            "TF_CLI_CONFIG_FILE": str(self.folder / "terraform.rc"),
            "TF_DATA_DIR": str(self.folder / "terraform"),
        }

    def prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "terraform.rc").write_text(provider_installation())

    def client(self, service: str) -> Any:
        import boto3

        return boto3.client(
            service,
            endpoint_url=self.aws.get("AWS_ENDPOINT_URL"),
            region_name=self.aws["AWS_REGION"],
            aws_access_key_id=self.aws["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.aws["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=self.aws.get("AWS_SESSION_TOKEN"),
        )

    # --- terraform ----------------------------------------------------------------------------------------------------

    def terraform(self, *words: str, code: int = 0) -> str:
        done = subprocess.run(
            ["terraform", *words],
            cwd=self.configuration,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, f"terraform {' '.join(words)}:\n{done.stdout[-5000:]}\n{done.stderr[-5000:]}"
        return done.stdout

    @property
    def configuration(self) -> Path:
        """A copy of the configuration: state and lock files of a test never lie in the checkout."""
        copy = self.folder / "checkout" / "terraform"
        if not copy.exists():
            shutil.copytree(TERRAFORM, copy, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
            definition = Path("stockstream/ingest/state_machine.asl.json")
            (copy.parent / definition).parent.mkdir(parents=True)
            shutil.copy(REPOSITORY / definition, copy.parent / definition)
        return copy

    def apply(self, **variables: Any) -> dict[str, Any]:
        """Deploy, and return the outputs."""
        values = {"packages_folder": str(self.packages), "force_destroy": True, **variables}
        (self.configuration / "test.auto.tfvars.json").write_text(json.dumps(values))
        self.terraform("init", "-input=false", "-no-color")
        self.terraform("apply", "-auto-approve", "-input=false", "-no-color")
        outputs = json.loads(self.terraform("output", "-json"))
        return {name: output["value"] for name, output in outputs.items()}

    def destroy(self) -> None:
        self.terraform("destroy", "-auto-approve", "-input=false", "-no-color")

    # --- the pipeline -------------------------------------------------------------------------------------------------

    def execute(self, machine: str, event: dict[str, Any], name: str, seconds: float = 300) -> dict[str, Any]:
        """Run the state machine to its end and return its description."""
        states = self.client("stepfunctions")
        started = states.start_execution(stateMachineArn=machine, name=name, input=json.dumps(event))
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            described: dict[str, Any] = states.describe_execution(executionArn=started["executionArn"])
            if described["status"] != "RUNNING":
                return described
            time.sleep(0.3)
        raise AssertionError(f"execution {name} still runs after {seconds} s")

    def invoke(self, function: str, event: object) -> tuple[Any, bool]:
        """Call a function; return what it answers, and whether that is an error."""
        answer = self.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event).encode())
        return json.loads(answer["Payload"].read()), bool(answer.get("FunctionError"))

    def keys(self, bucket: str, prefix: str = "") -> dict[str, str]:
        """Return the objects of a bucket and a digest of each."""
        found = self.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return {one["Key"]: one["ETag"] for page in found for one in page.get("Contents", ())}

    def names(self) -> dict[str, list[str]]:
        """Return what there is in the account, of every kind that a deployment makes."""
        kinds = {
            "s3": ("list_buckets", "Buckets", "Name"),
            "lambda": ("list_functions", "Functions", "FunctionName"),
            "stepfunctions": ("list_state_machines", "stateMachines", "name"),
            "scheduler": ("list_schedules", "Schedules", "Name"),
            "sqs": ("list_queues", "QueueUrls", None),
            "sns": ("list_topics", "Topics", "TopicArn"),
            "cloudwatch": ("describe_alarms", "MetricAlarms", "AlarmName"),
            "iam": ("list_roles", "Roles", "RoleName"),
            "glue": ("get_databases", "DatabaseList", "Name"),
            "logs": ("describe_log_groups", "logGroups", "logGroupName"),
        }
        found: dict[str, list[str]] = {}
        for service, (call, part, name) in kinds.items():
            pages = self.client(service).get_paginator(call).paginate()
            found[service] = [one[name] if name else one for page in pages for one in page.get(part, ())]
        return found


@dataclass(kw_only=True)
class Account(Deployment):
    """A deployment in the account that some variables name."""

    variables: dict[str, str]

    @property
    def aws(self) -> dict[str, str]:
        return self.variables


@dataclass(kw_only=True)
class Cloud(Deployment):
    """A loopback AWS and one deployment in it."""

    runtime: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def aws(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "deployer",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_MAX_ATTEMPTS": "3",
        }

    def start(self) -> None:
        self.prepare()
        launcher = Path(__file__).with_name("loopback_cloud.py")
        command = [sys.executable, launcher, str(self.port), str(self.runtime), str(self.folder)]
        with (self.folder / "cloud.log").open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=self.folder)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        raise AssertionError(f"the loopback cloud did not start:\n{(self.folder / 'cloud.log').read_text()[-3000:]}")

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def written(self, file: str) -> list[dict[str, Any]]:
        """Return what the cloud wrote down: calls.jsonl or invocations.jsonl."""
        path = self.folder / file
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

"""AWS on loopback: a moto server that runs the deployed zip packages, and writes down who called what.

``python loopback_cloud.py PORT RUNTIME_PYTHON FOLDER``: serves on 127.0.0.1:PORT; functions run in processes of
RUNTIME_PYTHON (an environment with awslambdaric and boto3 only, as on AWS); every call goes to FOLDER/calls.jsonl as
``{"caller", "action", "resource", "status"}``, every invocation to FOLDER/invocations.jsonl with its peak memory.

The patches, and why each is needed, are the whole difference to stock moto:

- a state machine is validated before it is created, and its versions are listed: answers for both;
- an action that moto lacks is answered with 400: 500 makes clients retry for minutes;
- a Deny whose condition does not hold denies nothing (moto denies; the lake's bucket refuses plain HTTP by condition);
- `LambdaFunction._invoke_lambda` starts the package instead of a container, and ends it at its time and memory limits.

It says nothing about permissions (moto checks none: the test compares the calls with the policies itself), real cold
starts, throttling, or schedules, which moto keeps and never fires.
"""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time
import uuid
import zipfile
from collections.abc import Callable, Iterable
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

from moto.awslambda.models import LambdaFunction
from moto.core import DEFAULT_ACCOUNT_ID as ACCOUNT_ID
from moto.core.config import default_user_config
from moto.core.responses import BaseResponse
from moto.iam.access_control import IAMPolicyStatement, PermissionResult
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.stepfunctions.responses import StepFunctionResponse
from werkzeug.serving import make_server

PORT, RUNTIME, FOLDER = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
_lock = threading.Lock()


def write_down(file: str, entry: dict[str, Any]) -> None:
    with _lock, (FOLDER / file).open("a") as log:
        log.write(json.dumps(entry) + "\n")


# --- who called what --------------------------------------------------------------------------------------------------


def s3_action(method: str, path: str, query: dict[str, list[str]]) -> tuple[str, str]:
    bucket, _, key = unquote(path).lstrip("/").partition("/")
    if not key:
        verbs = {"GET": "ListBucket", "HEAD": "ListBucket"}
        prefix = query.get("prefix", [""])[0]
        return f"s3:{verbs.get(method, method)}", f"arn:aws:s3:::{bucket}?prefix={prefix}"
    verbs = {"GET": "GetObject", "HEAD": "GetObject", "PUT": "PutObject", "POST": "PutObject", "DELETE": "DeleteObject"}
    return f"s3:{verbs[method]}", f"arn:aws:s3:::{bucket}/{key}"


def glue_resources(region: str, body: dict[str, Any]) -> list[str]:
    """Return what AWS asks the permission for: the catalogue, the database and the table of a call."""
    database, table = body.get("DatabaseName"), body.get("Name") or body.get("TableInput", {}).get("Name")
    parts = ["catalog", *([f"database/{database}"] if database else [])]
    parts += [f"table/{database}/{table}"] if database and table else []
    return [f"arn:aws:glue:{region}:{ACCOUNT_ID}:{part}" for part in parts]


def body_of(environ: dict[str, Any]) -> bytes:
    """Return the body of a request, which can be read once more."""
    body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = BytesIO(body)
    return body


def calls_written_down(application: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """Wrap the server: the access key of a request is the name of the function that runs (see `invoke`)."""

    def wrapped(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        authorization = environ.get("HTTP_AUTHORIZATION", "")
        match = re.search(r"Credential=([^/]+)/\d+/([^/]+)/([^/]+)/", authorization)
        if match:
            caller, region, service = match.groups()
            query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
            targets = ["*"]
            if service == "s3":
                action, target = s3_action(environ["REQUEST_METHOD"], environ["PATH_INFO"], query)
                targets = [target]
            else:
                name = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
                if not name:
                    name = parse_qs(body_of(environ).decode("utf-8", "replace")).get("Action", [environ["PATH_INFO"]])[
                        0
                    ]
                elif service == "glue":
                    targets = glue_resources(region, json.loads(body_of(environ) or b"{}"))
                action = f"{service}:{name}"

            def answered(status: str, *rest: Any) -> Any:
                for target in targets:
                    entry = {"caller": caller, "action": action, "resource": target, "status": int(status[:3])}
                    write_down("calls.jsonl", entry)
                return start_response(status, *rest)

            return application(environ, answered)
        return application(environ, start_response)

    return wrapped


# --- functions that run -----------------------------------------------------------------------------------------------


def unpacked(code: bytes) -> Path:
    """Return the folder of a package, unzipped once."""
    folder = FOLDER / "functions" / sha256(code).hexdigest()[:16]
    with _lock:
        if not folder.exists():
            temporary = folder.with_suffix(".new")
            with zipfile.ZipFile(BytesIO(code)) as archive:
                archive.extractall(temporary)
            temporary.rename(folder)
    return folder


class RuntimeServer(ThreadingHTTPServer):
    """The runtime interface of one invocation: hands out one event and takes one answer."""

    def __init__(self, event: bytes, headers: dict[str, str]) -> None:
        super().__init__(("127.0.0.1", 0), RuntimeHandler)
        self.event, self.event_headers = event, headers
        self.answer: tuple[str, bytes] | None = None
        self.answered = threading.Event()
        self.handed_out = False


class RuntimeHandler(BaseHTTPRequestHandler):
    server: RuntimeServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        if self.server.handed_out:  # the runtime asks for the next event; there is none, and its process ends soon
            self.server.answered.wait()
            time.sleep(60)
            return
        self.server.handed_out = True
        self.reply(200, self.server.event, self.server.event_headers)

    def do_POST(self) -> None:
        body = self.read_body()
        kind = self.path.rpartition("/")[2]
        if self.server.answer is None:
            self.server.answer = (kind, body)
        self.reply(202, b"{}", {})
        self.server.answered.set()

    def read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def peak_mib(process: int) -> float:
    """Return the most memory a running process had; `ru_maxrss` would count this server, which it was forked from."""
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    except OSError:
        found = None  # it has ended
    return round(int(found[1]) / 1024, 1) if found else 0.0


def invoke(function: LambdaFunction, event: str | None = None) -> tuple[str, bool, str]:
    """Run one invocation in a process of its own; the form of the answer is moto's: (payload, failed, log)."""
    task = unpacked(function.code_bytes)
    request, started = str(uuid.uuid4()), time.time()
    deadline = started + function.timeout
    headers = {
        "Lambda-Runtime-Aws-Request-Id": request,
        "Lambda-Runtime-Deadline-Ms": str(int(deadline * 1000)),
        "Lambda-Runtime-Invoked-Function-Arn": function.function_arn,
        "Content-Type": "application/json",
    }
    server = RuntimeServer(json.dumps(event if event is not None else {}).encode(), headers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    home = FOLDER / "homes" / request
    home.mkdir(parents=True)
    environment = {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(task),
        "LAMBDA_TASK_ROOT": str(task),
        **{name: str(value) for name, value in function.environment_vars.items()},
        "HOME": str(home),
        "TMPDIR": str(home),
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_address[1]}",
        "AWS_LAMBDA_FUNCTION_NAME": function.function_name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_size),
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_REGION": function.region,
        "AWS_DEFAULT_REGION": function.region,
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{PORT}",
        "AWS_ACCESS_KEY_ID": function.function_name,  # tells the callers apart in calls.jsonl
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_EC2_METADATA_DISABLED": "true",
        "_HANDLER": function.handler,
    }
    log = home / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [RUNTIME, "-m", "awslambdaric", function.handler],
            cwd=task,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        ended, usage = 0, None  # `process.poll()` would reap the process, and its peak memory would be lost
        peak, full = 0.0, False
        while not ended and not full and not server.answered.wait(0.02) and time.time() < deadline:
            peak = peak_mib(process.pid) or peak
            full = peak > int(function.memory_size)
            ended, _, usage = os.wait4(process.pid, os.WNOHANG)
        timed_out = not ended and not full and server.answer is None
        peak = peak_mib(process.pid) or peak
        if not ended:
            os.kill(process.pid, signal.SIGKILL)
            _, _, usage = os.wait4(process.pid, 0)
        process.returncode = 0
    server.shutdown()
    server.server_close()
    text = log.read_text(errors="replace")
    write_down(
        "invocations.jsonl",
        {
            "function": function.function_name,
            "seconds": round(time.time() - started, 3),
            "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 3),
            "peak_mib": peak,
            "outcome": "timeout" if timed_out else server.answer[0] if server.answer else "memory" if full else "exit",
        },
    )
    function.save_logs(text)
    if timed_out:
        problem = {"errorType": "Sandbox.Timedout", "errorMessage": f"Task timed out after {function.timeout} seconds"}
        return json.dumps(problem), True, text
    if server.answer is None:
        words = "Runtime exited with error: signal: killed" if full else "Runtime exited without an answer"
        return json.dumps({"errorType": "Runtime.ExitError", "errorMessage": words}), True, text
    kind, body = server.answer
    return body.decode(), kind == "error", text


LambdaFunction._invoke_lambda = invoke


# --- gaps of moto -----------------------------------------------------------------------------------------------------


def validate_state_machine_definition(_: StepFunctionResponse) -> str:
    return json.dumps({"result": "OK", "diagnostics": [], "truncated": False})


def list_state_machine_versions(_: StepFunctionResponse) -> str:
    return json.dumps({"stateMachineVersions": []})


StepFunctionResponse.validate_state_machine_definition = validate_state_machine_definition
StepFunctionResponse.list_state_machine_versions = list_state_machine_versions

_stock_call_action = BaseResponse.call_action


def call_action(self: BaseResponse) -> Any:
    try:
        return _stock_call_action(self)
    except NotImplementedError as error:
        body = json.dumps({"__type": "UnsupportedOperation", "message": f"moto lacks it: {error}"})
        return 400, {"status": 400}, body


BaseResponse.call_action = call_action

_stock_is_action_permitted = IAMPolicyStatement.is_action_permitted


def is_action_permitted(self: IAMPolicyStatement, *arguments: Any, **named: Any) -> PermissionResult:
    result = _stock_is_action_permitted(self, *arguments, **named)
    if result == PermissionResult.DENIED and self._statement.get("Effect") == "Deny" and "Condition" in self._statement:
        return PermissionResult.NEUTRAL  # its only condition is plain HTTP, which on loopback everything is
    return result


IAMPolicyStatement.is_action_permitted = is_action_permitted

# ----------------------------------------------------------------------------------------------------------------------


def main() -> None:
    os.environ["MOTO_PORT"] = str(PORT)  # the state machine's tasks call functions through this port
    default_user_config["stepfunctions"] = {"execute_state_machine": True}
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for name in ("functions", "homes"):
        (FOLDER / name).mkdir(parents=True, exist_ok=True)
    application = calls_written_down(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", PORT, application, threaded=True, request_handler=MotoRequestHandler)
    server.serve_forever()


if __name__ == "__main__":
    main()

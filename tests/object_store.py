"""A real S3 server for tests: SeaweedFS on loopback, on free ports, in a folder that goes with it."""

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
import botocore.exceptions
from botocore.config import Config

from stockstream.lake.bucket_access import BucketOptions

ACCESS_KEY = "test"
READER = "reader"
#: Nothing in it may end a text, a shell word or an address.
SECRET_KEY = "it's/a+\"secret"
REGION = "ap-southeast-2"

_PATIENCE = 60.0


@dataclass(frozen=True)
class ObjectStore:
    """A running server."""

    endpoint: str
    process: subprocess.Popen[bytes]

    def options(self, endpoint: str | None = None, secret: str = SECRET_KEY) -> BucketOptions:
        """Return how a lake reaches the server, or a proxy before it."""
        return BucketOptions(
            endpoint_url=endpoint or self.endpoint, region=REGION, access_key_id=ACCESS_KEY, secret_access_key=secret
        )

    def reader(self) -> BucketOptions:
        """Return credentials that may read and list, and not write."""
        return BucketOptions(
            endpoint_url=self.endpoint, region=REGION, access_key_id=READER, secret_access_key=SECRET_KEY
        )

    def environment(self, endpoint: str | None = None) -> dict[str, str]:
        """Return the variables under which a process reaches the server."""
        return {
            "AWS_ENDPOINT_URL": endpoint or self.endpoint,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self, attempts: int = 3):
        """Return a client of boto3 that owes nothing to stockstream."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=Config(connect_timeout=2, read_timeout=10, retries={"total_max_attempts": attempts}),
        )

    def new_bucket(self) -> str:
        """Make a bucket and return its name."""
        name = f"lake-{uuid.uuid4().hex[:12]}"
        self.client().create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        return name


@contextlib.contextmanager
def object_store() -> Iterator[ObjectStore]:
    """Start a server, wait until it stores an object, and end it."""
    folder = Path(tempfile.mkdtemp(prefix="object-store-"))
    ports = _free_ports(8)
    process = subprocess.Popen(_command(folder, ports), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    store = ObjectStore(f"http://127.0.0.1:{ports[0]}", process)
    try:
        _wait(store)
        yield store
    finally:
        process.kill()  # it takes half a minute to end politely, and its data goes anyway
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _command(folder: Path, ports: list[int]) -> list[str]:
    keys = {"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}
    owner = {"name": "owner", "credentials": [keys], "actions": ["Admin", "Read", "List", "Tagging", "Write"]}
    reader = {"name": "reader", "credentials": [keys | {"accessKey": READER}], "actions": ["Read", "List"]}
    (folder / "identities.json").write_text(json.dumps({"identities": [owner, reader]}))
    (folder / "data").mkdir()
    s3, s3_rpc, master, master_rpc, volume, volume_rpc, filer, filer_rpc = ports
    return [
        str(Path(sys.executable).parent / "weed"), "server", f"-dir={folder / 'data'}", "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1", "-s3", f"-s3.config={folder / 'identities.json'}", f"-s3.port={s3}",
        f"-s3.port.grpc={s3_rpc}", "-s3.port.iceberg=0", "-s3.port.lance=0", f"-s3.localSocket={folder / 's3.sock'}",
        f"-master.port={master}", f"-master.port.grpc={master_rpc}", "-master.volumeSizeLimitMB=64",
        "-master.telemetry=false", f"-volume.port={volume}", f"-volume.port.grpc={volume_rpc}", "-volume.max=400",
        f"-filer.port={filer}", f"-filer.port.grpc={filer_rpc}", f"-filer.localSocket={folder / 'filer.sock'}",
    ]  # fmt: skip


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for free in sockets:
            free.bind(("127.0.0.1", 0))
        return [free.getsockname()[1] for free in sockets]


def _wait(store: ObjectStore) -> None:
    """Return when a first object is stored: the server answers long before it can."""
    client, deadline = store.client(attempts=1), time.monotonic() + _PATIENCE
    while True:
        try:
            with contextlib.suppress(client.exceptions.BucketAlreadyOwnedByYou):
                client.create_bucket(Bucket="ready", CreateBucketConfiguration={"LocationConstraint": REGION})
            client.put_object(Bucket="ready", Key="first", Body=b"1")
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
            if store.process.poll() is not None or time.monotonic() > deadline:
                message = f"the object store did not start: {error}"
                raise RuntimeError(message) from error
            time.sleep(0.05)
        else:
            client.close()
            return

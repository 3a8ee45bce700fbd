"""Settings: what wins, what is refused, and what is shown of them."""

import csv
import io
import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stockstream import settings
from stockstream.cli import app
from stockstream.errors import SettingsError
from stockstream.lake.bucket_access import configured_options
from stockstream.lake.location import locate


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("S3_BUCKET_NAME=from-file\nSTOCKSTREAM_WORKERS=3\nAWS_REGION=eu-west-1\nOTHER=x\n")
    monkeypatch.setenv("STOCKSTREAM_WORKERS", "4")
    found = settings.load()
    assert (found.s3_bucket_name, found.workers, found.batch_size) == ("from-file", 4, 100)
    assert found.place() == "from-file"
    origins = {setting.name: setting.origin for setting in settings.effective()}
    assert origins["S3_BUCKET_NAME"] == ".env"
    assert origins["STOCKSTREAM_WORKERS"] == "environment"
    assert origins["STOCKSTREAM_BATCH_SIZE"] == "default"
    assert origins["AWS_REGION"] == ".env"


def test_the_lake_is_the_setting_else_the_bucket_else_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.load().place() is None
    monkeypatch.setenv("S3_BUCKET_NAME", "bucket")
    assert settings.load().place() == "bucket"
    monkeypatch.setenv("STOCKSTREAM_LAKE", "s3://other/asx")
    assert settings.load().place() == "s3://other/asx"
    monkeypatch.setenv("STOCKSTREAM_LAKE", "lake")
    assert settings.load().place() == "./lake"
    monkeypatch.setenv("STOCKSTREAM_LAKE", " ")
    assert settings.load().place() == "bucket"


def test_an_empty_value_is_none_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("STOCKSTREAM_WORKERS=\nLOG_LEVEL=debug\n")
    monkeypatch.setenv("STOCKSTREAM_OVERLAP_DAYS", "")
    found = settings.load()
    assert (found.workers, found.overlap_days, found.log_level) == (10, 45, "DEBUG")
    assert {
        s.origin for s in settings.effective() if s.name in {"STOCKSTREAM_WORKERS", "STOCKSTREAM_OVERLAP_DAYS"}
    } == {"default"}


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        (
            "STOCKSTREAM_WORKER",
            "4",
            "setting STOCKSTREAM_WORKER in {where}. Did you mean 'STOCKSTREAM_WORKERS'",
        ),
        ("STOCKSTREAM_WORKERS", "many", "STOCKSTREAM_WORKERS (from {origin}): expected a valid integer"),
        ("STOCKSTREAM_WORKERS", "11", "expected less than or equal to 10; found '11'"),
        ("STOCKSTREAM_COVERAGE_THRESHOLD", "95", "expected less than or equal to 1; found '95'"),
        ("LOG_LEVEL", "WARNNG", "Did you mean 'WARNING'"),
        ("STOCKSTREAM_OVERLAP_DAYS", "nan", "expected a valid integer"),
    ],
)
def test_what_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str) -> None:
    Path(".env").write_text(f"{name}={value}\n")
    with pytest.raises(SettingsError, match=re.escape(says.format(where=".env", origin=".env"))):
        settings.load()
    Path(".env").unlink()
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=re.escape(says.format(where="the environment", origin="environment"))):
        settings.load()


@pytest.mark.parametrize("text", ["S3_BUCKET_NAME stock-stream\n", "A=1\nLOG_LEVEL\n", 'A="1\n'])
def test_a_line_that_is_no_setting_is_refused(text: str) -> None:
    Path(".env").write_text(text)
    with pytest.raises(SettingsError, match=r"\.env, line \d: expected NAME=value"):
        settings.load()


def test_a_file_in_another_encoding_is_refused() -> None:
    Path(".env").write_bytes(b"ENVIRONMENT=caf\xe9\n")
    with pytest.raises(SettingsError, match=r"cannot read the settings in \.env"):
        settings.load()


def test_secrets_are_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "abc123")
    monkeypatch.setenv("STOCKSTREAM_PROXY", "http://me:abc123@proxy:8080")
    for form in ("table", "json", "csv"):
        outcome = CliRunner().invoke(app, ["config", "--format", form])
        assert outcome.exit_code == 0
        assert "abc123" not in outcome.output
        assert "proxy:8080" in outcome.output
    assert "abc123" not in repr(settings.load().aws_secret_access_key)


def test_the_command_shows_values_and_origins_in_eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("STOCKSTREAM_LAKE", "s3://a-bucket/with/a/very/long/prefix/that/does/not/fit/into/one/line")
    text = CliRunner().invoke(app, ["config"]).stdout
    assert max(map(len, text.splitlines())) <= 80
    assert re.search(r"STOCKSTREAM_WORKERS +10 +default", text)
    rows = json.loads(CliRunner().invoke(app, ["config", "--format", "json"]).stdout)
    assert {row["name"]: row["origin"] for row in rows}["STOCKSTREAM_LAKE"] == "environment"
    assert all(row["meaning"].endswith(".") for row in rows)
    listed = list(csv.DictReader(io.StringIO(CliRunner().invoke(app, ["config", "--format", "csv"]).stdout)))
    assert listed == rows
    monkeypatch.setenv("STOCKSTREAM_LAKES", "x")
    refused = CliRunner().invoke(app, ["config"])
    assert refused.exit_code == 2
    assert "Did you mean 'STOCKSTREAM_LAKE'" in refused.stderr


def test_the_example_file_names_every_setting_with_its_default(repository: Path) -> None:
    lines = (repository / ".env.example").read_text().splitlines()
    written = dict(line.removeprefix("#").split("=", 1) for line in lines if re.match(r"#?[A-Z0-9_]+=", line))
    fields = {settings.names(field)[0]: field for field in settings.Settings.model_fields}
    assert list(written)
    assert set(written) == set(fields)
    defaults = settings.Settings(_env_file=None)
    for name, text in written.items():
        default = getattr(defaults, fields[name])
        if default is not None:
            assert text == (",".join(default) if isinstance(default, tuple) else str(default)), name
    Path(".env").write_text("\n".join(lines))
    found = settings.load()
    assert (found.s3_bucket_name, found.aws_region, found.environment) == ("stock-stream-data", "ap-southeast-2", "dev")


def test_a_lake_without_a_path_is_where_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hand over what only the file says: boto3 reads the environment itself, with rules of its own."""
    Path(".env").write_text(
        "S3_BUCKET_NAME=prices\nAWS_ENDPOINT_URL=http://127.0.0.1:9\nAWS_ACCESS_KEY_ID=me\nAWS_SECRET_ACCESS_KEY=mine\n"
    )
    assert str(locate()) == "s3://prices"
    options = configured_options()
    assert (options.endpoint_url, options.access_key_id, options.secret_access_key) == (
        "http://127.0.0.1:9",
        "me",
        "mine",
    )
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "other")
    assert configured_options().access_key_id is None
    Path(".env").write_text("STOCKSTREAM_LAKE=lake\n")
    assert str(locate()) == "lake"
    Path(".env").write_text("")
    assert str(locate()) == "data/lake"

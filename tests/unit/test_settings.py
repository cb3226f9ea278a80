"""Settings: arguments over variables over defaults, and messages that name the origin of a value."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from optimizer_plugin import errors
from optimizer_plugin.errors import ConfigurationError, PolicyError, ReuseError
from optimizer_plugin.policies import Policy, builtin
from optimizer_plugin.settings import Settings

ROOT = Path(__file__).parents[2]


def test_defaults_need_no_variable() -> None:
    """Without any setting: the user's own directories, the embedded metastore, failing open."""
    settings = Settings.resolve(environment={})
    assert settings.metastore is None
    assert settings.policy is None
    assert settings.tenant == "default"
    assert settings.strict is False
    assert settings.store_directory == settings.data_directory / "views"
    assert settings.data_directory.is_absolute()
    assert settings.cache_directory != settings.data_directory


def test_resolving_creates_nothing(tmp_path: Path) -> None:
    """Looking at settings leaves no directory behind."""
    Settings.resolve(environment={"RESPOOL_DATA": str(tmp_path / "data")})
    assert list(tmp_path.iterdir()) == []


def test_variables_are_read(tmp_path: Path) -> None:
    """Each variable reaches its field."""
    settings = Settings.resolve(
        environment={
            "RESPOOL_METASTORE": "postgresql://ana@db/respool",
            "RESPOOL_DATA": str(tmp_path / "data"),
            "RESPOOL_STORE": str(tmp_path / "store"),
            "RESPOOL_CACHE": str(tmp_path / "cache"),
            "RESPOOL_POLICY": "eager",
            "RESPOOL_TENANT": "finance",
            "RESPOOL_STRICT": "1",
        }
    )
    assert settings == Settings(
        data_directory=tmp_path / "data",
        store_directory=tmp_path / "store",
        cache_directory=tmp_path / "cache",
        metastore="postgresql://ana@db/respool",
        tenant="finance",
        policy=builtin("eager"),
        strict=True,
    )


def test_views_follow_the_data_directory(tmp_path: Path) -> None:
    """One variable moves everything that must last."""
    settings = Settings.resolve(environment={"RESPOOL_DATA": str(tmp_path)})
    assert settings.store_directory == tmp_path / "views"


def test_arguments_win_over_variables(tmp_path: Path) -> None:
    """A program's own words count more than its surroundings."""
    settings = Settings.resolve(
        metastore="postgresql://here/db",
        store=tmp_path,
        tenant="mine",
        policy=Policy(name="mine"),
        strict=False,
        environment={
            "RESPOOL_METASTORE": "mysql://wrong",
            "RESPOOL_STORE": "s3://wrong",
            "RESPOOL_TENANT": "wrong tenant",
            "RESPOOL_POLICY": "wrong",
            "RESPOOL_STRICT": "wrong",
        },
    )
    assert settings.metastore == "postgresql://here/db"
    assert settings.store_directory == tmp_path
    assert settings.tenant == "mine"
    assert settings.policy == Policy(name="mine")
    assert settings.strict is False


def test_empty_variables_count_as_unset() -> None:
    """``RESPOOL_STORE= program`` means the default, as shells and CI systems expect."""
    names = ("METASTORE", "DATA", "STORE", "CACHE", "POLICY", "TENANT", "STRICT")
    empty = {f"RESPOOL_{name}": "" for name in names}
    assert Settings.resolve(environment=empty) == Settings.resolve(environment={})


def test_paths_become_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A later change of directory does not move the store."""
    monkeypatch.chdir(tmp_path)
    assert Settings.resolve(store="views", environment={}).store_directory == tmp_path / "views"


def test_home_is_expanded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """``~`` in a variable, where no shell expands it, is the home directory."""
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = Settings.resolve(environment={"RESPOOL_STORE": "~/views"})
    assert settings.store_directory == tmp_path / "views"


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("RESPOOL_METASTORE", "mysql://host/db", "RESPOOL_METASTORE has the scheme 'mysql': expected postg"),
        ("RESPOOL_METASTORE", "host/db", "RESPOOL_METASTORE is not a url: expected postgresql://"),
        ("RESPOOL_METASTORE", "postgresql://", "expected postgresql://user@host/database"),
        ("RESPOOL_STORE", "s3://bucket/views", "RESPOOL_STORE is 's3://bucket/views': expected a directory"),
        ("RESPOOL_CACHE", "https://example.org", "RESPOOL_CACHE is 'https://example.org'"),
        ("RESPOOL_STORE", __file__, "a file: expected a directory"),
        ("RESPOOL_TENANT", "a b", "RESPOOL_TENANT is 'a b': expected a letter or digit"),
        ("RESPOOL_TENANT", "../x", "RESPOOL_TENANT is '../x'"),
        ("RESPOOL_TENANT", "x" * 64, "at most 63 in all"),
        ("RESPOOL_STRICT", "maybe", "RESPOOL_STRICT is 'maybe': expected one of 1, 0, true"),
    ],
)
def test_wrong_variable_is_named(variable: str, value: str, expected: str) -> None:
    """The message says which variable, what is in it and what should be."""
    with pytest.raises(ConfigurationError) as caught:
        Settings.resolve(environment={variable: value})
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_wrong_argument_is_named_as_such() -> None:
    """A wrong argument is not blamed on a variable."""
    with pytest.raises(ConfigurationError, match="argument store is 's3://x'"):
        Settings.resolve(store="s3://x", environment={})


def test_unknown_policy_is_refused_at_once() -> None:
    """A misspelled policy does not wait for the first query."""
    with pytest.raises(PolicyError, match="policy 'egaer' is unknown"):
        Settings.resolve(environment={"RESPOOL_POLICY": "egaer"})


def test_password_is_never_shown() -> None:
    """Neither a printed Settings nor an error message gives a password away."""
    settings = Settings.resolve(metastore="postgresql://ana:s3cret@db/respool", environment={})
    assert "s3cret" not in repr(settings)
    with pytest.raises(ConfigurationError) as caught:
        Settings.resolve(metastore="mysql://ana:s3cret@db/respool", environment={})
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(("text", "strict"), [("1", True), ("Yes", True), ("off", False), ("0", False)])
def test_strict_is_read_in_the_usual_spellings(text: str, strict: bool) -> None:
    """Whatever people write for yes and no is understood, and nothing else."""
    assert Settings.resolve(environment={"RESPOOL_STRICT": text}).strict is strict


def test_settings_cannot_be_changed() -> None:
    """Settings are a value that several threads may hold."""
    settings = Settings.resolve(environment={})
    with pytest.raises(FrozenInstanceError):
        settings.tenant = "other"  # type: ignore[misc]


def every_error() -> list[type[ReuseError]]:
    """All classes of errors that the module offers."""
    return [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ReuseError)]


@pytest.mark.parametrize("kind", every_error())
def test_errors_say_found_expected_remedy_and_travel(kind: type[ReuseError]) -> None:
    """Every error tells what to do, and arrives whole from another process."""
    error = kind("found 3", expected="4", remedy="add 1")
    assert str(error) == "found 3: expected 4; add 1"
    assert str(pickle.loads(pickle.dumps(error))) == str(copy.copy(error)) == str(error)
    assert str(kind("found 3")) == f"found 3; {kind.default_remedy}"


def test_golden_files_cannot_be_updated_in_ci() -> None:
    """``--update-golden`` is refused where nobody reads the difference."""
    command = [sys.executable, "-m", "pytest", "--update-golden", "--collect-only", "-q", __file__]
    environment = os.environ | {"CI": "1", "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert ended.returncode == pytest.ExitCode.USAGE_ERROR
    assert "--update-golden with CI set" in ended.stdout + ended.stderr

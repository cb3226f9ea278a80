from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from metastore.opening import default_data_directory, open_metastore

OPEN_AND_WRITE = """
import sys
from pathlib import Path
from metastore.opening import open_metastore

metastore = open_metastore(None, data_directory=Path(sys.argv[1]))
print(metastore.apply_policy("team", sys.argv[2], "ada", "").version, flush=True)
sys.stdin.read()
"""


def start(directory: Path, body: str) -> subprocess.Popen[str]:
    """Another process that opens the metastore, writes, and ends when its input does."""
    return subprocess.Popen(
        [sys.executable, "-c", OPEN_AND_WRITE, str(directory), body],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )


def answer(process: subprocess.Popen[str]) -> str:
    """The line that the process prints once it has written."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def end(process: subprocess.Popen[str]) -> None:
    """Let the process end on its own."""
    process.communicate()
    assert process.returncode == 0


def server_process(directory: Path) -> int:
    """Process number of the directory's server."""
    return int((directory / "postgres" / "postmaster.pid").read_text().splitlines()[0])


def test_processes_share_one_server(server_directory: Path) -> None:
    """A process that ends leaves the server to the others, and they see what it wrote."""
    first = start(server_directory, "one")
    assert answer(first) == "1"
    server = server_process(server_directory)
    second = start(server_directory, "two")
    assert answer(second) == "2"
    end(first)
    assert server_process(server_directory) == server
    third = start(server_directory, "three")
    assert answer(third) == "3"
    end(second)
    end(third)
    assert not (server_directory / "postgres" / "postmaster.pid").exists()


def test_processes_may_start_at_once(server_directory: Path) -> None:
    """Of processes that find no server one sets it up, and all of them get to use it."""
    processes = [start(server_directory, str(number)) for number in range(3)]
    assert sorted(answer(process) for process in processes) == ["1", "2", "3"]
    for process in processes:
        end(process)


def test_killed_process_does_no_harm(server_directory: Path) -> None:
    """What a killed process wrote is kept, and it does not keep the server alive for ever."""
    killed = start(server_directory, "one")
    assert answer(killed) == "1"
    killed.kill()
    killed.communicate()
    later = start(server_directory, "two")
    assert answer(later) == "2"
    end(later)
    assert not (server_directory / "postgres" / "postmaster.pid").exists()


def test_pid_file_of_a_dead_server_is_not_believed(server_directory: Path) -> None:
    """A left-over pid file whose number is another program's by now does not block the start."""
    earlier = start(server_directory, "one")
    assert answer(earlier) == "1"
    file = server_directory / "postgres" / "postmaster.pid"
    left_over = file.read_text().splitlines()
    end(earlier)
    bystander = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, text=True)
    file.write_text("\n".join([str(bystander.pid), *left_over[1:]]) + "\n")
    later = start(server_directory, "two")
    assert answer(later) == "2"
    end(later)
    # Taken for a server it would have been stopped as one.
    bystander.communicate("\n")
    assert bystander.returncode == 0


def test_reopening_in_one_process(server_directory: Path) -> None:
    """Closing a metastore does not end the server under a second one of the same process."""
    one = open_metastore(None, data_directory=server_directory)
    two = open_metastore(None, data_directory=server_directory)
    one.apply_policy("team", "", "", "")
    one.close()
    one.close()
    assert len(two.policy_history("team")) == 1
    two.close()
    three = open_metastore(None, data_directory=server_directory)
    assert len(three.policy_history("team")) == 1
    three.close()


@pytest.mark.parametrize("depth", [1, 12])
def test_only_the_owner_gets_in(server_directory: Path, depth: int) -> None:
    """Neither the data nor the socket is open to others, also where a long path moves the socket."""
    data = server_directory.joinpath(*["a-directory"] * depth)
    open_metastore(None, data_directory=data).close()
    assert stat.S_IMODE((data / "postgres").stat().st_mode) == 0o700
    lines = (data / "postgres" / "postmaster.pid").read_text().splitlines()
    socket = Path(lines[4]) / f".s.PGSQL.{lines[3]}"
    assert stat.S_IMODE(socket.stat().st_mode) == 0o700
    assert stat.S_IMODE(socket.parent.stat().st_mode) & 0o022 == 0


def test_closed_directories_stay_closed(server_directory: Path) -> None:
    """Setting up a server shows nobody what lies beside it in the directories above."""
    above = server_directory / "private"
    above.mkdir(mode=0o700)
    open_metastore(None, data_directory=above / "data").close()
    # Of group and others at most the right to pass through.
    assert stat.S_IMODE(above.stat().st_mode) & 0o066 == 0


def test_default_directory_is_the_users_own() -> None:
    """Without a setting the data goes to a directory of the user's, named after the program."""
    directory = default_data_directory()
    assert directory.is_relative_to(Path.home())
    assert directory.name == "respool"

#!/usr/bin/env bash
# Usage: wheel_check.sh PYTHON
# Builds the wheel, installs it with the duckdb extra in a fresh environment in an empty folder outside
# of the tree, and uses it there: what users get is what is tested, not what happens to lie in the tree.
set -euo pipefail
cd "$(dirname "$0")/.."
tree=$PWD
case $1 in /*) python=$1 ;; *) python=$tree/$1 ;; esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$python" -m hatchling build --target wheel --directory "$work/dist" >/dev/null
wheel=$(echo "$work"/dist/respool-*.whl)

"$python" - "$wheel" <<'PYTHON'
import sys
from pathlib import Path, PurePosixPath
from zipfile import ZipFile

packages = {"benchmarks", "metastore", "optimizer_plugin", "rewriter", "signatures"}
built = set(ZipFile(sys.argv[1]).namelist())
files = {path for package in packages for path in Path(package).rglob("*") if path.is_file()}
listed = {path.as_posix() for path in files if "__pycache__" not in path.parts}
missing = sorted(listed - built)
foreign = sorted({PurePosixPath(name).parts[0] for name in built} - packages)
foreign = [name for name in foreign if not name.endswith(".dist-info")]
if missing or foreign:
    sys.exit(f"the wheel lacks {missing} and has {foreign} too: expected the packages and nothing else")
untyped = [name for name in packages if f"{name}/py.typed" not in built]
if untyped:
    sys.exit(f"no py.typed in {untyped}")
PYTHON

mkdir "$work/empty" "$work/home"
"$python" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --constraint "$tree/requirements/dev.lock" "${wheel}[duckdb]"

cd "$work/empty"
# Nothing of the caller's may be read or written: no settings, no data directory, no PYTHONPATH.
run() {
    env -u PYTHONPATH -u RESPOOL_METASTORE -u RESPOOL_STORE -u RESPOOL_POLICY -u RESPOOL_TENANT \
        HOME="$work/home" RESPOOL_DATA="$work/data" RESPOOL_CACHE="$work/cache" RESPOOL_STRICT=1 "$@"
}
run "$work/venv/bin/respool" --help >/dev/null
run "$work/venv/bin/respool" demo --help >/dev/null
run "$work/venv/bin/respool" doctor
run "$work/venv/bin/python" - <<'PYTHON'
import duckdb
import optimizer_plugin

connection = optimizer_plugin.wrap(duckdb.connect("shop.duckdb"), policy="eager", strict=True)
connection.execute("CREATE TABLE sale AS SELECT range % 7 AS item, range AS price FROM range(10000)")
statement = "SELECT item, sum(price) AS total FROM sale GROUP BY item ORDER BY item"
first = connection.execute(statement).fetchall()
second = connection.execute(statement).fetchall()
counters = connection.reuse.stats()
connection.close()
expected = duckdb.connect("shop.duckdb").execute(statement).fetchall()
if not first == second == expected:
    raise SystemExit(f"rows differ: expected {expected}, found {first} and {second}")
if counters["reused"] < 1 or counters["errors"]:
    raise SystemExit(f"nothing was reused: found {counters}")
print("wheel: installed elsewhere, it reuses and gives the same rows")
PYTHON

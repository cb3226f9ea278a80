#!/usr/bin/env bash
# Usage: make_venv.sh FOLDER LOCK_FILE
# Creates or completes a virtual environment from a lock file and puts this tree into it, editable.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$1
lock=$2

usable() {
    # ensurepip is asked for too: Debian ships Pythons whose venv has no pip.
    "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

if ! usable "$folder/bin/python"; then
    python=""
    for candidate in ${PYTHON:+"$PYTHON"} python3 python3.13 python3.12 python3.11 python3.14 python; do
        if usable "$candidate"; then
            python=$candidate
            break
        fi
    done
    if [ -z "$python" ]; then
        found=$(python3 -c 'import sys; print("python3 is " + sys.version.split()[0])' 2>/dev/null \
            || echo "there is no python3")
        echo "$found: expected python 3.11 or later with its venv module;" \
            "install it (Debian: python3-venv) or name one: make setup PYTHON=/path/to/python" >&2
        exit 1
    fi
    "$python" -m venv --clear "$folder"
fi
"$folder/bin/python" -m pip install --quiet --requirement "$lock"
# Without isolation the build uses the locked hatchling and needs no network of its own.
"$folder/bin/python" -m pip install --quiet --no-deps --no-build-isolation --editable .

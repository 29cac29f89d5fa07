#!/bin/sh
# Make the virtual environment .venv from requirements-dev.txt, with the newest Python ≥ 3.11 that runs.
set -eu

folder=.venv
stamp=$folder/.installed

# A pyenv shim can exist and fail, so each is tried, not just looked for.
is_good() {
    "$1" -c 'import sys; raise SystemExit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    for candidate in ${PYTHON:-} python3.13 python3.12 python3.11 python3; do
        if is_good "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    echo "No Python ≥ 3.11 was found. Install one (Debian: apt-get install python3 python3-venv), or name it: PYTHON=/path/to/python3 make …" >&2
    exit 1
}

if ! is_good "$folder/bin/python"; then
    python=$(find_python)
    echo "making $folder with $("$python" --version) …" >&2
    if ! "$python" -m venv --clear "$folder"; then
        echo "The virtual environment could not be made. Debian keeps what it needs apart: apt-get install python3-venv" >&2
        exit 1
    fi
fi
echo "installing requirements-dev.txt into $folder, which takes a minute …" >&2
if ! "$folder/bin/python" -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt; then
    echo "The requirements could not be installed; what pip says stands above." >&2
    exit 1
fi
touch "$stamp"

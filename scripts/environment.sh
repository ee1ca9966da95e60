# Sourced by the scripts beside it: prepares .venv with what the project needs. POSIX sh.

# Print a Python that is new enough, or say what is missing.
find_python() {
    for candidate in "${PYTHON:-}" python3 python3.14 python3.13 python3.12 python3.11 python; do
        [ -n "$candidate" ] || continue
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "Python 3.11 or newer is needed and was not found; PYTHON=/path/to/python names one" >&2
    return 1
}

# Make .venv if it is missing, and install the project with the given extras. What is installed is
# remembered by pyproject.toml's contents and this folder's place, so that a second run is quick.
prepare_environment() {
    extras=$1
    stamp=.venv/.installed
    wanted="$(cksum < pyproject.toml) $(pwd)"
    if [ -x .venv/bin/python ] && [ -f "$stamp" ]; then
        case "$(cat "$stamp")" in
            "$wanted $extras" | "$wanted up,dev") return ;;
        esac
    fi
    python=$(find_python)
    if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
        echo "Python's venv is missing: apt-get install python3-venv (or your system's package)" >&2
        return 1
    fi
    echo "Setting up .venv with $("$python" --version); this is done once" >&2
    [ -x .venv/bin/python ] || "$python" -m venv --clear .venv
    PIP_DISABLE_PIP_VERSION_CHECK=1 .venv/bin/python -m pip install --quiet --editable ".[$extras]"
    echo "$wanted $extras" > "$stamp"
}

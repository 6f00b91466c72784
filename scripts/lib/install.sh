# shellcheck shell=bash
# install.sh: puts on the machine what the scripts need and it lacks. Sourced after process.sh.
# Installs nothing that is there already, and asks for root only when something is missing.
#
#   need_packages ITEM..     ITEM is PACKAGE=CHECK: apt installs PACKAGE when CHECK is false. CHECK is a program's
#                            name, a path, or `python-venv`
#   need_nextest             cargo-nextest from crates.io
#   need_venv FOLDER FILE    a Python environment with FILE's requirements in FOLDER, made anew when either changes

: "${scratch?process.sh is sourced first}"
policy_file=/usr/sbin/policy-rc.d

is_there() {
    case "$1" in
    python-venv) python3 -c 'import ensurepip, venv' 2>/dev/null ;;
    /*) [[ -e $1 ]] ;;
    *) command -v "$1" >/dev/null ;;
    esac
}

need_packages() {
    local item missing=()
    for item in "$@"; do
        is_there "${item#*=}" || missing+=("${item%%=*}")
    done
    ((${#missing[@]})) || return 0

    command -v apt-get >/dev/null || die "missing: ${missing[*]}. This script installs with apt-get only"
    ((EUID == 0)) || die "missing: ${missing[*]}. Install them, or run this script as root"
    say "installing with apt-get: ${missing[*]}"
    # One source of many that cannot be reached must not stop this; a package that is missing then does.
    apt-get update -qq || say "apt-get update failed in part"
    forbid_service_starts
    local status=0
    DEBIAN_FRONTEND=noninteractive interruptible apt-get install -y -qq --no-install-recommends \
        -o DPkg::Lock::Timeout=300 "${missing[@]}" >"$scratch/apt" 2>&1 || status=$?
    allow_service_starts
    ((status == 0)) || {
        tail -n 30 "$scratch/apt" >&2
        die "apt-get install failed"
    }
}

# Debian starts a server as it installs it; policy-rc.d is asked before. The one that was there comes back.
forbid_service_starts() {
    if [[ -e $policy_file ]]; then
        cp -p "$policy_file" "$scratch/policy-rc.d"
    fi
    printf '#!/bin/sh\nexit 101\n' >"$scratch/policy-rc.d.ours"
    install -m 755 "$scratch/policy-rc.d.ours" "$policy_file"
}

# Called once more when the script ends, because apt-get may have been interrupted.
allow_service_starts() {
    [[ -e $scratch/policy-rc.d.ours ]] || return 0
    if [[ -e $scratch/policy-rc.d ]]; then
        cp -p "$scratch/policy-rc.d" "$policy_file"
    else
        rm -f "$policy_file"
    fi
    rm -f "$scratch/policy-rc.d.ours"
}

need_nextest() {
    if cargo nextest --version >/dev/null 2>&1; then
        return 0
    fi
    say "installing cargo-nextest"
    interruptible cargo install cargo-nextest --locked
}

need_venv() {
    local folder="$1" requirements="$2" stamp
    stamp="$(sha256sum <"$requirements") $(python3 -c 'import sys; print(sys.executable, sys.version)')"
    mkdir -p "$(dirname "$folder")"
    # Two runs in one tree: the second one waits, then finds the stamp.
    exec 9>"$folder.lock"
    flock 9
    if [[ ! -e $folder/stamp || $(<"$folder/stamp") != "$stamp" ]]; then
        say "making the Python environment in $folder"
        rm -rf -- "$folder"
        interruptible python3 -m venv "$folder"
        interruptible "$folder/bin/pip" install --quiet --disable-pip-version-check -r "$requirements"
        printf '%s\n' "$stamp" >"$folder/stamp"
    fi
    exec 9>&-
}

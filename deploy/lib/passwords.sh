# shellcheck shell=bash
# passwords.sh: a file a password, made where it is missing. Sourced by rabbitmq/setup and redis/setup.
#
#   password FOLDER NAME     prints the password in FOLDER/NAME; makes both where they are missing, for their owner alone
#   bytes HEX                prints what HEX spells
#   die TEXT                 says TEXT on standard error and ends with 1

die() {
    printf '%s: %s\n' "${0##*/}" "$1" >&2
    exit 1
}

# Made of hex digits, a password goes into a URL as it is. One that somebody has chosen must be percent-encoded there.
password() (
    umask 077
    file="$1/$2"
    mkdir -p -- "$1" || exit 1
    if [[ ! -s $file ]]; then
        od -An -v -tx1 -N24 /dev/urandom | tr -d ' \n' >"$file" || exit 1
        printf 'made the password %s\n' "$file" >&2
    fi
    password="$(<"$file")"
    [[ -n $password && $password != *$'\n'* ]] || die "$file must hold one line, the password"
    printf '%s' "$password"
)

bytes() {
    # The format is the escapes themselves, and bash replaces by what it has found only since 5.2.
    # shellcheck disable=SC2001,SC2059
    printf "$(sed 's/../\\x&/g' <<<"$1")"
}

# shellcheck shell=bash
# process.sh: what a script starts, it ends. Sourced by scripts/test and scripts/stack; does nothing by itself.
#
# Owns the temp folder, the pids of the processes started here, and the traps that clear both away on a normal
# end, a failure, Ctrl-C and SIGTERM. Every process is ended by its own pid, never by a name.
#
#   say TEXT..               one line to stderr
#   die TEXT..               the same, then exit 1
#   begin NAME               makes $scratch (a temp folder) and sets the traps; call it once, first
#   started PID NAME         registers a process; the last one registered is ended first
#   forget PID               it has ended, and somebody has waited for it
#   ask_to_end PID           SIGTERM, once only: a second one may mean "at once" to a program
#   end_process PID [SECS]   the same, then SECS (default 10) to comply, then SIGKILL
#   interruptible CMD..      runs CMD so that a signal to this script ends it, with all of its children, at once
#   free_port                prints a loopback port that bind(0) gave
#
# A script may define at_exit: it runs first, before the processes are ended.

scratch=""
process_pids=()
declare -A process_names=()
declare -A process_asked=()
foreground=""

say() {
    printf '%s\n' "$*" >&2
}

die() {
    say "error: $*"
    exit 1
}

begin() {
    scratch="$(mktemp -d "${TMPDIR:-/tmp}/$1.XXXXXXXX")"
    trap 'clean_up $?' EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
}

started() {
    process_pids+=("$1")
    process_names[$1]="$2"
}

forget() {
    local pid kept=()
    for pid in "${process_pids[@]}"; do
        [[ $pid == "$1" ]] || kept+=("$pid")
    done
    process_pids=("${kept[@]}")
    unset "process_names[$1]" "process_asked[$1]"
}

# Is PID a living child of this script? A zombie is not, nor is a stranger that got the number of an ended child.
is_running() {
    local stat state parent _
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
    # The name, in brackets, may itself hold brackets and spaces.
    read -r state parent _ <<<"${stat##*) }"
    [[ $state != Z && $parent == "$$" ]]
}

# wait_until_gone PID SECS: 1 when it is still there after SECS.
wait_until_gone() {
    local deadline=$((SECONDS + $2))
    while is_running "$1"; do
        ((SECONDS < deadline)) || return 1
        sleep 0.05
    done
}

ask_to_end() {
    if [[ -z ${process_asked[$1]:-} ]] && is_running "$1"; then
        process_asked[$1]=yes
        kill -TERM "$1" 2>/dev/null || true
    fi
}

end_process() {
    local pid="$1" patience="${2:-10}"
    if is_running "$pid"; then
        ask_to_end "$pid"
        if ! wait_until_gone "$pid" "$patience"; then
            say "${process_names[$pid]:-process} (pid $pid) ignored SIGTERM for ${patience} s: SIGKILL"
            kill -KILL "$pid" 2>/dev/null || true
            wait_until_gone "$pid" 5 || true
        fi
    fi
    wait "$pid" 2>/dev/null || true
    forget "$pid"
}

# bash runs a trap only when the foreground command has ended, so the command runs in the background, in a process
# group of its own, and bash waits. Ctrl-C then reaches this script alone, which passes one signal on to the group.
# It ends too when this script is killed.
interruptible() {
    local status=0
    set -m
    setpriv --pdeathsig TERM -- "$@" </dev/null &
    foreground=$!
    set +m
    wait "$foreground" || status=$?
    foreground=""
    return "$status"
}

end_foreground() {
    [[ -n $foreground ]] || return 0
    local group="$foreground"
    foreground=""
    kill -TERM -- "-$group" 2>/dev/null || return 0
    if ! wait_until_gone "$group" 20; then
        say "the command that was running ignored SIGTERM for 20 s: SIGKILL"
    fi
    # The group may outlive its leader: a compiler whose cargo is gone, say.
    kill -KILL -- "-$group" 2>/dev/null || true
    wait "$group" 2>/dev/null || true
}

clean_up() {
    local status="$1"
    trap '' HUP INT TERM PIPE # the output may be gone: scripts/test | head
    trap - EXIT
    set +e
    end_foreground
    if declare -F at_exit >/dev/null; then
        at_exit
    fi
    while ((${#process_pids[@]})); do
        end_process "${process_pids[-1]}"
    done
    [[ -z $scratch ]] || rm -rf -- "$scratch"
    exit "$status"
}

# perl-base is essential on Debian, python3 is not.
free_port() {
    perl -MIO::Socket::INET -e \
        'print IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => 0, Listen => 1)->sockport, "\n"'
}

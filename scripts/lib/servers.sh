# shellcheck shell=bash
# servers.sh: a RabbitMQ and a Redis of our own, on free loopback ports, with their data in $scratch. Sourced after
# process.sh, which ends them. Whether the machine runs servers of its own makes no difference: nothing is shared
# with them, neither a port nor epmd, a cookie, a configuration file or a folder.
#
#   start_rabbitmq           sets amqp_url and amqp_pid
#   start_redis              sets redis_url and redis_pid
#   is_rabbitmq HOST PORT    does an AMQP 0-9-1 broker answer there?
#   redis_policy HOST PORT   prints Redis' maxmemory-policy; fails where none answers, or asks for a password
#
# tests/support/servers/ starts the same two servers in the same way for the tests that stop them.

: "${scratch?process.sh is sourced first}"
rabbitmq_program=/usr/lib/rabbitmq/bin/rabbitmq-server

# A process of its own session gets no Ctrl-C, and goes when this script is killed.
guarded=(setsid setpriv --pdeathsig TERM --)

# port_answers HOST PORT REQUEST BYTES: prints what comes back, in hex, at most BYTES of it.
port_answers() {
    (
        exec 3<>"/dev/tcp/$1/$2" || exit 1
        # The request holds escapes such as \0, which is why it is the format.
        # shellcheck disable=SC2059
        printf "$3" >&3
        timeout 2 head -c "$4" <&3 | od -An -v -tx1 | tr -d ' \n'
    ) 2>/dev/null
}

# Connection.Start is a method frame (01) on channel 0 of class 10, method 10.
is_rabbitmq() {
    local answer
    answer="$(port_answers "$1" "$2" 'AMQP\0\0\11\1' 11)" || return 1
    [[ $answer =~ ^010000[0-9a-f]{8}000a000a$ ]]
}

is_redis() {
    local answer
    answer="$(port_answers "$1" "$2" 'PING\r\n' 7)" || return 1
    [[ $answer == 2b504f4e470d0a ]] # +PONG
}

redis_policy() {
    (
        exec 3<>"/dev/tcp/$1/$2" || exit 1
        printf 'INFO memory\r\nQUIT\r\n' >&3
        timeout 2 cat <&3 | tr -d '\r' | sed -n 's/^maxmemory_policy://p' | grep .
    ) 2>/dev/null
}

# await_server PID SECS CHECK..: 1 when the process ends first, 2 when the time is over.
await_server() {
    local pid="$1" deadline=$((SECONDS + $2))
    shift 2
    until "$@"; do
        is_running "$pid" || return 1
        ((SECONDS < deadline)) || return 2
        sleep 0.1
    done
}

# A port from bind(0) is free until somebody else takes it, so a server that ends early is started once more with
# other ports. start_rabbitmq and start_redis differ in the function that starts them once.
start_server() {
    local name="$1" attempt
    for attempt in 1 2 3; do
        if "start_${name}_once" "$attempt"; then
            return 0
        fi
        say "$name did not start (try $attempt of 3)"
    done
    tail -n 40 "$scratch/$name".*/out >&2 || true
    die "$name did not start; its output stands above"
}

start_rabbitmq() {
    [[ -x $rabbitmq_program ]] || die "RabbitMQ is not installed: $rabbitmq_program is missing"
    start_server rabbitmq
}

start_redis() {
    command -v redis-server >/dev/null || die "Redis is not installed: redis-server is missing"
    start_server redis
}

start_rabbitmq_once() {
    local home="$scratch/rabbitmq.$1" port dist_port epmd_port epmd_pid
    mkdir -p "$home/data" "$home/log" "$home/conf.d"
    port="$(free_port)" dist_port="$(free_port)" epmd_port="$(free_port)"
    printf '[].\n' >"$home/enabled_plugins" # no plugin: neither needed nor quick to start
    write_rabbitmq_conf "$port" >"$home/rabbitmq.conf"

    # An epmd of its own, in the foreground. Else Erlang starts a daemon that outlives everybody.
    "${guarded[@]}" epmd -port "$epmd_port" -address 127.0.0.1 </dev/null >"$home/epmd" 2>&1 &
    epmd_pid=$!
    started "$epmd_pid" epmd

    # RUNNING_UNDER_SYSTEMD makes the start script become the server, so that its pid is the server's.
    # HOME holds the Erlang cookie. RABBITMQ_* variables of the caller would change the server: env -i.
    "${guarded[@]}" env -i PATH="$PATH" HOME="$home" LANG=C.UTF-8 RUNNING_UNDER_SYSTEMD=true \
        ERL_EPMD_PORT="$epmd_port" ERL_EPMD_ADDRESS=127.0.0.1 \
        RABBITMQ_NODENAME="postrider-$$@localhost" RABBITMQ_DIST_PORT="$dist_port" \
        RABBITMQ_CONF_ENV_FILE="$home/rabbitmq-env.conf" RABBITMQ_CONFIG_FILE="$home/rabbitmq" \
        RABBITMQ_CONFIG_FILES="$home/conf.d" RABBITMQ_ADVANCED_CONFIG_FILE="$home/advanced.config" \
        RABBITMQ_ENABLED_PLUGINS_FILE="$home/enabled_plugins" RABBITMQ_GENERATED_CONFIG_DIR="$home/conf.d" \
        RABBITMQ_MNESIA_BASE="$home/data" RABBITMQ_LOG_BASE="$home/log" RABBITMQ_PID_FILE="$home/pid" \
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='+S 2:2 -kernel inet_dist_use_interface {127,0,0,1}' \
        "$rabbitmq_program" </dev/null >"$home/out" 2>&1 &
    amqp_pid=$!
    started "$amqp_pid" RabbitMQ

    if await_server "$amqp_pid" 60 is_rabbitmq 127.0.0.1 "$port"; then
        # Read by the script that sourced this file.
        # shellcheck disable=SC2034
        amqp_url="amqp://guest:guest@127.0.0.1:$port/%2f"
        return 0
    fi
    end_process "$amqp_pid"
    end_process "$epmd_pid"
    return 1
}

# The write-ahead log of quorum queues may reach 512 MB otherwise; the disk alarm starts at 50 MB free.
write_rabbitmq_conf() {
    cat <<CONF
listeners.tcp.local = 127.0.0.1:$1
disk_free_limit.absolute = 50MB
raft.wal_max_size_bytes = 33554432
log.console = false
log.file.level = info
CONF
}

start_redis_once() {
    local home="$scratch/redis.$1" port
    mkdir -p "$home"
    port="$(free_port)"
    "${guarded[@]}" redis-server --port "$port" --bind 127.0.0.1 --save '' --appendonly no \
        --maxmemory-policy noeviction --dir "$home" --daemonize no </dev/null >"$home/out" 2>&1 &
    redis_pid=$!
    started "$redis_pid" Redis

    if await_server "$redis_pid" 20 is_redis 127.0.0.1 "$port"; then
        # Read by the script that sourced this file.
        # shellcheck disable=SC2034
        redis_url="redis://127.0.0.1:$port/0"
        return 0
    fi
    end_process "$redis_pid"
    return 1
}

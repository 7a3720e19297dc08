# What every script of this folder stands on: steps that state what they expect, a node that is served, and tidying up.
# To be sourced. Needs: salus on the PATH, python3 (its standard library reads JSON), and nothing of Salus itself.
set -u
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
source_file="$root/src/salus/demo/patients/Clemente_Kreiger.json"
work=$(mktemp -d)
unset SALUS_AS SALUS_HOME
server=""
started=()
finish() { [ ${#started[@]} -gt 0 ] && kill -9 "${started[@]}" 2>/dev/null; sleep 0.1; rm -rf "$work"; }
trap finish EXIT
steps=0

fail() { printf '%s: step %d: %s\n' "$(basename "$0" .sh)" "$steps" "$1" >&2; [ -f "$work/out" ] && head -c 2000 "$work/out" >&2; exit 1; }

# ok COMMAND...: it must exit with 0, and print one JSON document
ok() {
    steps=$((steps + 1))
    "$@" --json >"$work/out" 2>"$work/err" || fail "$* exited with $?: $(cat "$work/err")"
    python3 -I -c 'import json, sys; json.load(open(sys.argv[1]))' "$work/out" || fail "$*: not one JSON document"
    printf '  ok    %s\n' "$*" | cut -c1-110
}

# no EXIT CODE COMMAND...: it must be refused with this exit and this error code, as text and as JSON alike
no() {
    local want=$1 code=$2; shift 2
    steps=$((steps + 1))
    "$@" --json >"$work/out" 2>"$work/err"; local got=$?
    [ "$got" = "$want" ] || fail "$*: exit $got where $want was expected"
    [ "$(field error.code)" = "$code" ] || fail "$*: $(field error.code) where $code was expected"
    "$@" >"$work/text" 2>"$work/err"
    grep -q "^salus: $code" "$work/err" || fail "$*: no line of text with $code"
    grep -q Traceback "$work/err" && fail "$*: a traceback"
    printf '  %s  %s\n' "$code" "$*" | cut -c1-110
}

# field PATH: one value of the last JSON document, such as grants.0.grant
field() {
    python3 -I -c '
import json, sys
value = json.load(open(sys.argv[1]))
for part in sys.argv[2].split("."):
    value = value[int(part)] if part.isdigit() or part == "-1" else value[part]
print(value)' "$work/out" "$1"
}

is() { [ "$2" = "$3" ] || fail "$1 is $2 where $3 was expected"; }

serve() {
    : >"$work/serve"
    salus serve "$@" --json >"$work/serve" 2>&1 &
    server=$!
    in_background "$server"
    for _ in $(seq 200); do [ -s "$work/serve" ] && return; sleep 0.05; done
    fail "salus serve did not start: $(cat "$work/serve")"
}

kill_server() { kill -9 "$server"; while kill -0 "$server" 2>/dev/null; do sleep 0.02; done; server=""; }

# in_background PID: to be ended with the script, in silence
in_background() { started+=("$1"); disown "$1"; }


# address: where the node that was served last answers
address() { python3 -I -c 'import json, sys; print(json.load(open(sys.argv[1]))["address"])' "$work/serve"; }

# at HOME COMMAND...: the command in one of several homes
at() { local home=$1; shift; SALUS_HOME="$work/$home" "$@"; }

# refused HOME EXIT CODE COMMAND...: as `no`, in one of several homes
refused() { local home=$1; shift; SALUS_HOME="$work/$home" no "$@"; }

# done_at HOME COMMAND...: as `ok`, in one of several homes
done_at() { local home=$1; shift; SALUS_HOME="$work/$home" ok "$@"; }

# before ADDRESS BEHAVIOUR...: a proxy that stands before a node; its address is then in $proxy
before() {
    : >"$work/proxy"
    python3 -I "$root/examples/proxy.py" "$@" >"$work/proxy" 2>/dev/null &
    in_background $!
    for _ in $(seq 100); do [ -s "$work/proxy" ] && break; sleep 0.05; done
    proxy=$(cat "$work/proxy")
}

# invitation HOME: an invitation of the home's node; it is then in $code
invitation() { done_at "$1" salus node invite; code=$(field code); }

# town HOST HOME...: HOST is a member with a node, whose wallet is then called $member; each HOME uses a node. With one member all use
# HOST's; with MEMBERS=4 (needs the engine: make engine) four members order together, and each HOME uses another one's node.
town() {
    local host=$1 node place=0; shift
    if [ "${MEMBERS:-1}" = 1 ]; then
        member="City Hospital"
        done_at "$host" salus init --member "$member"
        SALUS_HOME="$work/$host" serve --port 0
        ln -s "$work/$host" "$work/node.0"
    else
        member="Member A"
        export SALUS_LOCALNET="$work/net"
        finish() { salus localnet down >/dev/null 2>&1; rm -rf "$work"; }
        ok salus localnet up --members "$MEMBERS"
        ln -s "$work/net/a" "$work/$host"
        for letter in a b c d; do ln -s "$work/net/$letter" "$work/node.$place"; place=$((place + 1)); done
    fi
    place=0
    for home in "$@"; do
        place=$(((place + 1) % ${MEMBERS:-1}))
        done_at "node.$place" salus node status; node=$(field address)
        invitation "node.$place"
        done_at "$home" salus init --node "$node" --genesis "$work/node.0/genesis.bin" --invite "$code"
    done
}

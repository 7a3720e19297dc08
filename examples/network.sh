#!/usr/bin/env bash
# Four members that order blocks together, none of them above the others: a patient at home with the first, a physician at the third,
# and the story goes on while one of them is killed, stands still, is cut off, and comes back. Needs what examples/stage.sh needs, and
# the engine (make engine).
. "$(dirname "$0")/stage.sh"
export SALUS_LOCALNET="$work/net"
finish() { salus localnet down >/dev/null 2>&1; rm -rf "$work"; }

# member LETTER FIELD: what the localnet says of a member
member() { salus localnet status --json >"$work/out" && field "members.$(printf '%d' "'$1" | awk '{print $1 - 97}').$2"; }
with() { local home=$1; shift; SALUS_HOME="$work/$home" ok "$@"; }
undecided() {  # FILE: what Ana sends is not decided, and said not to be
    steps=$((steps + 1))
    SALUS_HOME="$work/ana" salus import "$work/$1.json" --as Ana --source Home --json >"$work/out" 2>"$work/err"
    is "what becomes of it" "$(field error.code)" agent/undecided
    printf '  agent/undecided  what Ana sends\n'
}
agreed() {  # every running member has the same application hash at the highest block that all have
    for _ in $(seq 100); do
        for letter in "$@"; do
            SALUS_HOME="$work/net/$letter" salus node blocks --last 60 --json >"$work/blocks.$letter" &
        done
        wait
        python3 -I - "$work" "$@" <<'PY' && return
import json, sys
chains = [{b["height"]: b["hash"] for b in json.load(open(f"{sys.argv[1]}/blocks.{letter}"))["blocks"]} for letter in sys.argv[2:]]
common = set.intersection(*(set(chain) for chain in chains))
if not common:
    sys.exit(1)
forks = [height for height in common if len({chain[height] for chain in chains}) > 1]
print(f"  agreed: {len(common)} blocks up to {max(common)} have one hash at {len(chains)} members, forks {len(forks)}")
sys.exit(2 if forks else 0)
PY
        [ $? = 2 ] && fail "a fork"
        sleep 0.2
    done
    fail "the members have no block in common"
}

echo "Four members come together"
ok salus localnet up --members 4
for letter in a b c d; do printf -v "$letter" '%s' "$(member $letter address)"; done

echo "Ana lives with A, and knows B and C too; her physician works at C"
SALUS_HOME="$work/net/a" ok salus node invite; to_a=$(field code)
SALUS_HOME="$work/net/b" ok salus node invite; to_b=$(field code)
SALUS_HOME="$work/net/c" ok salus node invite; to_c=$(field code)
with ana salus init --node "$a" --node "$b" --node "$c" --genesis "$work/net/a/genesis.bin" --invite "$to_a" --invite "$to_b" --invite "$to_c"
with ana salus person add Ana
with ana salus import "$source_file" --as Ana --source "City Hospital"
SALUS_HOME="$work/net/c" ok salus person add Ada --role physician
SALUS_HOME="$work/net/c" salus contact show Ada >"$work/ada.card"
SALUS_HOME="$work/ana" salus contact show Ana >"$work/ana.card"
with ana salus contact add "$work/ada.card"
with ana salus grant --as Ana --to Ada --standing --section vitals --section problems --right read --for 72h
with ana salus grant --as Ana --to Ada --section documents --right append --for 72h
SALUS_HOME="$work/net/c" ok salus inbox --as Ada
SALUS_HOME="$work/net/c" ok salus chart --of Ana --as Ada
echo "Seen today." >"$work/note.txt"
SALUS_HOME="$work/net/c" ok salus note "$work/note.txt" --of Ana --as Ada
with ana salus receipts --as Ana
is "the reader" "$(field receipts.-1.reader_name)" Ada
agreed a b c d

echo "B is killed: nobody notices"
ok salus localnet kill b
pulse() { printf '{"resourceType": "Observation", "id": "%s", "status": "final", "code": {"text": "Pulse"}}' "$1" >"$work/$1.json"; }
pulse one; with ana salus import "$work/one.json" --as Ana --source Home
SALUS_HOME="$work/net/c" ok salus chart --of Ana --as Ada
agreed a c d

echo "B comes back and catches up; then D stands still"
ok salus localnet heal b
agreed a b c d
ok salus localnet pause d
pulse two; with ana salus import "$work/two.json" --as Ana --source Home
ok salus localnet heal d
agreed a b c d

echo "The wires to B are cut: nobody else notices"
ok salus localnet cut b
is "whom B does not reach" "$(field members.1.cut_off)" "['a', 'c', 'd']"
pulse four; with ana salus import "$work/four.json" --as Ana --source Home
agreed a c d
ok salus localnet heal b

echo "A and B on one side, C and D on the other: nothing is decided on either, and what Ana sent is completed once they are one again"
ok salus localnet cut a b
pulse five; undecided five
ok salus localnet heal
with ana salus import "$work/five.json" --as Ana --source Home
is "how often it was taken in anew" "$(field new)" 0
agreed a b c d

echo "B and D are gone: nothing is decided and nothing is said to be; Ana reads, and what she sent is completed once they are back"
ok salus localnet kill b
ok salus localnet kill d
pulse three; undecided three
with ana salus chart --as Ana
ok salus localnet heal b
ok salus localnet heal d
with ana salus import "$work/three.json" --as Ana --source Home
is "how often it was taken in anew" "$(field new)" 0
agreed a b c d

echo "A, where Ana is at home, is killed: she reads, and takes back what she gave"
ok salus localnet kill a
with ana salus person move --to "$b"
with ana salus chart --as Ana
with ana salus revoke --reader Ada --as Ana
SALUS_HOME="$work/net/c" no 1 warrants/revoked salus chart --of Ana --as Ada
ok salus localnet heal a
agreed a b c d
with ana salus verify --as Ana
ok salus localnet down
printf '%d steps, each as expected\n' "$steps"

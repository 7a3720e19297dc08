#!/usr/bin/env bash
# What a validator's operator does beside every day: a new key, a disk that was lost, a backup that gives back what only this node had.
# Needs what examples/stage.sh needs, and the engine (make engine).
. "$(dirname "$0")/stage.sh"
export SALUS_LOCALNET="$work/net"
finish() { salus localnet down >/dev/null 2>&1; rm -rf "$work"; }

of() { local letter=$1; shift; SALUS_HOME="$work/net/$letter" ok "$@"; }
height() { of "$1" salus node status; field height; }
# voted LETTER: whether the engine of this member has signed one of its newest blocks
signs() {
    for _ in $(seq 100); do
        SALUS_HOME="$work/net/a" salus node blocks --last 20 --json >"$work/out" 2>/dev/null && grep -q "$1" "$work/out" && return
        sleep 0.3
    done
    fail "the validator $1 proposes nothing"
}

echo "Four members; B's validator takes a new key, and goes on by itself"
ok salus localnet up --members 4
of b salus person add Ben
of b salus node backup --out "$work/b.tar"
before=$(SALUS_HOME="$work/net/b" salus node rotate-keys --json >"$work/out" && field address) || fail "rotate-keys"
signs "$before"

of b salus node doctor
echo "B's disk is lost, but for its key and configuration: it takes all blocks from the others, and does not vote with a key whose past is lost"
ok salus localnet kill b
for part in ledger comet vault mailbox guests directory; do rm -rf "${work:?}/net/b/node/$part"; done
SALUS_HOME="$work/net/b" no 1 node/no-ledger salus serve
of b salus node restore "$work/b.tar"
ok salus localnet heal b
SALUS_HOME="$work/net/b" no 1 node/in-trouble salus node doctor
grep -q node/signing-state-lost "$work/out" || fail "the doctor does not say that the validator cannot vote"
of b salus node check
of b salus node scrub
after=$(SALUS_HOME="$work/net/b" salus node rotate-keys --json >"$work/out" && field address) || fail "rotate-keys"
[ "$before" != "$after" ] || fail "the same key again"
signs "$after"
of b salus node doctor

echo "D's ledger is damaged: it begins again with the others' blocks, and keeps what its key has signed"
SALUS_HOME="$work/net/d" no 1 node/node-busy salus node resync
ok salus localnet kill d
printf 'damage' | dd of="$work/net/d/node/ledger/data.mdb" bs=1 seek=8192 conv=notrunc 2>/dev/null
of d salus node resync
is "whether it still votes" "$(field votes)" True
ok salus localnet heal d
of d salus node scrub
ok salus localnet down
printf '%d steps, each as expected\n' "$steps"

#!/usr/bin/env bash
# A fifth member joins a network of four, by votes of the four: admitted, caught up, given a seat; a patient lives there. Then it is
# voted out, its patient moves away, and everything still checks. Needs what examples/stage.sh needs, and the engine (make engine).
. "$(dirname "$0")/stage.sh"
export SALUS_LOCALNET="$work/net"
finish() { salus localnet down >/dev/null 2>&1; SALUS_HOME="$work/net/e" salus node stop >/dev/null 2>&1; [ ${#started[@]} -gt 0 ] && kill "${started[@]}" 2>/dev/null; sleep 1; rm -rf "$work"; }

of() { local letter=$1; shift; SALUS_HOME="$work/net/$letter" ok "$@"; }
member() { salus localnet status --json >"$work/out" && field "members.$(printf '%d' "'$1" | awk '{print $1 - 97}').$2"; }
# decided NUMBER: until the proposal has had its effect
decided() {
    for _ in $(seq 100); do
        SALUS_HOME="$work/net/a" salus members proposals --json >"$work/out" || fail "members proposals"
        [ "$(field proposals.0.number) $(field proposals.0.stage)" = "$1 done" ] && return
        sleep 0.3
    done
    fail "proposal $1 is $(field proposals.0.stage)"
}
powers() { of "$1" salus members list; python3 -I -c '
import json, sys
print(" ".join(str(one["power"]) for one in json.load(open(sys.argv[1]))["members"]))' "$work/out"; }

echo "Four members order blocks together; a fifth prepares, and is voted in"
ok salus localnet up --members 4
for letter in a b c d; do printf -v "$letter" '%s' "$(member $letter address)"; done
of e salus node prepare --member "Valley Clinic" --validates --out "$work/valley.member"
valley=$(field member)
of a salus members propose admit "$work/valley.member" --right treat --right report
SALUS_HOME="$work/net/a" no 1 agent/no-such-member salus members welcome "${valley:0:8}" --out "$work/early"
SALUS_HOME="$work/net/b" no 1 ledger/no-such-proposal salus members vote 9 --yes
of b salus members vote 1 --yes
SALUS_HOME="$work/net/b" no 1 ledger/voted-already salus members vote 1 --no
of c salus members vote 1 --yes
is "the proposal" "$(field proposal.stage)" accepted
decided 1

echo "It joins by one file, and catches up"
of a salus members welcome "${valley:0:8}" --out "$work/valley.way-in"
ports=$(python3 -I -c '
import random, socket
held = []
while len(held) < 2:  # below the ports that outgoing connections take meanwhile
    try:
        held.append(socket.create_server(("127.0.0.1", random.randrange(10_000, 32_768))))
    except OSError:
        pass
print(*[one.getsockname()[1] for one in held])')
e="http://127.0.0.1:${ports#* }"
of e salus node join --way-in "$work/valley.way-in" --listen "127.0.0.1:${ports% *}" --address "$e" --port "${ports#* }"
SALUS_HOME="$work/net/e" no 1 node/node-not-running salus node stop
of e salus node start
is "where it answers" "$(field address)" "$e"
of e salus node start
of e salus node upgrade
is "the rules" "$(field rules) $(field known)" "1 1"
SALUS_HOME="$work/net/e" salus node logs --engine --last 5 >"$work/out" && [ "$(wc -l <"$work/out")" = 5 ] || fail "node logs"
of e salus node check
is "what its vote weighs" "$(powers e | tail -1)" "1 1 1 1 0"

echo "It gets a seat, by another vote"
of a salus members propose power "${valley:0:8}" 1
for letter in b c d; do of $letter salus members vote 2 --yes; done
SALUS_HOME="$work/net/e" no 1 ledger/vote-closed salus members vote 2 --yes
decided 2
is "what the votes weigh" "$(powers b | tail -1)" "1 1 1 1 1"
SALUS_HOME="$work/net/a" no 1 ledger/too-much-power salus members propose power "${valley:0:8}" 5

echo "Ana lives with it; her physician works at B; A is killed, and nobody notices"
of e salus node invite; to_e=$(field code)
of b salus node invite; to_b=$(field code)
done_at ana salus init --node "$e" --node "$b" --genesis "$work/net/a/genesis.bin" --invite "$to_e" --invite "$to_b"
done_at ana salus person add Ana
done_at ana salus import "$source_file" --as Ana --source "City Hospital"
of b salus person add Ada --role physician
at ana salus contact show Ana >"$work/ana.card"
SALUS_HOME="$work/net/b" salus contact show Ada >"$work/ada.card"
done_at ana salus contact add "$work/ada.card"
done_at ana salus grant --as Ana --to Ada --standing --section vitals --section problems --right read --for 72h
of b salus inbox --as Ada
ok salus localnet kill a
printf '{"resourceType": "Observation", "id": "pulse", "status": "final", "code": {"text": "Pulse"}}' >"$work/pulse.json"
done_at ana salus import "$work/pulse.json" --as Ana --source Home
of b salus chart --of Ana --as Ada
ok salus localnet heal a

echo "Its key was stolen: what it licensed since is undone. It leaves, and is switched off once others keep all that was sealed there"
of e salus person add Eve --role nurse
of e salus licence show Eve
is "her licence" "$(field status)" active
of e salus node status; since=1
of a salus members propose undo-licences "${valley:0:8}" --since $since
for letter in b c d; do of $letter salus members vote 3 --yes; done
decided 3
for _ in $(seq 50); do of e salus licence show Eve; [ "$(field status)" = undone ] && break; sleep 0.2; done
is "her licence" "$(field status)" undone
SALUS_HOME="$work/net/e" no 1 node/guests-remain salus node leave
of e salus node leave --guests-know
is "the proposal" "$(field proposal) $(field stage) $(field left)" "4 open False"
for letter in a b c; do of $letter salus members vote 4 --yes; done
decided 4
for _ in $(seq 100); do of e salus node leave; [ "$(field left) $(field held)" = "True 0" ] && break; sleep 0.3; done
is "what is left there" "$(field left) $(field held)" "True 0"
is "what the votes weigh" "$(powers d | tail -1)" "1 1 1 1"
SALUS_HOME="$work/net/e" no 1 agent/unknown-node salus members propose power "$(SALUS_HOME="$work/net/a" salus members list --json | python3 -I -c 'import json, sys; print(json.load(sys.stdin)["members"][0]["member"][:8])')" 0

echo "Ana moves to B, whether or not her old home helps; everything checks"
of e salus node stop
done_at ana salus person move --to "$b"
done_at ana salus chart --as Ana
done_at ana salus revoke --reader Ada --as Ana
SALUS_HOME="$work/net/b" no 1 warrants/revoked salus chart --of Ana --as Ada
done_at ana salus verify --as Ana
done_at ana salus prove entry "$(at ana salus chart --as Ana --json | python3 -I -c 'import json, sys; print(json.load(sys.stdin)["versions"][0]["entry"])')" --as Ana --out "$work/entry.proof"
ok salus verify --proof "$work/entry.proof" --genesis "$work/net/a/genesis.bin"
for letter in a b c d; do of $letter salus node scrub; done
done_at ana salus node checkpoint --out "$work/ana.checkpoint"
of c salus node trust "$work/ana.checkpoint"
ok salus localnet down
printf '%d steps, each as expected\n' "$steps"

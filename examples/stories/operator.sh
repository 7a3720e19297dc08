#!/usr/bin/env bash
# An operator's story: a node is looked at, walked through and copied while it is served; its disk dies; what was erased does not
# come back with the copy; and an old copy is refused. A practice's node, and a patient at home.
. "$(dirname "$0")/../stage.sh"

echo "A practice with a node, a patient at home"
done_at practice salus init --member "Practice"
done_at practice salus node check
done_at practice salus node backup --out "$work/early"
SALUS_HOME="$work/practice" serve --port 0
cp "$work/practice/genesis.bin" "$work/genesis.bin"
invitation practice
done_at patient salus init --node "$(address)" --genesis "$work/genesis.bin" --invite "$code"
done_at patient salus person add Ana
done_at patient salus import "$source_file" --as Ana --source "City Hospital"
python3 -I -c 'import json; print(json.dumps({"resourceType": "Observation", "id": "gone", "status": "final", "code": {"text": "To be erased"}}))' >"$work/gone.json"
done_at patient salus import "$work/gone.json" --as Ana --source "At home"

echo "Looked at and copied while it is served"
done_at practice salus node status
done_at practice salus node check --last 10
done_at practice salus node scrub
done_at practice salus node backup --out "$work/backup"
is "blocks in the backup" "$([ "$(field height)" -gt 3 ] && echo some)" some
steps=$((steps + 1))
figures=$(python3 -I -c 'import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1] + "/v1/metrics").read().decode())' "$(address)") || fail "no figures"
grep -q Ana <<<"$figures" && fail "a name among the figures"

echo "Something is erased, and then the disk with the sealed entries dies"
done_at patient salus erase Observation/gone --as Ana
done_at practice salus node backup --out "$work/later"
port=$(address); port=${port##*:}
kill_server
rm -rf "$work/practice/node/vault"
refused practice 1 node/in-trouble salus node check
done_at practice salus node restore "$work/backup"
refused practice 1 node/in-trouble salus node check
done_at practice salus node restore "$work/later"
done_at practice salus node check
done_at practice salus node scrub
is "what was erased and came with the old copy" "$(field orphaned)" "[]"
SALUS_HOME="$work/practice" serve --port "$port"
refused patient 1 agent/no-such-resource salus history Observation/gone --as Ana
done_at patient salus verify --as Ana

echo "A copy that ends before what this home has seen is refused"
done_at practice salus access --as Practice
kill_server
mv "$work/practice/node" "$work/lost"
refused practice 1 node/stale-backup salus node restore "$work/early"
rm -rf "$work/practice/node"
mv "$work/lost" "$work/practice/node"
SALUS_HOME="$work/practice" serve --port "$port"
done_at patient salus verify --as Ana
printf '%d steps, each as expected\n' "$steps"

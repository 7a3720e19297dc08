#!/usr/bin/env bash
# Salus from outside: every command, driven as an integrator drives it, through the command line and its JSON alone.
# Each step states what it expects: an exit code, and the error code where it is to be refused.
# `salus serve` is killed at three points; whatever was acknowledged stays, and the next command completes the rest.
. "$(dirname "$0")/stage.sh"
export SALUS_HOME="$work/home"

# same_record: the owner's record, compared with our own reading of the source file, numbers as they were written
same_record() {
    steps=$((steps + 1))
    salus chart --as Clemente --format fhir >"$work/chart.json" || fail "no chart"
    python3 -I - "$source_file" "$work/chart.json" "${1:-}" <<'PY' || fail "the record is not what was imported"
import json, sys
from collections import Counter

def read(path):
    with open(path, encoding="utf-8") as file:
        bundle = json.load(file, parse_float=lambda text: ("number", text), parse_int=lambda text: ("number", text))
    return [entry["resource"] for entry in bundle["entry"]]

source, chart = read(sys.argv[1]), read(sys.argv[2])
extra = sys.argv[3].split()
names = lambda resources: Counter((r["resourceType"], r["id"]) for r in resources)
added = names(chart) - names(source)
assert not names(source) - names(chart), "something is missing"
assert sorted(kind for kind, _ in added.elements()) == sorted(extra), added
trees = {(r["resourceType"], r["id"]): r for r in chart}
for resource in source:
    assert trees[resource["resourceType"], resource["id"]] == resource, resource["id"]
PY
    printf '  ok    the record is what was imported\n'
}

echo "A home, people, licences, cards"
no 1 agent/no-home salus person list
no 2 cli/usage salus
no 2 cli/usage salus chart
no 2 cli/usage salus nonsense
ok salus init
no 1 agent/home-exists salus init
ok salus person add Clemente
is cold_file "$(test -s "$(field cold_file)" && echo there)" there
no 1 agent/name-taken salus person add Clemente
no 2 cli/bad-role salus person add Boss --role member
no 2 cli/usage salus person add X --role king
ok salus person add "Ada Reyes" --role physician
ok salus person add "Sam Doe" --role physician
ok salus person list
is people "$(field people.3.name)" "Sam Doe"
ok salus licence show "Ada Reyes"
is status "$(field status)" active
no 1 agent/no-licence salus licence show Clemente
ok salus contact show "Ada Reyes"
field card >"$work/ada.card"
ok salus contact add "$work/ada.card"
no 1 codec/not-decodable salus contact add "$source_file"
no 2 cli/no-such-file salus contact add "$work/nothing"
ok salus contact list
ok salus licence issue "$work/ada.card" --role physician
ok salus node status
ok salus node blocks --last 3

echo "A record, imported while the node is killed"
no 1 agent/no-such-person salus import "$source_file" --as Nobody
echo '{"resourceType":"Patient","id":"1","id":"2"}' >"$work/twice.json"
no 1 fhir/duplicate-key salus import "$work/twice.json" --as Clemente
head -c 100000 "$source_file" >"$work/cut.json"
no 1 fhir/not-json salus import "$work/cut.json" --as Clemente
serve --port 0
salus import "$source_file" --as Clemente --source "City Hospital" --json >"$work/import" 2>&1 &
importer=$!
sleep 0.6
kill_server
wait "$importer"
ok salus import "$source_file" --as Clemente --source "City Hospital"
same_record
ok salus import "$source_file" --as Clemente --source "City Hospital"
is new "$(field new)" 0
is unchanged "$(field unchanged)" "$(python3 -I -c 'import json, sys; print(len(json.load(open(sys.argv[1]))["entry"]))' "$source_file")"
ok salus verify --as Clemente
ok salus chart --as Clemente --type Observation --section vitals --since 2015-01-01
ok salus chart --as Clemente
resource=$(field versions.0.resource)
ok salus history "$resource" --as Clemente
is source "$(field versions.0.source)" "City Hospital"
no 1 agent/no-such-resource salus history Patient/nobody --as Clemente
no 2 cli/bad-date salus chart --as Clemente --since yesterday
echo '{"resourceType":"AllergyIntolerance","id":"own-1","code":{"text":"Penicillin"},"patient":{"reference":"Patient/p"}}' >"$work/allergy.json"
ok salus record add "$work/allergy.json" --as Clemente
echo '{"resourceType":"AllergyIntolerance","id":"own-2"}' >"$work/bad.json"
no 1 fhir/invalid salus record add "$work/bad.json" --as Clemente
echo '{"resourceType":"Patient","id":"q","birthDate":"1901-01-01","name":[{"family":"Other"}]}' >"$work/other.json"
no 1 fhir/other-patient salus import "$work/other.json" --as Clemente
same_record AllergyIntolerance

echo "Granting, reading, writing; the node is killed again"
no 1 agent/no-grant salus chart --of Clemente --as "Ada Reyes"
no 1 agent/no-such-contact salus grant --as Clemente --to Nobody
no 2 cli/bad-duration salus grant --as Clemente --to "Ada Reyes" --for ever
no 2 cli/usage salus grant --as Clemente --to "Ada Reyes" --section everything
serve
ok salus grant --as Clemente --to "Ada Reyes" --for 72h
grant=$(field grants.0.grant)
ok salus grant --as Clemente --to "Ada Reyes" --section documents --right append --purpose TREAT --for 7d
ok salus inbox --as "Ada Reyes"
is letters "$(field letters.1.kind)" grant
ok salus inbox --as "Ada Reyes"
is letters "$(field letters)" "[]"
ok salus patients --as "Ada Reyes"
is patient "$(field patients.0.name)" Clemente
ok salus chart --of Clemente --as "Ada Reyes"
no 1 agent/no-grant salus chart --of Clemente --as "Sam Doe"
echo "Feels well." | salus note - --of Clemente --as "Ada Reyes" --json >"$work/out" || fail "no note"
note=$(field entry)
echo "Feels tired." >"$work/note.txt"
salus note "$work/note.txt" --of Clemente --as "Ada Reyes" --amends "$note" --json >"$work/amend" 2>&1 &
writer=$!
sleep 0.5
kill_server
wait "$writer"
ok salus history "$(field resources.0)" --of Clemente --as "Ada Reyes"
if [ "$(field versions.0.status)" = current ]; then  # the kill came before the amendment was signed
    ok salus note "$work/note.txt" --of Clemente --as "Ada Reyes" --amends "$note"
    ok salus history "$(field resources.0)" --of Clemente --as "Ada Reyes"
fi
is status "$(field versions.0.status)" replaced
is status "$(field versions.1.status)" current
amended=$(field versions.1.entry)
no 1 agent/not-yours salus note "$work/note.txt" --of Clemente --as "Ada Reyes" --amends "$note"
no 2 cli/usage salus note "$work/note.txt" --of Clemente --as "Ada Reyes" --amends "$note" --entered-in-error "$note"
ok salus note --of Clemente --as "Ada Reyes" --entered-in-error "$amended"
no 1 agent/no-append-right salus note "$work/note.txt" --of Clemente --as "Sam Doe"
ok salus inbox --as Clemente
ok salus receipts --as Clemente
is reader "$(python3 -I -c 'import json, sys; print("Ada Reyes" in [r["reader_name"] for r in json.load(open(sys.argv[1]))["receipts"]])' "$work/out")" True

echo "Suspended, reinstated, taken back; the node is killed a third time"
ok salus licence suspend "Ada Reyes"
no 1 warrants/licence-not-active salus chart --of Clemente --as "Ada Reyes"
ok salus licence reinstate "Ada Reyes"
ok salus chart --of Clemente --as "Ada Reyes"
ok salus prove absence "$grant" --as Clemente --out "$work/absence.proof"
no 1 agent/not-so salus prove revocation "$grant" --as Clemente --out "$work/early.proof"
no 2 cli/usage salus revoke --as Clemente
no 1 agent/no-such-grant salus revoke ffffffffffff --as Clemente
serve --node-only
salus revoke "$grant" --as Clemente --json >"$work/revoke" 2>&1 &
revoker=$!
sleep 0.4
kill_server
wait "$revoker"
ok salus revoke "$grant" --as Clemente
no 1 warrants/revoked salus chart --of Clemente --as "Ada Reyes" --section vitals
ok salus access --as Clemente --reader "Ada Reyes"
ok salus revoke --reader "Ada Reyes" --as Clemente
ok salus access --as Clemente
is status "$(field grants.0.status)" revoked
SALUS_AS=Clemente ok salus grant --to "Ada Reyes" --for 30m
ok salus inbox --as "Ada Reyes"
ok salus chart --of Clemente --as "Ada Reyes"
same_record AllergyIntolerance

echo "Proofs for strangers"
ok salus prove entry "$note" --as Clemente --out "$work/entry.proof"
ok salus prove licence "Ada Reyes" --out "$work/licence.proof"
ok salus prove revocation "$grant" --as Clemente --out "$work/revocation.proof"
no 2 cli/usage salus prove dream "$grant" --as Clemente
cp "$SALUS_HOME/genesis.bin" "$work/genesis.bin"
for kind in entry licence revocation absence; do
    SALUS_HOME="$work/nowhere" ok salus verify --proof "$work/$kind.proof" --genesis "$work/genesis.bin"
    is kind "$(field findings.0.kind)" "$kind"
done
python3 -I - "$work/entry.proof" "$work/forged.proof" <<'PY'
import sys
data = bytearray(open(sys.argv[1], "rb").read())
data[len(data) // 2] ^= 1
open(sys.argv[2], "wb").write(data)
PY
steps=$((steps + 1))
salus verify --proof "$work/forged.proof" --genesis "$work/genesis.bin" --json >"$work/out" && fail "a forged proof verifies"
field error.code >/dev/null || fail "no code for a forged proof"
no 2 cli/usage salus verify
ok salus verify --as Clemente
ok salus demo
printf '%d steps, each as expected\n' "$steps"

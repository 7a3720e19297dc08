#!/usr/bin/env bash
# A practice's story: it receives a grant as an organisation, its staff opens by duty and stands in each receipt, a locum reads
# for it elsewhere, a dismissed employee opens nothing more. Homes over HTTP: a hospital's node, the practice, patient, locum.
. "$(dirname "$0")/../stage.sh"

# licensed HOME NAME ROLE: the hospital licenses somebody of another home
licensed() {
    done_at "$1" salus contact show "$2"; field card >"$work/$2.card"
    done_at hospital salus licence issue "$work/$2.card" --role "$3"
    done_at "$1" salus inbox --as "$2"
}

# sections HOME READER: the sections of Ana's chart that the reader opens
sections() {
    done_at "$1" salus chart --as "$2" --of Ana
    found=$(python3 -I -c 'import json, sys; print(*sorted({v["section"] for v in json.load(open(sys.argv[1]))["versions"]}))' "$work/out")
}

echo "A hospital with a node; a practice, a patient and a locum without one"
done_at hospital salus init --member "City Hospital"
SALUS_HOME="$work/hospital" serve --port 0
cp "$work/hospital/genesis.bin" "$work/genesis.bin"
for home in practice patient locum; do
    invitation hospital
    done_at $home salus init --node "$(address)" --genesis "$work/genesis.bin" --invite "$code"
done
refused practice 1 agent/not-an-organisation salus staff list
done_at practice salus person add "Lake Practice" --role organisation
done_at practice salus person add "Dr. Lind" --role physician
done_at practice salus person add Kim --role nurse
done_at practice salus person add Lee
licensed practice "Dr. Lind" physician
licensed practice Kim nurse
done_at practice salus staff add "Dr. Lind" --duty physician
done_at practice salus staff add Kim --duty nurse
done_at practice salus staff add Lee --duty reception
done_at practice salus staff list
is duty "$(field staff.0.dismissed)" None
done_at practice salus contact show "Lake Practice"; field card >"$work/practice.card"

echo "The patient grants it to the practice, not to a person"
done_at patient salus person add Ana
done_at patient salus import "$source_file" --as Ana --source "City Hospital"
done_at patient salus contact add "$work/practice.card"
done_at patient salus grant --as Ana --to "Lake Practice" --section vitals --section coverage --standing --for 52w
done_at patient salus grant --as Ana --to "Lake Practice" --section documents --right append --for 52w
done_at practice salus inbox --as "Lake Practice"

echo "Each opens what the duty needs"
sections practice Kim; is "what the nurse opens" "$found" vitals
sections practice Lee; is "what the desk opens" "$found" coverage
echo "Blood pressure measured twice." >"$work/note.txt"
refused practice 1 agent/no-licence salus note "$work/note.txt" --of Ana --as Lee
done_at practice salus note "$work/note.txt" --of Ana --as "Dr. Lind"
test -n "$(field retained)" || fail "the practice keeps no copy"
done_at patient salus receipts --as Ana
python3 -I - "$work/out" <<'PY' || fail "the receipts do not name the staff"
import json, sys
rows = json.load(open(sys.argv[1]))["receipts"]
named = {(row["reader_name"], row["on_behalf_of"]) for row in rows if row["on_behalf_of"]}
assert {("Kim", "Lake Practice"), ("Lee", "Lake Practice"), ("Dr. Lind", "Lake Practice")} <= named, named
assert all(row["verified"] for row in rows)
PY

echo "A locum reads for the practice, in a home of his own"
done_at locum salus person add "Dr. Weg" --role physician
licensed locum "Dr. Weg" physician
done_at practice salus contact add "$work/Dr. Weg.card"
done_at practice salus inbox --as "Lake Practice"
grant=$(at practice salus patients --as "Lake Practice" --json >"$work/out" && at patient salus access --as Ana --json >"$work/out" && field grants.1.grant)
done_at practice salus delegate "$grant" --as "Lake Practice" --to "Dr. Weg" --for 8h
passed=$(field grant)
done_at locum salus inbox --as "Dr. Weg"
is kind "$(field letters.0.kind)" delegation
sections locum "Dr. Weg"; is "what the locum opens" "$found" "coverage vitals"
done_at practice salus revoke "$passed" --as "Lake Practice"
refused locum 1 warrants/revoked salus chart --as "Dr. Weg" --of Ana

echo "Dismissed"
done_at practice salus staff dismiss Kim
refused practice 1 agent/no-grant salus chart --as Kim --of Ana
refused practice 1 agent/not-staff salus staff dismiss Kim
sections practice Lee; is "what the desk still opens" "$found" coverage

echo "The patient ends it for all of them"
done_at patient salus revoke --reader "Lake Practice" --as Ana
refused practice 1 warrants/revoked salus chart --as Lee --of Ana
printf '%d steps, each as expected\n' "$steps"

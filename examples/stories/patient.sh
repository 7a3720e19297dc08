#!/usr/bin/env bash
# A patient's story: standing access to a family physician, its end by itself and its end by the patient, two devices, a
# resource erased, everything recovered after a theft. Three homes over HTTP: a hospital's node, the physician, the patient.
. "$(dirname "$0")/../stage.sh"

# observations HOME READER: how many observations the reader sees in Ana's vitals
observations() {
    done_at "$1" salus chart --as "$2" --of Ana --section vitals --type Observation
    count=$(python3 -I -c 'import json, sys; print(len(json.load(open(sys.argv[1]))["versions"]))' "$work/out")
}

echo "Three homes: a hospital with a node, a physician, a patient"
done_at hospital salus init --member "City Hospital"
SALUS_HOME="$work/hospital" serve --port 0
node=$(address)
cp "$work/hospital/genesis.bin" "$work/genesis.bin"
for home in physician patient phone; do
    invitation hospital
    done_at $home salus init --node "$node" --genesis "$work/genesis.bin" --invite "$code"
done
refused patient 2 cli/usage salus init --node "$node"
refused patient 1 agent/home-exists salus init --node "$node" --genesis "$work/genesis.bin"
refused patient 1 agent/no-node salus serve
done_at physician salus person add "Dr. Ada" --role physician
done_at physician salus contact show "Dr. Ada"; field card >"$work/ada.card"
done_at hospital salus licence issue "$work/ada.card" --role physician
done_at physician salus inbox --as "Dr. Ada"
is letter "$(field letters.0.kind)" licence
done_at patient salus person add Ana
done_at patient salus contact add "$work/ada.card"
done_at patient salus import "$source_file" --as Ana --source "City Hospital"

echo "Standing access that ends by itself, and one that goes on"
refused patient 2 cli/usage salus grant --as Ana --to "Dr. Ada" --from-now-on
done_at patient salus grant --as Ana --to "Dr. Ada" --section vitals --standing --for 1m
is standing "$(field grants.0.standing)" True
short=$(field grants.0.until)
done_at physician salus inbox --as "Dr. Ada"
observations physician "Dr. Ada"; before=$count
python3 -I - >"$work/pulse.json" <<'PY'
import json
category = {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}
print(json.dumps({"resourceType": "Observation", "id": "pulse-1", "status": "final", "category": [{"coding": [category]}],
                  "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4", "display": "Heart rate"}]}}))
PY
done_at patient salus import "$work/pulse.json" --as Ana --source "At home"
observations physician "Dr. Ada"; is "what came later, read without a new grant" "$count" $((before + 1))
done_at patient salus grant --as Ana --to "Dr. Ada" --section documents --right append --right read --standing --from-now-on --for 30d
lasting=$(field grants.0.grant)
done_at physician salus inbox --as "Dr. Ada"
echo "Pulse is fine." >"$work/note.txt"
done_at physician salus note "$work/note.txt" --of Ana --as "Dr. Ada"
note=$(field entry)

echo "A second device"
done_at patient salus device add phone --as Ana --out "$work/phone.txt"
field code >"$work/code"
refused phone 1 crypto/cannot-open salus device join "$work/phone.txt" --code-file "$work/note.txt"
done_at phone salus device join "$work/phone.txt" --code-file "$work/code"
done_at phone salus access --as Ana
is "grants on the phone" "$(field grants.0.grant)" "$lasting"
done_at phone salus chart --as Ana
done_at phone salus device list --as Ana
is devices "$(field devices.1.label)" phone

echo "One resource is erased, and its neighbours stay proven"
done_at patient salus erase Observation/pulse-1 --as Ana
refused patient 1 agent/no-such-resource salus history Observation/pulse-1 --as Ana
done_at patient salus verify --as Ana
done_at phone salus verify --as Ana

echo "The day has come while everything of the patient was off"
python3 -I -c '
import sys, time
from datetime import datetime
time.sleep(max(0.0, datetime.fromisoformat(sys.argv[1].replace("Z", "+00:00")).timestamp() - time.time()) + 0.2)' "$short"
refused physician 1 warrants/expired salus chart --as "Dr. Ada" --of Ana --section vitals
echo "Still here." >"$work/second.txt"
done_at physician salus note "$work/second.txt" --of Ana --as "Dr. Ada"

echo "Taken back from the phone: both facts"
done_at phone salus revoke "$lasting" --as Ana
is "sealed anew in the block of the refusal" "$(field sealed_anew_since_height)" "$(field refused_since_height)"
refused physician 1 warrants/revoked salus chart --as "Dr. Ada" --of Ana --section documents
refused physician 1 agent/no-append-right salus note "$work/note.txt" --of Ana --as "Dr. Ada"
done_at patient salus access --as Ana
is status "$(field grants.0.status)" revoked
done_at patient salus receipts --as Ana

echo "The phone is taken off, and then the laptop is stolen"
done_at patient salus device remove phone --as Ana
refused phone 1 agent/device-taken-off salus access --as Ana
done_at patient salus grant --as Ana --to "Dr. Ada" --section vitals --standing --for 30d
done_at physician salus inbox --as "Dr. Ada"
observations physician "Dr. Ada"
cp "$work/patient/cold/Ana.cold" "$work/safe.cold"
cp -r "$work/patient" "$work/thief"
invitation hospital
done_at rescue salus init --node "$node" --genesis "$work/genesis.bin" --invite "$code"
refused rescue 1 agent/bad-cold-file salus person recover --cold "$work/note.txt"
done_at rescue salus person recover --cold "$work/safe.cold"
is "whose access ended" "$(field ended.0)" "Dr. Ada"
observations rescue Ana; is "the record under new keys" "$count" "$before"
refused physician 1 warrants/refused salus chart --as "Dr. Ada" --of Ana --section vitals
refused thief 1 warrants/refused salus import "$work/pulse.json" --as Ana --source Thief
done_at rescue salus verify --as Ana
refused rescue 1 agent/cold-file-spent salus person recover --cold "$work/safe.cold"
done_at rescue salus chart --as Ana --section documents
is "the physician's note" "$(field versions.0.entry)" "$note"
printf '%d steps, each as expected\n' "$steps"

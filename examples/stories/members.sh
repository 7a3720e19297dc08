#!/usr/bin/env bash
# Two members and a patient between them: one that does not help, one whose mailboxes and blobs are lost, one that is gone.
. "$(dirname "$0")/../stage.sh"

echo "A hospital and a clinic found a network together"
done_at clinic salus node prepare --member "Valley Clinic" --out "$work/valley.member"
refused clinic 1 agent/home-exists salus node prepare --member "Valley Clinic" --out "$work/again.member"
done_at hospital salus init --member "City Hospital" --with "$work/valley.member"
SALUS_HOME="$work/hospital" serve --port 0
hospital=$(address) hospital_server=$server
refused other 1 agent/not-prepared salus node join --genesis "$work/hospital/genesis.bin" --node "$hospital"
done_at clinic salus node join --genesis "$work/hospital/genesis.bin" --node "$hospital"
SALUS_HOME="$work/clinic" serve --port 0
clinic=$(address) clinic_server=$server
done_at clinic salus node status

echo "Ana lives with the clinic, and knows the hospital's node too"
before "$clinic" refuse "$work/unwilling"
invitation clinic; to_clinic=$code
invitation hospital; to_hospital=$code
done_at ana salus init --node "$proxy" --node "$hospital" --genesis "$work/hospital/genesis.bin" --invite "$to_clinic" --invite "$to_hospital"
done_at ana salus person add Ana
done_at ana salus import "$source_file" --as Ana --source "City Hospital"
done_at hospital salus person add Ada --role physician
SALUS_HOME="$work/hospital" salus contact show Ada >"$work/ada.card"
SALUS_HOME="$work/ana" salus contact show Ana >"$work/ana.card"
done_at ana salus contact add "$work/ada.card"
done_at ana salus grant --as Ana --to Ada --standing --section vitals --section problems --right read --for 72h
done_at ana salus grant --as Ana --to Ada --section documents --right append --for 72h
done_at hospital salus inbox --as Ada
done_at hospital salus chart --of Ana --as Ada
done_at ana salus receipts --as Ana
is "the reader" "$(field receipts.-1.reader_name)" Ada

echo "The clinic's mailboxes are lost; the note's letter lay at the hospital as well"
echo "Seen today." >"$work/note.txt"
done_at hospital salus note "$work/note.txt" --of Ana --as Ada
kill -9 "$clinic_server"; while kill -0 "$clinic_server" 2>/dev/null; do sleep 0.02; done
rm -r "$work/clinic/node/mailbox"
SALUS_HOME="$work/clinic" serve --port "${clinic##*:}"
clinic_server=$server
done_at ana salus inbox --as Ana
is "what the letter brings" "$(field letters.0.kind)" entry

echo "The clinic does not sponsor any more: Ana takes back what she gave all the same"
touch "$work/unwilling"
done_at ana salus revoke --reader Ada --as Ana
field refused_since_height >/dev/null
refused hospital 1 warrants/revoked salus chart --of Ana --as Ada
echo '{"resourceType": "Observation", "id": "pulse", "status": "final", "code": {"text": "Pulse"}}' >"$work/pulse.json"
done_at ana salus import "$work/pulse.json" --as Ana --source Home
height() { at "$1" salus node status --json >"$work/out"; field height; }
for _ in $(seq 100); do
    [ "$(height clinic)" = "$(height hospital)" ] && at clinic salus node scrub --json >"$work/out" 2>&1 && break
    sleep 0.2
done
done_at clinic salus node scrub

echo "The clinic is gone: Ana moves with one command, and has lost nothing"
kill -9 "$clinic_server"; while kill -0 "$clinic_server" 2>/dev/null; do sleep 0.02; done
done_at ana salus chart --as Ana
done_at ana salus person move --to "$hospital"
done_at ana salus chart --as Ana
refused hospital 1 node/node-busy salus node scrub --delete-orphans

echo "The hospital's vault is lost; the clinic, back again, has every sealed entry"
kill -9 "$hospital_server"; while kill -0 "$hospital_server" 2>/dev/null; do sleep 0.02; done
rm -r "$work/hospital/node/vault/blobs"
refused hospital 1 node/in-trouble salus node scrub
SALUS_HOME="$work/hospital" serve --port "${hospital##*:}"
SALUS_HOME="$work/clinic" serve --port "${clinic##*:}"
for _ in $(seq 100); do at hospital salus node scrub --json >"$work/out" 2>&1 && break; sleep 0.2; done
done_at hospital salus node scrub
for _ in $(seq 100); do at ana salus verify --as Ana >"$work/out" 2>&1 && break; sleep 0.2; done  # until the clinic has said where it answers
done_at ana salus verify --as Ana
done_at clinic salus node check
printf '%d steps, each as expected\n' "$steps"

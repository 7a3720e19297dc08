#!/usr/bin/env bash
# A prescription's story: a physician, a patient and two pharmacies in homes of their own, by the node of one hospital, or by those of
# four members (MEMBERS=4). It is shown as a code, fetched once, in part, stopped in time, sent ahead, taken back; and what speaks
# against it is shown before it is signed, and handed over.
. "$(dirname "$0")/../stage.sh"

# licensed HOME NAME ROLE: the hospital licenses somebody of another home, whom the patient gets to know
licensed() {
    done_at "$1" salus contact show "$2"; field card >"$work/$2.card"
    done_at hospital salus licence issue "$work/$2.card" --role "$3"
    done_at "$1" salus inbox --as "$2"
    done_at patient salus contact add "$work/$2.card"
}

# issued OPTIONS...: a prescription that the patient has taken in; its id is then in $rx
issued() {
    done_at hospital salus rx issue "$work/order.json" --of Ana --as "Dr. Lind" --born 1980-01-31 "$@"
    rx=$(field prescription)
    done_at patient salus inbox --as Ana
}

# once more, although the patient has it: the reason stays in the prescription
again=(--override continues-therapy)

# shown [OPTIONS...]: the code in a file, as a camera would read it
shown() { done_at patient salus rx code "$rx" --as Ana "$@"; field code >"$work/code"; }

# state: what became of the fill, as its pharmacy sees it
state() { field state.status; }

cat >"$work/order.json" <<'JSON'
{"resourceType": "MedicationRequest", "status": "active", "intent": "order", "subject": {"display": "Ana"},
 "medicationCodeableConcept": {"text": "Amoxicillin 250 mg, 30 capsules"},
 "dosageInstruction": [{"text": "one capsule three times a day for ten days"}]}
JSON

echo "A hospital with a node; a patient and two pharmacies without one"
town hospital patient lake hill
done_at patient salus person add Ana
done_at patient salus contact show Ana; field card >"$work/ana.card"
done_at hospital salus contact add "$work/ana.card"
done_at hospital salus person add "Dr. Lind" --role physician
licensed hospital "Dr. Lind" physician
done_at lake salus person add "Ph. Abel" --role pharmacist
done_at hill salus person add "Ph. Berg" --role pharmacist
licensed lake "Ph. Abel" pharmacist
licensed hill "Ph. Berg" pharmacist

echo "It is prescribed, and stands in the chart where the physician may write into it"
refused hospital 1 agent/no-licence salus rx issue "$work/order.json" --of Ana --as "$member"
done_at patient salus grant --as Ana --to "Dr. Lind" --section medications --right append --for 52w
done_at hospital salus inbox --as "Dr. Lind"
issued
done_at patient salus rx show "$rx" --as Ana
is "whether it is the patient's" "$(field taken)" True
done_at patient salus chart --as Ana --type MedicationRequest
is "in the chart" "$(field versions.0.status)" current

echo "It is shown as a code, at two pharmacies; one has it, and the other learns so"
done_at patient salus rx qr "$rx" --as Ana --png "$work/code.png" --svg "$work/code.svg"
done_at patient salus rx print "$rx" --as Ana --pdf "$work/sheet.pdf"
test -s "$work/code.png" -a -s "$work/code.svg" -a -s "$work/sheet.pdf" || fail "no picture, or no sheet"
shown
done_at lake salus rx open "$work/code" --as "Ph. Abel"
is "what it is" "$(field drug)" "Amoxicillin 250 mg, 30 capsules"
done_at hill salus rx open "$work/code" --as "Ph. Berg"
done_at lake salus rx accept "$rx" --as "Ph. Abel"
is held "$(field held)" True
refused hill 1 ledger/is-accepted salus rx accept "$rx" --as "Ph. Berg"
refused patient 1 ledger/is-accepted salus rx delete "$rx" --as Ana
refused hospital 1 ledger/is-accepted salus rx cancel "$rx" --as "Dr. Lind"

echo "A part is handed over, the rest is fetched elsewhere, and nobody hands over more"
done_at lake salus rx dispense "$rx" --as "Ph. Abel" --share 400 --rest free --quantity "12 capsules" --batch A17
is state "$(state)" ready
done_at hill salus rx accept "$rx" --as "Ph. Berg"
refused hill 1 ledger/too-much salus rx dispense "$rx" --as "Ph. Berg" --share 601
done_at hill salus rx dispense "$rx" --as "Ph. Berg" --quantity "18 capsules" --batch B03
is state "$(state)" completed
refused lake 1 ledger/is-completed salus rx accept "$rx" --as "Ph. Abel"
done_at patient salus inbox --as Ana
done_at patient salus chart --as Ana --type MedicationDispense
is "the second hand-over" "$(field versions.1.resource | cut -d/ -f1)" MedicationDispense
done_at hospital salus rx list --as "Dr. Lind"
is "what the prescriber sees" "$(field issued.0.fills.0.status)" not-shared
done_at patient salus grant --as Ana --to "Dr. Lind" --section medications --standing --for 1h
grant=$(field grants.0.grant)
done_at hospital salus inbox --as "Dr. Lind"
done_at hospital salus rx list --as "Dr. Lind"
is "what the prescriber sees where it is shared" "$(field issued.0.fills.0.dispensed)" 1000
done_at patient salus revoke "$grant" --as Ana
done_at hospital salus rx list --as "Dr. Lind"
is "what the prescriber sees when that was taken back" "$(field issued.0.fills.0.status)" not-shared

echo "What speaks against a medicine is shown before it is signed; a reason that overrides it stays in it"
cat >"$work/allergy.json" <<'JSON'
{"resourceType": "Bundle", "type": "collection", "entry": [
 {"resource": {"resourceType": "AllergyIntolerance", "id": "asa", "patient": {"display": "Ana"},
  "clinicalStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "code": "active"}]},
  "code": {"text": "Aspirin", "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "1191"}]}}}]}
JSON
done_at patient salus import "$work/allergy.json" --as Ana --source "City Hospital"
done_at patient salus grant --as Ana --to "Dr. Lind" --section problems --section medications --for 52w
done_at hospital salus inbox --as "Dr. Lind"
order=(salus rx issue --of Ana --as "Dr. Lind" --born 1980-01-31 --drug "Ibuprofen 400 mg" --dose "one when in pain")
refused hospital 1 agent/unsafe-prescription "${order[@]}"
done_at hospital "${order[@]}" --override tolerated-before
rx=$(field prescription)
done_at patient salus inbox --as Ana
done_at patient salus rx show "$rx" --as Ana
is "what was overridden" "$(field overridden.0.reason)" tolerated-before
shown
done_at lake salus rx open "$work/code" --as "Ph. Abel"
is "what the pharmacist sees" "$(field allergies.0)" Aspirin
is "what was taken already" "$(field medication.0)" "Amoxicillin 250 mg, 30 capsules"
shown --no-record
done_at hill salus rx open "$work/code" --as "Ph. Berg"
is "what another sees of the record" "$(field allergies)" "[]"

echo "A stop arrives before the hand-over"
issued --no-substitution "${again[@]}"
shown
done_at lake salus rx open "$work/code" --as "Ph. Abel"
done_at lake salus rx accept "$rx" --as "Ph. Abel"
done_at hospital salus rx stop "$rx" --as "Dr. Lind"
refused lake 1 ledger/is-on-hold salus rx dispense "$rx" --as "Ph. Abel"
done_at lake salus rx acknowledge "$rx" --as "Ph. Abel"
is state "$(state)" stopped

echo "A code that was seen by others is replaced; what was shown before opens nothing"
issued "${again[@]}"
shown
done_at patient salus rx rotate "$rx" --as Ana
refused hill 1 agent/code-replaced salus rx open "$work/code" --as "Ph. Berg"
head -c 300 "$work/code" >"$work/half"
refused hill 1 agent/bad-prescription-code salus rx open "$work/half" --as "Ph. Berg"
done_at patient salus rx send "$rx" --as Ana --to "Ph. Berg"
done_at hill salus inbox --as "Ph. Berg"
done_at hill salus rx accept "$rx" --as "Ph. Berg"
done_at hill salus rx dispense "$rx" --as "Ph. Berg"
done_at hill salus rx undo "$rx" --as "Ph. Berg"
done_at hill salus rx return "$rx" --as "Ph. Berg" --reason patient-request
done_at patient salus rx delete "$rx" --as Ana
is "what is left" "$(field fills.0.status)" cancelled

echo "A pharmacist asks, a patient wishes for another one, and the prescriber answers both"
done_at hospital salus directory publish --as "Dr. Lind"
issued "${again[@]}"
shown
done_at lake salus rx open "$work/code" --as "Ph. Abel"
done_at lake salus rx ask "$rx" --as "Ph. Abel" --text "With meals?"
done_at patient salus rx renew "$rx" --as Ana --text "for my journey"
done_at hospital salus inbox --as "Dr. Lind"
done_at hospital salus rx list --as "Dr. Lind"
is "who waits" "$(field questions.1.about)" renewal
done_at hospital salus rx answer "$rx" --as "Dr. Lind" --renew --text "Yes, and with meals." "${again[@]}"
done_at lake salus inbox --as "Ph. Abel"
is "the answer" "$(field letters.0.kind)" prescription-note
refused hospital 1 agent/nobody-asked salus rx answer "$rx" --as "Dr. Lind" --text "Anything else?"

echo "Repeats wait for their time; a controlled substance has one fill, for somebody identified"
issued --repeats 2 "${again[@]}"
shown --fill 1
done_at lake salus rx open "$work/code" --as "Ph. Abel"
done_at lake salus rx accept "$rx" --as "Ph. Abel"
done_at lake salus rx dispense "$rx" --as "Ph. Abel"
shown --fill 2
done_at lake salus rx open "$work/code" --as "Ph. Abel"
refused lake 1 ledger/too-early salus rx accept "$rx" --fill 2 --as "Ph. Abel"
refused hospital 1 ledger/controlled-once salus rx issue "$work/order.json" --of Ana --as "Dr. Lind" --controlled --repeats 1 "${again[@]}"
issued --controlled "${again[@]}"
shown
done_at lake salus rx open "$work/code" --as "Ph. Abel"
done_at lake salus rx accept "$rx" --as "Ph. Abel"
refused lake 1 ledger/not-identified salus rx dispense "$rx" --as "Ph. Abel"
done_at lake salus rx dispense "$rx" --as "Ph. Abel" --identified document

echo "A pharmacy says nothing, and the next one is warned"
issued "${again[@]}"
shown
done_at lake salus rx open "$work/code" --as "Ph. Abel"
done_at lake salus rx accept "$rx" --as "Ph. Abel"
done_at hospital salus rx free "$rx" --as "Dr. Lind"
done_at hill salus rx open "$work/code" --as "Ph. Berg"
is doubtful "$(field state.doubtful)" True

echo "No node answers: two pharmacies supply by what the code proves, and the double is told once there is a network"
issued "${again[@]}"
shown
refused lake 1 agent/not-an-outage salus rx supply "$work/code" --as "Ph. Abel"
for home in lake hill; do
    mv "$work/$home/agent/nodes.toml" "$work/$home.nodes"
    printf 'nodes = ["http://127.0.0.1:9"]\n' >"$work/$home/agent/nodes.toml"
done
refused lake 1 agent/node-unreachable salus rx open "$work/code" --as "Ph. Abel"
done_at lake salus rx supply "$work/code" --as "Ph. Abel" --quantity "30 capsules"
is "what could not be looked at" "$(field checks.6.result)" "not done"
refused lake 1 agent/supplied-before salus rx supply "$work/code" --as "Ph. Abel"
done_at hill salus rx supply "$work/code" --as "Ph. Berg" --quantity "30 capsules"
for home in lake hill; do mv "$work/$home.nodes" "$work/$home/agent/nodes.toml"; done
done_at lake salus inbox --as "Ph. Abel"
done_at patient salus rx show "$rx" --as Ana
is "the first supply" "$(field fills.0.status)" completed
done_at hill salus inbox --as "Ph. Berg"
is "the second one" "$(field letters.0.kind)" urgent
done_at hospital salus inbox --as "Dr. Lind"
is "what the prescriber is told" "$(field letters.-1.kind)" outage-supply
done_at hill salus rx acknowledge "$rx" --as "Ph. Berg"
done_at hill salus inbox --as "Ph. Berg"
is "what is left to be done" "$(field letters)" "[]"
printf '%d steps, each as expected\n' "$steps"

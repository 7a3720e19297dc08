#!/usr/bin/env bash
# A result's story: a physician, who is responsible, who covers, a patient and a laboratory in homes of their own, by the node of one hospital. A test is
# ordered, the wrong person is turned away, a spoiled specimen is collected anew, a critical value climbs, a correction reaches all.
. "$(dirname "$0")/../stage.sh"

# licensed HOME NAME ROLE: the hospital licenses somebody of another home
licensed() {
    done_at "$1" salus contact show "$2"; field card >"$work/$2.card"
    done_at hospital salus licence issue "$work/$2.card" --role "$3"
    done_at "$1" salus inbox --as "$2"
}

# potassium VALUE FLAG UNIT STATUS: what the laboratory's machine says, in a file
potassium() {
    cat >"$work/report.json" <<JSON
{"resourceType": "DiagnosticReport", "status": "$4", "code": {"text": "Electrolytes"}, "result": [{"reference": "#k"}], "contained": [
 {"resourceType": "Observation", "id": "k", "status": "$4",
  "code": {"coding": [{"system": "http://loinc.org", "code": "2823-3", "display": "Potassium in serum"}]},
  "valueQuantity": {"value": $1, "unit": "$3", "system": "http://unitsofmeasure.org", "code": "$3"},
  "interpretation": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", "code": "$2"}]}],
  "referenceRange": [{"low": {"value": 3.5, "unit": "$3", "system": "http://unitsofmeasure.org", "code": "$3"},
                      "high": {"value": 5.1, "unit": "$3", "system": "http://unitsofmeasure.org", "code": "$3"}, "text": "adults"}]}]}
JSON
}

# ordered [OPTIONS...]: an order that all have read of; its id is then in $order
ordered() {
    done_at hospital salus order create --test 2823-3 --what Potassium --of Ana --to "Lab Nord" --as "Dr. Lind" --responsible "Dr. Stein" \
        --cover "Dr. Wolf" --born 1980-01-31 "$@"
    order=$(field order)
    done_at lab salus inbox --as "Lab Nord"
    done_at patient salus inbox --as Ana
    done_at lab salus order accept "$order" --as "Lab Nord"
}

collected() { done_at lab salus order collect "$order" --as "Lab Nord" --patient Ana --born 1980-01-31 --specimen serum "$@"; }

echo "A hospital with a node; a patient, a ward and a laboratory without one"
done_at hospital salus init --member "City Hospital"
SALUS_HOME="$work/hospital" serve --port 0
cp "$work/hospital/genesis.bin" "$work/genesis.bin"
for home in patient ward lab; do
    invitation hospital
    done_at $home salus init --node "$(address)" --genesis "$work/genesis.bin" --invite "$code"
done
done_at patient salus person add Ana
done_at patient salus contact show Ana; field card >"$work/ana.card"
done_at hospital salus contact add "$work/ana.card"
for name in "Dr. Lind" "Dr. Wolf"; do
    done_at hospital salus person add "$name" --role physician
    licensed hospital "$name" physician
done
done_at ward salus person add "Dr. Stein" --role physician
licensed ward "Dr. Stein" physician
done_at hospital salus contact add "$work/Dr. Stein.card"
done_at lab salus person add "Lab Nord" --role laboratory
licensed lab "Lab Nord" laboratory
done_at hospital salus contact add "$work/Lab Nord.card"

echo "A test is ordered; the wrong person is turned away, a spoiled specimen is collected anew"
refused hospital 1 fhir/bad-loinc salus order create --test 2823-4 --of Ana --to "Lab Nord" --as "Dr. Lind" --cover "Dr. Wolf" --born 1980-01-31
ordered
refused lab 1 agent/wrong-patient salus order collect "$order" --as "Lab Nord" --patient Ana --born 1981-01-31
collected
refused patient 1 ledger/is-in-progress salus order withdraw "$order" --as Ana
done_at lab salus order reject-specimen "$order" --reason haemolysed --as "Lab Nord"
done_at hospital salus order list --as "Dr. Lind"
is "why" "$(field placed.0.reason)" haemolysed
collected --accession A-17

echo "A value in a unit that is none, or by another scale, is not reported"
potassium 6.9 HH mEq/L final
refused lab 1 fhir/unknown-unit salus order report "$order" "$work/report.json" --as "Lab Nord"

echo "A critical value is told to all who answer for it at once, and climbs when nobody has acknowledged it"
potassium 6.9 HH mmol/L final
done_at lab salus order report "$order" "$work/report.json" --as "Lab Nord" --within 2s
first=$order
for name in "Dr. Wolf" "Dr. Lind"; do done_at hospital salus inbox --as "$name"; done
refused hospital 1 ledger/not-responsible salus results acknowledge "$first" --as "Dr. Lind"
done_at ward salus inbox --as "Dr. Stein"
done_at ward salus results --as "Dr. Stein"
is "whether it is red" "$(field attended.0.red)" True
is "the range" "$(field attended.0.values.0.high)" 5.1
sleep 2
ordered --confidential
done_at hospital salus results --as "Dr. Wolf"
is "what the cover sees once it has climbed" "$(field attended.0.attention)" climbed
is "whether it is red" "$(field attended.0.red)" True
done_at hospital salus results acknowledge "$first" --as "Dr. Wolf"
refused ward 1 ledger/is-acknowledged salus results acknowledge "$first" --as "Dr. Stein"

echo "The patient has it in the record and in plain words; a correction reaches all with the patient's wallet off"
done_at patient salus inbox --as Ana
done_at patient salus results --as Ana
is "the value" "$(field own.0.values.0.value)" 6.9
potassium 4.1 N mmol/L corrected
done_at lab salus order correct "$first" "$work/report.json" --as "Lab Nord"
refused lab 1 ledger/wrong-report-status salus order report "$first" "$work/report.json" --as "Lab Nord"
for name in "Dr. Wolf" "Dr. Lind"; do done_at hospital salus inbox --as "$name"; done
done_at hospital salus results --as "Dr. Lind" --all
is "what the orderer has" "$(field attended.1.status)" corrected
done_at ward salus inbox --as "Dr. Stein"
done_at ward salus results acknowledge "$first" --as "Dr. Stein"
done_at patient salus inbox --as Ana
done_at patient salus chart --as Ana --type Observation
is "what stands in the record" "$(field versions.0.status)" current
done_at patient salus results --as Ana --trend 2823-3
is "the unit" "$(field unit)" mmol/L

echo "What is confidential stands in no chart; what is to come at the visit is given out by a physician"
collected
potassium 4.4 N mmol/L final
done_at lab salus order report "$order" "$work/report.json" --as "Lab Nord"
done_at patient salus inbox --as Ana
done_at patient salus results --as Ana
is confidential "$(field own.0.confidential)" True
is "in the chart" "$(field own.0.charted)" False
done_at patient salus results preferences laboratory=at-visit --as Ana
ordered
done_at lab salus inbox --as "Lab Nord"
collected
potassium 4.0 N mmol/L final
done_at lab salus order report "$order" "$work/report.json" --as "Lab Nord"
done_at patient salus inbox --as Ana
done_at patient salus results --as Ana
is "the newest that has come" "$(field own.0.values.0.value)" 4.4
done_at ward salus inbox --as "Dr. Stein"
done_at ward salus results release "$order" --as "Dr. Stein"
done_at patient salus inbox --as Ana
done_at patient salus results --as Ana
is "the newest that has come" "$(field own.0.values.0.value)" 4.0

echo "An order is taken back, and no report follows; a referral carries its letter"
ordered
done_at hospital salus order cancel "$order" --as "Dr. Lind"
refused lab 1 ledger/is-cancelled salus order report "$order" "$work/report.json" --as "Lab Nord"
echo "Please see her about her potassium." >"$work/letter.txt"
done_at hospital salus order create --what "Nephrology, please see" --kind referral --letter "$work/letter.txt" --of Ana --to "Dr. Stein" \
    --as "Dr. Lind" --cover "Dr. Wolf" --born 1980-01-31
done_at ward salus inbox --as "Dr. Stein"
done_at ward salus order list --as "Dr. Stein"
is "the letter" "$(field received.0.letter)" "Please see her about her potassium."
printf '%d steps, each as expected\n' "$steps"

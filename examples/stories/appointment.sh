#!/usr/bin/env bash
# An appointment's story: a patient, another one, a hospital with hours and a desk of its own, an anaesthetist elsewhere. It is found, held, booked with a
# consent that ends with the visit, moved, waited for, kept; an operation has all its people or none; a day is cancelled.
# With MEMBERS=4 everybody is at another member.
. "$(dirname "$0")/../stage.sh"

# free [OPTIONS...]: the free slots of the hospital, from tomorrow on; the first is then in $slot, the second in $next
free() {
    done_at patient salus slots find --specialty Surgery --from "$tomorrow" --limit 50 "$@"
    slot=$(field slots.0.slot); next=$(field slots.1.slot)
}

# status: of the appointment that was last shown
status() { field appointment.status; }

# hours NAME SPECIALTY [LEAD]: half hours around the clock
hours() {
    cat <<JSON
{"name": "$1", "zone": "Europe/Zurich", "specialties": ["$2"], "languages": ["de"], "place": "Bern", "lead": "${3:-0m}", "horizon": "20d",
 "rules": [{"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "from": "00:00", "to": "24:00", "length": 30}]}
JSON
}

tomorrow=$(date -u -d '+1 day' +%F)
echo "A hospital with a node, a practice, two patients"
town hospital patient other lake
for home in patient:Ana other:Ben; do
    done_at "${home%%:*}" salus person add "${home##*:}"
done
done_at lake salus person add "Dr. Abel" --role physician
done_at lake salus contact show "Dr. Abel"; field card >"$work/doctor.card"
done_at hospital salus licence issue "$work/doctor.card" --role physician
done_at lake salus inbox --as "Dr. Abel"
done_at hospital salus person add Lee
done_at hospital salus staff add Lee --duty reception
done_at patient salus import "$source_file" --as Ana --source "City Hospital"

echo "Hours are published, and the next free slot is found and booked"
hours "Surgery" Surgery >"$work/surgery.json"
hours "Anaesthesia" Anaesthesia >"$work/anaesthesia.json"
done_at hospital salus hours publish "$work/surgery.json" --as "$member"
done_at lake salus hours publish "$work/anaesthesia.json" --as "Dr. Abel"
for _ in $(seq 100); do
    done_at patient salus slots find --specialty Surgery --from "$tomorrow" --limit 2
    [ "$(field slots)" = "[]" ] || break
    sleep 0.1
done
free
done_at patient salus appt hold "$slot" --as Ana
is "what is held" "$(status)" pending
refused other 1 agent/no-such-slot salus appt book "$slot" --as Ben
done_at patient salus appt book "$slot" --as Ana --reason "my knee hurts" --born 1980-01-31 --share summary,coverage
is "what is booked" "$(status)" booked
ana=$(field appointment.appointment)
done_at patient salus appt book "$slot" --as Ana --reason "my knee hurts" --born 1980-01-31 --share summary,coverage
is "the same command again" "$(field appointment.appointment)" "$ana"
done_at patient salus access --as Ana
is "the consent" "$(field grants.0.status)" active

echo "The desk sees who comes, why, and what it may read"
done_at hospital salus inbox --as "$member"
done_at hospital salus appt today --as "$member" --day "$(date -u -d "@$((${slot##*@} / 1000 + 7200))" +%F)"
is "who comes" "$(field appointments.0.name)" Ana
is "why" "$(field appointments.0.reason)" "my knee hurts"
is "what it may read" "$(field appointments.0.shared.0)" summary
done_at hospital salus chart --of Ana --as Lee
is "what the reception opens of it" "$(field versions.0.section)" coverage
refused hospital 1 ledger/not-begun salus appt no-show "$ana" --as "$member"

echo "It is moved in one step; the old time is free again, the consent ends with the new one"
done_at patient salus appt move "$ana" "$next" --as Ana
is "after the move" "$(status)" booked
free
done_at other salus appt book "$slot" --as Ben --reason "a check"
ben=$(field appointment.appointment)
refused patient 1 agent/no-such-slot salus appt move "$ana" "$slot" --as Ana

echo "Ana waits for the earlier time; Ben cancels, and the ledger offers it to her"
done_at patient salus appt wait "$slot" --as Ana --to "$(date -u -d "@$((${slot##*@} / 1000))" +%FT%TZ)" --instead-of "$ana"
is "she waits" "$(status)" waitlist
waits=$(field appointment.appointment)
done_at patient salus inbox --as Ana
done_at other salus appt cancel "$ben" --as Ben
done_at patient salus inbox --as Ana
is "what she is told" "$(field letters.-1.text | cut -c1-18)" "A place is offered"
done_at patient salus appt book "$waits" --as Ana --reason "my knee hurts"
is "she has it" "$(status)" booked
done_at patient salus appt list --as Ana
is "and the later one is given back" "$(field appointments.1.appointment.status)" cancelled
done_at patient salus appt ics "$work/ana.ics" --as Ana
grep -q knee "$work/ana.ics" && fail "the calendar says what it is for"

echo "An operation has surgeon and anaesthetist of two homes, or neither"
done_at patient salus slots find --specialty Anaesthesia --from "$tomorrow" --limit 50
sleeping=$(field slots.6.slot)
free
cutting=$(python3 -I -c 'import sys; print(sys.argv[1].split("@")[0] + "@" + sys.argv[2].split("@")[1])' "$slot" "$sleeping")
done_at other salus appt hold "$sleeping" --as Ben
held=$(field appointment.appointment)
refused patient 1 agent/no-such-slot salus appt hold "$cutting" "$sleeping" --as Ana
done_at other salus appt cancel "$held" --as Ben
done_at patient salus appt book "$cutting" "$sleeping" --as Ana --reason "the operation"
is "places" "$(field appointment.places.1.service)" Anaesthesia
operation=$(field appointment.appointment)
done_at lake salus inbox --as "Dr. Abel"
done_at lake salus appt decline "$operation" --as "Dr. Abel" --reason absent --words "Dr. Abel is ill."
done_at patient salus inbox --as Ana
done_at patient salus slots find --specialty Surgery --from "$tomorrow" --limit 50
grep -q "$cutting" "$work/out" || fail "the surgeon's time is not free again"

echo "The desk books by telephone, passes over a full time with a reason, checks in"
done_at hospital salus slots find --specialty Surgery --limit 2
soon=$(field slots.1.slot)
done_at hospital salus appt book "$soon" --as "$member" --for "Ruth" --phone "031 000 00 00"
refused hospital 1 ledger/slot-taken salus appt book "$soon" --as "$member" --for "Urs"
done_at hospital salus appt book "$soon" --as "$member" --for "Urs" --override urgent
is "the reason stays" "$(field appointment.override)" urgent
urs=$(field appointment.appointment)
done_at hospital salus appt check-in "$urs" --as Lee
is "he is there" "$(status)" arrived
done_at hospital salus appt done "$urs" --as Lee
is "he was seen" "$(status)" fulfilled

echo "A day is cancelled: everybody is offered another time"
day=$(python3 -I -c 'import sys, datetime, zoneinfo; print(datetime.datetime.fromtimestamp(int(sys.argv[1]) / 1000, zoneinfo.ZoneInfo("Europe/Zurich")).date())' "${slot##*@}")
done_at hospital salus inbox --as "$member"
done_at hospital salus appt cancel-day --as "$member" --day "$day" --reason absent --words "The surgeon is ill."
is "who was moved" "$(field appointments.0.appointment.status)" pending
done_at patient salus inbox --as Ana
done_at patient salus appt book "$waits" --as Ana --reason "my knee hurts"
is "she agrees" "$(status)" booked
done_at patient salus slots find --specialty Surgery --from "${day}T03:00Z" --to "${day}T20:00Z"
is "what is free on that day" "$(field slots)" "[]"
printf '%d steps, each as expected\n' "$steps"

#!/usr/bin/env bash
# A home user's story: somebody else's node, trusted for nothing; another one is used when that one lies or is gone.
. "$(dirname "$0")/../stage.sh"

echo "A hospital's node, and a liar in front of it"
done_at hospital salus init --member "City Hospital"
SALUS_HOME="$work/hospital" serve --port 0
good=$(address)
cp "$work/hospital/genesis.bin" "$work/genesis.bin"
before "$good" lie
liar=$proxy

echo "One who has only the liar is told so; one who has another node goes on"
invitation hospital
done_at fooled salus init --node "$liar" --genesis "$work/genesis.bin" --invite "$code"
SALUS_HOME="$work/fooled" salus person add Ben --json >"$work/out" 2>&1 && SALUS_HOME="$work/fooled" salus access --as Ben --json >"$work/out" 2>&1
steps=$((steps + 1))
field error.code >/dev/null || fail "the lie was believed"
invitation hospital
done_at ana salus init --node "$liar" --node http://127.0.0.1:9 --node "$good" --genesis "$work/genesis.bin" --invite "$code"
done_at ana salus person add Ana
done_at ana salus import "$source_file" --as Ana --source "City Hospital"
done_at ana salus chart --as Ana
done_at ana salus verify --as Ana

echo "Nobody comes by an invitation that was used, or by none; a home gets one later"
refused eve 1 node/invite-used salus init --node "$good" --genesis "$work/genesis.bin" --invite "$code"
refused eve 1 agent/bad-invitation salus init --node "$good" --genesis "$work/genesis.bin" --invite salus-invite-1:AAAA
done_at eve salus init --node "$good" --genesis "$work/genesis.bin"
refused eve 1 node/not-invited salus person add Eve
invitation hospital
done_at eve salus person move --to "$good" --invite "$code"
done_at eve salus person add Eve

echo "A node of another network is not taken for this one's"
done_at other salus init --member "Elsewhere"
SALUS_HOME="$work/other" salus serve --port 0 --json >"$work/elsewhere" 2>&1 &
in_background $!
for _ in $(seq 200); do [ -s "$work/elsewhere" ] && break; sleep 0.05; done
elsewhere=$(python3 -I -c 'import json, sys; print(json.load(open(sys.argv[1]))["address"])' "$work/elsewhere")
refused lost 1 agent/wrong-network salus init --node "$elsewhere" --genesis "$work/genesis.bin"
done_at lost salus init --node "$elsewhere" --node "$good" --genesis "$work/genesis.bin"

echo "She moves to another address, and not to another network"
refused ana 1 agent/wrong-network salus person move --to "$elsewhere"
refused ana 1 agent/node-unreachable salus person move --to http://127.0.0.1:9
refused hospital 1 agent/no-nodes salus person move --to "$good"
done_at ana salus person move --to "http://localhost:${good##*:}"
is "the node that is asked first" "$(head -2 "$work/ana/agent/nodes.toml" | tail -1 | tr -d ' ,\"')" "http://localhost:${good##*:}"
done_at ana salus verify --as Ana

echo "The operator shows her the door: she still reads, takes back and takes everything along"
done_at hospital salus person add "Dr. Ada" --role physician
at hospital salus contact show "Dr. Ada" >"$work/ada.card"
done_at ana salus contact add "$work/ada.card"
done_at ana salus grant --as Ana --to "Dr. Ada" --section vitals --standing --for 30d
done_at hospital salus inbox --as "Dr. Ada"
done_at hospital salus chart --as "Dr. Ada" --of Ana
for guest in $(at hospital salus node guests --json | python3 -I -c 'import json, sys; print(*(g["guest"] for g in json.load(sys.stdin)["guests"] if g["used_today"] > 3))'); do
    done_at hospital salus node guests --remove "$guest"
done
refused ana 1 node/invite-expired salus person add Zoe
done_at ana salus chart --as Ana
done_at ana salus revoke --reader "Dr. Ada" --as Ana
refused hospital 1 warrants/revoked salus chart --as "Dr. Ada" --of Ana
echo "a long passphrase" >"$work/secret"
done_at ana salus export --as Ana --out "$work/ana.export" --export-passphrase-file "$work/secret"
invitation hospital
done_at ana salus person move --to "$good" --invite "$code"
done_at ana salus verify --as Ana

echo "All nodes are gone, and then one is back"
kill_server
refused ana 1 agent/node-unreachable salus chart --as Ana
SALUS_HOME="$work/hospital" serve --port "${good##*:}"
done_at ana salus chart --as Ana
done_at ana salus verify --as Ana
printf '%d steps, each as expected\n' "$steps"

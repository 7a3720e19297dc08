# `make run` and `make test` set everything up in .venv; nothing else is needed but Python 3.11 or newer.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
HARD := $(VENV)/.hard
PROBES := $(VENV)/.probes
SECOND := vectors/ts/node_modules/.package-lock.json
ENGINE := .engine/cometbft
STORE := .engine/versitygw
CARE := prescription appointment results
INNER := --cov=salus.ledger --cov=salus.crypto --cov=salus.warrants --cov=salus.charts
INNER_TESTS := tests/unit/ledger tests/unit/crypto tests/unit/warrants tests/unit/charts tests/test_vectors.py

.PHONY: run test reader lint types sabotage torture simulate planted races histories outsider stories bench bench-peers determinism mutations mutants probes fuzz schemathesis load network care members chaos bench-network engine store proto lock clean setup vectors

setup: $(READY)

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Salus needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	touch $@

$(HARD): $(READY) requirements-hard.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: -r requirements-hard.lock \
	|| { echo "The fuzzer or the mutation tool has no wheel for this Python and machine; use CPython 3.11 on x86_64 Linux." >&2; exit 1; }
	touch $@

$(PROBES): $(READY) requirements-probes.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-probes.lock
	touch $@

run: $(READY)  ## A patient's story on the real system, every claim checked
	$(BIN)/salus demo

test: $(READY) lint types  ## Lint, types, contracts, full branch coverage of the four inner rooms by their own tests, every test
	$(BIN)/pytest -q -n 2 $(INNER_TESTS) $(INNER) --cov-branch --cov-fail-under=100 --cov-report=term-missing:skip-covered
	-@if command -v go >/dev/null; then $(MAKE) --no-print-directory engine store; fi  # without them, their tests are skipped and say so
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: $(READY)
	$(BIN)/ruff check src tests tools bench
	$(BIN)/ruff format --check src tests tools bench
	$(BIN)/lint-imports --no-logo

types: $(READY)
	$(BIN)/mypy

sabotage: $(READY)  ## Patch out one check at a time; a named test must fail each time. SHARE=4: every fourth, another fourth each commit
	$(BIN)/python tools/sabotage.py $(if $(SHARE),--share $(SHARE))

vectors: $(READY) $(SECOND)  ## Two readers give every vector the same verdict; what one seals, the other opens (needs Node.js and npm)
	$(BIN)/pytest -q tests/test_vectors.py tests/test_vectors_ts.py tests/test_third_party_vectors.py

reader: $(SECOND)  ## What the second reader of all formats needs (Node.js and npm)

$(SECOND): vectors/ts/package-lock.json vectors/ts/package.json
	cd vectors/ts && npm ci --silent
	touch $@

simulate: $(READY)  ## A whole network under SEEDS seeds from FROM on; the report is kept in docs/reports/
	$(BIN)/python tests/simulator.py --seeds $(or $(SEEDS),2000) --from $(or $(FROM),0) --report

planted: $(READY)  ## Plant one bug at a time; the simulator must find each of them
	$(BIN)/python tools/planted.py

torture: $(READY)  ## Power cuts at 3,000 points of a recorded piece of work, a report in docs/reports; and `races`
	mkdir -p docs/reports
	PYTHONPATH=tests $(BIN)/python tests/disk/torture.py --report docs/reports/torture-$$(date -u +%F).md $(ARGS)
	$(MAKE) races

races: $(READY) engine  ## Many at once for one thing, through four members, one of them a thief: one has it, and all members name the same
	PYTHONPATH=tests:. $(BIN)/python tests/races.py $(or $(N),1000 10000)

histories: $(READY)  ## N actions by chance of each care service, held against small models of what must come of them
	PYTHONPATH=tests $(BIN)/python tools/histories.py $(or $(N),100000)

outsider: $(READY)  ## The command line from outside, as an integrator drives it
	$(BIN)/python tests/started.py examples/outsider.sh

stories: $(READY)  ## The stories of patient, practice, prescription, appointment, home and operator, by the command line over HTTP
	ls examples/stories/*.sh | xargs -P 2 -I STORY sh -c 'told=$$($(BIN)/python tests/started.py bash STORY 2>&1); ended=$$?; echo "$$told"; exit $$ended'

determinism: $(READY)  ## One history of N transactions replayed in eight unlike processes: one application hash a block
	PYTHONPATH=tests $(BIN)/python tools/determinism.py $(or $(N),100000) $(or $(SEED),1)

mutations: $(READY)  ## N changed bytes of every format that strangers hand over: none is accepted, none is uncaught
	PYTHONPATH=tests $(BIN)/python tools/mutations.py $(or $(N),100000) $(or $(SEED),1)

load: $(READY)  ## Three times what a node can do, SECONDS long; a greedy sponsor; then SIGKILL. A report in docs/reports
	PYTHONPATH=tests:. $(BIN)/python tools/load.py $(or $(SECONDS),120)

probes: $(READY)  ## Everybody asks for everything, in every relation and state; and once more with the checks switched off
	PYTHONPATH=tests $(BIN)/python tools/probes.py

bench: $(READY)  ## Speed as ratios, one table, kept in bench/results; peers that are not installed are named
	$(BIN)/python -m bench

bench-network: $(READY) engine  ## Members that order together, as ratios: beside CometBFT's own application, and four beside one
	$(BIN)/python -m bench --network

bench-peers: $(READY)  ## What benchmarks are measured against, as far as it comes from package indexes
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-bench.lock
	npm ci --prefix bench/peers --silent --ignore-scripts

schemathesis: $(PROBES)  ## N requests to every operation that OpenAPI describes, and sequences of them: every answer is as described
	$(BIN)/python tools/schemathesis_probe.py $(or $(N),300) $(or $(SEED),1)

mutants: $(HARD)  ## N mutants (0: all) of the four inner rooms: their tests must notice at least 85 %
	$(BIN)/python tools/mutants.py $(or $(N),300) $(or $(SEED),1)

fuzz: $(HARD)  ## Coverage-guided fuzzing of every decoder, for MINUTES in all
	PYTHONPATH=tests $(BIN)/python tools/fuzz.py $(or $(MINUTES),10)

network: $(READY) engine  ## Four members that order blocks together: the story across them, while one after the other is killed
	PATH="$(CURDIR)/$(BIN):$$PATH" examples/network.sh

care: $(READY) engine  ## The stories of the care services across four members: patient, physician, pharmacies, laboratory, practice at different ones
	for story in $(CARE); do MEMBERS=4 $(BIN)/python tests/started.py bash examples/stories/$$story.sh || exit 1; done

members: $(READY) engine  ## A fifth member joins four by votes, gets a seat, is voted out, and its patient moves away
	PATH="$(CURDIR)/$(BIN):$$PATH" examples/members.sh
	PATH="$(CURDIR)/$(BIN):$$PATH" examples/validator.sh

chaos: $(READY) engine  ## Four members under load, while power and wires are cut and members stand still, for MINUTES by SEED; then all is counted
	PYTHONPATH=tests:. $(BIN)/python tools/chaos.py $(or $(MINUTES),5) $(or $(SEED),1)

proto: $(READY)  ## Generate the protocol code from our own definitions; a test finds what has drifted
	$(BIN)/python -m grpc_tools.protoc -Isrc --python_out=src --pyi_out=src $$(find src -name '*.proto')

engine: $(ENGINE)  ## CometBFT of the pinned version, built from source that go.sum holds (needs Go 1.25 or newer; a minute or two once)

$(ENGINE): tools/engine/go.mod tools/engine/go.sum
	@command -v go >/dev/null || { echo "The engine of a network of several orderers needs Go 1.25 or newer to be built." >&2; exit 1; }
	@echo "Building the engine; the first time takes a minute or two."
	cd tools/engine && CGO_ENABLED=0 GOFLAGS= GOWORK=off go build -mod=readonly -trimpath -o $(CURDIR)/$(ENGINE).partial github.com/cometbft/cometbft/cmd/cometbft
	mv $(ENGINE).partial $(ENGINE)

store: $(STORE)  ## A server of buckets of the pinned version, for tests alone (needs Go 1.25 or newer; a minute once)

$(STORE): tools/s3/go.mod tools/s3/go.sum
	@command -v go >/dev/null || { echo "The server of buckets that tests ask needs Go 1.25 or newer to be built." >&2; exit 1; }
	@echo "Building a server of buckets for the tests; the first time takes a minute or two."
	mkdir -p $(dir $(STORE))
	cd tools/s3 && CGO_ENABLED=0 GOFLAGS= GOWORK=off go build -mod=readonly -trimpath -o $(CURDIR)/$(STORE).partial github.com/versity/versitygw/cmd/versitygw
	mv $(STORE).partial $(STORE)

lock: $(READY)  ## Resolve the dependencies anew (needs uv)
	uv pip compile --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --group dev pyproject.toml -o requirements.lock
	uv pip compile --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --constraint requirements.lock --group pyproject.toml:hard -o requirements-hard.lock
	uv pip compile --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --constraint requirements.lock --group pyproject.toml:probes -o requirements-probes.lock
	uv pip compile --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --group pyproject.toml:bench -o requirements-bench.lock

clean:
	rm -rf $(VENV) vectors/ts/node_modules vectors/ts/out .pytest_cache .mypy_cache .ruff_cache .hypothesis htmlcov .coverage .coverage.*

#!/usr/bin/env bash
# From a bare machine to answers: installs what is missing, builds Nestor, loads the sample, serves it and asks it.
#   scripts/quickstart.sh          stops its server and removes its data at the end
#   scripts/quickstart.sh --keep   leaves the server running and says how to stop it
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

keep=
case ${1:-} in
  '') ;;
  --keep) keep=1 ;;
  -h | --help) sed -n '2,4s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
  *) die "unknown option: $1 (see scripts/quickstart.sh --help)" ;;
esac
cd "$root"
nestor=build/release/nestor
sample=examples/data
python=/usr/bin/python3
export PYTHONUTF8=1  # the sample's words are UTF-8, whatever the locale

server=
data=
leave() {
  local status=$?
  trap - EXIT
  if [ $status -ne 0 ]; then keep=; fi
  stop_running
  if [ -n "$server" ] && [ -z "$keep" ]; then
    kill "$server" 2>/dev/null && wait "$server" 2>/dev/null || true
  fi
  if [ -n "$data" ] && [ -z "$keep" ]; then rm -rf "$data"; fi
  exit $status
}
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say "1. Set-up and build"
scripts/install-deps.sh
configure_and_build release nestor || die "quickstart stopped: Nestor did not build"

say ""
say "2. Load the sample: 18,000 keys of a nearest-neighbour language model reading Dickens"
data=$(mktemp -d "${TMPDIR:-/tmp}/nestor-quickstart.XXXXXX")
run_logged "nestor build" "$data/build.log" "$nestor" build --from $sample/keys.npy --values $sample/values.npy \
  --collection dickens --metric l2 --widths 32,64,128,256 --data "$data/store" ||
  die "quickstart stopped: the sample could not be loaded"

port=$($python - <<'PYTHON'
import socket
for port in (6333, 0):  # the usual one, or any that is free
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        print(probe.getsockname()[1])
        break
PYTHON
)
url=http://127.0.0.1:$port
"$nestor" serve --data "$data/store" --port "$port" >"$data/server.log" 2>&1 </dev/null &
server=$!
for ((tries = 0; ; ++tries)); do
  if curl -fs -o /dev/null "$url/readyz" 2>/dev/null; then break; fi
  kill -0 "$server" 2>/dev/null || die "quickstart stopped: the server ended early: $(tail -1 "$data/server.log")"
  ((tries < 300)) || die "quickstart stopped: the server was not ready after 60 s: $(tail -1 "$data/server.log")"
  sleep 0.2
done
say "  nestor serve: ready at $url"

say ""
$python scripts/quickstart_show.py "$url" dickens $sample || die "quickstart stopped: the server did not answer as expected"

say ""
if [ -n "$keep" ]; then
  disown "$server"
  say "The server goes on at $url (process $server, data and logs in $data). Try next:"
  say "  curl $url/collections/dickens"
  say "  curl -X POST $url/collections/dickens/points/query -H 'content-type: application/json' \\"
  say "       -d '{\"query\": 93, \"limit\": 5, \"with_payload\": true, \"params\": {\"matryoshka\": {\"explain\": true}}}'"
  say "  $python scripts/quickstart_show.py $url dickens $sample 4"
  say "Stop it with: kill $server && rm -r $data"
else
  say "Try next:"
  say "  $nestor build --from $sample/keys.npy --values $sample/values.npy --collection dickens --metric l2"
  say "  $nestor search --collection dickens --queries $sample/queries.npy --row 163 --vocab $sample/vocab.txt --explain"
  say "  $nestor serve        # the same collection at http://127.0.0.1:6333, see docs/http.md"
fi

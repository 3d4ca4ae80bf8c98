# Shared by the scripts beside it; sourced, not run. Sets `root`, the top of the checkout.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '%s\n' "$*"; }
die() { printf '%s\n' "$*" >&2; exit 1; }

# The process group that run_logged waits for; a script that is stopped meanwhile ends it too: trap stop_running EXIT.
running=
stop_running() { if [ -n "$running" ]; then kill -- "-$running" 2>/dev/null || true; fi; }

# run_logged LABEL LOG COMMAND...: output goes to LOG; prints the label, a sign of life every 20 s and the time taken.
# On failure prints the errors found in the log (or its end) and where the log is, and returns 1.
run_logged() {
  local label=$1 log=$2 begun=$SECONDS next=20 pid step
  shift 2
  mkdir -p "$(dirname "$log")"
  set -m  # a process group of its own
  "$@" >"$log" 2>&1 </dev/null &
  set +m
  pid=$!
  running=$pid
  while kill -0 "$pid" 2>/dev/null; do
    sleep 0.2
    if ((SECONDS - begun >= next)); then
      step=$(tail -c 20000 "$log" | grep -oE '^\[[0-9]+/[0-9]+\]' | tail -1 || true)
      say "  $label ... ${step:+$step }$((SECONDS - begun)) s"
      next=$((next + 20))
    fi
  done
  running=
  if wait "$pid"; then
    say "  $label: done in $((SECONDS - begun)) s"
    return 0
  fi
  { grep -nE '(^|[^a-z])(error|Error|FAILED|E):' "$log" | head -20 | cut -c1-300 || true; } >&2
  { echo "--- end of $log"; tail -15 "$log" | cut -c1-300; } >&2
  printf '%s\n' "$label failed; the whole output is in $log" >&2
  return 1
}

# configure_and_build PRESET TARGET...: the targets of one preset, quietly; no target means all.
configure_and_build() {
  local preset=$1 targets=() target
  shift
  for target in "$@"; do targets+=(--target "$target"); done
  run_logged "configure ($preset)" "$root/build/$preset/configure.log" \
    cmake --preset "$preset" -S "$root" || return 1
  run_logged "build ($preset)" "$root/build/$preset/build.log" \
    cmake --build "$root/build/$preset" -j "$(nproc)" "${targets[@]}" || return 1
}

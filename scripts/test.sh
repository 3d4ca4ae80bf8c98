#!/usr/bin/env bash
# Builds Nestor and runs every test, on a bare machine too. Ends with ctest's summary.
#   scripts/test.sh                  all tests
#   scripts/test.sh -R storage       arguments go to ctest
#   PRESET=asan scripts/test.sh      with the sanitizers (presets: dev, asan, tsan)
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
preset=${PRESET:-dev}
trap stop_running EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

"$root/scripts/install-deps.sh"
configure_and_build "$preset"
cd "$root"
exec ctest --test-dir "build/$preset" --output-on-failure --no-tests=error -j "$(nproc)" "$@"

#!/usr/bin/env bash
# run.sh NESTOR DIRECTORY: the end-to-end suite with the real clients. Packages are installed once into DIRECTORY, at the
# versions of package-lock.json. Ends with 77 (skipped) where node is missing or the packages cannot be fetched.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
nestor=$1 directory=$2

if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
  echo "skipped: node and npm are not installed (scripts/install-deps.sh installs them)"
  exit 77
fi
if [ "$(node -p 'process.versions.node.split(".")[0]')" -lt 18 ]; then
  echo "skipped: node $(node --version) is too old, the clients need 18"
  exit 77
fi
mkdir -p "$directory"
cp "$here"/*.mjs "$here"/package.json "$here"/package-lock.json "$here"/.npmrc "$directory"
cd "$directory"
if ! cmp -s package-lock.json node_modules/.lock-installed; then
  if ! timeout 300 npm ci --loglevel=error --fetch-retries=1 --fetch-timeout=60000 >npm.log 2>&1; then
    echo "skipped: the packages could not be fetched from the npm registry:"
    tail -5 npm.log
    exit 77
  fi
  cp package-lock.json node_modules/.lock-installed
fi
NESTOR=$nestor exec node --test

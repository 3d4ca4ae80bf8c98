#!/usr/bin/env bash
# Installs the Debian packages that Nestor needs. Changes nothing, and takes no time, when all are there.
#   scripts/install-deps.sh               what building, running and testing need
#   scripts/install-deps.sh --with-bench  also the libraries the benchmarks compare with
#   scripts/install-deps.sh --with-dev    also clang (for its fuzzer), clang-format, clang-tidy, and what runs the NEON kernels emulated
#   scripts/install-deps.sh --list        prints the packages of the chosen groups, installs nothing
set -euo pipefail

base=(
  g++ cmake ninja-build ccache
  librocksdb-dev libxxhash-dev libarchive-dev libssl-dev     # storage
  libhnswlib-dev libeigen3-dev                               # index
  libboost-dev nlohmann-json3-dev libspdlog-dev libcli11-dev  # server and command line
  zlib1g-dev prometheus-cpp-dev                              # server: gzip, metrics (TLS and keys: libssl-dev)
  python3 python3-dev python3-numpy pybind11-dev curl        # the Python package, scripts and their tests
)
tests=(catch2 openssl python3-jsonschema)
# Node of another source (a newer one) brings npm along, and Debian's would clash with it.
command -v npm >/dev/null || tests+=(nodejs npm)  # real clients against the server
bench=(libbenchmark-dev libfaiss-dev libopenblas-dev libhdf5-dev wrk python3-faiss python3-hnswlib)
dev=(clang clang-format clang-tidy g++-aarch64-linux-gnu qemu-user)

wanted=("${base[@]}" "${tests[@]}")
list_only=
for argument in "$@"; do
  case $argument in
    --with-bench) wanted+=("${bench[@]}") ;;
    --with-dev) wanted+=("${dev[@]}") ;;
    --list) list_only=1 ;;
    -h | --help) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "unknown option: $argument (see $0 --help)" >&2; exit 2 ;;
  esac
done
if [ -n "$list_only" ]; then printf '%s\n' "${wanted[@]}"; exit 0; fi

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
  echo "This script knows Debian packages only and found no apt-get. Install the equivalents of:" >&2
  echo "  ${wanted[*]}" >&2
  exit 1
fi

installed=" $(dpkg-query -W -f='${db:Status-Status}:${Package} ' "${wanted[@]}" 2>/dev/null || true)"
missing=()
for package in "${wanted[@]}"; do
  [[ $installed == *" installed:$package "* ]] || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
  echo "  packages: all ${#wanted[@]} are installed"
  exit 0
fi

# Root, or sudo that will not wait for a password nobody is there to type.
if [ "$(id -u)" = 0 ]; then
  as_root=()
elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || { [ -t 0 ] && [ -t 1 ]; }; }; then
  as_root=(sudo)
else
  {
    echo "These Debian packages are missing, and this user can neither become root nor use sudo. Run as root:"
    echo "  apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
  } >&2
  exit 1
fi

echo "  packages: installing ${#missing[@]} of ${#wanted[@]} with apt-get"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt_get() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive "PATH=$PATH:/usr/sbin:/sbin" apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@" \
    >>"$log" 2>&1 </dev/null
}
# A refresh that fails (no network, one broken source) matters only when the install then fails too.
apt_get update || true
if ! apt_get install -y --no-install-recommends "${missing[@]}"; then
  { tail -15 "$log"; echo "apt-get could not install: ${missing[*]}"; } >&2
  exit 1
fi
echo "  packages: done in $SECONDS s"

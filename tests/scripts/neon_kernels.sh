#!/usr/bin/env bash
# Run by ctest, see neon_kernels.cmake. Compiles the kernels and their tests for AArch64 and runs them emulated.
set -euo pipefail
: "${NESTOR_SOURCE:?}" "${NESTOR_BUILD:?}"
compiler=aarch64-linux-gnu-g++ emulator=qemu-aarch64
for tool in $compiler $emulator; do
  command -v "$tool" >/dev/null || { echo "skipped: no $tool (scripts/install-deps.sh --with-dev installs it)"; exit 77; }
done
work=$NESTOR_BUILD/neon_kernels
mkdir -p "$work/include"
# Catch2 is one header here; nothing else of this machine's headers may be seen.
[ -e /usr/include/catch2/catch.hpp ] || { echo "skipped: no /usr/include/catch2/catch.hpp (Catch2 2)"; exit 77; }
ln -sfn /usr/include/catch2 "$work/include/catch2"

objects=()
compile() {  # compile FLAGS FILE
  local object=$work/${2//\//_}.o
  $(command -v ccache || true) $compiler -std=c++20 $1 -Wall -Wextra -I"$NESTOR_SOURCE" -isystem "$work/include" \
    -c "$NESTOR_SOURCE/$2" -o "$object"
  objects+=("$object")
}
for file in scalar scan_scalar neon scan_neon; do compile -O3 index/simd/$file.cpp; done
for file in index/distance.cpp index/error.cpp index/code_matrix.cpp index/quantizer.cpp tests/support/main.cpp tests/index/kernels_test.cpp \
  tests/index/scan_kernels_test.cpp; do
  compile -O1 "$file"
done
$compiler -static "${objects[@]}" -o "$work/kernel_tests"
[ "$(NESTOR_KERNEL=none $emulator "$work/kernel_tests" "a key and*" 2>&1 | grep -c 'can run: scalar, neon')" != 0 ] ||
  { echo "FAILED: the NEON tables are not offered"; exit 1; }
$emulator "$work/kernel_tests"

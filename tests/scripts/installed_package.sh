#!/usr/bin/env bash
# Run by ctest, see installed_package.cmake. Prints what it does; any failure ends it with a line on why.
set -euo pipefail
: "${NESTOR_SOURCE:?}" "${NESTOR_BUILD:?}" "${CMAKE:?}" "${CXX:?}" "${CXXFLAGS=}"
work=$NESTOR_BUILD/installed_package
rm -rf "$work"
mkdir -p "$work"
fail() { echo "FAILED: $*" >&2; exit 1; }
quietly() { "$@" >"$work/log" 2>&1 || { cat "$work/log"; fail "$*"; }; }

# Moved after installing: nothing inside may remember where it was built or put.
quietly "$CMAKE" --install "$NESTOR_BUILD" --prefix "$work/first"
mv "$work/first" "$work/prefix"
package=$(dirname "$(find "$work/prefix" -name NestorConfig.cmake)")
[ -f "$package/NestorTargets.cmake" ] || fail "no CMake package was installed"
if grep -rlF -e "$NESTOR_SOURCE" -e "$work/first" "$package"; then fail "the package names a folder of the build"; fi

echo "every public header compiles alone"
for header in $(cd "$work/prefix/include/nestor" && find . -name '*.h' -printf '%P\n'); do
  echo "#include \"$header\"" >"$work/alone.cpp"
  quietly "$CXX" -std=c++20 -Wall -Wextra -Werror -fsyntax-only -I"$work/prefix/include/nestor" "$work/alone.cpp"
done

echo "examples/ finds the package, builds and runs"
quietly "$CMAKE" -G Ninja -S "$NESTOR_SOURCE/examples" -B "$work/build" -DCMAKE_PREFIX_PATH="$work/prefix" \
  -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_COMPILER="$CXX" -DCMAKE_CXX_FLAGS="$CXXFLAGS"
quietly "$CMAKE" --build "$work/build"
for run in first again; do
  "$work/build/embedded" "$work/data" | tee "$work/output"
  grep -qE '^point 7  distance 0\.0+$' "$work/output" || fail "$run: the nearest point of a stored key is itself"
  [ "$(grep -c '^point ' "$work/output")" = 3 ] || fail "$run: three neighbours were asked for"
  grep -qE '^(walk|scan) at width ' "$work/output" || fail "$run: no stage was reported"
  [ "$(grep -m1 '^token ' "$work/output" | cut -d' ' -f2)" = 7 ] || fail "$run: the key's own token comes first"
done

if [ -x "$work/build/remote" ]; then
  "$work/build/remote" http://127.0.0.1:1 >"$work/output" 2>&1 && fail "a server that is not there was reached"
  grep -q '^cannot connect to 127.0.0.1:1: ' "$work/output" || fail "no server: $(cat "$work/output")"
  echo "the client of a server builds and runs"
fi

if [ -x "$work/prefix/bin/nestor" ]; then
  quietly "$work/prefix/bin/nestor" --help
  echo "the installed nestor command starts"
fi
echo "passed"

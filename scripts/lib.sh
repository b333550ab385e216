# Habits that all scripts share; sourced, not run. A script starts like this:
#
#   #!/usr/bin/env bash
#   #: usage: scripts/NAME [OPTION...]      lines after "#:" are what --help prints
#   . "$(dirname "$0")/lib.sh"
#   help_if_asked "$@"
#   packages build test                     installs what is missing
#   ...
#   finish "3 passed, 0 failed" 0           last line and exit status
set -u -o pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
jobs=$(nproc)
cd "$root" || exit 1

# Cached objects are shared by checkouts at the same depth. GCC's precompiled headers are cached too.
export CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1 CCACHE_SLOPPINESS=pch_defines,time_macros

# What meson.build does not say to the sanitizers: where a finding came from, and two more checks.
export UBSAN_OPTIONS=print_stacktrace=1 ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1

say() { printf '== %s\n' "$*"; }

die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

help_if_asked() {
  local word
  for word in "$@"; do
    case $word in
      -h | --help)
        sed -n 's/^#: \{0,1\}//p' "$0"
        exit 0
        ;;
    esac
  done
}

# wrong_usage MESSAGE: what is wrong, then the usage; exit status 2.
wrong_usage() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  sed -n 's/^#: \{0,1\}//p' "$0" >&2
  exit 2
}

# is_count WORD: a whole number without sign.
is_count() { [[ $1 =~ ^[0-9]+$ ]]; }

finish() {
  printf '%s\n' "$1"
  exit "$2"
}

# packages_of SECTION: the names that scripts/packages lists there.
packages_of() {
  sed -n "/^\[$1\]/,/^\[/{/^\[/d;s/#.*//;s/[[:space:]]//g;/./p}" "$root/scripts/packages"
}

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# packages SECTION...: installs what is missing of these sections, without questions, without starting services.
packages() {
  local missing=() section name
  for section in "$@"; do
    for name in $(packages_of "$section"); do
      is_installed "$name" || missing+=("$name")
    done
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  command -v apt-get >/dev/null || die "no apt-get here; install by hand: ${missing[*]}"
  [ "$(id -u)" -eq 0 ] || die "packages are missing; run as root: apt-get install ${missing[*]}"
  say "installing ${#missing[@]} packages: ${missing[*]}"
  mkdir -p build
  install_packages "${missing[@]}" >build/packages.log 2>&1 || {
    tail -n 20 build/packages.log >&2
    die "apt-get failed, the whole log is in build/packages.log"
  }
}

# A subshell of its own, so that the file goes whatever ends it.
install_packages() (
  policy=/usr/sbin/policy-rc.d
  # Debian's services start when installed, unless this file says no (101: action not allowed).
  if [ ! -e $policy ]; then
    trap 'rm -f $policy' EXIT
    trap 'exit 1' INT TERM HUP
    printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy
  fi
  apt-get update
  DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=300 "$@"
)

# configure FOLDER C-COMPILER C++-COMPILER OPTION...: a meson build folder, made once, with ccache and mold where present.
configure() {
  local folder=$1 cc=$2 cxx=$3 cache=
  shift 3
  [ -f "$folder/build.ninja" ] && return 0
  command -v ccache >/dev/null && cache='ccache '
  command -v mold >/dev/null && export CC_LD=mold CXX_LD=mold
  mkdir -p build
  CC="$cache$cc" CXX="$cache$cxx" meson setup "$folder" -Dwerror=true -Dbuildtype=debug -Doptimization=1 -Ddcheck=true \
    -Db_sanitize=address,undefined -Ddebug=false -Dc_args=-g1 -Dcpp_args=-g1 "$@" >"$folder.setup.log" 2>&1 || {
    tail -n 30 "$folder.setup.log" >&2
    return 1
  }
}

# release FOLDER OPTION...: the same for optimised programs, without the unit tests, which need packages of their own. At -O3
# GCC 12 takes parts of variants for uninitialised.
release() {
  local folder=$1
  shift
  configure "$folder" gcc g++ -Dbuildtype=release -Doptimization=2 -Db_sanitize=none -Ddcheck=false -Dwerror=false -Dunit_tests=false \
    -Dcpp_args=-Wno-maybe-uninitialized,-Wno-restrict,-Wno-stringop-overflow "$@"
}

# build FOLDER [TARGET...]: quiet unless it fails; then the first errors. The whole log is FOLDER.build.log.
build() {
  local folder=$1
  shift
  ninja -k 0 -j "$jobs" -C "$folder" "$@" >"$folder.build.log" 2>&1 && return 0
  grep -m 20 -A 6 -E 'error:|FAILED:|undefined reference' "$folder.build.log" >&2 || tail -n 30 "$folder.build.log" >&2
  return 1
}

# Without precompiled headers: clang's hold the times of one checkout's files, so the cache would hand out stale ones; and
# this build shows that no source leans on the precompiled header.
fuzz_options=(-Dfuzz=true -Db_lundef=false -Db_pch=false)

fuzz_targets() { sed -n "/^fuzz_targets = {/,/^}/s/^ *'\([a-z0-9_]*\)'.*/\1/p" tests/fuzz/meson.build; }

# fuzz_one NAME LIMIT...: runs a built target from its seeds and what earlier runs found. LIMIT: libFuzzer options.
# Prints "NAME: N runs" or "NAME: FAILED" with the end of its log. The input that broke it is in build/fuzz/NAME/.
fuzz_one() {
  local name=$1 folder=build/fuzz/$1
  shift
  mkdir -p "$folder/corpus"
  if build/clang/tests/fuzz/"${name}_fuzz" "$@" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="$folder/" "$folder/corpus" "tests/fuzz/corpus/$name" >"$folder/log" 2>&1; then
    fuzz_runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$folder/log")
    [ "${fuzz_runs:-0}" -gt 0 ] && printf '%s: %s runs\n' "$name" "$fuzz_runs" && return 0
  fi
  printf '%s: FAILED\n' "$name"
  tail -n 30 "$folder/log"
  return 1
}

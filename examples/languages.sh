#!/usr/bin/env bash
# Builds the controllers in other languages into dist/examples; `make languages` calls it. How each is made
# stands in its Makefile; here is what saves making it twice.
#
# Tools and components are kept below ~/.cache/joch/languages, in places named by a checksum of what they are
# made from: a fresh clone finds them there, and nothing is ever out of date.
set -euo pipefail
shopt -s nullglob
cd "$(dirname "${BASH_SOURCE[0]}")"
joch=$PWD/../dist/joch
kept=${XDG_CACHE_HOME:-$HOME/.cache}/joch/languages

sum() { cat /dev/null "$@" | sha256sum | cut -c1-16; }

build() { # build LANGUAGE FILE…: the files of its folder that say which tools it needs
  local language=$1 folder=$1-controller; shift
  local sources=("$folder"/{Makefile,*.py,*.js,*.mjs,*.c,*.h} ../wit/{kube,runtime,controller}/*.wit ../rust-toolchain.toml)
  local tools component
  tools=$kept/$language-tools-$(sum "${@/#/$folder/}")
  component=$kept/$language-component-$(sum "${sources[@]}" "${@/#/$folder/}").wasm
  if [ ! -e "$component" ] || [ ! -e "$tools" ]; then
    "needs_$language"
    make --no-print-directory -C "$folder" TOOL="$tools" COMPONENT="$component" "$component"
    prune "$language-tools-*" && prune "$language-component-*"
  fi
  "$joch" plugin pack "$component" "$folder/plugin.toml" -o "../dist/examples/$folder.wasm" >/dev/null
  ln -sfn "$tools" "../dist/tools/$language" # for whoever builds another project with them
}

# What was replaced is removed, but for the last ones: two branches may take turns.
prune() { find "$kept" -maxdepth 1 -name "$1" -printf '%T@ %p\n' | sort -rn | tail -n +4 | cut -d' ' -f2- | xargs -r rm -rf; }

needs_python() { python3 -c 'import ensurepip, venv' 2>/dev/null || debian python3 python3-venv; }
needs_javascript() {
  npm --version >/dev/null 2>&1 && node -e 'process.exit(process.versions.node.split(".")[0] < 20 ? 1 : 0)' && return
  echo "the controller in JavaScript needs Node 20 or later with npm: install both" >&2
  return 1
}
needs_c() {
  clang --version >/dev/null 2>&1 && [ -e /usr/include/jsmn.h ] && [ -e /usr/lib/wasm32-wasi/libc.a ] && return
  debian clang wasi-libc libclang-rt-dev-wasm32 libjsmn-dev
}
debian() { # debian PACKAGE…: installs them
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "the controllers in other languages need the Debian packages $*: install them as root" >&2
    return 1
  fi
  apt-get update -q
  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
}

mkdir -p "$kept" ../dist/examples ../dist/tools
exec 9>"$kept/lock"
flock 9 # two checkouts share what is kept
build python requirements.txt
build javascript package.json package-lock.json
build c

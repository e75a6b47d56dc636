#!/usr/bin/env bash
# Installs what the tests need beyond Go: PostgreSQL from Debian's packages, and
# the JavaScript client libraries that are run against the server. What is there
# already is left alone.
set -euo pipefail
cd "$(dirname "$0")/.."

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"; else
    echo "error: the tests need Debian packages and this is not root" >&2
    echo "next:  run as root once: $*" >&2
    exit 1
  fi
}

missing=()
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing+=(postgresql)
command -v curl >/dev/null || missing+=(curl)
command -v node >/dev/null || missing+=(nodejs)
command -v npm >/dev/null || missing+=(npm)
[ -x /usr/bin/chromium ] || missing+=(chromium)
command -v xmlsec1 >/dev/null || missing+=(xmlsec1)
[ -d /usr/lib/python3/dist-packages/saml2 ] || missing+=(python3-pysaml2)
[ -d /usr/lib/python3/dist-packages/authlib ] || missing+=(python3-authlib)
[ -d /usr/lib/python3/dist-packages/requests ] || missing+=(python3-requests)
[ -e /usr/lib/apache2/modules/mod_auth_openidc.so ] || missing+=(libapache2-mod-auth-openidc)
command -v gcc >/dev/null || missing+=(gcc libc6-dev) # the race detector links with it
if [ ${#missing[@]} -gt 0 ]; then
  # The tests start their own PostgreSQL; no cluster is made or started by the package.
  if [[ " ${missing[*]} " == *" postgresql "* && ! -e /etc/postgresql-common/createcluster.conf ]]; then
    as_root mkdir -p /etc/postgresql-common
    echo 'create_main_cluster = false' | as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
  fi
  as_root apt-get update -q
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
fi

# A relying party that is no library: built once, run by the tests as it is.
if [ ! -x .tools/oauth2-proxy ] || [ test/rp/oauth2proxy/go.sum -nt .tools/oauth2-proxy ]; then
  mkdir -p .tools
  (cd test/rp/oauth2proxy && go build -mod=readonly -trimpath -o ../../../.tools/oauth2-proxy github.com/oauth2-proxy/oauth2-proxy/v7)
fi

for node in test/clients/node test/browser test/saml/node; do
  if [ ! -e $node/node_modules/.package-lock.json ] || [ $node/package-lock.json -nt $node/node_modules/.package-lock.json ]; then
    npm ci --prefix $node --no-audit --no-fund --ignore-scripts
  fi
done

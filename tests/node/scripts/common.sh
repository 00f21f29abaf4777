# Settings and functions of the other scripts here, which source it.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CACHE=$(realpath -m "${XDG_CACHE_HOME:-$HOME/.cache}/greenroom/node")
RUN=$CACHE/run
BIN=$CACHE/bin
GO=${GO:-go}

KUBERNETES=1.37.2 ETCD=3.7.3 CONTAINERD=2.4.2 CNI=1.9.1 TRAEFIK=3.7.13 COREDNS=1.15.0 KUBE_ROUTER=2.1.0 METRICS_SERVER=0.9.0
GATEWAY_API=1.6.1  # the version that Traefik's own go.mod requires

# Everything that talks to the cluster runs in its own network namespace: no packet leaves the machine, and no address,
# route or firewall table of the machine is changed. nsenter, because "ip netns exec" hides the cgroup mounts.
NETNS=greenroom-node
inside() {  # ARG...: continues the script in the namespace, which is created if it does not exist
  [ "$(id -u)" = 0 ] || die "needs root: the kubelet runs containers"
  [ "$(readlink /proc/self/ns/net)" != "net:[$(stat -Lc %i "/run/netns/$NETNS" 2>/dev/null)]" ] || return 0
  [ -e "/run/netns/$NETNS" ] || { ip netns add "$NETNS" && ip -n "$NETNS" link set lo up; }
  exec nsenter --net="/run/netns/$NETNS" env NETNS_OWNER="$0" "$(realpath "$0")" "$@"
}

# The cluster's network: one bridge, whose address is that of the node and the API server. Pods ask the DNS server at
# the address of a cache on each node, which NetworkPolicies of environments allow.
BRIDGE=greenroom0
POD_CIDR=10.213.0.0/24 NODE_IP=10.213.0.1 DNS_IP=169.254.20.10
SERVICE_CIDR=10.214.0.0/24 SERVICE_API_IP=10.214.0.1
NODE=greenroom
API_PORT=26443 ETCD_PORT=22379 ETCD_PEER_PORT=22380
KUBELET_PORT=20250 KUBELET_HEALTH_PORT=20248
PROXY_HEALTH_PORT=20256 PROXY_METRICS_PORT=20249 MANAGER_PORT=20257 SCHEDULER_PORT=20259
GATEWAY_IP=10.214.0.80 GATEWAY_PORT=18080  # the address of Traefik's Service
METRICS_PORT=24443
REGISTRY=$NODE_IP:25000
VOLUMES=100  # each is used once
PAUSE_IMAGE=greenroom.local/pause:1 WHOAMI_IMAGE=greenroom.local/whoami:1 TRAEFIK_IMAGE=greenroom.local/traefik:$TRAEFIK

export CONTAINERD_SUPPRESS_DEPRECATION_WARNINGS=1  # otherwise one about cgroup v1 on every call
KUBECONFIG_ADMIN=$RUN/admin.kubeconfig
CONTAINERD_SOCKET=$RUN/containerd.sock
kubectl() { "$BIN/kubectl" --kubeconfig "$KUBECONFIG_ADMIN" "$@"; }
ctr() { "$BIN/ctr" --address "$CONTAINERD_SOCKET" --namespace k8s.io "$@"; }

# start NAME COMMAND...: starts a process that outlives the script, with its pid in pid/NAME, its command in command/NAME and
# its log in log/NAME.log.
start() {
  local name=$1; shift
  printf '%q ' "$@" >"$RUN/command/$name"
  (cd "$RUN" && exec setsid "$@") >>"$RUN/log/$name.log" 2>&1 </dev/null &
  echo $! >"$RUN/pid/$name"
}
# ours PID: whether PID runs one of our programs; the number may have been reused.
ours() { [[ "$(readlink "/proc/$1/exe" 2>/dev/null)" == "$BIN"/* ]]; }
stop() {  # NAME...: terminates them together, with KILL after 1 s
  local name pid pids=() i
  for name in "$@"; do
    [ -f "$RUN/pid/$name" ] || continue
    pid=$(cat "$RUN/pid/$name"); rm "$RUN/pid/$name"
    ! ours "$pid" || { kill "$pid" && pids+=("$pid"); }
  done
  for i in $(seq 10); do kill -0 "${pids[@]}" 2>/dev/null || break; sleep 0.1; done
  [ ${#pids[@]} = 0 ] || kill -9 "${pids[@]}" 2>/dev/null || true
}

now() { date +%s.%N; }
since() { awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.1f s", b - a }'; }
log() { printf '%s\n' "$*" >&2; }
die() { log "error: $*"; exit 1; }
# wait_for SECONDS WHAT COMMAND...: repeats COMMAND until it succeeds.
wait_for() {
  local limit=$1 what=$2 end; shift 2; end=$((SECONDS + limit))
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || die "$what: not after $limit s (logs are in $RUN/log)"
    sleep 0.2
  done
}

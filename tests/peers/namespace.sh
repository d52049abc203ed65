# . namespace.sh NAME   To be sourced: makes the network namespace NAME with loopback up, $NS, which goes when the script ends. Nothing
# else on this machine can meet what runs in it. A second run waits for the first: they would share addresses, folders and the name.
# Start programs with `9>&-`: one that stays behind would keep the lock.
NS=$1
exec 9>"/tmp/$NS.lock"
flock 9
ip netns del "$NS" 2>/dev/null || true
ip netns add "$NS" && ip -n "$NS" link set lo up || exit 1
trap 'ip netns del "$NS" 2>/dev/null' EXIT

#!/bin/sh
# Runs the scripts that arrive on the virtio port, one a line: a number and the script in Base64.
# Answers the number, the exit status, and both outputs.
mkdir -p /run/agent
cd /run/agent || exit 1
# On a busy machine udev may take minutes, and systemd would give up.
until test -c /dev/virtio-ports/agent; do sleep 0.5; done
exec 3<>/dev/virtio-ports/agent
echo "ready $(cat /proc/sys/kernel/random/boot_id)" >&3
while read -r number script <&3; do
    printf %s "$script" | base64 -d >script
    sh script >out 2>err </dev/null 3<&-
    code=$?
    echo "$number $code -$(base64 -w 0 out) -$(base64 -w 0 err)" >&3
done

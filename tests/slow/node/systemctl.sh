#!/bin/sh
# Stands for systemd in a root where nothing boots: a unit is active after `start` or `restart`, and
# `enable` makes the link that systemd's own would. Behaviour as in systemctl(1); no process runs, so
# `show` has no main process.
state=/run/systemctl
mkdir -p "$state"
verb=
active=
for word; do
    case "$word" in
    --*) continue ;;
    esac
    if test -z "$verb"; then
        verb=$word
        continue
    fi
    unit=${word%.service}.service
    case "$verb" in
    show)
        active=inactive
        test ! -e "$state/$unit" || active=active
        environment=$(cat "/etc/systemd/system/$unit.d/"*.conf 2>/dev/null | sed -n 's/^Environment=//p')
        printf '%s\n' "Id=$unit" LoadState=loaded "ActiveState=$active" Result=success MainPID=0 \
            InvocationID=0123456789abcdef "Environment=$environment" NeedDaemonReload=no ""
        ;;
    start | restart) test -e "/lib/systemd/system/$unit" -o -e "/etc/systemd/system/$unit" || exit 5; : >"$state/$unit" ;;
    stop) rm -f "$state/$unit" ;;
    is-active) test ! -e "$state/$unit" || active=y ;;
    enable)
        mkdir -p /etc/systemd/system/multi-user.target.wants
        ln -sf "/lib/systemd/system/$unit" "/etc/systemd/system/multi-user.target.wants/$unit"
        ;;
    disable) rm -f "/etc/systemd/system/multi-user.target.wants/$unit" ;;
    esac
done
# Zero if any of them is.
test "$verb" != is-active || test -n "$active" || exit 3
exit 0

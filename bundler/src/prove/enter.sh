# Runs a program in a root, in namespaces of its own: the root gets devices of this machine, its own
# /proc, and the facts of the node over those of this machine's kernel. A user's namespace cannot
# make devices, so they are mounted. The arguments are the root and the words of the command.
root=$1
shift
for name in null zero full random urandom tty; do
    test -e "$root/dev/$name" || : >"$root/dev/$name"
    mount --bind "/dev/$name" "$root/dev/$name"
done
for link in fd:fd stdin:fd/0 stdout:fd/1 stderr:fd/2; do
    ln -sfn "/proc/self/${link#*:}" "$root/dev/${link%:*}"
done
mount -t proc proc "$root/proc"
node=$root/var/lib/vgpu-prove
if test -d "$node"; then
    mount --bind "$node/osrelease" "$root/proc/sys/kernel/osrelease"
    mount --bind "$node/hostname" "$root/proc/sys/kernel/hostname"
    mount --bind "$node/boot_id" "$root/proc/sys/kernel/random/boot_id"
    for name in cmdline cpuinfo modules; do
        test ! -e "$root/proc/$name" || mount --bind "$node/$name" "$root/proc/$name"
    done
fi
exec chroot "$root" "$@"

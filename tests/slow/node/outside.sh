# Runs a program on a root from outside: gives the root its own /proc, as commands that are started in
# it need one, and puts the machine that is played over it, if there is one.
root=$1
shift
mount -t proc proc "$root/proc"
for name in osrelease hostname; do
    file=$root/root/machine/$name
    test ! -e "$file" || mount --bind "$file" "$root/proc/sys/kernel/$name"
done
file=$root/root/machine/boot_id
test ! -e "$file" || mount --bind "$file" "$root/proc/sys/kernel/random/boot_id"
for name in cpuinfo modules cmdline; do
    file=$root/root/machine/$name
    test ! -e "$file" || test ! -e "/proc/$name" || mount --bind "$file" "$root/proc/$name"
done
exec "$@"

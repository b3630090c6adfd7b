# Puts the machine that is played over what the kernel says of the real one, for this process only,
# and runs our program, or what PROGRAM names.
mount --bind /root/machine/osrelease /proc/sys/kernel/osrelease
mount --bind /root/machine/boot_id /proc/sys/kernel/random/boot_id
mount --bind /root/machine/hostname /proc/sys/kernel/hostname
for name in cpuinfo modules cmdline; do
    test ! -e "/proc/$name" || mount --bind "/root/machine/$name" "/proc/$name"
done
exec ${PROGRAM:-/root/vgpu-installer} "$@"

#!/bin/sh
# Stands for modprobe where no module can be loaded: the driver that is installed shows in sysfs, and
# its vGPU types with it, as NVIDIA's module has them for a kernel with mediated devices.
test "$1" = nvidia || exit 0
version=$(basename "$(echo /usr/src/nvidia-*)")
types=/sys/bus/pci/devices/0000:81:00.0/mdev_supported_types/nvidia-259
mkdir -p /sys/module/nvidia "$types"
echo "${version#nvidia-}" >/sys/module/nvidia/version
echo "GRID RTX6000-4Q" >"$types/name"
echo "num_heads=4, frl_config=60, framebuffer=4096M, max_resolution=7680x4320, max_instance=6" >"$types/description"
echo 6 >"$types/available_instances"

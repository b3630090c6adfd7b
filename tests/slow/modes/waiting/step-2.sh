# The commands of step 2 after the reboot, in the script's order; guest drivers and licensing are further
# questions.
chmod +x "$DRIVER"
"$DRIVER" --dkms -s
nvidia-smi vgpu
systemctl enable --now nvidia-vgpud.service
systemctl enable --now nvidia-vgpu-mgr.service
sleep 5
systemctl enable --now pve-nvidia-sriov@ALL.service
nvidia-smi
# The script lists the types with it; it is only on the node if the packages of the script are.
test ! -e /usr/sbin/mdevctl || mdevctl types

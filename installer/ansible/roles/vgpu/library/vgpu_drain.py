#!/usr/bin/python
"""Takes the guests off a Proxmox VE node before it reboots, and gives them back afterwards.

HA moves the guests that it manages, when the node enters HA maintenance mode (pve-ha-manager 3.6.0 and newer, of
Proxmox VE 7.4). Other guests are named; they are shut down or migrated only if the operator says so.
"""

import json
import time

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: vgpu_drain
short_description: Take the guests off a Proxmox VE node, and give them back
description:
  - Uses HA maintenance mode where the cluster has HA resources. In check mode it only names the guests.
options:
  state:
    description: C(drained) before a reboot, C(returned) after it.
    type: str
    required: true
    choices: [drained, returned]
  node:
    description: The name of the node in Proxmox VE.
    type: str
    required: true
  ha:
    description: Whether to use HA maintenance mode.
    type: bool
    default: true
  guests:
    description: The treatment of guests that HA does not move.
    type: str
    choices: [refuse, shutdown, migrate]
    default: refuse
  target:
    description: The node that takes the guests, for C(migrate).
    type: str
  timeout:
    description: The limit for HA, and for each shutdown, in seconds.
    type: int
    default: 600
  start:
    description: The guests that C(drained) has shut down, for C(returned).
    type: list
    elements: dict
    default: []
author: the authors of proxmox-vgpu-offline
"""

EXAMPLES = r"""
- name: Drain the node
  vgpu_drain:
    state: drained
    node: pve1
"""

RETURN = r"""
running:
  description: The guests that ran besides those that HA has moved, such as C(VM 101 (web)).
  type: list
  returned: for C(drained)
stopped:
  description: The guests that were shut down.
  type: list
  returned: for C(drained)
"""

# Of an HA resource that stays: it does not run, or HA leaves it alone.
STAYS = ("stopped", "disabled", "ignored", "error")


class Node:
    """A node of the cluster, through the commands of Proxmox VE."""

    def __init__(self, module):
        self.module = module
        self.params = module.params
        self.name = module.params["node"]

    def run(self, *words):
        return self.module.run_command(list(words), check_rc=True)[1]

    def get(self, path):
        return json.loads(self.run("pvesh", "get", path, "--output-format", "json"))

    def running(self):
        """Returns the running guests: VMs, then containers."""
        guests = []
        for kind, tool, title in (("qemu", "qm", "VM"), ("lxc", "pct", "container")):
            for guest in sorted(self.get(f"/nodes/{self.name}/{kind}"), key=lambda guest: int(guest["vmid"])):
                if guest.get("status") == "running":
                    label = f"{title} {guest['vmid']} ({guest.get('name', '')})"
                    guests.append({"tool": tool, "vmid": str(guest["vmid"]), "label": label})
        return guests

    def ha(self):
        """Returns the state of HA; empty without HA resources, for which there is nothing to move."""
        entries = self.get("/cluster/ha/status/current") if self.params["ha"] else []
        return entries if any(entry["type"] == "service" for entry in entries) else []

    def maintenance(self, switch):
        self.run("ha-manager", "crm-command", "node-maintenance", switch, self.name)

    def is_in_maintenance(self, entries):
        ours = (entry for entry in entries if entry["type"] == "lrm" and entry.get("node") == self.name)
        return any("maintenance mode" in entry["status"] for entry in ours)

    def moving(self, entries):
        """Returns the HA resources that are still on the node and have to move."""
        ours = (entry for entry in entries if entry["type"] == "service" and entry.get("node") == self.name)
        return [entry["sid"] for entry in ours if entry.get("state") not in STAYS]

    def drained(self):
        entries = self.ha()
        if self.module.check_mode:
            moving = {sid.split(":")[1] for sid in self.moving(entries)}
            stay = [guest["label"] for guest in self.running() if guest["vmid"] not in moving]
            return {"changed": bool(entries), "running": stay, "stopped": []}
        if entries:
            self.maintenance("enable")
            self.wait()
        guests = self.running()
        labels = [guest["label"] for guest in guests]
        way = self.params["guests"]
        if guests and way == "refuse":
            if entries:
                # Nothing has been changed yet, so nothing stays changed.
                self.maintenance("disable")
            self.module.fail_json(
                msg=f"these guests run on {self.name}: {', '.join(labels)}; stop or move them, or set vgpu_guests to "
                "`shutdown` or `migrate`",
                running=labels,
            )
        for guest in guests:
            if way == "shutdown":
                self.run(guest["tool"], "shutdown", guest["vmid"], "--timeout", str(self.params["timeout"]))
            else:
                # A container cannot move while it runs; it restarts on the other node.
                option = "--online" if guest["tool"] == "qm" else "--restart"
                self.run(guest["tool"], "migrate", guest["vmid"], self.params["target"], option)
        left = [guest["label"] for guest in self.running()]
        if left:
            self.module.fail_json(msg=f"still running on {self.name}: {', '.join(left)}", running=left)
        stopped = guests if way == "shutdown" else []
        return {"changed": bool(entries or guests), "running": labels, "stopped": stopped}

    def wait(self):
        """Waits until HA has moved its guests."""
        end = time.monotonic() + self.params["timeout"]
        while True:
            entries = self.ha()
            moving = self.moving(entries)
            if self.is_in_maintenance(entries) and not moving:
                return
            if time.monotonic() > end:
                self.module.fail_json(msg=f"HA has not moved {', '.join(moving) or 'its guests'} off {self.name}")
            time.sleep(2)

    def returned(self):
        """Leaves maintenance mode, and starts the guests that were shut down and do not run again."""
        is_maintained = self.is_in_maintenance(self.ha())
        running = {guest["vmid"] for guest in self.running()}
        start = [guest for guest in self.params["start"] if guest["vmid"] not in running]
        if not self.module.check_mode:
            if is_maintained:
                self.maintenance("disable")
            for guest in start:
                self.run(guest["tool"], "start", guest["vmid"])
        return {"changed": bool(is_maintained or start)}


def main():
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "required": True, "choices": ["drained", "returned"]},
            "node": {"type": "str", "required": True},
            "ha": {"type": "bool", "default": True},
            "guests": {"type": "str", "choices": ["refuse", "shutdown", "migrate"], "default": "refuse"},
            "target": {"type": "str"},
            "timeout": {"type": "int", "default": 600},
            "start": {"type": "list", "elements": "dict", "default": []},
        },
        required_if=[("guests", "migrate", ["target"])],
        supports_check_mode=True,
    )
    module.exit_json(**getattr(Node(module), module.params["state"])())


if __name__ == "__main__":
    main()

#!/usr/bin/python
"""Runs `vgpu-installer` on a node, and reports what it changed, or would change.

Each state is one command of the program, whose JSON documents docs/JSON.md describes. No shell is involved.
"""

import json
import os
import re
import shutil
import subprocess
import time

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: vgpu_installer
short_description: Bring a Proxmox VE node to the state of a vGPU bundle
description:
  - Runs C(vgpu-installer) and reads its JSON documents. It has no network.
options:
  state:
    description:
      - C(installed) checks the signature of I(source) and moves it to I(program).
      - C(trusted) trusts I(key). C(verified) verifies every byte of I(bundle).
      - C(applied) applies I(bundle); in check mode it plans.
      - C(proven) waits until the node is in sync with the applied bundle.
      - C(reported) writes a report to I(report).
    type: str
    required: true
    choices: [installed, trusted, verified, applied, proven, reported]
  program:
    description: The program on the node.
    type: path
    required: true
  source:
    description: The program before its signature is checked.
    type: path
  signature:
    description: The signature of I(source), of the namespace C(vgpu-installer).
    type: path
  fingerprint:
    description: The expected fingerprint of the key.
    type: str
  key:
    description: The public key to trust.
    type: path
  principal:
    description: The owner of the key.
    type: str
  channels:
    description: The channels to accept.
    type: list
    elements: str
    default: []
  bundle:
    description: The bundle on the node.
    type: path
  options:
    description: Further options of C(plan) and C(apply).
    type: list
    elements: str
    default: []
  mok_password:
    description: The one-time password for MokManager.
    type: str
  report:
    description: The file of the report. With I(sign), its signature is next to it.
    type: path
  sign:
    description: Whether to sign the report.
    type: bool
    default: false
  settle:
    description: The limit for services and vGPU types to appear, in seconds.
    type: int
    default: 120
  timeout:
    description: The limit for an apply that resumes after a reboot, in seconds.
    type: int
    default: 3600
author: the authors of proxmox-vgpu-offline
"""

EXAMPLES = r"""
- name: Apply a bundle
  vgpu_installer:
    state: applied
    program: /root/vgpu-offline/vgpu-installer
    bundle: /root/vgpu-offline/gpu-1.vgpu.tar
"""

RETURN = r"""
reboot:
  description: Whether the node has to reboot, or would have to.
  type: bool
  returned: for C(applied) and C(proven)
steps:
  description: The steps that were carried out, or would be.
  type: list
  returned: for C(applied)
document:
  description: The JSON document of C(vgpu-installer status).
  type: dict
  returned: for C(proven)
"""

RESUME_UNIT = "vgpu-offline-resume.service"


class Node:
    """The program on this node."""

    def __init__(self, module):
        self.module = module
        self.params = module.params

    def run(self, *words, ok=(0,), data=None):
        """Runs a command of the program, and returns its exit status and its document."""
        done = subprocess.run(
            [self.params["program"], "--json", *words],
            input=data or "", capture_output=True, text=True, check=False,
        )
        try:
            document = json.loads(done.stdout) if done.stdout.strip() else {}
        except ValueError:
            document = {}
        if done.returncode not in ok:
            error = document.get("error") or {}
            hint = error.get("hint")
            self.module.fail_json(
                msg=(error.get("message") or done.stderr.strip() or "no message") + (f"\nhint: {hint}" if hint else ""),
                command=f"vgpu-installer {words[0]}", status=done.returncode, error_class=error.get("class"),
                log=done.stderr[-8000:].splitlines(),
            )
        return done.returncode, document

    def installed(self):
        """Moves the program into place once it is signed with the expected key."""
        source, program, expected = (self.params[name] for name in ("source", "program", "fingerprint"))
        with open(source, "rb") as signed:
            done = subprocess.run(
                ["ssh-keygen", "-Y", "check-novalidate", "-n", "vgpu-installer", "-s", self.params["signature"]],
                stdin=signed, capture_output=True, text=True, check=False,
            )
        found = re.search(r"SHA256:\S+", done.stdout)
        if done.returncode != 0 or not found:
            self.module.fail_json(msg=f"the signature of the program is invalid: {(done.stdout + done.stderr).strip()}")
        if found.group() != expected:
            self.module.fail_json(msg=f"the program is signed with {found.group()}, expected {expected}")
        changed = self.module.sha256(source) != (os.path.exists(program) and self.module.sha256(program))
        if changed and not self.module.check_mode:
            # A copy, so that the next run finds the source unchanged; renamed, so that it is never half there.
            shutil.copyfile(source, program + ".part")
            os.chmod(program + ".part", 0o755)
            os.rename(program + ".part", program)
        return {"changed": changed}

    def trusted(self):
        """Trusts the key, unless its principal has it already."""
        principal, fingerprint = self.params["principal"], self.params["fingerprint"]
        before = self.run("trust", "list", ok=(0, 1, 3))[1]
        signers = [(signer["principal"], signer["fingerprint"]) for signer in before.get("signers", [])]
        channels = {channel["name"] for channel in before.get("channels", [])}
        if fingerprint in before.get("revoked", []):
            self.module.fail_json(msg=f"{fingerprint} is revoked on this node")
        if (principal, fingerprint) in signers and channels.issuperset(self.params["channels"]):
            return {"changed": False}
        words = ["trust", "add", self.params["key"], "--principal", principal, "--fingerprint", fingerprint]
        for channel in self.params["channels"]:
            words += ["--channel", channel]
        if not self.module.check_mode:
            self.run(*words)
        lines = "".join(f"{name} {key}\n" for name, key in signers)
        return {"changed": True, "diff": diff("trusted keys", lines, f"{lines}{principal} {fingerprint}\n")}

    def verified(self):
        self.run("verify", self.params["bundle"])
        return {"changed": False}

    def applied(self):
        """Applies the bundle. Also without anything to do, so that the node confirms what it has."""
        plan = self.run("plan", self.params["bundle"], *self.params["options"])[1]
        now, later = ([step["summary"] for step in plan[name]] for name in ("before-reboot", "after-reboot"))
        steps = now + later
        waits = waits_for_reboot(self.run("status", ok=range(256))[1])
        result = {"changed": bool(steps), "steps": steps, "reboot": bool(plan["needs-reboot"] or later or waits)}
        shown = [f"before the reboot: {step}\n" if later else f"{step}\n" for step in now]
        shown += [f"after the reboot: {step}\n" for step in later]
        shown += [f"replaces {file['path']}\n" for file in plan["replaces"]]
        shown += [f"security-relevant: {concern['what']}: {concern['why']}\n" for concern in plan["security"]]
        shown += ["reboot\n"] if result["reboot"] else []
        result["diff"] = diff("plan", "", "".join(shown))
        if not self.module.check_mode:
            password = self.params["mok_password"]
            words = ["--mok-password-file", "-"] if password else []
            code, done = self.run(
                "apply", "--yes", self.params["bundle"], *self.params["options"], *words, ok=(0, 10), data=password,
            )
            result.update(reboot=code == 10 or waits, steps=done.get("steps", []))
        return result

    def proven(self):
        """Waits until the node is in sync, or cannot become so."""
        began, settled = time.monotonic(), None
        while True:
            document = self.run("status", ok=range(256))[1]
            state, now = document.get("state"), time.monotonic()
            if waits_for_reboot(document) or state == "in-sync":
                return {"changed": False, "reboot": waits_for_reboot(document), "document": document}
            # The unit that resumes takes its time; services and vGPU types follow within seconds.
            resumes = state == "running" or (
                state == "interrupted" and document.get("goes-on") == "by-itself" and not resume_has_failed()
            )
            settled = None if resumes else settled or now
            limit = (began, self.params["timeout"]) if resumes else (settled, self.params["settle"])
            final = state in ("nothing", "interrupted", "failed", "damaged", None) and not resumes
            if final or now - limit[0] > limit[1]:
                self.module.fail_json(
                    msg=f"the node is not proven: {state}", findings=missing(document), log=end_of_log(),
                )
            time.sleep(2)

    def reported(self):
        words = ["--sign"] if self.params["sign"] else []
        if not self.module.check_mode:
            self.run("report", "--output", self.params["report"], *words)
        # Evidence of a run; the node itself is as it was.
        return {"changed": False}


def diff(what, before, after):
    return {"before_header": what, "after_header": what, "before": before, "after": after}


def waits_for_reboot(document):
    """Checks whether something that was applied takes effect, or goes on, with the next boot."""
    state = document.get("state")
    return state == "pending" or (state == "in-sync" and document["reboot-pending"])


def resume_has_failed():
    """Checks whether systemd's last run of the unit that resumes has failed."""
    done = subprocess.run(
        ["systemctl", "show", RESUME_UNIT, "--property=ActiveState"], capture_output=True, text=True, check=False,
    )
    return "ActiveState=failed" in done.stdout.splitlines()


def end_of_log():
    """Returns the last lines of the installer's log, which has no secrets."""
    try:
        with open("/var/log/vgpu-offline/installer.log", encoding="utf-8", errors="replace") as log:
            return log.readlines()[-20:]
    except OSError:
        return []


def missing(document):
    """Returns what keeps the node from being in sync, with the next step where there is one."""
    applied = document.get("applied") or {}
    steps = [f"{step['state']}: {step['summary']}" for step in applied.get("steps", []) if step["state"] != "in-sync"]
    checks = [
        f"{finding['check']}: {finding['reason']}; {finding['remedy']}"
        for finding in document.get("proof", {}).get("findings", []) if finding["state"] == "missing"
    ]
    objections = document.get("fit", {}).get("objections", [])
    return steps + checks + objections


def main():
    text, path = {"type": "str"}, {"type": "path"}
    states = ["installed", "trusted", "verified", "applied", "proven", "reported"]
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "required": True, "choices": states},
            "program": {"type": "path", "required": True},
            "source": path, "signature": path, "key": path, "bundle": path, "report": path,
            "fingerprint": text, "principal": text,
            "channels": {"type": "list", "elements": "str", "default": []},
            "options": {"type": "list", "elements": "str", "default": []},
            "mok_password": {"type": "str", "no_log": True},
            "sign": {"type": "bool", "default": False},
            "settle": {"type": "int", "default": 120},
            "timeout": {"type": "int", "default": 3600},
        },
        required_if=[
            ("state", "installed", ["source", "signature", "fingerprint"]),
            ("state", "trusted", ["key", "principal", "fingerprint"]),
            ("state", "verified", ["bundle"]),
            ("state", "applied", ["bundle"]),
            ("state", "reported", ["report"]),
        ],
        supports_check_mode=True,
    )
    module.exit_json(**getattr(Node(module), module.params["state"])())


if __name__ == "__main__":
    main()

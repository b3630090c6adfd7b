use std::collections::BTreeSet;

use crate::{AllowedSigner, Policy, Role, Upstream};

impl Policy {
    /// Returns the differences from the policy `before`, one per line, for people.
    #[must_use]
    pub fn changes_since(&self, before: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        for key in before.revoked_keys().missing(self.revoked_keys()) {
            let line = before.allowed_signers().get(key).or(self.allowed_signers().get(key));
            let of = line.map_or_else(String::new, |line| format!(" of {}", line.principal()));
            lines.push(format!("revoke {}{of}", key.fingerprint()));
        }
        let (new, old) = (self.allowed_signers(), before.allowed_signers());
        for signer in new.iter() {
            let known = old.get(signer.key());
            if known.is_none_or(|known| what(known) != what(signer)) {
                lines.push(format!("trust {}", what(signer)));
            }
        }
        for signer in old.iter().filter(|signer| new.get(signer.key()).is_none()) {
            let key = signer.key().fingerprint();
            lines.push(format!("stop trusting {} with {key}", signer.principal()));
        }
        if self.upstream() != before.upstream() {
            lines.push(
                match self.upstream() {
                    Upstream::Required => "require the signatures of archives for Debian packages",
                    Upstream::Optional => {
                        "no longer require the signatures of archives for Debian packages"
                    }
                }
                .to_owned(),
            );
        }
        for role in [Role::Bundle, Role::Policy] {
            let [was, is] = [before, self].map(|policy| policy.threshold_for(role));
            if was != is {
                let s = if is.get() == 1 { "" } else { "s" };
                lines.push(format!("require {is} signature{s} for {role} instead of {was}"));
            }
        }
        for channel in self.channels().difference(before.channels()) {
            lines.push(format!("accept channel {channel}"));
        }
        for channel in before.channels().difference(self.channels()) {
            lines.push(format!("stop accepting channel {channel}"));
        }
        lines
    }
}

fn what(signer: &AllowedSigner) -> String {
    let roles: BTreeSet<&str> = signer.roles().iter().map(|role| role.namespace()).collect();
    let roles: Vec<&str> = roles.into_iter().collect();
    format!("{} with {} for {}", signer.principal(), signer.key().fingerprint(), roles.join(", "))
}

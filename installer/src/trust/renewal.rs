//! Policies that a bundle or a file brings, and that replace the policy of this host.

use vgpu_keys::{Policy, Principal, Successor};

use super::{TrustError, record, save};
use crate::host::OwnState;

/// Describes `successors`, which replace `current`: each with its signers and its changes.
pub(crate) fn describe(current: &Policy, successors: &[Successor]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut before = current;
    for Successor { policy, signed_by, .. } in successors {
        lines.push(format!("policy {}, signed by {}:", policy.version(), names(signed_by)));
        let changes = policy.changes_since(before);
        lines.extend(changes.into_iter().map(|change| format!("  {change}")));
        before = policy;
    }
    lines
}

/// Makes the last of `successors` the policy of this host, and logs each.
///
/// It is not part of a transaction, so a revert does not undo it.
pub(crate) fn take(own: &mut OwnState<'_>, successors: &[Successor]) -> Result<(), TrustError> {
    let Some(Successor { policy, document, .. }) = successors.last() else { return Ok(()) };
    save(own, policy, document)?;
    for Successor { policy, signed_by, .. } in successors {
        let (version, by) = (policy.version(), names(signed_by));
        record(own, &format!("replace the policy by version {version}, signed by {by}"))?;
    }
    Ok(())
}

/// Returns a warning if too few principals may sign the next policy.
pub(crate) fn warning(policy: &Policy) -> Option<String> {
    use vgpu_keys::Role;
    if policy.can_be_succeeded() {
        return None;
    }
    let (may, must) = (policy.eligible(Role::Policy).len(), policy.threshold_for(Role::Policy));
    Some(format!(
        "{must} trusted signature{} required for a policy, but only {may} of the principals may \
            sign one: this host can be re-keyed only on the host itself; \
            `trust add … --namespaces vgpu-bundle,vgpu-policy` changes that",
        if must.get() == 1 { " is" } else { "s are" }
    ))
}

fn names(principals: &std::collections::BTreeSet<Principal>) -> String {
    principals.iter().map(Principal::as_str).collect::<Vec<_>>().join(" and ")
}

//! Module signing on a host with Secure Boot: the key, the configuration of DKMS, and the
//! enrollment in the firmware.
//!
//! The enrollment is completed at the console, after the reboot and before Linux starts: MokManager
//! asks there for the one-time password. It is therefore requested in phase 1, and phase 2 begins
//! only after the key is enrolled.

use serde::{Deserialize, Serialize};
use vgpu_manifest::HostPath;

use super::{Goal, Step, StepError, banner, holds_text, put_text};
use crate::act::{Journal, Probe, Reversible};
use crate::component::Component;
use crate::facts::{CERTIFICATE, PRIVATE_KEY, REQUEST, SigningKey, signing_key};
use crate::host::{Command, Look, SecretInput};
use crate::journal::Scope;
use crate::state::fixed;

/// The operator's part at the console, in the order of MokManager's screens (shim 15.8).
pub(crate) const AT_CONSOLE: &str = "press a key within the 10 seconds in which the console shows \
    `Press any key to perform MOK management`, select `Enroll MOK`, `Continue`, `Yes`, enter the \
    one-time password, and select `Reboot`";

/// Creates the key that modules are signed with, where DKMS expects it.
///
/// The key is specific to this host and never leaves it. An existing key is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct MakeSigningKey {}

impl MakeSigningKey {
    fn config_path() -> HostPath {
        fixed("/etc/dkms/framework.conf.d/vgpu-offline.conf")
    }

    fn config() -> String {
        banner("The key with which DKMS signs modules for Secure Boot.")
            + &format!("mok_signing_key={PRIVATE_KEY}\nmok_certificate={CERTIFICATE}\n")
    }

    /// Creates the key as DKMS would for its first module, but early enough to enroll it first.
    fn command() -> Reversible {
        let args = [
            "req",
            "-new",
            "-x509",
            "-nodes",
            "-days",
            "36500",
            "-newkey",
            "rsa:2048",
            "-subj",
            "/CN=vgpu-offline module signing key/",
            "-keyout",
            PRIVATE_KEY,
            "-outform",
            "DER",
            "-out",
            CERTIFICATE,
        ];
        Reversible {
            scope: Scope {
                small: [PRIVATE_KEY, CERTIFICATE].map(fixed).into(),
                ..Scope::default()
            },
            ..Reversible::new(Command::new("openssl", &args), Probe::Exists(fixed(CERTIFICATE)))
        }
    }
}

impl Goal for MakeSigningKey {
    fn summary(&self) -> String {
        format!("configure DKMS to sign modules with {PRIVATE_KEY}")
    }

    fn why(&self) -> String {
        "Secure Boot is enabled, so the kernel loads only modules signed with a key enrolled in \
         the firmware."
            .to_owned()
    }

    fn is_true(&self, look: &dyn Look) -> Result<bool, StepError> {
        Ok(signing_key(look) > SigningKey::Missing
            && holds_text(look, &Self::config_path(), &Self::config())?)
    }

    fn make_true(&self, journal: &mut Journal<'_>) -> Result<(), StepError> {
        put_text(journal, &Self::config_path(), &Self::config())?;
        if signing_key(journal.look()) == SigningKey::Missing {
            journal.act(Self::command())?;
        }
        Ok(())
    }

    fn takes_commands(&self) -> bool {
        true
    }

    /// Belongs to the driver: only its modules are signed with the key.
    fn component(&self) -> Component {
        Component::Driver
    }
}

/// Requests enrollment of the key at the next boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct RequestEnrollment {}

impl RequestEnrollment {
    fn command() -> Reversible {
        let import = Command::new("mokutil", &["--import", CERTIFICATE]);
        Reversible {
            undo: Some(Command::new("mokutil", &["--revoke-import"])),
            ..Reversible::new(import.with_secret(SecretInput::Twice), Probe::Exists(fixed(REQUEST)))
        }
    }
}

impl Goal for RequestEnrollment {
    fn summary(&self) -> String {
        "request enrollment of the signing key in the firmware (one-time password)".to_owned()
    }

    fn why(&self) -> String {
        format!(
            "A key can be enrolled only at the console, by MokManager, after the reboot and before \
             Linux starts: {AT_CONSOLE}. Without a key press, the request is deleted."
        )
    }

    fn is_true(&self, look: &dyn Look) -> Result<bool, StepError> {
        Ok(signing_key(look) >= SigningKey::Requested)
    }

    fn make_true(&self, journal: &mut Journal<'_>) -> Result<(), StepError> {
        Ok(journal.act(Self::command())?)
    }

    fn takes_commands(&self) -> bool {
        true
    }

    fn component(&self) -> Component {
        Component::Driver
    }
}

/// Checks that the key is enrolled in the firmware.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct KeyEnrolled {}

impl Goal for KeyEnrolled {
    fn summary(&self) -> String {
        "check that the signing key is enrolled in the firmware".to_owned()
    }

    fn why(&self) -> String {
        "A driver module signed with a key that is not enrolled would not be loaded.".to_owned()
    }

    fn is_true(&self, look: &dyn Look) -> Result<bool, StepError> {
        Ok(signing_key(look) == SigningKey::Enrolled)
    }

    /// Requests the enrollment again if it was not completed at the console. It cannot complete
    /// before the next boot.
    fn make_true(&self, journal: &mut Journal<'_>) -> Result<(), StepError> {
        if signing_key(journal.look()) < SigningKey::Requested {
            journal.act(RequestEnrollment::command())?;
        }
        Err(StepError::EnrollmentWaits)
    }

    fn component(&self) -> Component {
        Component::Driver
    }

    fn waits_for_boot(&self) -> bool {
        true
    }
}

/// Checks whether one of `steps` needs the one-time password.
pub(crate) fn need_password(steps: &[Step], look: &dyn Look) -> bool {
    let asks = |step: &Step| matches!(step, Step::RequestEnrollment(_) | Step::KeyEnrolled(_));
    steps.iter().any(asks) && signing_key(look) < SigningKey::Requested
}

/// Returns the state of the key that one of `steps` needs to be enrolled; `None` if none does.
pub(crate) fn enrollment(steps: &[Step], look: &dyn Look) -> Option<SigningKey> {
    let needs = steps.iter().any(|step| matches!(step, Step::KeyEnrolled(_)));
    needs.then(|| signing_key(look))
}

/// Returns an EFI variable with one list of one certificate, whose bytes are `der`.
#[cfg(test)]
pub(crate) fn test_variable(der: &str) -> Vec<u8> {
    let x509 = [
        0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a, 0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0,
        0x72,
    ];
    let entry = u32::try_from(16 + der.len()).unwrap_or(u32::MAX);
    let mut bytes = vec![7, 0, 0, 0];
    bytes.extend(x509);
    bytes.extend((28 + entry).to_le_bytes());
    bytes.extend(0_u32.to_le_bytes());
    bytes.extend(entry.to_le_bytes());
    bytes.extend([0; 16]);
    bytes.extend(der.as_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::MemHost;
    use crate::host::{HostError, Secret};
    use crate::journal::{BootId, TxId};
    use crate::plan::{Origin, Plan, Reboot, apply};
    use crate::power_cut::World;

    fn efivar(host: &mut MemHost, name: &str, der: &str) {
        let path = REQUEST.replace("MokNew", name);
        host.place_as(&path, &test_variable(der), crate::host::Meta::root(crate::host::Mode::FILE));
    }

    fn openssl(host: &mut MemHost, _: &[&str]) -> Result<i32, HostError> {
        host.scribble(PRIVATE_KEY, "private")?;
        host.scribble(CERTIFICATE, "certificate")?;
        Ok(0)
    }

    fn mokutil(host: &mut MemHost, args: &[&str]) -> Result<i32, HostError> {
        match args {
            ["--import", CERTIFICATE] => efivar(host, "MokNew", "certificate"),
            ["--revoke-import"] => host.scratch(REQUEST)?,
            _ => return Ok(1),
        }
        Ok(0)
    }

    fn host() -> MemHost {
        let mut host = MemHost::with_files(&[("/etc/debian_version", "12.11\n")]);
        for dir in ["/var/lib/dkms", "/etc/dkms/framework.conf.d"] {
            host.place(&format!("{dir}/README"), "");
        }
        efivar(&mut host, "MokListRT", "of the vendor");
        host.programs.insert("openssl", openssl);
        host.programs.insert("mokutil", mokutil);
        host
    }

    fn plan() -> Plan {
        let now = vec![
            Step::MakeSigningKey(MakeSigningKey {}),
            Step::RequestEnrollment(RequestEnrollment {}),
        ];
        Plan::new(now, vec![Step::KeyEnrolled(KeyEnrolled {})])
    }

    fn carry_out(world: &mut World, boot: &str) -> Result<Reboot, String> {
        let bundle = vgpu_manifest::Digest::of(b"bundle");
        let origin = Origin { bundle, boot: BootId(boot.to_owned()) };
        let applied = apply(&mut world.host, &mut world.log, &origin, &plan(), &mut |_| {});
        applied.map(|applied| applied.reboot).map_err(|error| error.to_string())
    }

    #[test]
    fn a_key_is_made_asked_for_and_waited_for() {
        let before = host();
        let mut world = World::new(&before);
        assert!(need_password(&plan().before_reboot, &world.host));
        let error = carry_out(&mut world, "1").unwrap_err();
        assert!(error.contains("needs a one-time password"), "{error}");

        world.host.secret = Some(Secret::new("correct horse".to_owned()).unwrap());
        // No other step waits for a boot, but this one requires it.
        assert_eq!(carry_out(&mut world, "1").unwrap(), Reboot::NeededToContinue);
        assert_eq!(carry_out(&mut world, "1").unwrap(), Reboot::NeededToContinue);
        assert_eq!(signing_key(&world.host), SigningKey::Requested);
        assert!(!need_password(&plan().after_reboot, &world.host));

        // The enrollment was not completed at the console, so it is requested again.
        world.host.scratch(REQUEST).unwrap();
        assert!(need_password(&plan().after_reboot, &world.host));
        carry_out(&mut world, "2").unwrap_err();
        assert_eq!(signing_key(&world.host), SigningKey::Requested);

        world.host.scratch(REQUEST).unwrap();
        efivar(&mut world.host, "MokListRT", "certificate");
        assert_eq!(carry_out(&mut world, "3").unwrap(), Reboot::NotNeeded);
        let told = format!("{:?}", world.log.entries(TxId(1)).unwrap());
        assert!(told.contains("mokutil") && !told.contains("correct horse"));
    }

    #[test]
    fn a_plan_can_be_shown_before_anybody_was_at_the_console() {
        let foretold = crate::plan::rehearse(&plan(), &host()).unwrap();
        assert_eq!(foretold.plan, plan());
    }

    #[test]
    fn a_rehearsal_does_not_wait_for_anybody_at_the_console() {
        let all = plan();
        let rehearsal = crate::plan::rehearse(&all, &host()).unwrap();
        assert_eq!(rehearsal.plan, all);
    }

    #[test]
    fn what_was_asked_for_is_taken_back() {
        let before = host();
        let mut world = World::new(&before);
        world.host.secret = Some(Secret::new("correct horse".to_owned()).unwrap());
        carry_out(&mut world, "1").unwrap();
        assert_eq!(world.revert().unwrap(), []);
        assert_eq!(world.host.picture(&[]), before.picture(&[]));
    }

    #[test]
    fn a_key_that_is_there_is_taken() {
        let mut world = World::new(&host());
        world.host.place(PRIVATE_KEY, "mine");
        world.host.place(CERTIFICATE, "certificate");
        efivar(&mut world.host, "MokListRT", "certificate");
        assert_eq!(carry_out(&mut world, "1").unwrap(), Reboot::NotNeeded);
        assert_eq!(world.host.text_of(PRIVATE_KEY).unwrap(), "mine");
    }
}

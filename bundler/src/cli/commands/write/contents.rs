//! The files on a stick besides the bundle.

use serde::Serialize;
use vgpu_keys::{Fingerprint, Policy, Principal, PublicKey};
use vgpu_manifest::ui::ByteSize;
use vgpu_manifest::{Bundle, Expected, Kind, Manifest, ProgramVersion, Verified};

use crate::stick::{self, Content, Parts, Program, StartHere};

pub(super) struct Small {
    pub(super) name: String,
    pub(super) content: Content,
}

/// A principal whose signature counts.
pub(super) struct Signer {
    who: Principal,
    key: PublicKey,
    file: String,
    /// The slot of the signature, from 1.
    slot: usize,
}

#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(super) struct Note {
    /// The signer.
    pub(super) principal: Principal,
    /// The key.
    pub(super) fingerprint: Fingerprint,
}

pub(super) fn signers(bundle: &Bundle<Verified>, policy: &Policy) -> Vec<Signer> {
    let mut signers: Vec<Signer> = Vec::new();
    for (slot, signature) in bundle.slots().iter() {
        let key = *signature.key();
        let Some(signer) = policy.allowed_signers().get(&key) else { continue };
        if !bundle.trusted().keys.contains(&key) {
            continue;
        }
        let who = signer.principal().clone();
        let alike = |other: &&Signer| other.who.as_str().eq_ignore_ascii_case(who.as_str());
        let nth = signers.iter().filter(alike).count() + 1;
        let file = stick::key_file(&who, nth);
        signers.push(Signer { who, key, file, slot: slot + 1 });
    }
    signers
}

/// The page for the operator.
pub(super) const PAGE: &str = "START-HERE.txt";

pub(super) fn small_files(
    bundle: &Bundle<Verified>,
    (parts, _): &Parts,
    program: Option<&Program>,
    signers: &[Signer],
) -> Vec<Small> {
    let mut files = Vec::new();
    if let Some(program) = program {
        let signature = program.signature.clone().into_bytes();
        for (name, content) in [
            ("vgpu-installer", Content::Signed(program.file.clone())),
            ("vgpu-installer.sig", Content::Text(signature)),
        ] {
            files.push(Small { name: name.to_owned(), content });
        }
    }
    files.extend(signers.iter().map(|signer| Small {
        name: signer.file.clone(),
        content: Content::Text(format!("{} {}\n", signer.key, signer.who).into_bytes()),
    }));
    let names: Vec<String> = parts.iter().map(|(name, _)| name.clone()).collect();
    let page = page(bundle, &names, program, signers).into_bytes();
    files.push(Small { name: PAGE.to_owned(), content: Content::Text(page) });
    files
}

fn page(
    bundle: &Bundle<Verified>,
    names: &[String],
    program: Option<&Program>,
    signers: &[Signer],
) -> String {
    let manifest = bundle.manifest();
    let Manifest { name, sequence, channel, .. } = manifest;
    let signers = signers.iter().map(|signer| stick::Signer {
        principal: signer.who.as_str(),
        file: signer.file.clone(),
        slot: signer.slot,
    });
    // A bundle without driver and targets cannot be judged.
    let judged = manifest.records(Kind::driver).next().is_some() || manifest.purpose.is_some();
    let page = StartHere {
        title: format!("{name} {sequence} of channel {channel}"),
        channel: channel.as_str(),
        bundle: &manifest.file_name(),
        parts: if names.len() > 1 { names } else { &[] },
        size: ByteSize::new(bundle.total()),
        expected: Expected::of(manifest.left_out()),
        digest: bundle.digest(),
        program: program.map(|_| ProgramVersion::current()),
        signers: signers.collect(),
        verbs: if judged {
            &["verify", "check", "plan", "apply"]
        } else {
            &["verify", "plan", "apply"]
        },
    };
    page.to_string()
}

/// Returns the fingerprints that must reach the node out of band, each once.
pub(super) fn notes(program: Option<&Program>, signers: &[Signer]) -> Vec<Note> {
    let note = |signer: &Signer| Note {
        principal: signer.who.clone(),
        fingerprint: signer.key.fingerprint(),
    };
    let mut notes: Vec<Note> = signers.iter().map(note).collect();
    let of_program = program.and_then(|it| it.fingerprint().zip(it.trusted.principals.first()));
    if let Some((fingerprint, who)) = of_program
        && !notes.iter().any(|note| note.fingerprint == fingerprint)
    {
        notes.push(Note { principal: who.clone(), fingerprint });
    }
    notes
}

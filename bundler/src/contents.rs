//! The contents of a verified bundle, as text, JSON and pages show them.

use serde::Serialize;
use vgpu_keys::{Channel, Fingerprint, Principal, PublicKey, SignedPolicies, SignedPolicy};
use vgpu_manifest::ui::ByteSize;
use vgpu_manifest::unlock::UnlockRecord;
use vgpu_manifest::{Bundle, BundleName, Digest, Expected, Item, Kind, Manifest, Origin, Verified};

use crate::items::{driver, image};
use crate::lock;

/// A summary of a trusted bundle.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Facts<'r> {
    /// The name of the bundle.
    pub(crate) name: &'r BundleName,
    /// The channel.
    pub(crate) channel: &'r Channel,
    /// The sequence in its channel.
    pub(crate) sequence: u64,
    /// The digest of its signed root.
    pub(crate) digest: Digest,
    /// The principals whose signatures count.
    pub(crate) signed_by: Vec<&'r Principal>,
    /// The keys of these signatures.
    pub(crate) keys: Vec<Fingerprint>,
    /// The signatures that do not count, with the reason.
    pub(crate) not_counted: Vec<String>,
    /// The versions of the signed policies in it.
    pub(crate) policies: Vec<u64>,
    /// The size of all items in bytes.
    pub(crate) total_size: u64,
    /// The items that are not in it, and that a node must have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) left_out: Vec<Expected>,
}

impl<'r> Facts<'r> {
    pub(crate) fn of(bundle: &'r Bundle<Verified>) -> Self {
        let trusted = bundle.trusted();
        let manifest = bundle.manifest();
        let policies = bundle.policies().map_or(&[][..], SignedPolicies::policies);
        Self {
            name: &manifest.name,
            channel: &manifest.channel,
            sequence: manifest.sequence,
            digest: bundle.digest(),
            signed_by: trusted.principals.iter().collect(),
            keys: trusted.keys.iter().map(PublicKey::fingerprint).collect(),
            not_counted: trusted.uncounted.iter().map(ToString::to_string).collect(),
            policies: policies.iter().map(SignedPolicy::version).collect(),
            total_size: bundle.total(),
            left_out: Expected::of(manifest.left_out()),
        }
    }
}

/// Returns the lines about the drivers and the images, each with a line for what belongs to it.
pub(crate) fn records(manifest: &Manifest) -> [Vec<String>; 2] {
    [driver::lines(&manifest.kinds()), image::lines(manifest.kinds())]
}

/// Returns a line for each change of the host that the bundle wants.
pub(crate) fn wants(manifest: &Manifest) -> Vec<String> {
    lock::host_changes(&manifest.wants)
}

/// Describes an item in a few words: its kind, or else its origin.
pub(crate) fn describe(item: &Item) -> String {
    let what = match (item.kind(), item.origin()) {
        (Kind::Tree(tree) | Kind::UnlockSource(UnlockRecord { tree, .. }), _) => {
            format!("tree, {} unpacked", ByteSize::new(tree.unpacked))
        }
        (Kind::Catalog(_), _) => "the catalog".to_owned(),
        (Kind::Policies(_), _) => "signed policies".to_owned(),
        (_, origin @ (Origin::Url { .. } | Origin::Git { .. })) => origin.to_string(),
        (Kind::Image(_), _) | (_, Origin::Image { .. }) => "container image".to_owned(),
        (_, Origin::Bundler) => "made by the bundler".to_owned(),
        (_, Origin::File | Origin::Folder) => "file".to_owned(),
    };
    what + left_out(item)
}

/// Returns the kind of an item, for tables that have its origin elsewhere.
pub(crate) fn kind(item: &Item) -> String {
    let what = match item.kind() {
        Kind::Plain => "file".to_owned(),
        Kind::Tree(tree) => format!("tree, {} unpacked", ByteSize::new(tree.unpacked)),
        Kind::Driver(record) => format!("{} driver {}", record.kind, record.version),
        Kind::Patch(record) => format!("patch of {}", record.driver),
        Kind::Package(record) => format!("package {} {}", record.name, record.version),
        Kind::Headers(_) => "kernel headers".to_owned(),
        Kind::Image(record) => format!("image {}", record.reference),
        Kind::UnlockSource(_) => "sources of an unlock library".to_owned(),
        Kind::UnlockLibrary(_) => "unlock library".to_owned(),
        Kind::Catalog(_) => "catalog".to_owned(),
        Kind::Policies(_) => "signed policies".to_owned(),
    };
    what + left_out(item)
}

fn left_out(item: &Item) -> &'static str {
    if item.is_carried() { "" } else { ", left out" }
}

//! The `[host]` table of a recipe.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read as _;

use camino::Utf8Path;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Deserializer, IntoDeserializer as _, MapAccess, Visitor};
use serde::{Deserialize, de};
use toml::Spanned;
use vgpu_manifest::Wants;
use vgpu_manifest::profile::{MdevId, ProfileName, ProfileOverride, ProfileOverrides, VmId};

use super::{Fault, line_of};
use crate::types::LocalPath;

/// The requested changes to a host, whose overrides can be in a file of their own.
#[derive(Debug)]
pub(super) struct Host {
    wants: Wants,
    file: Option<Spanned<LocalPath>>,
}

/// The table `overrides`: the overrides themselves, or the path of a `profile_override.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Overrides {
    path: Option<Spanned<LocalPath>>,
    profile: BTreeMap<ProfileName, ProfileOverride>,
    mdev: BTreeMap<MdevId, ProfileOverride>,
    vm: BTreeMap<VmId, ProfileOverride>,
}

/// The size limit of a `profile_override.toml`, which thousands of types do not reach.
const MAX_LEN: u64 = 1 << 20;

impl Host {
    pub(super) fn wants(&self) -> &Wants {
        &self.wants
    }

    /// Returns the requested changes, with the overrides of the file below `base`.
    pub(super) fn resolved(self, base: &Utf8Path) -> Result<Wants, Fault> {
        let Self { wants, file } = self;
        let Some(file) = file else { return Ok(wants) };
        let (span, path) = (file.span(), file.into_inner());
        let fault = |what| Fault { span: span.clone(), what };
        let mut text = String::new();
        let opened = File::open(path.below(base));
        opened
            .and_then(|file| file.take(MAX_LEN + 1).read_to_string(&mut text))
            .map_err(|error| fault(format!("cannot read the overrides in `{path}`: {error}")))?;
        if text.len() as u64 > MAX_LEN {
            return Err(fault(format!("`{path}` is larger than the {MAX_LEN} bytes allowed")));
        }
        let overrides: ProfileOverrides = toml::from_str(&text).map_err(|error| {
            let line = line_of(&text, error.span().unwrap_or_default().start);
            fault(format!("`{path}` line {line}: {}", error.message().replace('\n', ", ")))
        })?;
        Ok(Wants { overrides, ..wants })
    }
}

impl<'de> Deserialize<'de> for Host {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(HostVisitor)
    }
}

struct HostVisitor;

impl<'de> Visitor<'de> for HostVisitor {
    type Value = Host;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Host, A::Error> {
        let mut found = None;
        let others = Others { map, overrides: &mut found };
        let wants = Wants::deserialize(MapAccessDeserializer::new(others))?;
        let Overrides { path: file, profile, mdev, vm } = found.unwrap_or_default();
        let overrides = ProfileOverrides { profile, mdev, vm };
        if file.is_some() && !overrides.is_empty() {
            let what = "`overrides` has a `path` and overrides; write all of them into the file";
            return Err(de::Error::custom(what));
        }
        Ok(Host { wants: Wants { overrides, ..wants }, file })
    }
}

/// The keys of the table except for `overrides`, which in a manifest has no `path`.
struct Others<'o, A> {
    map: A,
    overrides: &'o mut Option<Overrides>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Others<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        while let Some(key) = self.map.next_key::<String>()? {
            if key == "overrides" {
                *self.overrides = Some(self.map.next_value()?);
                continue;
            }
            return seed.deserialize(key.into_deserializer()).map(Some);
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

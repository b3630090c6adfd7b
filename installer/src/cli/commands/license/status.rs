use std::time::{Duration, UNIX_EPOCH};

use serde::Serialize;

use super::service_of;
use crate::cli::{Exit, Target};
use crate::date::Date;
use crate::host::Look as _;
use crate::license::health::{Lease, Reply, ask, is_up, leases};
use crate::license::{Service, data};
use crate::ui::{Format, Tone, Ui, printable};

/// Show the health of the license server.
///
/// Queries the server as guests do, by their name for it and the root certificate. Exits with 5
/// if it does not answer or something is about to expire.
#[derive(Debug, clap::Args)]
pub(crate) struct Status {}

/// The license server.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Found {
    /// The address for guests.
    url: String,
    /// The container engine.
    engine: String,
    /// The container image.
    image: String,
    /// It answers.
    up: bool,
    /// The last year in which its certificates are valid.
    certificates_until: i32,
    /// Whether the token signing keys exist.
    signs: bool,
    /// The number of leases; absent if unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    leases: Option<usize>,
    /// The end of the first lease.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_ends: Option<String>,
    /// Warnings.
    warnings: Vec<String>,
}

/// A lease that ends within this time was not renewed: guests renew after 15 % of the lease.
const SOON: Duration = Duration::from_hours(7 * 24);

impl Status {
    pub(crate) fn run(target: &Target, ui: &Ui) -> anyhow::Result<Exit> {
        let service = service_of(&target.host)?;
        let found = look(target, &service)?;
        if ui.format() == Format::Json {
            ui.print_json(&found)?;
        } else {
            print(&found, ui)?;
        }
        Ok(if found.warnings.is_empty() { Exit::Done } else { Exit::Differs })
    }
}

fn look(target: &Target, service: &Service) -> anyhow::Result<Found> {
    let host = &target.host;
    let mut warnings = Vec::new();
    let up = is_up(host, service)?;
    if !up {
        let why = match ask(host, service, "/-/health")? {
            Reply::Nothing(why) => why,
            Reply::Body(_) => "it does not report that it is up".to_owned(),
            Reply::NotAsked => {
                "commands are not run under `--root`, so the server cannot be queried".to_owned()
            }
        };
        warnings.push(format!("no valid answer from {}: {why}", service.url()));
    }
    let now = host.now();
    let year = Date::from(now).numbers()[0];
    if year < 2020 || year > i64::from(service.until) {
        warnings.push(format!(
            "the node's clock says {}, when no certificate is valid; set it: `timedatectl \
                set-time`",
            Date::from(now)
        ));
    } else if year == i64::from(service.until) {
        warnings.push(
            "the certificates expire this year; run `license install` with a newer bundle to \
                renew them, guests need no change"
                .to_owned(),
        );
    }
    let signs = data::signs(host)?;
    if !signs {
        warnings
            .push("the token signing keys are missing; restore a backup: `license restore`".into());
    }
    let all = match if up { ask(host, service, "/-/leases")? } else { Reply::NotAsked } {
        Reply::Body(body) => leases(&body).ok(),
        Reply::Nothing(_) | Reply::NotAsked => None,
    };
    let ends = all.iter().flatten().filter_map(Lease::ends).min();
    if let Some(ends) = ends
        && UNIX_EPOCH + Duration::from_secs(ends.max(0).cast_unsigned()) < now + SOON
    {
        warnings.push(format!("a lease ends on {}: its guest has not renewed it", Date(ends)));
    }
    Ok(Found {
        url: service.url(),
        engine: service.engine.to_string(),
        image: service.reference.to_string(),
        up,
        certificates_until: service.until,
        signs,
        leases: all.as_ref().map(Vec::len),
        first_ends: ends.map(|ends| Date(ends).to_string()),
        warnings,
    })
}

fn print(found: &Found, ui: &Ui) -> std::io::Result<()> {
    let (tone, word) = if found.up { (Tone::Good, "up") } else { (Tone::Bad, "not up") };
    ui.print(format_args!("{}  {}", found.url, ui.paint(tone, word)))?;
    ui.print(format_args!("  {} by {}", found.image, found.engine))?;
    ui.print(format_args!(
        "  certificates are valid until the end of {}",
        found.certificates_until
    ))?;
    if let Some(leases) = found.leases {
        let first = found.first_ends.as_ref().map(|ends| format!(", the first ends on {ends}"));
        ui.print(format_args!("  leases: {leases}{}", first.unwrap_or_default()))?;
    }
    for warning in &found.warnings {
        ui.print(format_args!("  {} {}", ui.paint(Tone::Warn, "warning:"), printable(warning)))?;
    }
    Ok(())
}

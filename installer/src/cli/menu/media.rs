use vgpu_manifest::HostPath;

use crate::cli::Target;
use crate::cli::medium::mounted;
use crate::host::Look;
use crate::ui::{Ui, printable};

/// Files on the mounted removable media that a screen can offer, as `vgpu-bundler write` names them.
#[derive(Debug, Default)]
pub(super) struct Media {
    /// Bundles; of one in parts, the first.
    pub(super) bundles: Vec<String>,
    /// Public keys.
    pub(super) keys: Vec<String>,
}

impl Media {
    /// Looks into the top folder of each mounted medium. One that cannot be read offers nothing.
    pub(super) fn of(target: &Target) -> Self {
        let look: &dyn Look = &target.host;
        let mut media = Self::default();
        for point in mounted(look).unwrap_or_default() {
            let Ok(point) = HostPath::new(&point) else { continue };
            for name in look.list(&point).ok().flatten().unwrap_or_default() {
                let path = target.outside(&point).join(&name);
                if name.ends_with(".vgpu.tar") || name.ends_with(".vgpu.tar.001") {
                    media.bundles.push(path.into_string());
                } else if path.extension() == Some("pub") {
                    media.keys.push(path.into_string());
                }
            }
        }
        media
    }
}

/// Asks for a path, which may be the number of one that is `found`; `None` at the end of input.
pub(super) fn ask(what: &str, found: &[String], and_enter: &str, ui: &Ui) -> Option<String> {
    if found.is_empty() {
        return ui.answer(&format!("Path of {what} (Enter: {and_enter}):")).ok().flatten();
    }
    ui.say("On mounted media:");
    for (number, path) in (1..).zip(found) {
        ui.say(format_args!("  {number}  {}", printable(path)));
    }
    let question = format!("Number, or path of {what} (Enter: {and_enter}):");
    let answer = ui.answer(&question).ok().flatten()?;
    let number = answer.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
    Some(number.and_then(|number| found.get(number)).cloned().unwrap_or(answer))
}

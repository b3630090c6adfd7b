//! Output of `apt-get --simulate`.

use vgpu_manifest::inventory::{PackageName, PackageVersion};

/// The changes that apt would make.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Simulation {
    /// The packages that it would unpack, with their new versions.
    pub(crate) install: Vec<(PackageName, PackageVersion)>,
    /// The packages that it would remove or purge.
    pub(crate) remove: Vec<PackageName>,
}

impl Simulation {
    /// Parses apt's output. `Err` is a line that is not recognized, such as one with a foreign
    /// architecture, for which no bundle has packages.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut simulation = Self::default();
        for line in text.lines() {
            let mut words = line.split(' ');
            let understood = match words.next() {
                Some("Inst") => installs(line).map(|pair| simulation.install.push(pair)),
                Some("Remv" | "Purg") => {
                    let name = words.next().and_then(|name| name.parse().ok());
                    name.map(|name| simulation.remove.push(name))
                }
                _ => Some(()),
            };
            understood.ok_or_else(|| line.to_owned())?;
        }
        Ok(simulation)
    }
}

/// Parses `Inst NAME [OLD] (NEW ARCHIVE [ARCH]) [...]`; `[OLD]` is present only if another version
/// is installed.
fn installs(line: &str) -> Option<(PackageName, PackageVersion)> {
    let name = line.split(' ').nth(1)?.parse().ok()?;
    let (_, rest) = line.split_once(" (")?;
    let version = rest.split([' ', ')']).next()?.parse().ok()?;
    Some((name, version))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Output of apt 2.6.1 and apt 3.0.3.
    const TEXT: &str = "\
Reading package lists...
Building dependency tree...
The following NEW packages will be installed:
  dkms make
Remv old-thing [1.0-1]
Inst make (4.3-4.1 localhost [amd64])
Inst libc6 [2.36-9] (2.36-9+deb12u7 Debian:12.5/stable [amd64]) []
Inst dkms (3.0.10-8+deb12u1 [all])
Conf make (4.3-4.1 localhost [amd64])
Purg other [2]
";

    #[test]
    fn what_would_come_and_go_is_read() {
        let simulation = Simulation::parse(TEXT).unwrap();
        let names: Vec<_> = simulation
            .install
            .iter()
            .map(|(name, version)| format!("{} {}", name.as_str(), version.as_str()))
            .collect();
        assert_eq!(names, ["make 4.3-4.1", "libc6 2.36-9+deb12u7", "dkms 3.0.10-8+deb12u1"]);
        let gone: Vec<_> = simulation.remove.iter().map(PackageName::as_str).collect();
        assert_eq!(gone, ["old-thing", "other"]);
    }

    #[test]
    fn a_line_that_could_hide_a_package_is_not_passed_over() {
        for bad in ["Inst", "Inst a", "Inst libc6:i386 (1 x [i386])", "Remv", "Inst a (é)"] {
            assert_eq!(Simulation::parse(bad), Err(bad.to_owned()));
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "((Inst|Remv|Conf) [a-z]{0,3} ?[(]?\\PC{0,9}\n?){0,6}") {
            let _ = Simulation::parse(&text);
        }
    }
}

//! The archives that the library accepts, compared with GNU tar's reading of the same bytes.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use vgpu_manifest::{Bundle, CHUNK, ItemMode};
use vgpu_tests::sample::{Part, Sample, noise};
use vgpu_tests::skip::have;

use super::tools::{lines, ok, run};

/// Random numbers from a fixed seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// Returns a name from the allowed grammar, sometimes of the maximum length.
    fn name(&mut self) -> String {
        const FIRST: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
        const REST: &[u8] = b"aZ09._+~-";
        let mut name = String::new();
        let longest = self.of(&[10, 30, 100]);
        loop {
            name.push(char::from(self.of(FIRST)));
            for _ in 0..self.below(12) {
                match self.below(20) {
                    0 => name.push_str("%3a"),
                    _ => name.push(char::from(self.of(REST))),
                }
            }
            if name.len() >= longest || self.below(3) == 0 {
                name.truncate(longest);
                let cut = name.rfind('%').filter(|at| at + 3 > name.len());
                name.truncate(cut.unwrap_or(name.len()));
                return name;
            }
            name.push('/');
        }
    }

    fn part(&mut self) -> Part {
        let chunk = usize::try_from(CHUNK).unwrap();
        let sizes = [0, 1, 511, 512, 513, 4096, 70_000];
        let size = match self.below(40) {
            0 => chunk + self.below(2 * chunk),
            1 => chunk,
            _ => self.of(&sizes),
        };
        let mode = self.of(&[ItemMode::Plain, ItemMode::Executable]);
        let seed = self.below(usize::MAX >> 32) as u64;
        Part { name: self.name(), mode, bytes: noise(seed, size) }
    }

    /// Returns several parts whose names do not conflict.
    fn parts(&mut self) -> Vec<Part> {
        let mut taken: BTreeSet<String> = BTreeSet::new();
        let mut parts = Vec::new();
        for _ in 0..self.below(25) {
            let part = self.part();
            let folded = part.name.to_ascii_lowercase();
            let inside = |a: &str, b: &str| a.starts_with(&format!("{b}/"));
            let clash = |other: &String| {
                *other == folded || inside(other, &folded) || inside(&folded, other)
            };
            if part.name.parse::<vgpu_manifest::ItemName>().is_ok() && !taken.iter().any(clash) {
                taken.insert(folded);
                parts.push(part);
            }
        }
        parts
    }
}

#[test]
fn gnu_tar_sees_the_same_names_sizes_and_contents_in_whatever_we_accept() {
    if !have("tar") {
        return;
    }
    let sample = Sample::new().unwrap();
    let mut dice = Dice(20_260_301);
    let mut items = 0;
    for round in 0..60 {
        let parts = dice.parts();
        items += parts.len();
        let bundle = sample.write("random.vgpu.tar", &parts, &["alice"]).unwrap();
        let verified = Bundle::open(&bundle).unwrap().verify(&sample.policy(1).unwrap()).unwrap();
        verified.check_deep(&|_| {}).unwrap();

        let folder = sample.path(&format!("round-{round}"));
        fs::create_dir(&folder).unwrap();
        let output = run(&folder, "tar", &["-xpf", bundle.as_str()]);
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        let names: Vec<&str> =
            verified.manifest().items.iter().map(|item| item.name().as_str()).collect();
        let listed = lines(ok(&folder, "tar", &["-tf", bundle.as_str()]));
        assert_eq!(listed[3..], names, "round {round}");
        assert_eq!(names, parts.iter().map(|part| part.name.as_str()).collect::<Vec<_>>());
        for (item, part) in verified.manifest().items.iter().zip(&parts) {
            let path = folder.join(item.name().as_str());
            let mut ours = Vec::new();
            verified.copy_item(item, &mut ours).unwrap();
            assert!(ours == part.bytes && fs::read(&path).unwrap() == ours, "{}", part.name);
            let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
            assert_eq!(mode, item.mode().bits(), "{}", part.name);
        }
        fs::remove_dir_all(&folder).unwrap();
    }
    assert!(items > 300, "only {items} items in all");
}

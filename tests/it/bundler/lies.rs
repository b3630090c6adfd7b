//! Malicious servers, end to end. Unit tests cover the effect of each attack.

use std::time::{Duration, Instant};

use crate::bundler::sandbox::{Sandbox, bytes};
use crate::liar::{Act, Liar};

fn content() -> Vec<u8> {
    (0..300_000_u32).flat_map(u32::to_le_bytes).collect()
}

/// Returns each server behavior with a fragment of the final error.
fn lies() -> Vec<(Act, &'static str)> {
    vec![
        (Act::Truncate(1000), "broke"),
        (Act::Reset(1000), "broke"),
        (Act::Stall(1000), "has sent nothing for 1 s"),
        (Act::SlowHead, "has sent nothing for 1 s"),
        (Act::EndlessHead, "broke"),
        (Act::Loop, "redirects more than 10 times"),
        (Act::Redirect("ftp://127.0.0.1/x".to_owned()), "not an http or https address"),
        (Act::Status(404, ""), "answers 404"),
        (Act::Status(502, ""), "answers 502"),
        (Act::WrongRange, "only a part came"),
        (Act::Gzip, "compressed although"),
        (Act::Endless(8 << 20), "sends more than 2.0 MiB"),
        (Act::Promise(1 << 40), "sends more than 2.0 MiB"),
        (Act::TwoLengths, "broke"),
        (Act::Swap(vec![7; 1_200_000]), "has another content"),
        (Act::Noise, "broke"),
    ]
}

/// Returns a recipe with one item for each of these lists of mirrors.
fn sandbox(mirrors: &[Vec<String>]) -> Sandbox {
    let sandbox = Sandbox::empty();
    sandbox.ok(&["key", "generate", "--principal", "alice", "--no-passphrase"]);
    let sha256 = vgpu_manifest::Digest::of(&content());
    let items = mirrors.iter().enumerate().map(|(at, urls)| {
        format!(
            "[[file]]\nname = 'item{at:02}'\nurl = {urls:?}\nsha256 = '{sha256}'\n\
             max-size = '2 MiB'\n"
        )
    });
    let items: String = items.collect();
    sandbox.write("bundle.toml", &format!("[bundle]\nname = 'net'\nchannel = 'stable'\n{items}"));
    sandbox
}

const IMPATIENT: [&str; 6] = ["--jobs", "20", "--stall-timeout", "1", "--attempts", "2"];

#[test]
fn each_lie_has_a_last_word_and_leaves_nothing_wrong() {
    let lies = lies();
    let liars: Vec<Liar> =
        lies.iter().map(|(act, _)| Liar::new(&content(), [act.clone()])).collect();
    // Each item needs its own digest; otherwise the partial download of one would serve the next.
    let sandbox = sandbox(&liars.iter().map(|liar| vec![liar.url()]).collect::<Vec<_>>());
    let recipe = sandbox.read("bundle.toml");
    let sha256 = vgpu_manifest::Digest::of(&content()).to_string();
    let mut count = 0;
    let own = recipe.lines().map(|line| {
        count += usize::from(line.contains(&sha256));
        line.replace(&sha256, &format!("{count:02}{}", &sha256[2..])) + "\n"
    });
    sandbox.write("bundle.toml", &own.collect::<String>());

    let begun = Instant::now();
    let error = sandbox.fails(1, &[&["lock"], &IMPATIENT[..]].concat());
    assert!(begun.elapsed() < Duration::from_mins(1), "it hangs");
    assert!(
        error.contains(&format!("{} of {} items are unavailable", lies.len(), lies.len())),
        "{error}"
    );
    for (at, ((act, word), liar)) in lies.iter().zip(&liars).enumerate() {
        let name = format!("cannot fetch `item{at:02}`: ");
        let line = error.lines().find(|line| line.contains(&name)).expect(&error);
        assert!(line.contains(word) && line.contains(&liar.url()), "{act:?}: {line}");
    }
    let cached = std::fs::read_dir(sandbox.path("home/.cache/vgpu-offline/sha256")).unwrap();
    assert_eq!(cached.count(), 0);
    assert!(!sandbox.work("bundle.lock").exists());
}

#[test]
fn one_honest_mirror_is_enough() {
    let lies = lies();
    let liars: Vec<Liar> =
        lies.iter().map(|(act, _)| Liar::new(&content(), [act.clone()])).collect();
    let good = Liar::new(&content(), [Act::Honest]);
    // One item with all malicious servers listed before the honest one.
    let mut urls: Vec<String> = liars.iter().map(Liar::url).collect();
    urls.push(good.url());
    let sandbox = sandbox(&[urls]);
    let patient = ["lock", "--stall-timeout", "1", "--attempts", "30"];
    sandbox.ok(&patient);
    sandbox.ok(&["build"]);
    sandbox.ok(&["extract", "net-1.vgpu.tar", "item00", "-o", "x"]);
    assert_eq!(bytes(sandbox.work("x/item00")), content());
}

//! The command line that is equivalent to the answers of a conversation.

use vgpu_manifest::shell_word;

use super::{Args, FileSource};

/// Returns the whole command, quoted for a shell.
pub(super) fn line(args: &Args) -> String {
    let words = words(args);
    let words = words.iter().map(|word| shell_word(word));
    ["vgpu-bundler".to_owned(), "init".to_owned()]
        .into_iter()
        .chain(words)
        .collect::<Vec<_>>()
        .join(" ")
}

pub(super) fn words(args: &Args) -> Vec<String> {
    // Destructure every field, so that the compiler reports a forgotten one.
    let Args {
        recipe,
        name,
        channel,
        file,
        tree,
        gpu,
        driver,
        driver_file,
        passthrough,
        machine,
        accept_mirrors,
        mirror,
        archive_key,
        licensing,
        iommu,
        kernel_word,
        module,
        modprobe,
        no_input,
        json,
        known: _,
    } = args;
    let mut words = Words::default();
    if recipe != "bundle.toml" {
        words.flag("--recipe", [recipe]);
    }
    words.flag("--name", name);
    words.flag("--channel", channel);
    let source = |source: &FileSource| match source {
        FileSource::Path(path) => path.to_string(),
        FileSource::Url(url) => url.clone().into(),
    };
    words.flag("--file", file.iter().map(|(name, from)| format!("{name}={}", source(from))));
    words.flag("--tree", tree.iter().map(|(name, path)| format!("{name}={path}")));
    for (flag, value) in machine.words() {
        words.flag(flag, [value]);
    }
    words.flag("--gpu", gpu);
    words.flag("--driver", driver);
    words.switch("--passthrough", *passthrough);
    words.flag("--driver-file", driver_file);
    words.switch("--accept-mirrors", *accept_mirrors);
    words.flag("--mirror", mirror);
    words.flag("--archive-key", archive_key);
    words.flag("--licensing", licensing);
    words.switch("--iommu", *iommu);
    words.flag("--kernel-word", kernel_word);
    words.flag("--module", module);
    words.flag("--modprobe", modprobe);
    words.switch("--json", *json);
    words.switch("--no-input", *no_input);
    words.0
}

#[derive(Default)]
struct Words(Vec<String>);

impl Words {
    fn flag<T: ToString>(&mut self, flag: &str, values: impl IntoIterator<Item = T>) {
        for value in values {
            let value = value.to_string();
            // A value that begins with a dash would be parsed as a flag.
            if value.starts_with('-') {
                self.0.push(format!("{flag}={value}"));
            } else {
                self.0.extend([flag.to_owned(), value]);
            }
        }
    }

    fn switch(&mut self, flag: &str, is_on: bool) {
        self.0.extend(is_on.then(|| flag.to_owned()));
    }
}

//! The page on a stick. An attacker could replace everything on the stick, this page included, so
//! it has no fingerprint: that must come from paper.

use std::fmt::{self, Write as _};

use vgpu_manifest::{Digest, Expected, ProgramVersion};

use vgpu_manifest::ui::{ByteSize, count};

/// The beginning of every page.
pub(crate) const PAGE_HEAD: &str = "START HERE: ";

/// The facts on the page.
#[derive(Debug)]
pub(crate) struct StartHere<'s> {
    /// The bundle: `gpu 1 of channel stable`.
    pub(crate) title: String,
    pub(crate) channel: &'s str,
    /// The file name of the whole bundle.
    pub(crate) bundle: &'s str,
    /// The file names of the parts, if there are several.
    pub(crate) parts: &'s [String],
    pub(crate) size: ByteSize,
    /// The items that are left out, and that the node must have.
    pub(crate) expected: Vec<Expected>,
    /// The digest of the signed root.
    pub(crate) digest: Digest,
    /// The version of the program, if it is on the stick.
    pub(crate) program: Option<ProgramVersion>,
    pub(crate) signers: Vec<Signer<'s>>,
    /// The commands to run, in this order.
    pub(crate) verbs: &'s [&'s str],
}

/// A signer of the bundle.
#[derive(Debug)]
pub(crate) struct Signer<'s> {
    pub(crate) principal: &'s str,
    /// The file of the public key.
    pub(crate) file: String,
    /// The slot of the signature, counted from one.
    pub(crate) slot: usize,
}

/// The guide with the commands.
const GUIDE: &str = include_str!("../../../docs/STOCK-RECIPE.md");

/// The commands of the guide, without its text.
fn recipe() -> impl Iterator<Item = &'static str> {
    let block = GUIDE.split_once("```sh recipe\n").map_or("", |(_, rest)| rest);
    let lines = block.split("```").next().unwrap_or_default().lines();
    lines.filter(|line| !line.is_empty() && !line.starts_with('#'))
}

impl fmt::Display for StartHere<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.contents(f)?;
        self.first_contact(f)?;
        self.use_it(f)?;
        self.stock(f)
    }
}

impl StartHere<'_> {
    /// Returns the shell variable for the fingerprint of the signer `index`.
    fn paper(&self, index: usize) -> String {
        if self.signers.len() == 1 { "PAPER".to_owned() } else { format!("PAPER{}", index + 1) }
    }

    fn contents(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{PAGE_HEAD}{}\n", self.title)?;
        match self.parts {
            [_, .., last] => writeln!(
                f,
                "  {}.001 up to {last}: the bundle in {} parts, {}",
                self.bundle,
                self.parts.len(),
                self.size
            )?,
            _ => writeln!(f, "  {}: the bundle, {}", self.bundle, self.size)?,
        }
        for Expected { bundle, items, .. } in &self.expected {
            let (what, digest) = (format!("{} {}", bundle.name, bundle.sequence), bundle.digest);
            let items = count(*items, "item");
            writeln!(f, "    without {items} that the node must have from {what}, with digest")?;
            writeln!(f, "    {digest}")?;
        }
        if let Some(version) = self.program {
            writeln!(f, "  vgpu-installer, vgpu-installer.sig: the program, version {version}")?;
        }
        for signer in &self.signers {
            writeln!(f, "  {}: the key of {}", signer.file, signer.principal)?;
        }
        writeln!(f, "SHA256SUMS in the bundle has digest\n  {}\n", self.digest)?;
        f.write_str(
            "Anything here may have been replaced on the way, including this page. You therefore need the\n\
             fingerprint of the key from another source: on paper, or by telephone. It is not printed here,\n\
             on purpose.\n\n\
             1. Log in to the node as root. Set the path of the stick and the fingerprint on paper.\n\n",
        )?;
        writeln!(f, "    cd /root\n    STICK=/media/stick")?;
        for (index, signer) in self.signers.iter().enumerate() {
            let paper = self.paper(index);
            writeln!(f, "    {paper}=SHA256:...        # the key of {}", signer.principal)?;
        }
        Ok(())
    }

    fn first_contact(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.program.is_some() {
            f.write_str(
                "\n2. Copy the program. The last command prints the fingerprint of the key that signed it. Stop\n\
                 here unless it equals the one on paper, to the last character.\n\n\
                 \x20   install -m 0755 \"$STICK/vgpu-installer\" .\n\
                 \x20   install -m 0644 \"$STICK/vgpu-installer.sig\" .\n\
                 \x20   ssh-keygen -Y check-novalidate -n vgpu-installer -s vgpu-installer.sig < vgpu-installer\n",
            )?;
        } else {
            f.write_str("\n2. The program is already on the node.\n")?;
        }
        f.write_str(
            "\n3. Trust the key, once. The program refuses a key with another fingerprint.\n\n",
        )?;
        let program = self.program();
        for (index, signer) in self.signers.iter().enumerate() {
            writeln!(
                f,
                "    {program} trust add \"$STICK/{}\" --principal '{}' --channel {} --fingerprint \"${}\"",
                signer.file,
                signer.principal,
                self.channel,
                self.paper(index)
            )?;
        }
        Ok(())
    }

    fn program(&self) -> &'static str {
        if self.program.is_some() { "./vgpu-installer" } else { "vgpu-installer" }
    }

    fn first_file(&self) -> &str {
        self.parts.first().map_or(self.bundle, String::as_str)
    }

    fn use_it(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "\n4. Verify the bundle, check whether it fits this node, read the plan, and apply it. Later,\n\
             `status` and `revert` work without the stick.\n\n",
        )?;
        for verb in self.verbs {
            writeln!(f, "    {} {verb} \"$STICK/{}\"", self.program(), self.first_file())?;
        }
        Ok(())
    }

    fn stock(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "\nTo verify with stock tools instead (tar, ssh-keygen, sha256sum), run the following. The output must\n\
             end with `proven:`.\n\n",
        )?;
        if let [_, _, ..] = self.parts {
            writeln!(f, "    cat \"$STICK/{0}\".[0-9][0-9][0-9] > {0}", self.bundle)?;
            writeln!(f, "    export BUNDLE=\"$PWD/{}\"", self.bundle)?;
        } else {
            writeln!(f, "    export BUNDLE=\"$STICK/{}\"", self.bundle)?;
        }
        f.write_str("    export SIGNERS=\"$PWD/allowed_signers\"\n")?;
        for (index, signer) in self.signers.iter().enumerate() {
            let (file, who, paper) = (&signer.file, signer.principal, self.paper(index));
            let append = if index == 0 { ">" } else { ">>" };
            writeln!(f, "    ssh-keygen -lf \"$STICK/{file}\" | grep -F \" ${paper} \" &&")?;
            writeln!(
                f,
                "    echo '{who} namespaces=\"vgpu-bundle\"' \"$(cut -d' ' -f1,2 \"$STICK/{file}\")\" {append} \"$SIGNERS\""
            )?;
        }
        if let Some(signer) = self.signers.first() {
            writeln!(f, "    export WHO='{}' SLOT={}", signer.principal, signer.slot)?;
        }
        let mut text = String::new();
        for line in recipe() {
            // Writing to a `String` cannot fail.
            let _ = writeln!(text, "    {line}");
        }
        f.write_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page<'s>(parts: &'s [String], signers: Vec<Signer<'s>>) -> StartHere<'s> {
        StartHere {
            title: "gpu 1 of channel stable".to_owned(),
            channel: "stable",
            bundle: "gpu-1.vgpu.tar",
            parts,
            size: ByteSize::new(5 << 30),
            expected: Vec::new(),
            digest: Digest::of(b""),
            program: Some(ProgramVersion::current()),
            signers,
            verbs: &["verify", "check", "plan", "apply"],
        }
    }

    fn signer(principal: &'static str, slot: usize) -> Signer<'static> {
        Signer { principal, file: format!("{principal}.pub"), slot }
    }

    #[test]
    fn it_is_one_page_and_names_no_fingerprint() {
        let text = page(&[], vec![signer("alice", 1)]).to_string();
        assert!(text.lines().count() <= 72, "{} lines:\n{text}", text.lines().count());
        let longest = text.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(longest <= 110, "{longest} columns");
        assert!(
            text.is_ascii() && !text.contains("SHA256:") | text.contains("SHA256:..."),
            "{text}"
        );
        assert_eq!(text.matches("SHA256:").count(), 1);
    }

    #[test]
    fn it_has_the_whole_stock_recipe() {
        let text = page(&[], vec![signer("alice", 1)]).to_string();
        for line in
            ["tar --occurrence=1 -xOf \"$BUNDLE\" SHA256SUMS", "sha256sum -c --strict SHA256SUMS"]
        {
            assert!(text.contains(line), "{line}");
        }
        assert_eq!(recipe().next(), Some("("));
        assert_eq!(recipe().last(), Some(")"));
    }

    #[test]
    fn parts_are_joined_and_every_signer_is_named() {
        let parts: Vec<_> = (1..=2).map(|n| format!("gpu-1.vgpu.tar.00{n}")).collect();
        let text = page(&parts, vec![signer("alice", 1), signer("bob", 3)]).to_string();
        for says in [
            "verify \"$STICK/gpu-1.vgpu.tar.001\"",
            "cat \"$STICK/gpu-1.vgpu.tar\".[0-9][0-9][0-9] > gpu-1.vgpu.tar",
            "--principal 'bob' --channel stable --fingerprint \"$PAPER2\"",
            "WHO='alice' SLOT=1",
        ] {
            assert!(text.contains(says), "{says}: {text}");
        }
    }
}

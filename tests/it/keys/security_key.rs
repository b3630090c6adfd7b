//! Signatures of FIDO2 security keys, between this crate and the real `ssh-keygen`.

use std::process::Command;

use vgpu_keys::{
    Agent, AgentError, AllowedSigners, KeyFile, Policy, RevokedKeys, Role, SLOT_LEN, SignError,
    Signature, Signer, Slots, WhyNot,
};

use crate::keys::authenticator::{SK, SecurityKey, TokenAgent};
use crate::keys::openssh::OpenSsh;
use crate::keys::support::{MESSAGE, Parts, key, refused, sign, string};

/// A security key, and the roles that the line of alice allows.
fn line(key: &SecurityKey) -> String {
    let roles = Role::ALL.map(Role::namespace).join(",");
    format!("alice namespaces=\"{roles}\" {}\n", key.line())
}

/// Asks `ssh-keygen -Y verify`, as the stock recipe does.
fn theirs(tools: &OpenSsh, signers: &str, role: Role, armor: &[u8], message: &[u8]) -> bool {
    tools.write("signers", signers);
    tools.write("sig", armor);
    let args =
        ["-Y", "verify", "-f", "signers", "-I", "alice", "-n", role.namespace(), "-s", "sig"];
    tools.keygen(&args, message).good
}

/// Signs through an agent with this crate.
fn ours(key: &SecurityKey, role: Role) -> Signature {
    let agent = TokenAgent::start(key.clone());
    let agent = Agent::connect(agent.socket()).unwrap();
    agent.signer(&key.public()).unwrap().sign(role, MESSAGE).unwrap()
}

/// Returns security keys that sign in every accepted way.
fn good() -> Vec<SecurityKey> {
    let mut keys = Vec::new();
    for application in ["ssh:", "ssh:vgpu"] {
        for (flags, counter) in [(1, 0), (1, u32::MAX), (5, 1)] {
            let application = application.as_bytes().to_vec();
            keys.push(SecurityKey { application, flags, counter, ..SecurityKey::new(1) });
        }
    }
    keys
}

#[test]
fn they_verify_what_an_agent_signs_for_us() {
    let Some(tools) = OpenSsh::find() else { return };
    for key in good() {
        for role in Role::ALL {
            let armor = ours(&key, role).to_armor();
            assert!(theirs(&tools, &line(&key), role, armor.as_bytes(), MESSAGE));
            assert!(!theirs(&tools, &line(&key), role, armor.as_bytes(), b"other"));
            let other = SecurityKey { application: b"ssh:other".to_vec(), ..key.clone() };
            assert!(!theirs(&tools, &line(&other), role, armor.as_bytes(), MESSAGE));
        }
    }
}

#[test]
fn we_verify_what_they_sign_with_a_security_key() {
    let Some(tools) = OpenSsh::find() else { return };
    for key in good() {
        let agent = TokenAgent::start(key.clone());
        tools.write("token.pub", key.line());
        for role in Role::ALL {
            let mut command = Command::new("ssh-keygen");
            command.args(["-Y", "sign", "-f", "token.pub", "-n", role.namespace()]);
            let armor = tools.run(command.env("SSH_AUTH_SOCK", agent.socket()), MESSAGE).ok();
            let signature = Signature::from_armor(&armor).unwrap();
            assert_eq!(signature.to_armor().as_bytes(), armor, "byte for byte");
            assert_eq!(signature.key(), &key.public());
            assert_eq!(signature.verify(role, MESSAGE), Ok(()));
            refused(signature.verify(role, b"other"), "is invalid");
            assert!(theirs(&tools, &line(&key), role, &armor, MESSAGE));
        }
    }
}

#[test]
fn fingerprints_are_those_of_ssh_keygen() {
    let Some(tools) = OpenSsh::find() else { return };
    for key in good() {
        tools.write("token.pub", key.line());
        let shown = String::from_utf8(tools.keygen(&["-l", "-f", "token.pub"], b"").ok()).unwrap();
        assert!(shown.contains(&key.public().fingerprint().to_string()), "{shown}");
    }
}

/// Returns the parts of a signature of `key`, with another frame.
fn parts(key: &SecurityKey, frame: Vec<u8>) -> Parts {
    Parts { key: key.wire(), signature: frame, ..Parts::good() }
}

#[test]
fn both_refuse_what_was_changed() {
    let Some(tools) = OpenSsh::find() else { return };
    let key = SecurityKey::new(1);
    let armor = ours(&key, Role::Bundle).to_armor();
    let blob = crate::keys::support::dearmor(&armor);
    let frame = frame_of(&blob);
    assert_eq!(parts(&key, frame.clone()).armor(), armor);
    let signature = frame[4 + SK.len() + 4..][..64].to_vec();
    let framed = |kind: &str, signature: &[u8], rest: &[u8]| {
        [string(kind.as_bytes()), string(signature), rest.to_vec()].concat()
    };
    let good = [1, 0, 0, 0, 7];
    assert_eq!(framed(SK, &signature, &good), frame);

    let mut cases: Vec<(&str, Parts, &str)> = Vec::new();
    let mut case = |what, frame, words| cases.push((what, parts(&key, frame), words));
    case("counter", framed(SK, &signature, &[1, 0, 0, 0, 8]), "is invalid");
    case("flags", framed(SK, &signature, &[5, 0, 0, 0, 7]), "is invalid");
    case("no counter", framed(SK, &signature, &[1]), "is truncated");
    case("no flags", framed(SK, &signature, &[]), "is truncated");
    case("longer", framed(SK, &signature, &[1, 0, 0, 0, 7, 0]), "followed by bytes");
    case("short", framed(SK, &signature[..63], &good), "is truncated");
    case("zeros", framed(SK, &[0; 64], &good), "is invalid");
    case("plain type", framed("ssh-ed25519", &signature, &good), "has type `ssh-ed25519`");
    case("plain frame", framed("ssh-ed25519", &signature, &[]), "has type `ssh-ed25519`");
    case("other type", framed("sk-ecdsa-sha2-nistp256@openssh.com", &signature, &good), "has type");
    let other = SecurityKey { application: b"ssh:other".to_vec(), ..key.clone() };
    cases.push(("another application", parts(&other, frame.clone()), "is invalid"));
    let point = SecurityKey::new(2);
    cases.push(("another key", parts(&point, frame.clone()), "is invalid"));
    let plain = Parts { signature: frame.clone(), ..Parts::good() };
    cases.push(("the plain key of the same point", plain, "has type `sk-ssh-ed25519@openssh.com`"));
    let plain = Parts { key: key.wire(), ..Parts::good() };
    cases.push(("a plain signature of the same point", plain, "has type `ssh-ed25519`"));
    for (what, parts, words) in cases {
        let armor = parts.armor();
        let read = Signature::from_armor(armor.as_bytes());
        refused(read.and_then(|it| it.verify(Role::Bundle, MESSAGE)), words);
        let signers = [&key, &other, &point].map(line).concat()
            + &line(&key)
                .replace(&key.line(), &crate::keys::support::key(1).public_key().to_string());
        assert!(
            !theirs(&tools, &signers, Role::Bundle, armor.as_bytes(), MESSAGE),
            "ssh-keygen accepts: {what}"
        );
    }
}

/// Returns the innermost frame of a binary signature.
fn frame_of(blob: &[u8]) -> Vec<u8> {
    let mut at = 10;
    let mut last = &blob[..0];
    while at < blob.len() {
        let len = u32::from_be_bytes(blob[at..at + 4].try_into().unwrap()) as usize;
        last = &blob[at + 4..at + 4 + len];
        at += 4 + len;
    }
    last.to_vec()
}

/// The group order added to the scalar gives a second signature for the same message. OpenSSH 9.2
/// accepts it for security keys.
#[test]
fn a_second_form_of_a_signature_is_refused() {
    let key = SecurityKey::new(1);
    let armor = ours(&key, Role::Bundle).to_armor();
    let mut frame = frame_of(&crate::keys::support::dearmor(&armor));
    let scalar = 4 + SK.len() + 4 + 32;
    // Little-endian.
    let order = [
        0xed_u8, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9,
        0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut carry = 0;
    for (byte, add) in frame[scalar..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    let malleable = Signature::from_armor(parts(&key, frame).armor().as_bytes()).unwrap();
    refused(malleable.verify(Role::Bundle, MESSAGE), "is invalid");
}

/// `ssh-keygen` verifies flags and application, but requires nothing of them. sshd requires a touch
/// by default; here it is always required.
#[test]
fn we_refuse_more_than_ssh_keygen() {
    let Some(tools) = OpenSsh::find() else { return };
    let base = SecurityKey::new(1);
    let web = SecurityKey { application: b"https://a.example".to_vec(), ..base.clone() };
    for (key, words) in [
        (SecurityKey { flags: 0, ..base.clone() }, "without being touched (flags 0x00)"),
        (SecurityKey { flags: 4, ..base.clone() }, "without being touched (flags 0x04)"),
        (SecurityKey { flags: 0x41, ..base.clone() }, "has set the flags 0x41"),
        (SecurityKey { flags: 0x81, ..base }, "has set the flags 0x81"),
        (web, "application of the security key"),
    ] {
        let agent = TokenAgent::start(key.clone());
        tools.write("token.pub", key.line());
        let mut command = Command::new("ssh-keygen");
        command.args(["-Y", "sign", "-f", "token.pub", "-n", "vgpu-bundle"]);
        let armor = tools.run(command.env("SSH_AUTH_SOCK", agent.socket()), MESSAGE).ok();
        assert!(theirs(&tools, &line(&key), Role::Bundle, &armor, MESSAGE), "{words}");
        refused(Signature::from_armor(&armor), words);
    }
}

/// The options of `authorized_keys` for security keys are none of `allowed_signers`: both refuse the
/// line.
#[test]
fn lines_have_no_options_for_security_keys() {
    let Some(tools) = OpenSsh::find() else { return };
    let key = SecurityKey::new(1);
    let armor = ours(&key, Role::Bundle).to_armor();
    for option in ["no-touch-required", "verify-required"] {
        let line = line(&key).replace("namespaces", &format!("{option},namespaces"));
        refused(line.parse::<AllowedSigners>(), "unknown option");
        assert!(!theirs(&tools, &line, Role::Bundle, armor.as_bytes(), MESSAGE), "{option}");
    }
}

#[test]
fn an_agent_whose_security_key_was_not_touched_signs_nothing() {
    let key = SecurityKey { flags: 0, ..SecurityKey::new(1) };
    let sign = |agent: TokenAgent| {
        let agent = Agent::connect(agent.socket()).unwrap();
        agent.signer(&key.public()).unwrap().sign(Role::Bundle, MESSAGE)
    };
    let error = sign(TokenAgent::start(key.clone())).unwrap_err();
    assert!(matches!(error, SignError::Agent(AgentError::Signature(_))), "{error:?}");
    refused(Err::<(), _>(error), "without being touched");
    let plainly = SecurityKey { flags: 1, ..key.clone() };
    refused(
        sign(TokenAgent::answering(plainly, SecurityKey::sign_plainly)),
        "the new signature is invalid",
    );
}

#[test]
fn a_security_key_counts_like_any_other_key() {
    let token = SecurityKey::new(1);
    let text = line(&token)
        + &format!("alice namespaces=\"vgpu-bundle\" {}\n", key(2).public_key())
        + &format!("bob namespaces=\"vgpu-bundle\" {}\n", key(3).public_key());
    let signers: AllowedSigners = text.parse().unwrap();
    assert_eq!(signers.get(&token.public()).unwrap().roles().len(), 4);
    let policy = |threshold: usize, revoked: &str| {
        let revoked: RevokedKeys = revoked.parse().unwrap();
        let channels = ["stable".parse().unwrap()];
        Policy::new(1, threshold.try_into().unwrap(), channels, signers.clone(), revoked).unwrap()
    };
    let by_token = ours(&token, Role::Bundle);
    let judge =
        |policy: &Policy, signatures: &[Signature]| policy.judge(Role::Bundle, MESSAGE, signatures);
    assert!(judge(&policy(1, ""), std::slice::from_ref(&by_token)).is_ok());
    let both = [by_token.clone(), sign(3, Role::Bundle)];
    assert_eq!(judge(&policy(2, ""), &both).unwrap().principals.len(), 2);
    refused(judge(&policy(2, ""), &[by_token.clone(), sign(2, Role::Bundle)]), "already counted");
    refused(judge(&policy(1, &token.line()), std::slice::from_ref(&by_token)), "is revoked");
    // The same 32 bytes without a security key are another key, which is unknown here.
    let plain = judge(&policy(1, ""), &[by_token, sign(1, Role::Bundle)]).unwrap();
    assert_eq!(plain.uncounted[0].why, WhyNot::Unknown);
    refused(format!("{text}mallory {}", token.line()).parse::<AllowedSigners>(), "may sign");
    let twice = format!("{text}mallory namespaces=\"vgpu-bundle\" {}", token.line());
    refused(twice.parse::<AllowedSigners>(), "two principals");
}

#[test]
fn the_longest_signature_fits_a_slot() {
    let application = format!("ssh:{}", "x".repeat(60)).into_bytes();
    let key = SecurityKey { application, ..SecurityKey::new(1) };
    let mut slots = Slots::default();
    for role in Role::ALL {
        let signature = ours(&key, role);
        assert!(signature.to_armor().len() < SLOT_LEN, "{role}");
        slots = Slots::default();
        slots.add(signature).unwrap();
        assert_eq!(Slots::parse(&slots.to_bytes()).as_ref(), Ok(&slots));
    }
    assert_eq!(slots.signatures().len(), 1);
}

/// The file that `ssh-keygen -t ed25519-sk` writes has no secret that a program could sign with.
#[test]
fn the_file_of_a_security_key_cannot_sign() {
    let key = SecurityKey::new(1);
    let none = string(b"none");
    let blob = [
        &b"openssh-key-v1\0"[..],
        &none,
        &none,
        &string(b""),
        &1_u32.to_be_bytes(),
        &string(&key.wire()),
        &string(&[0; 64]),
    ]
    .concat();
    let pem =
        crate::keys::support::armor(&blob, 70).replace("SSH SIGNATURE", "OPENSSH PRIVATE KEY");
    let read = KeyFile::parse(pem.as_bytes(), &mut || panic!("asked for a passphrase"));
    let fingerprint = key.public().fingerprint().to_string();
    refused(read, &format!("run `ssh-add FILE`, and sign with `--agent {fingerprint}`"));
}

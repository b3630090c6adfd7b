//! The real `ssh-agent`, and misbehaving ones.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::thread;

use tempfile::TempDir;
use vgpu_keys::{Agent, AgentError, AgentKey, Role, SignError, Signer};

use crate::keys::openssh::{OpenSsh, RealAgent};
use crate::keys::support::{MESSAGE, Parts, key, public, refused, string};

#[test]
fn a_key_in_an_agent_signs_as_the_key_itself_does() {
    let Some(tools) = OpenSsh::find() else { return };
    let real = RealAgent::start(&tools);
    let agent = Agent::connect(real.socket()).unwrap();
    assert!(agent.keys().unwrap().is_empty());

    tools.make_key("rsa", &["-t", "rsa", "-b", "2048", "-N", ""]);
    tools.make_key("theirs", &["-t", "ed25519", "-N", ""]);
    tools.write("ours", key(1).to_openssh(None).unwrap().as_bytes());
    real.add(&["-q", "rsa", "theirs", "ours"]);
    let theirs = tools.key_file("theirs");

    let keys = agent.keys().unwrap();
    let listed: Vec<_> = keys.iter().map(|key| (*key.public_key(), key.comment())).collect();
    let expected = [(*theirs.public_key(), "made by ssh-keygen"), (public(1), "test")];
    assert_eq!(listed, expected, "the RSA key is left out");

    for key in [&theirs, &key(1)] {
        let signer = agent.signer(key.public_key()).unwrap();
        for role in Role::ALL {
            let signature = signer.sign(role, MESSAGE).unwrap();
            assert_eq!(signature, key.sign(role, MESSAGE).unwrap());
        }
    }
    refused(agent.signer(&public(9)), "is not in the ssh-agent; add it with `ssh-add FILE`");
}

/// `ssh-keygen` signs through the same agent, and the result is the same.
#[test]
fn ssh_keygen_signs_the_same_through_the_agent() {
    let Some(tools) = OpenSsh::find() else { return };
    let real = RealAgent::start(&tools);
    tools.write("ours", key(1).to_openssh(None).unwrap().as_bytes());
    real.add(&["-q", "ours"]);
    tools.write("only.pub", key(1).public_line());
    let mut command = std::process::Command::new("ssh-keygen");
    command.args(["-Y", "sign", "-f", "only.pub", "-n", "vgpu-bundle"]);
    let theirs = tools.run(command.env("SSH_AUTH_SOCK", real.socket()), MESSAGE).ok();

    let agent = Agent::connect(real.socket()).unwrap();
    let ours = agent.signer(&public(1)).unwrap().sign(Role::Bundle, MESSAGE).unwrap();
    assert_eq!(ours.to_armor().as_bytes(), theirs);
}

#[test]
fn a_key_that_has_gone_is_refused() {
    let Some(tools) = OpenSsh::find() else { return };
    let real = RealAgent::start(&tools);
    tools.write("ours", key(1).to_openssh(None).unwrap().as_bytes());
    real.add(&["-q", "ours"]);
    let signer = Agent::connect(real.socket()).unwrap().signer(&public(1)).unwrap();
    real.add(&["-q", "-D"]);
    let error = signer.sign(Role::Bundle, MESSAGE).unwrap_err();
    assert!(matches!(error, SignError::Agent(AgentError::Refused)), "{error:?}");
}

#[test]
fn without_an_agent_that_is_said() {
    let folder = TempDir::new().unwrap();
    refused(Agent::connect(folder.path().join("none")), "no ssh-agent at");
    refused(Agent::connect(""), "no ssh-agent at");
    let stale = folder.path().join("stale");
    drop(UnixListener::bind(&stale).unwrap());
    refused(Agent::connect(&stale), "no ssh-agent at");
}

/// An agent that sends the same answer to every request.
struct FakeAgent {
    _folder: TempDir,
    socket: PathBuf,
}

impl FakeAgent {
    /// Starts an agent that sends these bytes and disconnects.
    fn sending(answer: Vec<u8>) -> Self {
        let folder = TempDir::new().unwrap();
        let socket = folder.path().join("agent");
        let listener = UnixListener::bind(&socket).unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                // Read the request first; otherwise disconnecting would look like a broken
                // connection.
                let mut len = [0; 4];
                if stream.read_exact(&mut len).is_ok() {
                    let mut request = vec![0; u32::from_be_bytes(len) as usize];
                    let _ = stream.read_exact(&mut request);
                    let _ = stream.write_all(&answer);
                }
            }
        });
        Self { _folder: folder, socket }
    }

    /// Starts an agent that sends a message of this type.
    fn answering(kind: u8, body: &[u8]) -> Self {
        Self::sending(string(&[&[kind], body].concat()))
    }

    fn keys(&self) -> Result<Vec<AgentKey>, AgentError> {
        Agent::connect(&self.socket).unwrap().keys()
    }
}

#[test]
fn an_agent_that_answers_nonsense_is_refused() {
    let count = |count: u32| count.to_be_bytes();
    refused(FakeAgent::sending(vec![]).keys(), "connection to the ssh-agent was lost");
    refused(FakeAgent::sending(vec![0, 0]).keys(), "connection to the ssh-agent was lost");
    refused(
        FakeAgent::sending(vec![0, 0, 0, 9, 12]).keys(),
        "connection to the ssh-agent was lost",
    );
    refused(FakeAgent::sending(vec![0, 0, 0, 0]).keys(), "is truncated");
    refused(FakeAgent::sending(vec![0xff; 64]).keys(), "a message of 4294967295 bytes");
    refused(FakeAgent::sending(vec![0, 4, 0, 1, 12]).keys(), "a message of 262145 bytes");
    refused(FakeAgent::answering(5, &[]).keys(), "the ssh-agent refused");
    refused(FakeAgent::answering(14, &count(0)).keys(), "type 14");
    refused(FakeAgent::answering(12, &[]).keys(), "is truncated");
    refused(FakeAgent::answering(12, &count(u32::MAX)).keys(), "is truncated");
    refused(FakeAgent::answering(12, &[&count(0)[..], b"x"].concat()).keys(), "followed by bytes");

    let one = [&count(1)[..], &string(b"\0\0\0\x07ssh-foo"), &string(b"?")].concat();
    assert!(FakeAgent::answering(12, &one).keys().unwrap().is_empty());
}

/// The list of keys comes from a real answer; the signature from a second agent behind the same
/// socket name.
#[test]
fn a_signature_that_does_not_hold_is_not_passed_on() {
    let good = Parts::good();
    let sign_with = |signature: &[u8]| {
        let list = [&1_u32.to_be_bytes()[..], &string(&good.key), &string(b"key")].concat();
        let lister = FakeAgent::answering(12, &list);
        let signer = Agent::connect(&lister.socket).unwrap().signer(&public(1)).unwrap();
        let liar = FakeAgent::answering(14, signature);
        std::fs::rename(&liar.socket, &lister.socket).unwrap();
        signer.sign(Role::Bundle, MESSAGE)
    };
    assert!(sign_with(&string(&good.signature)).is_ok());

    let ed25519 = |bytes: &[u8]| string(&[string(b"ssh-ed25519"), string(bytes)].concat());
    refused(sign_with(&string(&Parts::by(2).signature)), "the new signature is invalid");
    refused(sign_with(&ed25519(&[0; 64])), "the new signature is invalid");
    refused(sign_with(&ed25519(&[0; 63])), "invalid signature");
    refused(sign_with(&string(&[string(b"ssh-rsa"), string(&[0; 64])].concat())), "`ssh-rsa`");
    refused(sign_with(&[string(&good.signature), vec![0]].concat()), "followed by bytes");
    refused(sign_with(&[]), "is truncated");
}

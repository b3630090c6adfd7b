use super::*;
use crate::{KeyFile, PublicKey, Signer};

fn key(seed: u8) -> PublicKey {
    *KeyFile::from_seed(&[seed; 32], "").unwrap().public_key()
}

/// Returns a policy: Alice, who has two keys, and Bob may sign bundles, and Carol only reports.
fn document(threshold: usize, revoked: &[PublicKey]) -> String {
    let revoked: RevokedKeys = revoked.iter().copied().collect();
    format!(
        "version = 7\nthreshold = {threshold}\nchannels = [\"pve-8\", \"stable\"]\n\
         signers = '''\n\
         alice namespaces=\"vgpu-bundle,vgpu-policy\" {}\n\
         alice namespaces=\"vgpu-bundle\" {}\n\
         bob namespaces=\"vgpu-bundle\" {}\n\
         carol namespaces=\"vgpu-report\" {}\n\
         '''\nrevoked = '''\n{revoked}'''\n",
        key(1),
        key(2),
        key(3),
        key(4),
    )
}

#[test]
fn a_document_is_read_and_written_the_same() {
    let text = document(2, &[key(9)]);
    let policy = Policy::parse(text.as_bytes()).unwrap();
    assert_eq!(policy.to_string(), text);
    assert_eq!((policy.version(), policy.threshold().get()), (7, 2));
    assert!(policy.channels().iter().map(Channel::as_str).eq(["pve-8", "stable"]));
    assert_eq!(policy.allowed_signers().iter().count(), 4);
    assert!(policy.revoked_keys().contains(&key(9)));
}

#[test]
fn policies_can_have_a_threshold_of_their_own() {
    let text = document(1, &[]).replace("channels", "policy-threshold = 2\nchannels");
    let policy = Policy::parse(text.as_bytes()).unwrap();
    assert_eq!(policy.to_string(), text);
    let threshold = |role| policy.threshold_for(role).get();
    assert_eq!(Role::ALL.map(threshold), [1, 1, 2, 1]);
    assert!(!policy.can_be_succeeded(), "only alice may sign policies");
    let policy = Policy::parse(document(1, &[]).as_bytes()).unwrap();
    assert!(policy.can_be_succeeded());
    let policy = Policy::parse(document(1, &[key(1)]).as_bytes()).unwrap();
    assert!(!policy.can_be_succeeded(), "her key is revoked");
}

#[test]
fn other_spellings_of_the_document_mean_the_same() {
    let text = document(1, &[]);
    let spelled = text
        .replace("'''", "\"\"\"")
        .replace("namespaces=\"", "namespaces=\\\"")
        .replace("\" ssh", "\\\" ssh")
        .replace("threshold = 1", "# a comment\nthreshold = 0x1");
    assert_ne!(spelled, text);
    let policy = Policy::parse(spelled.as_bytes()).unwrap();
    assert_eq!(policy.to_string(), text);
}

#[test]
fn the_threshold_is_one_that_principals_with_good_keys_can_reach() {
    let parse = |threshold, revoked: &[PublicKey]| {
        Policy::parse(document(threshold, revoked).as_bytes()).map(|policy| policy.threshold())
    };
    let cannot = |threshold, eligible| {
        let threshold = NonZeroUsize::new(threshold).unwrap();
        Err(PolicyError::Threshold { threshold, eligible })
    };
    assert!(parse(2, &[]).is_ok());
    assert_eq!(parse(3, &[]), cannot(3, 2), "two keys of alice are one principal");
    assert!(parse(2, &[key(1)]).is_ok(), "alice has another key");
    assert_eq!(parse(2, &[key(1), key(2)]), cannot(2, 1));
    assert_eq!(parse(1, &[key(1), key(2), key(3)]), cannot(1, 0));
}

#[test]
fn every_fault_has_its_own_message() {
    let says = |from: &str, to: &str, words: &[&str]| {
        let text = document(1, &[]).replacen(from, to, 1);
        assert_ne!(text, document(1, &[]), "{from:?} is not there");
        let error = Policy::parse(text.as_bytes()).unwrap_err();
        let mut said = error.to_string();
        let mut cause: &dyn std::error::Error = &error;
        while let Some(next) = cause.source() {
            said = format!("{said}: {next}");
            cause = next;
        }
        for word in words {
            assert!(said.contains(word), "{said:?} lacks {word:?}");
        }
    };
    says("version = 7", "version = 0", &["version", "from 1"]);
    says("version = 7", "version = -1", &["line 1 of the policy"]);
    says("version = 7", "version = 9223372036854775808", &["version", "from 1"]);
    says("version = 7\n", "", &["missing field `version`"]);
    says("version = 7", "version = 7\nversion = 8", &["line 2 of the policy", "duplicate"]);
    says("version = 7", "format = 1\nversion = 7", &["unknown field `format`", "line 1"]);
    says("threshold = 1", "threshold = 0", &["line 2 of the policy"]);
    says("[\"pve-8\", \"stable\"]", "[]", &["no channel"]);
    says("\"stable\"", "\"Sta\\u001bble\"", &["line 3", "not a channel"]);
    says("carol", "carol,dave", &["signers", "line 4", "patterns"]);
    says("carol namespaces=\"vgpu-report\" ", "carol ", &["line 4", "may sign"]);
    says("revoked = '''\n", "revoked = '''\nnonsense\n", &["revoked keys", "line 1"]);
    says("revoked = '''\n'''", "", &["missing field `revoked`"]);

    assert_eq!(Policy::parse(b"\xff"), Err(PolicyError::NotText));
    assert_eq!(Policy::parse(&vec![b'#'; MAX_LEN + 1]), Err(PolicyError::TooLong));
}

#[test]
fn control_characters_are_escaped_in_errors() {
    let text = document(1, &[]).replace("version", "\"\\u001b[2Jversion\"");
    let error = Policy::parse(text.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("unknown field") && !error.contains('\x1b'), "{error:?}");
}

#[test]
fn the_rule_for_packages_of_archives_is_optional() {
    let text = document(1, &[]);
    assert_eq!(Policy::parse(text.as_bytes()).unwrap().upstream(), Upstream::Optional);
    let text = text.replace("signers =", "upstream = \"required\"\nsigners =");
    let policy = Policy::parse(text.as_bytes()).unwrap();
    assert_eq!((policy.upstream(), policy.to_string()), (Upstream::Required, text.clone()));
    let other = text.replace("\"required\"", "\"optional\"");
    assert_eq!(Policy::parse(other.as_bytes()).unwrap(), policy.with_upstream(Upstream::Optional));
    let bad = text.replace("\"required\"", "\"maybe\"");
    assert!(Policy::parse(bad.as_bytes()).unwrap_err().to_string().contains("line 4"));
}

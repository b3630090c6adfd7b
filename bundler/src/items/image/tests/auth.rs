use std::sync::Arc;

use super::super::auth::{Credentials, Session};
use super::*;
use crate::net::{Authenticate, Refusal};
use crate::types::image::Transport;

#[test]
fn a_token_is_fetched_once_and_again_when_it_has_run_out() {
    let layers: Vec<Vec<u8>> = (0..10).map(layer).collect();
    let layers: Vec<&[u8]> = layers.iter().map(Vec::as_slice).collect();
    let image = Image::oci(&layers);
    let lasting = FakeRegistry::new(Door::Token(1000));
    lasting.image("team/dls", "1", &image);
    Machine::new().pull(&source(&lasting, "team/dls:1")).unwrap();
    assert_eq!(lasting.tokens(), 1);
    let asked = lasting.asked();
    assert_eq!(asked[0].authorization, None);
    let token = &asked[1];
    assert_eq!(token.authorization, None);
    // No more is wanted than to pull this image, whatever was suggested.
    assert_eq!(token.path, "/token?scope=repository%3Ateam%2Fdls%3Apull&service=the+registry");
    assert!(asked[2..].iter().all(|asked| asked.authorization.as_deref() == Some("Bearer token1")));

    let brief = FakeRegistry::new(Door::Token(4));
    brief.image("team/dls", "1", &image);
    let machine = Machine::new();
    machine.pull(&source(&brief, "team/dls:1")).unwrap();
    assert!((3..=12).contains(&brief.tokens()), "{}", brief.tokens());
}

#[test]
fn a_registry_that_denies_access_is_not_asked_again() {
    let image = Image::oci(&[b"layer"]);
    let challenge = |text: &str| Door::Challenge(text.to_owned());
    let cases = [
        (Door::Shut, "podman login 127.0.0.1:"),
        (Door::Basic("user:secret"), "podman login"),
        (Door::TokenFor("user:secret"), "podman login"),
        (challenge("Negotiate"), "podman login"),
        (challenge("Bearer"), "does not say where to get a token"),
        (challenge("Bearer realm=\"file:///etc/passwd\""), "does not say where to get a token"),
        (challenge("Bearer realm=\"http://u:p@127.0.0.1/\""), "does not say where"),
        (challenge("Bearer realm=\"http://127.0.0.1:1/token\""), "cannot reach"),
    ];
    for (door, word) in cases {
        let registry = FakeRegistry::new(door.clone());
        registry.image("dls", "1", &image);
        let error = message(&Machine::new().pull(&source(&registry, "dls:1")).unwrap_err());
        assert!(error.contains(word), "{door:?}: {error}");
        assert!(registry.asked().len() <= 3, "{door:?}: {:?}", registry.asked());
    }
}

#[test]
fn who_gives_out_tokens_is_not_believed_everything() {
    let wrong = [
        ("<html>".to_owned(), "does not answer with a token"),
        ("{}".to_owned(), "does not answer with a token"),
        ("{\"token\":\"a\\r\\nHost: b\"}".to_owned(), "does not answer with a token"),
        (format!("{{\"token\":\"{}\"}}", "a".repeat(100_000)), "more than a token"),
    ];
    for (answer, word) in wrong {
        let giver = FakeRegistry::new(Door::Open);
        // Its path is that of a registry; what counts is the address in the challenge.
        giver.serve("token", "application/json", answer.as_bytes(), Lie::None);
        let path = "?scope=repository%3Adls%3Apull";
        giver.serve(&format!("token{path}"), "application/json", answer.as_bytes(), Lie::None);
        let realm = format!("Bearer realm=\"http://{}/v2/token\"", giver.host());
        let registry = FakeRegistry::new(Door::Challenge(realm));
        registry.image("dls", "1", &Image::oci(&[b"layer"]));
        let error = message(&Machine::new().pull(&source(&registry, "dls:1")).unwrap_err());
        assert!(error.contains(word), "{word}: {error}");
    }
}

/// Requests `path` from a registry, with these credentials instead of the files of this user.
fn get(
    registry: &FakeRegistry,
    source: &ImageSource,
    who: &str,
    path: &str,
) -> Result<(), NetError> {
    let (user, password) = who.split_once(':').unwrap();
    let session = Session::new(source, |_| Some(Credentials::new(user, password)));
    let client = Machine::new().client.unwrap().authenticated(Arc::new(session), None);
    let url = format!("http://{}/v2/{path}", registry.host()).parse().unwrap();
    let mut reply = client.get(&url, None)?;
    while reply.read(&mut [0; 4096])? > 0 {}
    Ok(())
}

#[test]
fn a_password_goes_where_it_is_for_and_nowhere_else() {
    for door in [Door::Basic("user:secret"), Door::TokenFor("user:secret")] {
        let registry = FakeRegistry::new(door.clone());
        let elsewhere = FakeRegistry::new(Door::Open);
        elsewhere.serve("there", "text/plain", b"there", Lie::None);
        registry.serve("a", "text/plain", b"a", Lie::None);
        let there = format!("http://{}/v2/there", elsewhere.host());
        registry.serve("b", "text/plain", b"b", Lie::Redirect(there));
        let source = source(&registry, "dls:1");
        get(&registry, &source, "user:secret", "a").unwrap();
        assert!(get(&registry, &source, "user:wrong", "a").is_err());
        // The storage behind a registry does not learn what the registry knows us by.
        get(&registry, &source, "user:secret", "b").unwrap();
        let asked = elsewhere.asked();
        assert_eq!(asked.len(), 1, "{door:?}");
        assert_eq!(asked[0].authorization, None, "{door:?}");
        // Another server hears nothing at all.
        get(&elsewhere, &source, "user:secret", "there").unwrap();
        assert!(elsewhere.asked().iter().all(|asked| asked.authorization.is_none()));
    }
}

#[test]
fn a_safe_registry_cannot_send_us_to_an_unsafe_place_with_a_password() {
    let giver = FakeRegistry::new(Door::TokenFor("user:secret"));
    let realm = format!("Bearer realm=\"http://{}/token\"", giver.host());
    let source = ImageSource { transport: Transport::Https, ..source(&giver, "dls:1") };
    let session = Session::new(&source, |_| Some(Credentials::new("user", "secret")));
    let client = Machine::new().client.unwrap();
    let url = format!("https://{}/v2/a", giver.host()).parse().unwrap();
    let refusal = Refusal { url: &url, sent: None, challenges: vec![realm] };
    let error = session.refused(&client, &refusal).unwrap_err();
    assert!(error.to_string().contains("not safe"), "{error}");
    assert!(giver.asked().is_empty());
}

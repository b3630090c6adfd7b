use super::*;

/// The key that RFC 8032 derives from its first test secret, as OpenSSH writes it.
const LINE: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea";

#[test]
fn a_line_is_read_with_its_comment_and_written_without() {
    let key: PublicKey = LINE.parse().unwrap();
    assert_eq!(key.to_string(), LINE);
    assert_eq!(format!("{LINE} alice@laptop and more\n").parse(), Ok(key));
    assert_eq!(PublicKey::from_wire(&key.to_wire()), Ok(key));
}

#[test]
fn refuses_other_types_and_every_second_spelling() {
    for (bad, why) in [
        ("", KeyError::Missing),
        ("ssh-ed25519", KeyError::Malformed(Malformed::Truncated)),
        ("ssh-rsa AAAA", KeyError::OtherType("ssh-rsa".into())),
        (
            "sk-ecdsa-sha2-nistp256@openssh.com A",
            KeyError::OtherType("sk-ecdsa-sha2-nistp256@openssh.com".into()),
        ),
        ("sk-ssh-ed25519@openssh.com", KeyError::Malformed(Malformed::Truncated)),
        (
            &LINE.replace("ssh-ed25519 ", "sk-ssh-ed25519@openssh.com "),
            KeyError::TypesDiffer(SK_ED25519),
        ),
        (&LINE[..LINE.len() - 1], KeyError::Base64),
        (&LINE.replace("1Ea", "1AA"), KeyError::NotAKey),
        (&format!("{LINE}="), KeyError::Base64),
        (&format!("{LINE}\n{LINE}"), KeyError::Lines),
        (&format!("{LINE}\r"), KeyError::Lines),
        (&LINE.replace("AAAAINd", "AAAAIN d"), KeyError::Base64),
    ] {
        assert_eq!(bad.parse::<PublicKey>(), Err(why), "{bad:?}");
    }
}

#[test]
fn a_key_on_a_security_key_is_another_key_than_the_same_point_in_a_file() {
    let plain: PublicKey = LINE.parse().unwrap();
    let wire = |application: &[u8]| {
        let mut wire = Vec::new();
        for field in [SK_ED25519.as_bytes(), plain.as_bytes(), application] {
            put_string(&mut wire, field);
        }
        wire
    };
    let key = PublicKey::from_wire(&wire(b"ssh:")).unwrap();
    assert!(key.is_on_security_key() && !plain.is_on_security_key());
    assert_eq!(key.to_wire(), wire(b"ssh:"));
    assert_eq!(format!("{key} alice@yubikey").parse(), Ok(key));
    let other = PublicKey::from_wire(&wire(b"ssh:vgpu")).unwrap();
    assert!(key != plain && key != other && key.fingerprint() != other.fingerprint());

    let typed = |line: String| line.parse::<PublicKey>();
    let swapped = key.to_string().replace(SK_ED25519, ED25519);
    assert_eq!(typed(swapped), Err(KeyError::TypesDiffer(ED25519)));
    for bad in [&b"https://a.example"[..], b"", b"ssh:\x1b"] {
        assert_eq!(PublicKey::from_wire(&wire(bad)), Err(KeyError::Application));
    }
    let cut = &wire(b"ssh:")[..wire(b"").len() - 4];
    assert_eq!(PublicKey::from_wire(cut), Err(KeyError::Malformed(Malformed::Truncated)));
    let longer = [wire(b"ssh:"), vec![0]].concat();
    assert_eq!(PublicKey::from_wire(&longer), Err(KeyError::Malformed(Malformed::Trailing)));
}

#[test]
fn base64_whose_spare_bits_are_set_is_not_canonical() {
    // 35 bytes leave two spare bits in the last character.
    let wire = "AAAAC3NzaC1lZDI1NTE5AAAAENdamAGCsQq31Uv+08lkBzo=";
    let spare = wire.replace("Bzo=", "Bzp=");
    assert_eq!(format!("{ED25519} {wire}").parse::<PublicKey>(), Err(KeyError::NotAKey));
    assert_eq!(format!("{ED25519} {spare}").parse::<PublicKey>(), Err(KeyError::Base64));
}

#[test]
fn points_that_no_honest_key_has_are_refused() {
    let hex = |text: &str| {
        let byte = |i: usize| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap();
        std::array::from_fn::<u8, 32, _>(byte)
    };
    // The points of small order.
    for bad in [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        // Not on the curve at all.
        "0200000000000000000000000000000000000000000000000000000000000000",
    ] {
        assert_eq!(PublicKey::from_bytes(hex(bad)), Err(KeyError::NotAKey), "{bad}");
    }
}

#[test]
fn a_coordinate_above_the_prime_is_refused() {
    // There are nineteen of them, each with both signs; the prime is 2^255 - 19.
    for low in 0xed..=0xff {
        for high in [0x7f, 0xff] {
            let mut bytes = [0xff; 32];
            (bytes[0], bytes[31]) = (low, high);
            assert_eq!(PublicKey::from_bytes(bytes), Err(KeyError::NotAKey), "{low:#x}");
        }
    }
}

#[test]
fn a_good_key_with_a_point_of_small_order_added_is_refused() {
    let point = |bytes: &[u8; 32]| VerifyingKey::from_bytes(bytes).unwrap().to_edwards();
    let key: PublicKey = LINE.parse().unwrap();
    let order_four = point(&[0; 32]);
    let sum = |times: usize| {
        let sum = (0..times).fold(point(key.as_bytes()), |sum, _| sum + order_four);
        PublicKey::from_bytes(sum.compress().to_bytes())
    };
    for times in 1..4 {
        assert_eq!(sum(times), Err(KeyError::NotAKey), "{times}");
    }
    assert_eq!(sum(4), Ok(key));
}

#[test]
fn a_fingerprint_has_one_spelling() {
    let fingerprint = LINE.parse::<PublicKey>().unwrap().fingerprint();
    let text = fingerprint.to_string();
    assert_eq!(text.len(), "SHA256:".len() + 43);
    assert_eq!(text.parse(), Ok(fingerprint));
    // Two bits of the last character are spare, and zero.
    let mut spare = text.clone().into_bytes();
    *spare.last_mut().unwrap() += 1;
    let spare = String::from_utf8(spare).unwrap();
    assert_eq!(spare.parse::<Fingerprint>(), Err(ParseFingerprintError));
    for bad in [
        "",
        "SHA256:",
        &text[7..],
        &text[..49],
        &format!("{text}="),
        &format!("{text}A"),
        &text.replace("SHA256", "sha256"),
        &format!(" {text}"),
    ] {
        assert_eq!(bad.parse::<Fingerprint>(), Err(ParseFingerprintError), "{bad:?}");
    }
}

//! Key files: round trips, foreign files, and every way in which one can be wrong.

use super::*;

fn key() -> SecretKey {
    SecretKey::from_seed(&[7; 32])
}

fn password(text: &str) -> Password {
    Password::new(Zeroizing::new(text.to_owned())).expect("not empty")
}

fn sealed(protection: Protection<'_>) -> String {
    KeyFile::seal(&key(), KeyRole::Validator, false, protection).expect("sealed").to_string()
}

#[test]
fn a_sealed_key_opens_with_its_password_only() {
    let text = sealed(Protection::Password(&password("correct horse")));
    let file = KeyFile::parse(&text).expect("ours");
    assert_eq!(file.public_key(), Some(key().public_key()));
    assert_eq!((file.role(), file.is_dev(), file.is_encrypted()), (Some(KeyRole::Validator), false, true));
    assert_eq!(file.open(Some(&password("correct horse"))).expect("right").seed(), key().seed());
    assert!(matches!(file.open(None), Err(KeyFileError::PasswordNeeded)));
    for wrong in ["correct hors", "Correct horse", "correct horse "] {
        assert!(matches!(file.open(Some(&password(wrong))), Err(KeyFileError::WrongPassword)), "{wrong}");
    }
}

#[test]
fn salt_and_vector_differ_each_time() {
    let one = sealed(Protection::Password(&password("a")));
    assert_ne!(one, sealed(Protection::Password(&password("a"))));
}

#[test]
fn a_key_in_the_clear_needs_no_password() {
    let text = sealed(Protection::None);
    assert!(text.contains("-----BEGIN PRIVATE KEY-----"));
    let file = KeyFile::parse(&text).expect("ours");
    assert_eq!(file.open(None).expect("clear").seed(), key().seed());
    // Version 1: SEQUENCE, INTEGER 0, Ed25519, OCTET STRING of an OCTET STRING. The same bytes as OpenSSL writes.
    let Content::Plain(document) = &file.content else { unreachable!("it is in the clear") };
    let mut expected = const_hex::decode("302e020100300506032b657004220420").expect("hex");
    expected.extend_from_slice(key().seed());
    assert_eq!(document.as_bytes(), expected);
}

#[test]
fn a_key_under_another_s_name_is_told_from_a_wrong_password() {
    let other = SecretKey::from_seed(&[8; 32]).public_key().to_string();
    let own = key().public_key().to_string();
    let encrypted = sealed(Protection::Password(&password("a"))).replace(&own, &other);
    let file = KeyFile::parse(&encrypted).expect("well formed");
    assert!(matches!(file.open(Some(&password("a"))), Err(KeyFileError::OtherKey { .. })));
    let clear = sealed(Protection::None).replace(&own, &other);
    assert!(matches!(KeyFile::parse(&clear), Err(KeyFileError::OtherKey { .. })));
}

#[test]
fn version_2_and_files_of_other_programs_are_read() {
    let version_2 = |public: &PublicKey| {
        let mut der = const_hex::decode("3051020101300506032b657004220420").expect("hex");
        der.extend_from_slice(key().seed());
        der.extend_from_slice(&[0x81, 0x21, 0x00]);
        der.extend_from_slice(public.as_bytes());
        let document = SecretDocument::try_from(der).expect("DER");
        document.to_pem(LABEL_PLAIN, LineEnding::LF).expect("PEM").to_string()
    };
    let file = KeyFile::parse(&version_2(&key().public_key())).expect("foreign");
    assert_eq!((file.public_key(), file.role()), (Some(key().public_key()), None));
    assert_eq!(file.open(None).expect("clear").seed(), key().seed());
    let other = SecretKey::from_seed(&[8; 32]).public_key();
    assert!(matches!(KeyFile::parse(&version_2(&other)), Err(KeyFileError::Malformed { .. })));
}

#[test]
fn a_public_file_tells_the_key_and_opens_to_nothing() {
    let text = KeyFile::public_text(&key().public_key(), Some(KeyRole::Node), false).expect("encoded");
    let file = KeyFile::parse(&text).expect("ours");
    assert_eq!(
        (file.public_key(), file.role(), file.is_secret()),
        (Some(key().public_key()), Some(KeyRole::Node), false)
    );
    assert!(matches!(file.open(None), Err(KeyFileError::NoSecret)));
}

#[test]
fn dev_keys_are_marked_and_refused_elsewhere() {
    let text = KeyFile::seal(&key(), KeyRole::Account, true, Protection::None).expect("sealed");
    let file = KeyFile::parse(&text).expect("ours");
    assert!(file.is_dev() && file.check_chain(true).is_ok());
    assert!(matches!(file.check_chain(false), Err(KeyFileError::DevKey)));
}

#[test]
fn damaged_files_are_refused() {
    let good = sealed(Protection::None);
    let head = good.lines().next().expect("a line").to_owned();
    for bad in [
        String::new(),
        "-----BEGIN".to_owned(),
        good.replace("PRIVATE KEY", "EC PRIVATE KEY"),
        good.replace("END PRIVATE KEY", "END PUBLIC KEY"),
        good.replace("role: validator", "role: king"),
        format!("{head}\n{good}"),
        good.replace(&head, "public-key: 0x00"),
        good.replace("MC4CAQ", "MC4CAA"),
        good[..good.len() - 40].to_owned(),
    ] {
        assert!(KeyFile::parse(&bad).is_err(), "{bad}");
    }
}

#[test]
fn a_file_cannot_demand_any_amount_of_work() {
    let costly = pkcs5::scrypt::Params::new(20, 8, 1).expect("possible");
    let parameters = pbes2::Parameters::generate_scrypt_aes256cbc(costly, &[1; 16], [2; 16]).expect("possible");
    assert!(matches!(check_cost(&parameters.into()), Err(KeyFileError::TooCostly)));
    assert!(check_cost(&encryption_parameters().expect("random").into()).is_ok());
}

#[test]
fn impossible_parameters_are_refused_and_do_not_panic() {
    // scrypt with N = 0.
    let text = "-----BEGIN ENCRYPTED PRIVATE KEY-----
MIGaMFYGCSqGSIb3DQEFDTBJMCgGCSsGAQQB2kcECzAbBBBzc3Nzc3Nzc3Nzc3Nz
c3NzAgEAAgEIAgEBMB0GCWCGSAFlAwQBKgQQaWlpaWlpaWlpaWlpaWlpaQRAeHh4
eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4
eHh4eHh4eHh4eHh4eA==
-----END ENCRYPTED PRIVATE KEY-----
";
    let file = KeyFile::parse(text).expect("well formed");
    let error = file.open(Some(&password("a"))).expect_err("impossible");
    assert!(error.to_string().contains("its scrypt parameters are impossible"), "{error}");
    let good = encryption_parameters().expect("random");
    let changed = |n, r, p| {
        let mut parameters = good.clone();
        let pbes2::Kdf::Scrypt(scrypt) = &mut parameters.kdf else { unreachable!("ours is scrypt") };
        (scrypt.cost_parameter, scrypt.block_size, scrypt.parallelization) = (n, r, p);
        check_cost(&parameters.into())
    };
    for (n, r, p) in [(0, 8, 1), (1, 8, 1), (3, 8, 1), (16_385, 8, 1), (16_384, 0, 1), (16_384, 8, 0)] {
        assert!(matches!(changed(n, r, p), Err(KeyFileError::Malformed { .. })), "{n} {r} {p}");
    }
    assert!(changed(16_384, 8, 1).is_ok() && changed(1 << 18, 16, 1).is_ok());
    assert!(matches!(changed(1 << 18, 16, 2), Err(KeyFileError::TooCostly)));
    let rounds = |count| {
        let mut parameters =
            pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(5, &[1; 16], [2; 16]).expect("possible");
        let pbes2::Kdf::Pbkdf2(pbkdf2) = &mut parameters.kdf else { unreachable!("it is PBKDF2") };
        pbkdf2.iteration_count = count;
        check_cost(&parameters.into())
    };
    assert!(matches!(rounds(0), Err(KeyFileError::Malformed { .. })));
    assert!(rounds(1).is_ok() && matches!(rounds(u32::MAX), Err(KeyFileError::TooCostly)));
}

#[test]
fn secrets_do_not_show_themselves() {
    assert_eq!(format!("{:?}", password("hunter2")), "Password");
    let text = sealed(Protection::None);
    let file = KeyFile::parse(&text).expect("ours");
    assert!(!format!("{file:?}").contains("0707"));
    assert!(Password::new(Zeroizing::new(String::new())).is_none());
}

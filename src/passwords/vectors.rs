//! Families whose app or library does not run in the tests, by vectors that it published or made.

use super::*;

fn secret(text: &str) -> SecretString {
    text.to_owned().into()
}

/// The stored password reads as the family, and the right password is right, and no other.
fn holds(stored: &Stored<'_>, family: PasswordFamily, password: &str) {
    let format = recognise(stored).unwrap_or_else(|| panic!("{family:?}: not recognised"));
    assert_eq!(format.family, family);
    assert_eq!(verify(stored, &secret(password)), Ok(true), "{format}");
    assert_eq!(verify(stored, &secret(&format!("{password}x"))), Ok(false), "{format}");
}

/// Made once by spring-security-crypto 7.1.2 (a `DelegatingPasswordEncoder` of its own encoders).
const SPRING_PASSWORD: &str = "pässwörd held-out";

#[test]
fn what_spring_security_made_verifies() {
    for (stored, family) in [
        (
            "{bcrypt}$2a$04$uPT08JXTWjv0OFG8WgA7VOrNKSRU2sOhmtTp6mXH/meu4/8mM02a2",
            PasswordFamily::SpringBcrypt,
        ),
        (
            "{pbkdf2}80fba8604dbca2cc29c011629a91cb708cfd72eb548777931de10157a7d8d92a30c173f6971a0385",
            PasswordFamily::SpringPbkdf2,
        ),
        (
            "{pbkdf2@SpringSecurity_v5_8}740104e1775d56397a190e84889b9da6e1bbe124d1cf84a4feafc94fe3e378b5ee3d2bd6ba000f13d6ae7f18dfe10087",
            PasswordFamily::SpringPbkdf2,
        ),
        (
            "{scrypt}$e0801$iaA4zlceFyZbig+xQ74kF74EiVHs/0/x4S5OF6BPoIy5ABmPQsppvX7wd26n7DNY/HQr1+gk8v85regMQupVzg==$+bztmvzJVueLt7lMA7J2QhXcYuEbZ+C6imuul9qgTIo=",
            PasswordFamily::SpringScrypt,
        ),
        (
            "{scrypt@SpringSecurity_v5_8}$100801$9l3PW74LvZaffT1LUmdbLA==$ngq8j7dxKMPP45T1IeC7GpoEUHbEobMvQqTmYgE8wjw=",
            PasswordFamily::SpringScrypt,
        ),
        (
            "{argon2}$argon2id$v=19$m=4096,t=3,p=1$enPjzpNc7wL96UAH1F31PA$EyQFJU0S3KAsYjTTSMmGQM8p3qk3sc2ieFIntmHfGEY",
            PasswordFamily::SpringArgon2,
        ),
        (
            "{argon2@SpringSecurity_v5_8}$argon2id$v=19$m=16384,t=2,p=1$y9Fg9LXGyuN3+dyvrk/YJw$pit8raCnCH78GJzbasSxqg2SFYJSM63SA7no24dmV9k",
            PasswordFamily::SpringArgon2,
        ),
    ] {
        holds(&stored.into(), family, SPRING_PASSWORD);
        // What is made in the same format has the same shape, down to the lengths of all parts.
        let format = recognise(&stored.into()).unwrap();
        let made = make(&format, &secret(SPRING_PASSWORD)).unwrap();
        let shape = |text: &str| text.split('$').map(str::len).collect::<Vec<_>>();
        // Spring's first scrypt had 64 bytes of salt, its later ones have 16.
        let longer_salt = stored.starts_with("{scrypt}");
        assert_eq!(shape(made.hash.expose_secret()) == shape(stored), !longer_salt, "{format}");
    }
}

#[test]
fn aspnet_identity_reads_its_own_vectors_and_refuses_theirs() {
    // dotnet/aspnetcore, PasswordHasherTest.cs.
    for (stored, family) in [
        (
            "ANXrDknc7fGPpigibZXXZFMX4aoqz44JveK6jQuwY3eH/UyPhvr5xTPeGYEckLxz9A==",
            PasswordFamily::AspNetIdentityV2,
        ),
        (
            "AAABAgMEBQYHCAkKCwwNDg+ukCEMDf0yyQ29NYubggHIVY0sdEUfdyeM+E1LtH1uJg==",
            PasswordFamily::AspNetIdentityV2,
        ),
        ("AQAAAAIAAAAyAAAAEOMwvh3+FZxqkdMBz2ekgGhwQ4B6pZWND6zgESBuWiHw", PasswordFamily::AspNetIdentityV3),
        (
            "AQAAAAIAAAD6AAAAIJbVi5wbMR+htSfFp8fTw8N8GOS/Sje+S/4YZcgBfU7EQuqv4OkVYmc4VJl9AGZzmRTxSkP7LtVi9IWyUxX8IAAfZ8v+ZfhjCcudtC1YERSqE1OEdXLW9VukPuJWBBjLuw==",
            PasswordFamily::AspNetIdentityV3,
        ),
        ("AQAAAAAAAAD6AAAAEAhftMyfTJylOlZT+eEotFXd1elee8ih5WsjXaR3PA9M", PasswordFamily::AspNetIdentityV3),
        (
            "AQAAAAEAA9CQAAAAIESkQuj2Du8Y+kbc5lcN/W/3NiAZFEm11P27nrSN5/tId+bR1SwV8CO1Jd72r4C08OLvplNlCDc3oQZ8efcW+jQ=",
            PasswordFamily::AspNetIdentityV3,
        ),
        (
            "AQAAAAEAACcQAAAAEAABAgMEBQYHCAkKCwwNDg+yWU7rLgUwPZb1Itsmra7cbxw2EFpwpVFIEtP+JIuUEw==",
            PasswordFamily::AspNetIdentityV3,
        ),
    ] {
        holds(&stored.into(), family, "my password");
    }
    for stored in [
        "AAABAgMEBQYHCAkKCwwNDg+uAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAALtH1uJg==",
        "AAABAgMEBQYHCAkKCwwNDg+ukCEMDf0yyQ29NYubggE=",
        "AAABAgMEBQYHCAkKCwwNDg+ukCEMDf0yyQ29NYubggHIVY0sdEUfdyeM+E1LtH1uJgAAAAAAAAAAAAA=",
        "AQAAAAAAAAD6AAAAEAhftMyfTJyAAAAAAAAAAAAAAAAAAAih5WsjXaR3PA9M",
        "AQAAAAIAAAAyAAAAEOMwvh3+FZxqkdMBz2ekgGhwQ4A=",
        "AQAAAAIAAAAyAAAAEOMwvh3+FZxqkdMBz2ekgGhwQ4B6pZWND6zgESBuWiHwAAAAAAAAAAAA",
    ] {
        assert_ne!(verify(&stored.into(), &secret("my password")), Ok(true), "{stored}");
    }
    let old = Format::default_of(PasswordFamily::AspNetIdentityV2);
    assert!(!old.can_make());
    let refused = make(&old, &secret("my password")).unwrap_err();
    assert_eq!(refused.to_string(), "ASP.NET Identity v2 is only read, no new hash is made in it");
}

#[test]
fn gitea_reads_its_own_vectors() {
    // go-gitea/gitea, modules/auth/password/hash/hash_test.go. The salt of ten characters is the form before 1.15.
    let text = "aaaaaaaaaa";
    for (algorithm, salt, hash, family) in [
        (
            "pbkdf2$10000$50",
            text,
            "ab48d5471b7e6ed42d10001db88c852ff7303c788e49da5c3c7b63d5adf96360303724b74b679223a3dea8a242d10abb1913",
            PasswordFamily::GiteaPbkdf2,
        ),
        (
            "pbkdf2$10000$50",
            "01020304",
            "45d6cdc843d65cf0eda7b90ab41435762a282f7df013477a1c5b212ba81dbdca2edf1ecc4b5cb05956bb9e0c37ab29315d78",
            PasswordFamily::GiteaPbkdf2,
        ),
        (
            "pbkdf2$320000$50",
            "01020304",
            "84e233114499e8721da80e85568e5b7b5900b3e49a30845fcda9d1e1756da4547d70f8740ac2b4a5d82f88cebcd27f21bfe2",
            PasswordFamily::GiteaPbkdf2,
        ),
        (
            "argon2$2$65536$8$50",
            text,
            "551f089f570f989975b6f7c6a8ff3cf89bc486dd7bbe87ed4d80ad4362f8ee599ec8dda78dac196301b98456402bcda775dc",
            PasswordFamily::GiteaArgon2,
        ),
        (
            "scrypt$65536$16$2$50",
            text,
            "3b571d0c07c62d42b7bad3dbf18fb0cd67d4d8cd4ad4c6928e1090e5b2a4a84437c6fd2627d897c0e7e65025ca62b67a0002",
            PasswordFamily::GiteaScrypt,
        ),
        (
            "scrypt$65536$16$2$50",
            "01020304",
            "25fe5f66b43fa4eb7b6717905317cd2223cf841092dc8e0a1e8c75720ad4846cb5d9387303e14bc3c69faa3b1c51ef4b7de1",
            PasswordFamily::GiteaScrypt,
        ),
    ] {
        let stored = Stored { hash, salt: Some(salt), algorithm: Some(algorithm) };
        holds(&stored, family, "abcdef");
        // Without its own columns nobody knows what it is.
        assert_eq!(recognise(&hash.into()), None);
        assert_eq!(recognise(&Stored { salt: None, ..stored }), None);
    }
    // Before the parameters were stored.
    let hash = "ab48d5471b7e6ed42d10001db88c852ff7303c788e49da5c3c7b63d5adf96360303724b74b679223a3dea8a242d10abb1913";
    for algorithm in ["", "pbkdf2"] {
        let stored = Stored { hash, salt: Some(text), algorithm: Some(algorithm) };
        holds(&stored, PasswordFamily::GiteaPbkdf2, "abcdef");
    }
    // Its bcrypt is any bcrypt.
    let hash = "$2a$10$fjtm8BsQ2crym01/piJroenO3oSVUBhSLKaGdTYJ4tG0ePVCrU0G2";
    let stored = Stored { hash, salt: Some(text), algorithm: Some("bcrypt$10") };
    holds(&stored, PasswordFamily::Bcrypt, "abcdef");
}

#[test]
fn what_is_made_for_columns_of_their_own_fills_all_of_them() {
    let format = Format { cost: Cost::Rounds(50_000), ..Format::default_of(PasswordFamily::GiteaPbkdf2) };
    let made = make(&format, &secret("held-out")).unwrap();
    let salt = made.salt.as_ref().unwrap().expose_secret();
    assert_eq!((made.hash.expose_secret().len(), salt.len()), (100, 32));
    assert_eq!(made.algorithm.as_deref(), Some("pbkdf2$50000$50"));
    let made = make(&Format::default_of(PasswordFamily::GrafanaPbkdf2), &secret("held-out")).unwrap();
    let salt = made.salt.as_ref().unwrap().expose_secret();
    assert_eq!((made.hash.expose_secret().len(), salt.len(), made.algorithm), (100, 10, None));
}

#[test]
fn grafana_reads_its_own_vector() {
    // grafana/grafana, pkg/util/encoding_test.go.
    let hash = "e59c568621e57756495a468f47c74e07c911b037084dd464bb2ed72410970dc849cabd71b48c394faf08a5405dae53741ce9";
    let stored = Stored { hash, salt: Some("pepper"), algorithm: None };
    holds(&stored, PasswordFamily::GrafanaPbkdf2, "iamgod");
}

#[test]
fn wordpress_reads_a_published_vector_and_takes_white_space_off() {
    // hashcat mode 35500, also in openwall/john issue 6016.
    let published = "$wp$2y$10$607XKVrBjPEqujeOXNwbYuOJ.gPMd2TelMMknmeV70Kap1E81Ovo6";
    holds(&published.into(), PasswordFamily::WordPressBcrypt, "hashpwn");
    // Made by PHP 8.2's trim, hash_hmac and password_hash, as wp_hash_password calls them.
    let made = "$wp$2y$05$PMhiqJmNXPVV7LyXn6RfoeKROvtXOumKih/iQEaK6e9cZxEG9rsWm";
    for password in ["pässwörd held-out", "  pässwörd held-out\t"] {
        assert_eq!(verify(&made.into(), &secret(password)), Ok(true));
    }
    // Longer than bcrypt reads.
    let format = Format { cost: Cost::Power(4), ..Format::default_of(PasswordFamily::WordPressBcrypt) };
    let long = make(&format, &secret(&"é".repeat(80))).unwrap();
    assert_eq!(verify(&long.as_stored(), &secret(&"é".repeat(79))), Ok(false));
}

#[test]
fn mattermost_reads_its_own_example() {
    // mattermost/mattermost, hashers_test.go, has the text without its password; the same salt and rounds with
    // Python's hashlib.pbkdf2_hmac come to the second for "held-out".
    let published =
        "$pbkdf2$f=SHA256,w=600000,l=32$5Zq8TvET7nMrXof49Rp4Sw$d0Mx8467kv+3ylbGrkyu4jTd8O8SP51k4s1RuWb9S/o";
    let format = recognise(&published.into());
    assert_eq!(format, Some(Format::default_of(PasswordFamily::MattermostPbkdf2)));
    holds(&MATTERMOST.into(), PasswordFamily::MattermostPbkdf2, "held-out");
    let long = secret(&"x".repeat(73));
    let refused = check(PasswordFamily::MattermostPbkdf2, &long).unwrap_err();
    assert_eq!(refused.to_string(), "the password has 73 bytes and Mattermost PBKDF2 reads only 72");
}

const MATTERMOST: &str =
    "$pbkdf2$f=SHA256,w=600000,l=32$5Zq8TvET7nMrXof49Rp4Sw$M78VHpCVBYthYqz+p/ecjCrMoFXp6g31Oy39CKTFykc";

#[test]
fn what_passlib_documents_and_crypt_computes_verifies() {
    // passlib 1.7.4, documentation of its handlers; PHP 8.2's crypt with salts and password of Drepper's "Unix crypt
    // using SHA-256 and SHA-512"; the tests of phpass.
    for (stored, family, password) in [
        (
            "$pbkdf2-sha256$6400$.6UI/S.nXIk8jcbdHx3Fhg$98jZicV16ODfEsEZeYPGHU3kbrUrvUEXOPimVSQDD44",
            PasswordFamily::PasslibPbkdf2Sha256,
            "password",
        ),
        (
            "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5",
            PasswordFamily::Sha256Crypt,
            "Hello world!",
        ),
        (
            "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
            PasswordFamily::Sha512Crypt,
            "Hello world!",
        ),
        (
            "$5$rounds=10000$saltstringsaltst$3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA",
            PasswordFamily::Sha256Crypt,
            "Hello world!",
        ),
        ("$P$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0", PasswordFamily::Phpass, "test12345"),
    ] {
        holds(&stored.into(), family, password);
    }
}

#[test]
fn what_is_almost_one_of_these_is_none() {
    for stored in [
        "pbkdf2_sha256$0$salt$Q5Zfkkm/EKFXOG0ceyhd7xUExVL2anyV/UxZpOoRNAk=",
        "pbkdf2_sha256$01000$salt$Q5Zfkkm/EKFXOG0ceyhd7xUExVL2anyV/UxZpOoRNAk=",
        "pbkdf2_sha256$1000$$Q5Zfkkm/EKFXOG0ceyhd7xUExVL2anyV/UxZpOoRNAk=",
        "pbkdf2_sha256$1000$salt$Q5Zfkkm/EKFXOG0ceyhd7xUExVL2anyV/UxZpOoRNAk",
        "pbkdf2_sha256$1000$salt$Q5Zfkkm/EKFXOG0ceyhd7xUExVL2anyV/UxZpOoRNAk=$",
        "pbkdf2_sha1$1000$salt$Q5Zfkkm/EKFXOG0ceyhd7xUExVL2anyV/UxZpOoRNAk=",
        "scrypt:32767:8:1$ov31coT8smwz280q$c467995404b40bd6de1a943376dc57003dce8300f56f52d57be91648b1464f485efbfbc00aefad85fb9adb4600833f4668dc8f44a7c8edc5011bd53e5059fab7",
        "pbkdf2:md5:1000$salt$b4e63e1cc25cae39e75cdc148fe2d51a",
        "pbkdf2:sha256$mYcpEBoyEGrh6zfF$b4e63e1cc25cae39e75cdc148fe2d51a15ecd0cb4e904bb9e01015a65bdced76",
        "pbkdf2:sha256:1000$mYcpEBoyEGrh6zfF$B4E63E1CC25CAE39E75CDC148FE2D51A15ECD0CB4E904BB9E01015A65BDCED76",
        "$5$rounds=999$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5",
        "$5$rounds=1000000000$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5",
        "$5$saltstringsaltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5",
        "$P$1IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0",
        "$P$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L",
        "{bcrypt}{bcrypt}$2a$04$uPT08JXTWjv0OFG8WgA7VOrNKSRU2sOhmtTp6mXH/meu4/8mM02a2",
        "$wp$2a$10$607XKVrBjPEqujeOXNwbYuOJ.gPMd2TelMMknmeV70Kap1E81Ovo6",
        "$pbkdf2$f=SHA256,w=600000,l=31$5Zq8TvET7nMrXof49Rp4Sw$d0Mx8467kv+3ylbGrkyu4jTd8O8SP51k4s1RuWb9S/o",
        "$pbkdf2$f=SHA512,w=600000,l=32$5Zq8TvET7nMrXof49Rp4Sw$d0Mx8467kv+3ylbGrkyu4jTd8O8SP51k4s1RuWb9S/o",
        "c2NyeXB0AAoAAAAIAAAAAYJ1awKHomCfD3yAqsE3hKlxtTOuREkzhsH761OHkBKQhh5rUlrLsWARYhP9TuBGR0ZBUqMGOo085duQJ9GFiAhvmQWqpgnifu7QQyJkx4n",
        // A checksum that does not fit the parameters.
        "c2NyeXB0AAsAAAAIAAAAAYJ1awKHomCfD3yAqsE3hKlxtTOuREkzhsH761OHkBKQhh5rUlrLsWARYhP9TuBGR0ZBUqMGOo085duQJ9GFiAhvmQWqpgnifu7QQyJkx4n4",
    ] {
        assert_eq!(recognise(&stored.into()), None, "{stored}");
        assert!(
            matches!(verify(&stored.into(), &secret("x")), Err(PasswordError::Unreadable(_))),
            "{stored}"
        );
    }
}

#[test]
fn absurd_parameters_are_refused_in_every_family_before_any_work() {
    let digest = "c467995404b40bd6de1a943376dc57003dce8300f56f52d57be91648b1464f485efbfbc00aefad85fb9adb4600833f4668dc8f44a7c8edc5011bd53e5059fab7";
    let gitea =
        |algorithm| Stored { hash: &digest[..100], salt: Some("01020304"), algorithm: Some(algorithm) };
    for (stored, told) in [
        ("pbkdf2_sha256$4294967295$salt$Q5Zfkkm/EKFXOG0ceyhd7xUExVL2anyV/UxZpOoRNAk=".into(), "rounds of 4294967295"),
        (format!("scrypt:2097152:8:1$salt${digest}").as_str().into(), "scrypt memory (KiB) of 2097152"),
        (format!("scrypt:1024:8:65535$salt${digest}").as_str().into(), "scrypt work of 536862720"),
        (format!("scrypt:2:1:65$salt${digest}").as_str().into(), "parallelization of 65"),
        (
            "$6$rounds=999999999$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1".into(),
            "rounds of 999999999",
        ),
        ("$P$SIQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0".into(), "a cost of 30"),
        ("AQAAAAJ/////AAAAEOMwvh3+FZxqkdMBz2ekgGhwQ4B6pZWND6zgESBuWiHw".into(), "rounds of 2147483647"),
        (gitea("pbkdf2$2000000000$50"), "rounds of 2000000000"),
        (gitea("argon2$2$4194304$8$50"), "argon2 memory (KiB) of 4194304"),
        (gitea("scrypt$1048576$16$2$50"), "scrypt memory (KiB) of 2097152"),
    ] as [(Stored<'_>, &str); 10]
    {
        let format = recognise(&stored).unwrap_or_else(|| panic!("{told}: not recognised"));
        for refused in [verify(&stored, &secret("abc")).unwrap_err(), make(&format, &secret("abc")).unwrap_err()] {
            assert!(matches!(refused, PasswordError::Excessive { .. }), "{told}: {refused}");
            assert!(refused.to_string().contains(told), "{told}: {refused}");
        }
        assert!(format.for_new().bounded().is_ok(), "{told}: a new hash is one that is verified");
    }
}

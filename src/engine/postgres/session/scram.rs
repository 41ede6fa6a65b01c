//! SCRAM-SHA-256 as libpq speaks it: RFC 5802, RFC 7677, and PostgreSQL 15 manual, section 55.3.1.
//!
//! The driver gives up on user names and passwords that SASLprep refuses, and puts the user name into a message whose
//! form it may break. PostgreSQL takes such a password as it stands, in the secret that it keeps and from whoever signs
//! in (`pg_saslprep`), and knows the user name from the first message of the connection.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::wire::Broken;

/// The only mechanism that is spoken. What binds it to a certificate would need that certificate here.
const MECHANISM: &[u8] = b"SCRAM-SHA-256";

const FORM: Broken = Broken::Form("the question for the password");
const SIGNATURE: Broken = Broken::Form("the proof that it knows the password");

/// Whether a server offers it, by the list of its mechanisms.
pub(in crate::engine::postgres) fn is_offered(mechanisms: &[u8]) -> bool {
    mechanisms.split(|byte| *byte == 0).any(|one| one == MECHANISM)
}

/// One sign-in.
pub(in crate::engine::postgres) struct Exchange {
    password: SecretString,
    first: String,
    nonce: String,
    state: State,
}

enum State {
    /// The server is asked for its salt.
    Asked,
    /// It has a proof, and owes one itself.
    Proved(Zeroizing<[u8; 32]>),
    Done,
}

impl Exchange {
    pub(in crate::engine::postgres) fn new(password: SecretString) -> Self {
        let nonce = STANDARD.encode(rand::random::<[u8; 18]>());
        Self::of("", password, nonce)
    }

    fn of(user: &str, password: SecretString, nonce: String) -> Self {
        Self { password, first: format!("n={user},r={nonce}"), nonce, state: State::Asked }
    }

    /// The message that begins it.
    pub(in crate::engine::postgres) fn begins(&self) -> Vec<u8> {
        let said = format!("n,,{}", self.first);
        let length = u32::try_from(said.len()).unwrap_or(u32::MAX).to_be_bytes();
        message(&[MECHANISM, b"\0", &length, said.as_bytes()].concat())
    }

    /// Whether the server has proved that it knows the password.
    pub(in crate::engine::postgres) const fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// The proof, for what the server says of its salt. It computes for long.
    pub(in crate::engine::postgres) fn proves(&mut self, said: &[u8]) -> Result<Vec<u8>, Broken> {
        let State::Asked = self.state else { return Err(FORM) };
        let said = std::str::from_utf8(said).map_err(|_| FORM)?;
        let mut attributes = said.split(',');
        let mut next = |name: &str| attributes.next().and_then(|one| one.strip_prefix(name)).ok_or(FORM);
        let (nonce, salt, rounds) = (next("r=")?, next("s=")?, next("i=")?);
        let salt = STANDARD.decode(salt).map_err(|_| FORM)?;
        let rounds: u32 = rounds.parse().ok().filter(|rounds| *rounds > 0).ok_or(FORM)?;
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err(FORM);
        }
        let mut salted = Zeroizing::new([0; 32]);
        let password = prepared(self.password.expose_secret());
        pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), &salt, rounds, &mut *salted);
        // "biws" is the base64 of "n,,": no channel is bound.
        let last = format!("c=biws,r={nonce}");
        let all = format!("{},{said},{last}", self.first);
        let key = Zeroizing::new(digest(&*salted, b"Client Key"));
        let signature = digest(&Sha256::digest(*key), all.as_bytes());
        let proof: Vec<u8> = key.iter().zip(signature).map(|(key, signature)| key ^ signature).collect();
        let server = Zeroizing::new(digest(&*salted, b"Server Key"));
        self.state = State::Proved(Zeroizing::new(digest(&*server, all.as_bytes())));
        Ok(message(format!("{last},p={}", STANDARD.encode(proof)).as_bytes()))
    }

    /// Takes the server's own proof.
    pub(in crate::engine::postgres) fn ends(&mut self, said: &[u8]) -> Result<(), Broken> {
        let State::Proved(expected) = &self.state else { return Err(SIGNATURE) };
        let signature =
            said.strip_prefix(b"v=").and_then(|said| STANDARD.decode(said).ok()).ok_or(SIGNATURE)?;
        if !bool::from(subtle::ConstantTimeEq::ct_eq(&expected[..], &signature)) {
            return Err(SIGNATURE);
        }
        self.state = State::Done;
        Ok(())
    }
}

/// A message of the kind that all answers about passwords have.
fn message(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    [&b"p"[..], &length.to_be_bytes(), body].concat()
}

fn digest(key: &[u8], text: &[u8]) -> [u8; 32] {
    // An HMAC takes a key of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    mac.update(text);
    mac.finalize().into_bytes().into()
}

/// The password as PostgreSQL hashes it (src/common/saslprep.c): ASCII as it is, all else by SASLprep where that takes
/// it, and as it is where that does not, or where nothing would be left.
fn prepared(password: &str) -> Cow<'_, str> {
    if password.is_ascii() {
        return Cow::Borrowed(password);
    }
    match stringprep::saslprep(password) {
        Ok(prepared) if !prepared.is_empty() => prepared,
        _ => Cow::Borrowed(password),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
    const SALT: &[u8] =
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    fn example() -> Exchange {
        Exchange::of("user", "pencil".to_owned().into(), NONCE.to_owned())
    }

    #[test]
    fn the_example_of_the_standard_comes_out_as_it_says() {
        let mut exchange = example();
        assert_eq!(
            exchange.begins(),
            b"p\0\0\0\x36SCRAM-SHA-256\0\0\0\0\x20n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
        );
        let proof = exchange.proves(SALT).unwrap();
        let said = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        assert_eq!(String::from_utf8_lossy(&proof[5..]), said);
        assert!(!exchange.is_done());
        exchange.ends(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=").unwrap();
        assert!(exchange.is_done());
    }

    #[test]
    fn what_a_server_says_that_is_not_of_this_exchange_ends_it() {
        for said in [
            &b""[..],
            b"r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            b"r=another,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            b"r=rOprNGfwEbeRWgbNEkqOx,s=!!,i=4096",
            b"r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=0",
            b"r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=-1",
            b"r=rOprNGfwEbeRWgbNEkqOx,i=1,s=AAAA",
            b"m=x,r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=1",
            b"r=rOprNGfwEbeRWgbNEkqOx\xff,s=AAAA,i=1",
        ] {
            assert_eq!(example().proves(said).unwrap_err(), FORM, "{}", String::from_utf8_lossy(said));
        }
        let mut exchange = example();
        assert_eq!(exchange.ends(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=").unwrap_err(), SIGNATURE);
        exchange.proves(SALT).unwrap();
        for said in
            [&b""[..], b"v=", b"v=AAAA", b"e=other-error", b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5="]
        {
            assert_eq!(exchange.ends(said).unwrap_err(), SIGNATURE, "{}", String::from_utf8_lossy(said));
            assert!(!exchange.is_done());
        }
        assert_eq!(exchange.proves(SALT).unwrap_err(), FORM, "it is asked once");
    }

    #[test]
    fn passwords_are_prepared_as_the_server_prepares_them() {
        for (password, hashed) in [
            ("pencil", "pencil"),
            ("pen\tcil\n", "pen\tcil\n"),
            // The examples of RFC 4013.
            ("I\u{ad}X", "IX"),
            ("\u{aa}", "a"),
            ("\u{2168}", "IX"),
            ("\u{627}1", "\u{627}1"),
            ("caf\u{e9}\u{7}", "caf\u{e9}\u{7}"),
            ("cafe\u{301}", "caf\u{e9}"),
            ("cafe\u{301}\n", "cafe\u{301}\n"),
            ("a\u{a0}b", "a b"),
            ("\u{1f512}e\u{301}", "\u{1f512}e\u{301}"),
            ("\u{ad}", "\u{ad}"),
        ] {
            assert_eq!(prepared(password), hashed, "{password:?}");
        }
    }

    #[test]
    fn only_its_own_mechanism_is_taken_for_an_offer() {
        assert!(is_offered(b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"));
        assert!(!is_offered(b"SCRAM-SHA-256-PLUS\0\0"));
        assert!(!is_offered(b""));
    }
}

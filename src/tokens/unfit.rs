//! Why a document is no key for an algorithm, and what is odd about one that is. In words that hold
//! nothing of a key; key ids may stand in them, since every token carries one.

use crate::{api::spec::Algorithm, tokens::text::shown};

use super::algorithm::{algorithm_name, family};

/// Why what is stored cannot be used as a key for an algorithm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It is something else than a key for this algorithm.
    OtherKind {
        /// What it is.
        found: &'static str,
        /// The algorithm.
        algorithm: Algorithm,
    },
    /// A key that this program cannot work with, such as one on P-521.
    Unsupported {
        /// What it is.
        found: &'static str,
    },
    /// A private key under a passphrase.
    Encrypted,
    /// A PEM whose lines BEGIN and END announce another format than the body has.
    Mislabelled {
        /// What they say, where that is one of the usual ones.
        said: Option<&'static str>,
        /// What they must say.
        right: &'static str,
        /// The format of the body.
        format: &'static str,
    },
    /// A JWK whose key id is a number.
    KeyIdNumber {
        /// That number.
        number: String,
    },
    /// An X.509 certificate.
    Certificate,
    /// OpenSSH's own format.
    OpenSsh,
    /// A document of another kind, in which or behind which the key is.
    Document {
        /// What it is.
        what: &'static str,
        /// What to store instead.
        next: &'static str,
    },
    /// It says what it is, and is not that.
    Broken {
        /// What is wrong.
        why: &'static str,
    },
    /// A document that is larger than any key set.
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// More keys than are read.
    TooManyKeys {
        /// How many there are.
        keys: usize,
    },
    /// None of the keys of a set is for the algorithm.
    NoneFits {
        /// How many keys there are.
        keys: usize,
        /// The algorithm.
        algorithm: Algorithm,
    },
    /// All keys for the algorithm are previous or revoked ones.
    NoneCurrent {
        /// How many they are.
        keys: usize,
        /// The algorithm.
        algorithm: Algorithm,
    },
    /// None of the keys has the key id that the spec names.
    NoSuchKey {
        /// The key id.
        id: String,
        /// The algorithm.
        algorithm: Algorithm,
    },
    /// Several keys may be the current one, and nothing says which.
    Ambiguous {
        /// How many there are.
        keys: usize,
        /// How many of them have no key id.
        without_id: usize,
        /// The algorithm.
        algorithm: Algorithm,
    },
}

/// The largest document that is read as keys: a Secret holds no more.
pub const MAX_KEY_BYTES: usize = 1 << 20;

/// The most keys of a JWKS that are read. Real ones have two to five.
pub const MAX_KEYS: usize = 100;

impl Unfit {
    /// One sentence: what is wrong, and what to do.
    pub fn message(&self) -> String {
        match self {
            Self::OtherKind { found, algorithm } => {
                let name = algorithm_name(*algorithm);
                format!(
                    "{name} needs {}, and what is stored as the signing key is {found}: store a PEM, a JWK or a JWKS of that kind, or correct the algorithm",
                    family(*algorithm).key()
                )
            }
            Self::Unsupported { found } => format!(
                "the signing key is {found}, which is not supported: RSA, P-256, P-384 and Ed25519 are (ES512, ES256K and Ed448 are not)"
            ),
            Self::Encrypted => "the signing key is a private key under a passphrase: store it without one (`openssl pkey -in KEY` of the PEM file, not of a text in quotes or in one line), as the Secret protects it".into(),
            Self::Mislabelled { said, right, format } => format!(
                "the signing key is a PEM whose lines BEGIN and END say {} and whose body is {format}: write {right} into both lines, and leave the body as it is",
                said.unwrap_or("something else")
            ),
            Self::KeyIdNumber { number } => format!(
                "the kid of the signing key's JWK is the number {number}, and RFC 7517 has a text: write \"{number}\", in quotes"
            ),
            Self::Certificate => "the signing key is a certificate: store the public key in it (`openssl x509 -noout -pubkey`), or the private key".into(),
            Self::OpenSsh => "the signing key is in OpenSSH's own format: store it as PKCS#8 (`ssh-keygen -p -m PKCS8 -f KEY`)".into(),
            Self::Document { what, next } => format!("the signing key is {what}: {next}"),
            Self::Broken { why } => format!("the signing key cannot be read: {why}; store it again, whole"),
            Self::TooLarge { bytes } => format!(
                "the signing key is a document of {bytes} bytes, and at most {MAX_KEY_BYTES} are read: store only the keys that are in use"
            ),
            Self::TooManyKeys { keys } => format!(
                "the JWKS has {keys} keys, and at most {MAX_KEYS} are read: store only the keys that are in use"
            ),
            Self::NoneFits { keys: 0, algorithm } => {
                format!("the JWKS holds no key: add {} for {}", family(*algorithm).key(), algorithm_name(*algorithm))
            }
            Self::NoneFits { keys, algorithm } => format!(
                "{} {} for {}: add one, or correct the algorithm",
                if *keys == 1 {
                    "the only key of the JWKS is not".to_owned()
                } else {
                    format!("none of the {keys} keys of the JWKS is")
                },
                family(*algorithm).key(),
                algorithm_name(*algorithm)
            ),
            Self::NoneCurrent { keys, algorithm } => format!(
                "no key is left to sign with {}: spec.jwt.previousKeyIds and revokedKeyIds name {}, so add the current one or correct these lists",
                algorithm_name(*algorithm),
                if *keys == 1 { "the only one".to_owned() } else { format!("all {keys}") }
            ),
            Self::NoSuchKey { id, algorithm } => format!(
                "no key for {} has the key id {} that spec.jwt.keyId names: correct it, or add the key",
                algorithm_name(*algorithm),
                shown(id)
            ),
            Self::Ambiguous { keys, without_id, algorithm } => format!(
                "the JWKS has {keys} keys that could be the current one for {}: {}name its kid in spec.jwt.keyId",
                algorithm_name(*algorithm),
                match without_id {
                    0 => String::new(),
                    _ => format!("{without_id} of them without a kid, so give each its own there first, then "),
                }
            ),
        }
    }
}

/// How a PEM is laid out that not every library reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PemLayout {
    /// The lines BEGIN and END are not lines of their own.
    OneLine,
    /// `\r` without `\n`.
    CarriageReturns,
    /// White space before BEGIN or END.
    Indented,
    /// Quotes, a variable's name or anything else on the lines BEGIN and END.
    TextAround,
    /// A line of white space.
    BlankLine,
    /// An empty line, which nobody reads.
    EmptyLine,
}

/// Something odd about a key that can be used, or about the set that it is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Oddity {
    /// RSA with so few bits that RFC 7518 section 3.3 forbids it.
    RsaTooShort {
        /// Length of the modulus.
        bits: usize,
    },
    /// `alg` of the JWK is another algorithm (RFC 7517 section 4.4).
    OtherAlgorithm {
        /// What the JWK says.
        found: String,
        /// What the app uses.
        expected: Algorithm,
    },
    /// `use` of the JWK is not `sig` (RFC 7517 section 4.2).
    NotForSignatures {
        /// What the JWK says.
        found: String,
    },
    /// `key_ops` of the JWK has neither `sign` nor `verify` (RFC 7517 section 4.3).
    OtherOperations,
    /// Two keys of a set have one key id.
    SameId {
        /// The key id.
        id: String,
    },
    /// A shared secret stands among public keys.
    SecretAmongKeys,
    /// A key of a set cannot be read.
    Unreadable {
        /// Its number in the set, from 1.
        at: usize,
        /// What is wrong.
        why: &'static str,
    },
    /// The key id of a key of a set is a number.
    KeyIdNumber {
        /// Its number in the set, from 1.
        at: usize,
        /// The key id.
        number: String,
    },
    /// Line breaks of a PEM are the two characters `\n`.
    LiteralLineBreaks,
    /// A PEM that some libraries read and others refuse.
    PemLayout(PemLayout),
}

/// What `alg` of a JWK may be (RFC 7518 sections 3.1, 4.1 and 5.1, RFC 8037, RFC 8812, RFC 9864).
const ALGORITHMS: [&str; 38] = [
    "HS256",
    "HS384",
    "HS512",
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "ES256K",
    "EdDSA",
    "Ed25519",
    "Ed448",
    "none",
    "RSA1_5",
    "RSA-OAEP",
    "RSA-OAEP-256",
    "A128KW",
    "A192KW",
    "A256KW",
    "dir",
    "ECDH-ES",
    "ECDH-ES+A128KW",
    "ECDH-ES+A192KW",
    "ECDH-ES+A256KW",
    "A128GCMKW",
    "A192GCMKW",
    "A256GCMKW",
    "A128CBC-HS256",
    "A192CBC-HS384",
    "A256CBC-HS512",
    "A128GCM",
    "A192GCM",
    "A256GCM",
    "RSA-OAEP-512",
];

/// A word out of the Secret as it is repeated: only where it is one that is known.
fn word(found: &str, known: &[&str]) -> String {
    if known.contains(&found) {
        shown(found)
    } else {
        format!("a word of {} characters", found.chars().count())
    }
}

impl Oddity {
    /// How a PEM is laid out that not every library reads, in a few words.
    pub(super) fn layout(&self) -> Option<&'static str> {
        Some(match self {
            Self::LiteralLineBreaks => "line breaks are the characters \\n",
            Self::PemLayout(PemLayout::OneLine) => "no line breaks at BEGIN and END",
            Self::PemLayout(PemLayout::CarriageReturns) => "carriage returns alone",
            Self::PemLayout(PemLayout::Indented) => "BEGIN or END indented",
            Self::PemLayout(PemLayout::TextAround) => "text beside BEGIN or END",
            Self::PemLayout(PemLayout::BlankLine) => "a line of white space",
            Self::PemLayout(PemLayout::EmptyLine) => "an empty line",
            _ => return None,
        })
    }

    /// Whether the key is weak, and not only stored oddly.
    pub(super) fn is_weak(&self) -> bool {
        matches!(self, Self::RsaTooShort { .. })
    }

    /// One sentence: what is odd, and what to do.
    pub fn message(&self) -> String {
        match self {
            Self::RsaTooShort { bits } => format!(
                "the RSA key has {bits} bits and RFC 7518 asks for 2048 or more, so nothing is minted or verified with it: see first what else it protects (docs/keys.md), then replace it (`openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072`); everybody signs in again"
            ),
            Self::OtherAlgorithm { found, expected } => format!(
                "the JWK says alg {} and the app uses {}: correct one of them, since libraries go by either",
                word(found, &ALGORITHMS),
                algorithm_name(*expected)
            ),
            Self::NotForSignatures { found } => format!(
                "the JWK says use {}, so libraries that mind it verify nothing with it: write \"sig\"",
                word(found, &["enc"])
            ),
            Self::OtherOperations => {
                "the key_ops of the JWK have neither sign nor verify, so libraries that mind them refuse the key: correct or remove them".into()
            }
            Self::SameId { id } => format!(
                "two keys of the JWKS have the kid {}, so a verifier may take the wrong one: give each its own",
                shown(id)
            ),
            Self::SecretAmongKeys => {
                "a shared secret (kty oct) stands in the JWKS beside public keys, and everybody has it where the app publishes the set: take it out".into()
            }
            Self::Unreadable { at, why } => {
                format!("key {at} of the JWKS cannot be read and is left out: {why}")
            }
            Self::KeyIdNumber { at, number } => format!(
                "key {at} of the JWKS is left out: its kid is the number {number}, and RFC 7517 has a text: write \"{number}\", in quotes"
            ),
            Self::LiteralLineBreaks => {
                "the line breaks of the PEM are the characters \\n, which some programs turn into line breaks; PyJWT and jsonwebtoken for Node refuse the key where the app does not: store real ones".into()
            }
            Self::PemLayout(PemLayout::EmptyLine) => {
                "the PEM has an empty line among its lines, and PyJWT and jsonwebtoken for Node refuse such a key: store it without".into()
            }
            Self::PemLayout(layout) => format!(
                "{}: PyJWT reads such a key and jsonwebtoken for Node (OpenSSL) refuses it, so store it with real line breaks, the lines BEGIN and END alone, and nothing around it",
                match layout {
                    PemLayout::OneLine => "the PEM has no line breaks where its lines BEGIN and END meet the rest",
                    PemLayout::CarriageReturns => "the lines of the PEM end with carriage returns alone",
                    PemLayout::Indented => "the line BEGIN or END of the PEM is indented",
                    PemLayout::TextAround => "the line BEGIN or END of the PEM has a quote, a name or other text beside it",
                    PemLayout::BlankLine | PemLayout::EmptyLine => "the PEM has a line of white space among its lines",
                }
            ),
        }
    }
}

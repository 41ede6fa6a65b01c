//! Hashes whose salt, and in Gitea algorithm, have columns of their own, and Mattermost's.
//!
//! Gitea and Forgejo (modules/auth/password/hash): 50 bytes in hexadecimal digits; the salt is hexadecimal too (or 10
//! characters of text, before 1.15); the algorithm is `pbkdf2$50000$50`, `argon2$2$65536$8$50` or
//! `scrypt$65536$16$2$50`. Grafana (pkg/util/encoding.go): the same of PBKDF2 with 10,000 rounds and a salt of text.

use ::argon2::Algorithm;
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};

use super::{
    Made, Stored, argon2,
    bcrypt::BCRYPT_MAX_BYTES,
    format::{Cost, Format},
    scheme::{self, ALPHANUMERIC, Parts, Prf, Salt, Scheme, hex, lower_hex, number},
};
use crate::api::password::PasswordFamily;

/// Bytes of the digest in Gitea and Grafana.
const LENGTH: usize = 50;

pub(super) const GITEA_PBKDF2: Scheme = Scheme {
    read: |stored| {
        let numbers = match stored.algorithm? {
            // Before the parameters were stored, and before the name was.
            "" | "pbkdf2" => vec![10_000, 50],
            named => numbers(named.strip_prefix("pbkdf2$")?)?,
        };
        let [rounds, length] = *numbers else { return None };
        let cost = Some(Cost::Rounds(rounds)).filter(|_| rounds > 0)?;
        gitea(PasswordFamily::GiteaPbkdf2, cost, length, stored)
    },
    derive: |format, salt, password, length| scheme::pbkdf2(Prf::Sha256, format.cost, salt, password, length),
    write: Some(|format, salt, digest| {
        let Cost::Rounds(rounds) = format.cost else { return Made::hash(String::new()) };
        beside(salt, digest, format!("pbkdf2${rounds}${LENGTH}"))
    }),
    salt: Salt::Bytes(16),
    digest: LENGTH,
    default: Format { family: PasswordFamily::GiteaPbkdf2, prefix: "", cost: Cost::Rounds(50_000) },
    floor: Cost::Rounds(50_000),
    most_bytes: None,
};

pub(super) const GITEA_ARGON2: Scheme = Scheme {
    read: |stored| {
        let numbers = numbers(stored.algorithm?.strip_prefix("argon2$")?)?;
        let [passes, memory, lanes, length] = *numbers else { return None };
        ::argon2::Params::new(memory, passes, lanes, None).ok()?;
        gitea(PasswordFamily::GiteaArgon2, Cost::Argon2 { memory, passes, lanes }, length, stored)
    },
    derive: |format, salt, password, length| {
        argon2::compute(Algorithm::Argon2id, format.cost, salt, password, length)
    },
    write: Some(|format, salt, digest| {
        let Cost::Argon2 { memory, passes, lanes } = format.cost else { return Made::hash(String::new()) };
        beside(salt, digest, format!("argon2${passes}${memory}${lanes}${LENGTH}"))
    }),
    default: Format {
        family: PasswordFamily::GiteaArgon2,
        prefix: "",
        cost: Cost::Argon2 { memory: 65_536, passes: 2, lanes: 8 },
    },
    floor: argon2::FLOOR,
    ..GITEA_PBKDF2
};

pub(super) const GITEA_SCRYPT: Scheme = Scheme {
    read: |stored| {
        let numbers = numbers(stored.algorithm?.strip_prefix("scrypt$")?)?;
        let [n, r, p, length] = *numbers else { return None };
        let log_n = n.is_power_of_two().then(|| n.trailing_zeros())?;
        gitea(PasswordFamily::GiteaScrypt, scheme::scrypt_cost(log_n, r, p)?, length, stored)
    },
    derive: |format, salt, password, length| scheme::scrypt(format.cost, salt, password, length),
    write: Some(|format, salt, digest| {
        let Cost::Scrypt { log_n, r, p } = format.cost else { return Made::hash(String::new()) };
        beside(salt, digest, format!("scrypt${}${r}${p}${LENGTH}", 1u64 << log_n))
    }),
    default: Format {
        family: PasswordFamily::GiteaScrypt,
        prefix: "",
        cost: Cost::Scrypt { log_n: 16, r: 16, p: 2 },
    },
    floor: Cost::Scrypt { log_n: 15, r: 8, p: 1 },
    ..GITEA_PBKDF2
};

/// Numbers between dollar signs.
fn numbers(text: &str) -> Option<Vec<u32>> {
    text.split('$').map(number).collect()
}

fn gitea(family: PasswordFamily, cost: Cost, length: u32, stored: &Stored<'_>) -> Option<Parts> {
    let digest = lower_hex(stored.hash).filter(|digest| u32::try_from(digest.len()) == Ok(length))?;
    let salt = stored.salt.filter(|salt| !salt.is_empty())?;
    let salt = if salt.len() == 10 { salt.as_bytes().to_vec() } else { scheme::unhex(salt)? };
    let whole = (16..=128).contains(&digest.len());
    whole.then_some(Parts { format: Format { family, prefix: "", cost }, salt, digest })
}

fn beside(salt: &[u8], digest: &[u8], algorithm: String) -> Made {
    Made { hash: hex(digest).into(), salt: Some(hex(salt).into()), algorithm: Some(algorithm) }
}

pub(super) const GRAFANA: Scheme = Scheme {
    read: |stored| {
        let salt = stored.salt.filter(|salt| !salt.is_empty() && stored.algorithm.is_none())?;
        let digest = lower_hex(stored.hash).filter(|digest| digest.len() == LENGTH)?;
        let format = Format { family: PasswordFamily::GrafanaPbkdf2, prefix: "", cost: GRAFANA_ROUNDS };
        Some(Parts { format, salt: salt.as_bytes().to_vec(), digest })
    },
    write: Some(|_, salt, digest| Made {
        hash: hex(digest).into(),
        salt: Some(String::from_utf8_lossy(salt).into_owned().into()),
        algorithm: None,
    }),
    salt: Salt::Text(10, ALPHANUMERIC),
    default: Format { family: PasswordFamily::GrafanaPbkdf2, prefix: "", cost: GRAFANA_ROUNDS },
    floor: GRAFANA_ROUNDS,
    ..GITEA_PBKDF2
};

/// Grafana reads no other number.
const GRAFANA_ROUNDS: Cost = Cost::Rounds(10_000);

/// Mattermost 11 (hashers/pbkdf2.go): `$pbkdf2$f=SHA256,w=600000,l=32$<salt>$<digest>`. It takes no password of more
/// than 72 bytes, as it did with bcrypt.
pub(super) const MATTERMOST: Scheme = Scheme {
    read: |stored| {
        let mut fields = stored.hash.strip_prefix("$pbkdf2$f=SHA256,w=")?.split('$');
        let (rounds, length) = fields.next()?.split_once(",l=")?;
        let cost = Cost::Rounds(number(rounds).filter(|rounds| *rounds > 0)?);
        let salt = STANDARD_NO_PAD.decode(fields.next()?).ok()?;
        let digest = STANDARD_NO_PAD.decode(fields.next()?).ok()?;
        let told = u32::try_from(digest.len()).ok() == number(length);
        let whole = fields.next().is_none() && told && (16..=128).contains(&digest.len());
        let format = Format { family: PasswordFamily::MattermostPbkdf2, prefix: "", cost };
        whole.then_some(Parts { format, salt, digest })
    },
    write: Some(|format, salt, digest| {
        let Cost::Rounds(rounds) = format.cost else { return Made::hash(String::new()) };
        let (length, salt) = (digest.len(), STANDARD_NO_PAD.encode(salt));
        let digest = STANDARD_NO_PAD.encode(digest);
        Made::hash(format!("$pbkdf2$f=SHA256,w={rounds},l={length}${salt}${digest}"))
    }),
    digest: 32,
    default: Format { family: PasswordFamily::MattermostPbkdf2, prefix: "", cost: Cost::Rounds(600_000) },
    floor: Cost::Rounds(600_000),
    most_bytes: Some(BCRYPT_MAX_BYTES),
    ..GITEA_PBKDF2
};

//! What a stored password says of itself: family, prefix and parameters, and nothing secret.

use std::fmt;

use super::PasswordError;
use crate::api::password::PasswordFamily;

/// A format: all that one account's stored password has in common with another's. Two hashes of one
/// password in one format differ in salt and digest only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Format {
    /// The family.
    pub family: PasswordFamily,
    /// What tells variants of one family apart, mostly as it stands in the stored text (`$2b$`); empty where the
    /// family has one variant.
    pub prefix: &'static str,
    /// How much work a hash is.
    pub cost: Cost,
}

/// How much work a hash is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cost {
    /// Two to this power of rounds: bcrypt and phpass.
    Power(u32),
    /// Rounds: PBKDF2 and SHA-crypt.
    Rounds(u32),
    /// scrypt (RFC 7914).
    Scrypt {
        /// The base-two logarithm of N.
        log_n: u32,
        /// The block size.
        r: u32,
        /// The parallelization.
        p: u32,
    },
    /// Argon2 (RFC 9106).
    Argon2 {
        /// Memory in KiB.
        memory: u32,
        /// Passes over it.
        passes: u32,
        /// Lanes.
        lanes: u32,
    },
}

/// The most memory that one hash may take, in KiB. A stored row can ask for gigabytes, and the operator
/// serves everybody. Of Argon2 it is Django's default, of scrypt Gitea's, and no family's default is more.
pub(super) const MOST_MEMORY: u32 = 100 * 1024;
const MOST_SCRYPT_MEMORY: u32 = 128 * 1024;

/// The most rounds of PBKDF2 and SHA-crypt: up to two seconds. Django 6 has 1.2 million, and no specification a limit.
pub(super) const MOST_ROUNDS: u32 = 2_000_000;

/// The most of rounds times bytes of a password, where each round goes over all of it: some seconds.
const MOST_ROUND_BYTES: u64 = 1 << 30;

/// The most of N times r times p in scrypt: up to two seconds. Gitea has half of it.
const MOST_SCRYPT_WORK: u32 = 1 << 22;

/// The most that stands beside scrypt's table, in KiB. All apps have some kilobytes.
const MOST_SCRYPT_BLOCKS: u32 = 1024;

/// The most passes of argon2 over its memory.
pub(super) const MOST_PASSES: u32 = 64;

/// The most of memory (KiB) times passes in argon2: up to two seconds. PHP has a quarter of it.
pub(super) const MOST_ARGON2_WORK: u32 = 1 << 20;

/// The most lanes of argon2, and parallelization of scrypt: they are computed one after the other.
pub(super) const MOST_LANES: u32 = 64;

/// Memory (KiB) and passes of which each pair is as safe as the others: the OWASP Password Storage
/// Cheat Sheet, "Argon2id".
const SAFE_ARGON2: [(u32, u32); 5] = [(47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5)];

impl Cost {
    /// How much work it is beside another cost of its kind.
    fn work(self) -> u64 {
        match self {
            Self::Power(power) => 1u64.checked_shl(power).unwrap_or(u64::MAX),
            Self::Rounds(rounds) => rounds.into(),
            Self::Scrypt { log_n, r, p } => {
                let n = 1u64.checked_shl(log_n).unwrap_or(u64::MAX);
                n.saturating_mul(r.into()).saturating_mul(p.into())
            }
            Self::Argon2 { memory, passes, .. } => u64::from(memory) * u64::from(passes),
        }
    }

    /// This cost, or the floor where that is more.
    pub(in crate::passwords) fn raised(self, floor: Self) -> Self {
        match (self, floor) {
            (Self::Power(power), Self::Power(least)) => Self::Power(power.max(least)),
            (Self::Rounds(rounds), Self::Rounds(least)) => Self::Rounds(rounds.max(least)),
            (Self::Argon2 { memory, passes, lanes }, _) => {
                let safe = SAFE_ARGON2.iter().any(|(least, times)| memory >= *least && passes >= *times);
                if safe {
                    self
                } else {
                    Self::Argon2 { memory: memory.max(19_456), passes: passes.max(2), lanes }
                }
            }
            _ if self.work() < floor.work() => floor,
            _ => self,
        }
    }
}

impl Format {
    /// Whether the stored text tells family and parameters. Where it does not, what is read is what the apps
    /// are known to use; that it is right shows when a password is verified.
    pub fn is_told(&self) -> bool {
        !matches!(
            self.family,
            PasswordFamily::BetterAuthScrypt | PasswordFamily::NodeScrypt | PasswordFamily::GrafanaPbkdf2
        )
    }

    /// The format in words, which say so where the stored text does not tell it.
    pub fn seems(&self) -> String {
        if self.is_told() { self.to_string() } else { format!("{self}, by the look of it") }
    }

    /// Whether there are readers of the family that read only some of its variants: Node's bcrypt no `$2y$`, jBCrypt
    /// `$2a$` alone, Laravel `$2y$` alone; and whoever wrote his own knows one order.
    pub fn is_read_by_variant(&self) -> bool {
        matches!(
            self.family,
            PasswordFamily::Bcrypt | PasswordFamily::SpringBcrypt | PasswordFamily::NodeScrypt
        )
    }

    /// Refuses what nobody would wait for, before anything is computed.
    pub(super) fn bounded(&self) -> Result<(), PasswordError> {
        let limits = match self.cost {
            Cost::Power(power) => vec![("a cost of", power, self.most_power())],
            Cost::Rounds(rounds) => vec![("a number of rounds of", rounds, MOST_ROUNDS)],
            Cost::Scrypt { log_n, r, p } => {
                let n = 1u32.checked_shl(log_n).unwrap_or(u32::MAX);
                // 128 bytes for each of N times r, and for each of p times r.
                vec![
                    ("scrypt memory (KiB) of", n.saturating_mul(r) / 8, MOST_SCRYPT_MEMORY),
                    ("an amount of scrypt work of", n.saturating_mul(r).saturating_mul(p), MOST_SCRYPT_WORK),
                    ("a scrypt parallelization of", p, MOST_LANES),
                    ("scrypt blocks (KiB) of", p.saturating_mul(r) / 8, MOST_SCRYPT_BLOCKS),
                ]
            }
            Cost::Argon2 { memory, passes, lanes } => vec![
                ("argon2 memory (KiB) of", memory, MOST_MEMORY),
                ("a number of argon2 passes of", passes, MOST_PASSES),
                ("a number of argon2 lanes of", lanes, MOST_LANES),
                ("an amount of argon2 work of", memory.saturating_mul(passes), MOST_ARGON2_WORK),
            ],
        };
        match limits.into_iter().find(|(_, value, limit)| value > limit) {
            Some((parameter, value, limit)) => Err(PasswordError::Excessive { parameter, value, limit }),
            None => Ok(()),
        }
    }

    /// Refuses a password that is too long for so many rounds, where each goes over all of it. In all other
    /// families only the first does.
    pub(super) fn bears(&self, bytes: usize) -> Result<(), PasswordError> {
        let rounds = match (self.family, self.cost) {
            (PasswordFamily::Phpass, Cost::Power(_))
            | (PasswordFamily::Sha256Crypt | PasswordFamily::Sha512Crypt, _) => self.cost.work(),
            _ => return Ok(()),
        };
        let most = MOST_ROUND_BYTES / rounds.max(1);
        if u64::try_from(bytes).is_ok_and(|bytes| bytes <= most) {
            Ok(())
        } else {
            Err(PasswordError::TooLongForRounds { bytes, family: self.family.words(), rounds, most })
        }
    }

    pub(super) fn most_power(&self) -> u32 {
        match self.family {
            // Rounds of MD5: about a second.
            PasswordFamily::Phpass => 22,
            // Rounds of bcrypt: about a second, and each step more doubles it.
            _ => 14,
        }
    }

    /// Whether it is more work than another one of its family.
    pub(super) fn stronger(&self, other: &Self) -> bool {
        self.cost.work() > other.cost.work()
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.family.words())?;
        f.write_str(" (")?;
        if !self.prefix.is_empty() {
            write!(f, "{}, ", self.prefix)?;
        }
        match self.cost {
            Cost::Power(power) => write!(f, "cost {power}")?,
            Cost::Rounds(rounds) => write!(f, "{} rounds", grouped(rounds))?,
            Cost::Scrypt { log_n, r, p } => {
                write!(f, "N={}, r={r}, p={p}", 1u64.checked_shl(log_n).unwrap_or_default())?;
            }
            Cost::Argon2 { memory, passes, lanes } => write!(f, "m={memory}, t={passes}, p={lanes}")?,
        }
        f.write_str(")")
    }
}

/// A number with its thousands apart.
fn grouped(number: u32) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new_cost(family: PasswordFamily, cost: Cost) -> Cost {
        Format { cost, ..Format::default_of(family) }.for_new().cost
    }

    #[test]
    fn scrypt_is_refused_for_what_stands_beside_its_table_too() {
        let wide = Cost::Scrypt { log_n: 1, r: 65_536, p: 64 };
        let format = Format { cost: wide, ..Format::default_of(PasswordFamily::WerkzeugScrypt) };
        assert!(matches!(format.bounded(), Err(PasswordError::Excessive { .. })));
    }

    #[test]
    fn what_a_row_asks_for_is_bounded_whatever_it_is_made_of() {
        let refused = |family, cost| Format { cost, ..Format::default_of(family) }.bounded().is_err();
        let argon2 = |memory, passes, lanes| Cost::Argon2 { memory, passes, lanes };
        for (family, cost) in [
            (PasswordFamily::Bcrypt, Cost::Power(15)),
            (PasswordFamily::Phpass, Cost::Power(23)),
            (PasswordFamily::DjangoPbkdf2Sha256, Cost::Rounds(2_000_001)),
            (PasswordFamily::Sha512Crypt, Cost::Rounds(u32::MAX)),
            (PasswordFamily::Argon2id, argon2(102_401, 1, 1)),
            (PasswordFamily::Argon2id, argon2(102_400, 11, 1)),
            (PasswordFamily::Argon2id, argon2(8, 65, 1)),
            (PasswordFamily::Argon2id, argon2(520, 1, 65)),
            (PasswordFamily::DjangoArgon2, argon2(u32::MAX, u32::MAX, 1)),
            (PasswordFamily::WerkzeugScrypt, Cost::Scrypt { log_n: 17, r: 8, p: 5 }),
            (PasswordFamily::GiteaScrypt, Cost::Scrypt { log_n: 1, r: 1, p: 65 }),
        ] {
            assert!(refused(family, cost), "{family:?} {cost:?}");
        }
        assert!(!refused(PasswordFamily::DjangoArgon2, argon2(102_400, 2, 8)));
    }

    #[test]
    fn a_new_hash_is_neither_too_cheap_nor_too_dear_to_verify() {
        for (stored, new) in [(4, 10), (9, 10), (10, 10), (13, 13), (14, 14), (15, 14), (31, 14)] {
            assert_eq!(new_cost(PasswordFamily::Bcrypt, Cost::Power(stored)), Cost::Power(new));
        }
        let argon2 = |memory, passes, lanes| Cost::Argon2 { memory, passes, lanes };
        for (stored, new) in [
            (argon2(8, 1, 1), argon2(19_456, 2, 1)),
            // What PHP writes, and what Django and Spring do.
            (argon2(65_536, 4, 1), argon2(65_536, 4, 1)),
            (argon2(102_400, 2, 8), argon2(102_400, 2, 8)),
            (argon2(16_384, 2, 1), argon2(19_456, 2, 1)),
            (argon2(7_168, 5, 1), argon2(7_168, 5, 1)),
            (argon2(u32::MAX, 65, 255), argon2(100 * 1024, 10, 64)),
        ] {
            assert_eq!(new_cost(PasswordFamily::Argon2id, stored), new);
            assert_eq!(
                Format { cost: new, ..Format::default_of(PasswordFamily::Argon2id) }.bounded(),
                Ok(())
            );
        }
    }

    #[test]
    fn the_default_of_every_family_is_what_a_new_hash_may_have() {
        for family in PasswordFamily::ALL {
            let default = Format::default_of(*family);
            assert_eq!((default.family, default.for_new()), (*family, default));
            assert_eq!(default.bounded(), Ok(()), "{default}");
        }
    }

    #[test]
    fn a_format_is_told_by_family_prefix_and_parameters() {
        let told = |family, cost| Format { cost, ..Format::default_of(family) }.to_string();
        assert_eq!(told(PasswordFamily::Bcrypt, Cost::Power(12)), "bcrypt ($2b$, cost 12)");
        assert_eq!(
            told(PasswordFamily::Argon2i, Cost::Argon2 { memory: 65_536, passes: 4, lanes: 1 }),
            "argon2i (m=65536, t=4, p=1)"
        );
        assert_eq!(
            [7, 999, 1_000, 29_000, 1_000_000].map(grouped),
            ["7", "999", "1,000", "29,000", "1,000,000"]
        );
    }
}

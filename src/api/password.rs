//! The formats of stored passwords by their names.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! families {
    ($($(#[doc = $doc:literal])* $name:ident = $words:literal,)*) => {
        /// The families of stored passwords that this program reads: the closed list.
        #[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum PasswordFamily {
            $($(#[doc = $doc])* $name,)*
        }

        impl PasswordFamily {
            /// Every family. Where two of them look alike, the first is the one that a stored text reads as.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The family in messages.
            pub fn words(self) -> &'static str {
                match self {
                    $(Self::$name => $words,)*
                }
            }

            /// The family as a spec spells it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }
        }

        /// In which format passwords are written.
        #[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub enum PasswordHash {
            /// As the other accounts of the table have it.
            #[default]
            AsStored,
            /// bcrypt with the prefix `$2a$`, whichever the other accounts have.
            Bcrypt2a,
            /// bcrypt with the prefix `$2b$`, whichever the other accounts have.
            Bcrypt2b,
            /// bcrypt with the prefix `$2y$`, whichever the other accounts have: PHP and Laravel write it.
            Bcrypt2y,
            $($(#[doc = $doc])* $name,)*
        }

        impl PasswordHash {
            /// The family that it names.
            pub fn family(self) -> Option<PasswordFamily> {
                match self {
                    Self::AsStored => None,
                    Self::Bcrypt2a | Self::Bcrypt2b | Self::Bcrypt2y => Some(PasswordFamily::Bcrypt),
                    $(Self::$name => Some(PasswordFamily::$name),)*
                }
            }

            /// The prefix of bcrypt that it names.
            pub fn prefix(self) -> Option<&'static str> {
                match self {
                    Self::Bcrypt2a => Some("$2a$"),
                    Self::Bcrypt2b => Some("$2b$"),
                    Self::Bcrypt2y => Some("$2y$"),
                    _ => None,
                }
            }

            /// As a spec spells it.
            pub fn as_str(self) -> &'static str {
                match self {
                    Self::AsStored => "AsStored",
                    Self::Bcrypt2a => "Bcrypt2a",
                    Self::Bcrypt2b => "Bcrypt2b",
                    Self::Bcrypt2y => "Bcrypt2y",
                    $(Self::$name => stringify!($name),)*
                }
            }
        }

        impl From<PasswordFamily> for PasswordHash {
            fn from(family: PasswordFamily) -> Self {
                match family {
                    $(PasswordFamily::$name => Self::$name,)*
                }
            }
        }
    };
}

families! {
    /// `$2a$`, `$2b$`, `$2y$`.
    Bcrypt = "bcrypt",
    /// `$argon2id$` in PHC string format.
    Argon2id = "argon2id",
    /// `$argon2i$` in PHC string format.
    Argon2i = "argon2i",
    /// Django: `pbkdf2_sha256$`.
    DjangoPbkdf2Sha256 = "Django PBKDF2-SHA256",
    /// Django: `pbkdf2_sha1$`.
    DjangoPbkdf2Sha1 = "Django PBKDF2-SHA1",
    /// Django: `bcrypt_sha256$`.
    DjangoBcryptSha256 = "Django bcrypt over SHA-256",
    /// Django: `bcrypt$`.
    DjangoBcrypt = "Django bcrypt",
    /// Django: `scrypt$`.
    DjangoScrypt = "Django scrypt",
    /// Django: `argon2$`.
    DjangoArgon2 = "Django argon2",
    /// werkzeug: `scrypt:`.
    WerkzeugScrypt = "werkzeug scrypt",
    /// werkzeug: `pbkdf2:`.
    WerkzeugPbkdf2 = "werkzeug PBKDF2",
    /// passlib: `$pbkdf2$`.
    PasslibPbkdf2Sha1 = "passlib PBKDF2-SHA1",
    /// passlib: `$pbkdf2-sha256$`.
    PasslibPbkdf2Sha256 = "passlib PBKDF2-SHA256",
    /// passlib: `$pbkdf2-sha512$`.
    PasslibPbkdf2Sha512 = "passlib PBKDF2-SHA512",
    /// passlib: `$bcrypt-sha256$`.
    PasslibBcryptSha256 = "passlib bcrypt over SHA-256",
    /// crypt(3) and passlib: `$5$`.
    Sha256Crypt = "SHA-256 crypt",
    /// crypt(3) and passlib: `$6$`.
    Sha512Crypt = "SHA-512 crypt",
    /// Spring Security: `{bcrypt}`.
    SpringBcrypt = "Spring Security bcrypt",
    /// Spring Security: `{argon2}` and `{argon2@SpringSecurity_v5_8}`.
    SpringArgon2 = "Spring Security argon2",
    /// Spring Security: `{pbkdf2}` and `{pbkdf2@SpringSecurity_v5_8}`.
    SpringPbkdf2 = "Spring Security PBKDF2",
    /// Spring Security: `{scrypt}` and `{scrypt@SpringSecurity_v5_8}`.
    SpringScrypt = "Spring Security scrypt",
    /// ASP.NET Core Identity, version 3.
    AspNetIdentityV3 = "ASP.NET Core Identity v3",
    /// ASP.NET Identity, version 2: read only.
    AspNetIdentityV2 = "ASP.NET Identity v2",
    /// phpass, as WordPress before 6.8 has it: `$P$` and `$H$`.
    Phpass = "phpass",
    /// WordPress 6.8: `$wp$2y$`.
    WordPressBcrypt = "WordPress bcrypt",
    /// better-auth and Lucia 3: `salt:key`.
    BetterAuthScrypt = "better-auth scrypt",
    /// Node's scrypt with its defaults: `salt:key` and `key.salt`.
    NodeScrypt = "Node scrypt",
    /// scrypt-kdf, as Medusa 2 has it.
    MedusaScrypt = "Medusa scrypt",
    /// Gitea and Forgejo, salt and algorithm (`pbkdf2$…`) in columns of their own.
    GiteaPbkdf2 = "Gitea PBKDF2",
    /// Gitea and Forgejo, salt and algorithm (`argon2$…`) in columns of their own.
    GiteaArgon2 = "Gitea argon2",
    /// Gitea and Forgejo, salt and algorithm (`scrypt$…`) in columns of their own.
    GiteaScrypt = "Gitea scrypt",
    /// Grafana, the salt in a column of its own.
    GrafanaPbkdf2 = "Grafana PBKDF2",
    /// Mattermost 11: `$pbkdf2$f=SHA256`.
    MattermostPbkdf2 = "Mattermost PBKDF2",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_and_the_specs_name_of_it_are_spelled_alike() {
        for family in PasswordFamily::ALL {
            assert_eq!(PasswordHash::from(*family).family(), Some(*family));
            let spelled = serde_json::to_value(family).unwrap();
            assert_eq!(spelled, family.as_str());
            assert_eq!(spelled, serde_json::to_value(PasswordHash::from(*family)).unwrap());
        }
        assert_eq!(
            (PasswordHash::default(), PasswordHash::AsStored.family()),
            (PasswordHash::AsStored, None)
        );
        for (named, prefix) in [
            (PasswordHash::Bcrypt2a, "$2a$"),
            (PasswordHash::Bcrypt2b, "$2b$"),
            (PasswordHash::Bcrypt2y, "$2y$"),
        ] {
            assert_eq!((named.family(), named.prefix()), (Some(PasswordFamily::Bcrypt), Some(prefix)));
            assert_eq!(serde_json::to_value(named).unwrap(), named.as_str());
        }
    }
}

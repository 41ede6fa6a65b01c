//! Which file makes and reads which family.

use super::{
    argon2, aspnet, bcrypt, columns, crypt, django,
    format::{Cost, Format, MOST_ARGON2_WORK, MOST_LANES, MOST_MEMORY, MOST_PASSES, MOST_ROUNDS},
    node, passlib, phpass,
    scheme::Scheme,
    spring, werkzeug,
};
use crate::api::password::PasswordFamily;

/// The family's scheme.
pub(super) fn scheme(family: PasswordFamily) -> &'static Scheme {
    match family {
        PasswordFamily::Bcrypt => &bcrypt::PLAIN,
        PasswordFamily::Argon2id => &argon2::ARGON2ID,
        PasswordFamily::Argon2i => &argon2::ARGON2I,
        PasswordFamily::DjangoPbkdf2Sha256 => &django::PBKDF2_SHA256,
        PasswordFamily::DjangoPbkdf2Sha1 => &django::PBKDF2_SHA1,
        PasswordFamily::DjangoBcryptSha256 => &django::BCRYPT_SHA256,
        PasswordFamily::DjangoBcrypt => &django::BCRYPT,
        PasswordFamily::DjangoScrypt => &django::SCRYPT,
        PasswordFamily::DjangoArgon2 => &django::ARGON2,
        PasswordFamily::WerkzeugScrypt => &werkzeug::SCRYPT,
        PasswordFamily::WerkzeugPbkdf2 => &werkzeug::PBKDF2,
        PasswordFamily::PasslibPbkdf2Sha1 => &passlib::PBKDF2_SHA1,
        PasswordFamily::PasslibPbkdf2Sha256 => &passlib::PBKDF2_SHA256,
        PasswordFamily::PasslibPbkdf2Sha512 => &passlib::PBKDF2_SHA512,
        PasswordFamily::PasslibBcryptSha256 => &passlib::BCRYPT_SHA256,
        PasswordFamily::Sha256Crypt => &crypt::SHA256,
        PasswordFamily::Sha512Crypt => &crypt::SHA512,
        PasswordFamily::SpringBcrypt => &spring::BCRYPT,
        PasswordFamily::SpringArgon2 => &spring::ARGON2,
        PasswordFamily::SpringPbkdf2 => &spring::PBKDF2,
        PasswordFamily::SpringScrypt => &spring::SCRYPT,
        PasswordFamily::AspNetIdentityV3 => &aspnet::V3,
        PasswordFamily::AspNetIdentityV2 => &aspnet::V2,
        PasswordFamily::Phpass => &phpass::PHPASS,
        PasswordFamily::WordPressBcrypt => &phpass::WORDPRESS,
        PasswordFamily::BetterAuthScrypt => &node::BETTER_AUTH,
        PasswordFamily::NodeScrypt => &node::NODE,
        PasswordFamily::MedusaScrypt => &node::MEDUSA,
        PasswordFamily::GiteaPbkdf2 => &columns::GITEA_PBKDF2,
        PasswordFamily::GiteaArgon2 => &columns::GITEA_ARGON2,
        PasswordFamily::GiteaScrypt => &columns::GITEA_SCRYPT,
        PasswordFamily::GrafanaPbkdf2 => &columns::GRAFANA,
        PasswordFamily::MattermostPbkdf2 => &columns::MATTERMOST,
    }
}

impl Format {
    /// What a family's own library writes by default.
    pub fn default_of(family: PasswordFamily) -> Self {
        scheme(family).default
    }

    /// Whether a new hash can be made in it. Some families are read and verified only.
    pub fn can_make(&self) -> bool {
        scheme(self.family).write.is_some()
    }

    /// The format of a new hash beside those that have this one: the same, but no cheaper than is safe
    /// today for its family, and no dearer than [`verify`](super::verify) accepts.
    pub fn for_new(self) -> Self {
        let scheme = scheme(self.family);
        let raised = Self { cost: self.cost.raised(scheme.floor), ..self };
        if raised.bounded().is_ok() {
            return raised;
        }
        let cost = match raised.cost {
            Cost::Power(_) => Cost::Power(self.most_power()),
            Cost::Rounds(_) => Cost::Rounds(MOST_ROUNDS),
            Cost::Argon2 { memory, passes, lanes } => Cost::Argon2 {
                memory: memory.min(MOST_MEMORY),
                passes: passes.min(MOST_PASSES).min(MOST_ARGON2_WORK / memory.clamp(1, MOST_MEMORY)),
                lanes: lanes.min(MOST_LANES),
            },
            Cost::Scrypt { .. } => scheme.default.cost,
        };
        Self { cost, ..self }
    }
}

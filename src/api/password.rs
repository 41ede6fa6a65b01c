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
            $($(#[doc = $doc])* $name,)*
        }

        impl PasswordHash {
            /// The family that it names.
            pub fn family(self) -> Option<PasswordFamily> {
                match self {
                    Self::AsStored => None,
                    $(Self::$name => Some(PasswordFamily::$name),)*
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
    }
}

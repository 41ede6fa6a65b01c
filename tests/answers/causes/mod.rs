//! Everything that can be planted: its name, of which reasons it is, and what a good tool says of it.

mod accounts;
mod connection;
mod ids;
mod keys;
mod passwords;
mod quiet;
mod references;
mod rights;
mod schema;

use auth_consistency::api::condition::Reason;

use crate::world::World;

/// What two causes must not share to be planted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Accounts,
    Passwords,
    References,
    Ids,
    Key,
    Schema,
    /// It hides everything else.
    Alone,
}

impl Part {
    /// Whether what is planted of both can be told at once: of an account that is not known nothing is told.
    pub fn goes_with(self, other: Self) -> bool {
        let of_accounts = |part| matches!(part, Self::Accounts | Self::Passwords);
        self != other && ![self, other].contains(&Self::Alone) && !(of_accounts(self) && of_accounts(other))
    }
}

/// One cause.
pub struct Cause {
    pub name: &'static str,
    pub part: Part,
    /// The reasons that it stands for; none where nothing is to be told.
    pub reasons: &'static [Reason],
    /// Does it to a world, and writes down what is to be told; false where it is not of this world.
    pub plant: fn(&mut World) -> bool,
}

/// All causes in a database or a key.
pub fn all() -> Vec<&'static Cause> {
    let lists: [&'static [Cause]; 9] = [
        accounts::CAUSES,
        passwords::CAUSES,
        references::CAUSES,
        ids::CAUSES,
        keys::CAUSES,
        schema::CAUSES,
        rights::CAUSES,
        connection::CAUSES,
        quiet::CAUSES,
    ];
    lists.into_iter().flatten().collect()
}

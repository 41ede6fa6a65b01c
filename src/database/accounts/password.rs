//! Passwords of accounts that are kept: compared with the Secret's, made in the format that the app reads, and
//! read back once they are written.

use secrecy::ExposeSecret;
use sqlx::PgConnection;

use crate::{
    api::condition::Reason,
    consistency::{
        hashing::choose,
        observation::PasswordFacts,
        target::{Admin, Target},
    },
    database::{
        catalog::Column,
        error::DatabaseError,
        hashes::{self, StoredRow},
        identifier::Sql,
        observe::Known,
        references::equals,
    },
    hashing,
    memory::Memory,
    passwords::{self, Format, Made, PasswordError},
};

/// Recognises the stored hash, and compares it where that was asked for: away from the async threads,
/// since hashing takes a while on purpose.
pub(super) async fn facts(
    stored: Option<StoredRow>,
    account: &Admin,
    compare: Option<&Memory>,
) -> PasswordFacts {
    let Some(stored) = stored else {
        let matches = compare.map(|_| false);
        return PasswordFacts { absent: true, matches, ..PasswordFacts::unknown() };
    };
    let format = passwords::recognise(&stored.stored());
    let seems = passwords::describe(&stored.stored());
    let absent = seems.is_none();
    let facts = PasswordFacts { format, seems, absent, matches: None, uncompared: None };
    let (Some(password), Some(memory)) = (&account.password, compare) else { return facts };
    if absent {
        return PasswordFacts { matches: Some(false), ..facts };
    }
    if facts.format.is_none() {
        let uncompared = Some(format!("the stored one is {}", facts.seems));
        return PasswordFacts { uncompared, ..facts };
    }
    let whole = stored.whole();
    if memory.password_matched(&account.login, &whole, password) {
        return PasswordFacts { matches: Some(true), ..facts };
    }
    let word = password.clone();
    let mebibytes = facts.format.map_or(u32::MAX, |format| format.mebibytes());
    match hashing::compute(mebibytes, move || passwords::verify(&stored.stored(), &word)).await {
        Some(Ok(matches)) => {
            if matches {
                memory.remember_password(&account.login, &whole, password);
            }
            PasswordFacts { matches: Some(matches), ..facts }
        }
        Some(Err(why)) => PasswordFacts { uncompared: Some(why.to_string()), ..facts },
        None => PasswordFacts { uncompared: Some("hashing was interrupted".into()), ..facts },
    }
}

/// Computes a hash of a format, or with one, once there is room for it.
async fn hashed<T: Send + 'static>(
    format: &Format,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, DatabaseError> {
    hashing::compute(format.mebibytes(), work)
        .await
        .ok_or_else(|| DatabaseError::Moved("hashing the password was interrupted".into()))
}

/// A new hash of an account's password in the format that was planned, and that still is the one.
pub(in crate::database) async fn hash(
    target: &Target,
    account: &Admin,
    known: &Known,
    planned: Option<Format>,
) -> Result<(Made, Format), DatabaseError> {
    let chosen = choose(&target.users, known.samples.get(&account.account().map(str::to_owned)))
        .map_err(|refused| DatabaseError::HashRefused(refused.reason, refused.why))?;
    if planned.is_some_and(|planned| planned != chosen.format) {
        return Err(DatabaseError::Moved("the other accounts have another format than was planned".into()));
    }
    let password = account.password.clone().ok_or_else(|| {
        DatabaseError::Moved(format!("{} has no password to be seeded with", account.called()))
    })?;
    let made = hashed(&chosen.format, move || passwords::make(&chosen.format, &password)).await??;
    let refused = match (&made, known) {
        (Made { salt: Some(_), .. }, Known { salt: None, .. }) => {
            Some("keeps the salt in a column of its own: set spec.users.saltColumn")
        }
        (Made { algorithm: Some(_), .. }, Known { algorithm: None, .. }) => {
            Some("keeps its name in a column of its own: set spec.users.algorithmColumn")
        }
        // What stands in that column is what the app goes by.
        (Made { algorithm: None, .. }, Known { algorithm: Some(_), .. }) => Some(
            "has no name that is known for the column of spec.users.algorithmColumn: have the app set the password",
        ),
        _ => None,
    };
    if let Some(why) = refused {
        let family = chosen.format.family.words();
        return Err(DatabaseError::HashRefused(Reason::PasswordHashUnclear, format!("{family} {why}")));
    }
    Ok((made, chosen.format))
}

/// What the columns of a stored password get; a salt or a name that the format does not have is left as it is.
pub(in crate::database) fn stored_columns<'a>(
    known: &'a Known,
    made: &'a Made,
) -> Vec<(&'a Column, &'a str)> {
    let salt = made.salt.as_ref().map(ExposeSecret::expose_secret);
    [
        (&known.password, Some(made.hash.expose_secret())),
        (&known.salt, salt),
        (&known.algorithm, made.algorithm.as_deref()),
    ]
    .into_iter()
    .filter_map(|(column, value)| Some((column.as_ref()?, value?)))
    .collect()
}

/// Reads back what was written, and holds the password against it.
pub(in crate::database) async fn read_back(
    connection: &mut PgConnection,
    known: &Known,
    account: &Admin,
    id: &str,
    format: Format,
) -> Result<(), DatabaseError> {
    let mut sql = Sql::new("SELECT ");
    hashes::select(&mut sql, known);
    sql.add(" FROM ").only(&known.users.relation).add(" p WHERE ");
    equals(&mut sql, "p", &known.id, id);
    let row = sql.optional(connection).await?;
    let row = row.as_ref().map(|row| StoredRow::read(row, 0)).transpose()?.flatten();
    let (Some(stored), Some(password)) = (row, account.password.clone()) else { return Err(other_hash()) };
    let holds = hashed(&format, move || {
        let same = passwords::recognise_as(&stored.stored(), format.family) == Some(format);
        Ok::<_, PasswordError>(same && passwords::verify_as(&stored.stored(), format.family, &password)?)
    });
    if holds.await?? { Ok(()) } else { Err(other_hash()) }
}

fn other_hash() -> DatabaseError {
    DatabaseError::Moved(
        "the password was written, and what was read back is another one: a trigger or the column may change it, so nothing of it was kept".into(),
    )
}

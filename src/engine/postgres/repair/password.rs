//! Passwords of accounts that are kept: compared with the Secret's, made in the format that the app reads, and
//! read back once they are written.

use crate::{
    api::{condition::Reason, password::PasswordFamily},
    domain::{
        diagnose::hashing::{choose, misplaced},
        facts::{Observation, PasswordFacts},
        target::{Admin, Target},
    },
    engine::postgres::{
        catalog::{condition::equals, resolved::ResolvedSchema},
        observe::{
            hashes::{self, StoredRow},
            password::{Compare, Uncompared, read_as, readings, whole_in},
        },
        session::error::DatabaseError,
        sql::Sql,
    },
    hashing,
    passwords::{self, Format, Made, PasswordError},
};

use std::sync::Arc;

use sqlx::PgConnection;

/// Compares what was left for later: away from the async threads, since hashing takes a while on purpose, and after
/// the snapshot, which would keep the database from tidying up for as long.
pub(in crate::engine::postgres) async fn compare(
    target: &Target,
    compare: Compare<'_>,
    observation: &mut Observation,
) {
    let Compare { memory, later, .. } = compare;
    // What looks like a stored password of a family that was verified with another account's is one of it.
    let mut proven: Vec<PasswordFamily> = Vec::new();
    let mut doubtful = Vec::new();
    for facts in observation.admin.iter().chain(&observation.accounts) {
        let password = facts.account.as_ref().map(|account| &account.password);
        let verified = password.filter(|password| password.matches == Some(true));
        proven.extend(verified.and_then(|password| password.format).map(|format| format.family));
    }
    for Uncompared { place, stored, format, salted } in later {
        let Some((account, facts)) = whose(target, observation, place) else { continue };
        let Some(password) = &account.password else { continue };
        let (readings, stored) = (readings(&stored), Arc::new(stored));
        let wholes: Vec<_> =
            readings.iter().map(|format| (*format, whole_in(&stored, format.family))).collect();
        let (row, word) = (Arc::clone(&stored), password.clone());
        let verified = hashing::compute(move || passwords::matching(&row.stored(), &word));
        match (verified.await, salted) {
            (Some(Ok(Some(format))), _) => {
                if let Some((_, whole)) = wholes.iter().find(|(read, _)| *read == format) {
                    memory.remember_password(&account.login, whole, password);
                }
                proven.push(format.family);
                let known = std::mem::replace(facts, PasswordFacts::unknown());
                *facts = PasswordFacts { matches: Some(true), ..read_as(known, format) };
            }
            (Some(Ok(None)), Some(column)) => {
                facts.uncompared = Some(format!(
                    "column {column:?} is filled beside it, and {} keeps no salt there: the app may mix it in",
                    format.family.words()
                ));
            }
            (Some(Ok(None)), None) if format.is_told() => {
                let word = password.clone();
                // A turn of its own, so that others come in between.
                let found = hashing::compute(move || passwords::mistagged(&stored.stored(), &word));
                facts.mistagged = found.await.flatten();
                facts.matches = Some(facts.mistagged.is_some());
            }
            (Some(Ok(None)), None) => doubtful.push((place, format, readings)),
            (Some(Err(why)), _) => facts.uncompared = Some(why.to_string()),
            (None, _) => facts.uncompared = Some("hashing was interrupted".into()),
        }
    }
    for (place, format, readings) in doubtful {
        let Some((_, facts)) = whose(target, observation, place) else { continue };
        if readings.iter().any(|format| proven.contains(&format.family)) {
            facts.matches = Some(false);
        } else {
            let alike = if format.family == PasswordFamily::GrafanaPbkdf2 {
                "Gitea and others store digits beside a salt"
            } else {
                "apps of Node store PBKDF2 and several kinds of scrypt"
            };
            facts.uncompared = Some(format!(
                "the stored one is {}: the text does not tell the format, since {alike} alike",
                format.seems()
            ));
        }
    }
}

/// The account at a place of the spec, and what is known of its password.
fn whose<'a, 'b>(
    target: &'a Target,
    observation: &'b mut Observation,
    place: Option<usize>,
) -> Option<(&'a Admin, &'b mut PasswordFacts)> {
    let (account, facts) = match place {
        None => (target.admin.as_ref()?, observation.admin.as_mut()?),
        Some(_) => {
            let at = target.accounts.iter().position(|account| account.place == place)?;
            (target.accounts.get(at)?, observation.accounts.get_mut(at)?)
        }
    };
    Some((account, &mut facts.account.as_mut()?.password))
}

/// Computes a hash, or with one, once it is its turn.
async fn hashed<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, DatabaseError> {
    hashing::compute(work)
        .await
        .ok_or_else(|| DatabaseError::Interrupted("hashing the password was interrupted".into()))
}

/// A new hash of an account's password in the format that was planned, and that still is the one.
pub(in crate::engine::postgres) async fn hash(
    target: &Target,
    account: &Admin,
    known: &ResolvedSchema,
    planned: Option<Format>,
) -> Result<(Made, Format), DatabaseError> {
    let chosen =
        choose(target.hints, &target.users, known.samples.get(&account.account().map(str::to_owned)))
            .map_err(|refused| DatabaseError::HashRefused(refused.reason, refused.why))?;
    if planned.is_some_and(|planned| planned != chosen.format) {
        return Err(DatabaseError::PlanStale(
            "the other accounts have another format than was planned".into(),
        ));
    }
    let password = account.password.clone().ok_or_else(|| {
        DatabaseError::PlanStale(format!("{} has no password to be seeded with", account.called()))
    })?;
    let made = hashed(move || {
        let made = passwords::make(&chosen.format, &password)?;
        // What is written is verified before a transaction begins, so that none waits until it is a hash's turn.
        let stored = made.as_stored();
        let reads = passwords::recognise_as(&stored, chosen.format.family) == Some(chosen.format);
        let holds = reads && passwords::verify_as(&stored, chosen.format.family, &password)?;
        Ok::<_, PasswordError>(holds.then_some(made))
    })
    .await??;
    let Some(made) = made else {
        return Err(DatabaseError::HashRefused(
            Reason::PasswordHashUnclear,
            format!("what was made as {} does not verify", chosen.format),
        ));
    };
    // Refused when it was planned, too: this is the last wall before something is written.
    if let Some(why) = misplaced(&made, known.salt.is_some(), known.algorithm.is_some()) {
        let family = chosen.format.family.words();
        return Err(DatabaseError::HashRefused(Reason::PasswordHashUnclear, format!("{family} {why}")));
    }
    Ok((made, chosen.format))
}

/// Reads back what was written: it is what was made, which was verified.
pub(in crate::engine::postgres) async fn read_back(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
    made: &Made,
    id: &str,
) -> Result<(), DatabaseError> {
    let mut sql = Sql::new("SELECT ");
    hashes::select(&mut sql, known);
    sql.add(" FROM ").only(&known.users.relation).add(" p WHERE ");
    equals(&mut sql, "p", &known.id, id);
    let row = sql.optional(connection).await?;
    let row = row.as_ref().map(|row| StoredRow::read(row, 0, known)).transpose()?.flatten();
    let Some(stored) = row.filter(|stored| !stored.is_padded()) else { return Err(other_hash()) };
    let (stored, made) = (stored.stored(), made.as_stored());
    let kept = |written: Option<&str>, stored: Option<&str>| written.is_none() || written == stored;
    if stored.hash == made.hash && kept(made.salt, stored.salt) && kept(made.algorithm, stored.algorithm) {
        Ok(())
    } else {
        Err(other_hash())
    }
}

fn other_hash() -> DatabaseError {
    DatabaseError::PlanStale(
        "the password was written, and what was read back is another one: a trigger or the column may change it, so nothing of it was kept".into(),
    )
}

//! Creates an account, at an id that no row names.

use secrecy::ExposeSecret;
use sqlx::{PgConnection, Row};

use super::{
    accounts::{gone, hash, like},
    bookkeeping::{self, Entry},
    catalog::Column,
    error::DatabaseError,
    fence::{self, Fence},
    identifier::Sql,
    ids,
    observe::Known,
    references::equals,
};
use crate::{
    api::report::Action,
    consistency::{observation::KeyKind, target::Target},
};

/// How an account is created.
pub struct Seeding<'a> {
    /// Its login; `None`: the admin.
    pub account: Option<&'a str>,
    /// The id that it gets; `None`: the column's default, or a random uuid.
    pub id: Option<&'a str>,
    /// Rows may name this very id: a person said so and approved.
    pub claimed: bool,
    /// The reset token that asked for it.
    pub token: Option<&'a str>,
}

/// Creates the account, unless somebody did meanwhile.
///
/// # Errors
/// The row violates a constraint, or the id that it got is one that rows still name.
pub async fn seed(
    connection: &mut PgConnection,
    fence: &Fence,
    number: i64,
    target: &Target,
    known: &Known,
    seeding: &Seeding<'_>,
) -> Result<i64, DatabaseError> {
    let account = target.account(seeding.account);
    let (Some(admin), Some(login), Some(password)) = (account, &known.login, &known.password) else {
        return Err(gone());
    };
    let hash = hash(target, admin, like(connection, fence, known).await?).await?;
    let mut transaction = fence::enter(connection, fence).await?;
    let mut sql = Sql::new("SELECT count(*) FROM ");
    sql.only(&known.users.relation).add(" p WHERE ");
    equals(&mut sql, "p", login, &admin.login);
    if sql.scalar::<i64>(&mut transaction).await? > 0 {
        return Err(DatabaseError::Moved(format!("somebody has created {} meanwhile", admin.called())));
    }
    let random;
    let id = match (seeding.id, known.id.kind(), known.id.has_default) {
        (None, KeyKind::Uuid, false) => {
            random = uuid_v4();
            Some(random.as_str())
        }
        (id, ..) => id,
    };
    if id.is_none() {
        ids::skip_named(&mut transaction, known).await?;
    }
    let mut names: Vec<&Column> = vec![login, password];
    let mut values: Vec<String> = vec![admin.login.clone(), hash.expose_secret().to_owned()];
    // The spec's own columns win over what makes an account active.
    for (column, condition) in known.columns_of(seeding.account).iter().chain(&known.active_when) {
        if let Some(value) = &condition.equals
            && !names.iter().any(|known| known.name == column.name)
            && column.name != known.id.name
        {
            names.push(column);
            values.push(value.clone());
        }
    }
    if let Some(id) = id {
        names.push(&known.id);
        values.push(id.to_owned());
    }
    let mut sql = Sql::new("INSERT INTO ");
    sql.relation(&known.users.relation).add(" AS p (");
    for (at, column) in names.iter().enumerate() {
        sql.add(if at > 0 { ", " } else { "" }).name(&column.name);
    }
    sql.add(if id.is_some() && known.id.identity_always {
        ") OVERRIDING SYSTEM VALUE VALUES ("
    } else {
        ") VALUES ("
    });
    for (at, (column, value)) in names.iter().zip(&values).enumerate() {
        // Without modifiers: a cast to varchar(32) would cut a hash, and an assignment refuses it.
        sql.add(if at > 0 { ", " } else { "" }).typed(value, &column.type_name);
    }
    sql.add(") RETURNING ").column("p", &known.id.name).add("::pg_catalog.text");
    let got: Option<String> = match sql.optional(&mut transaction).await? {
        Some(row) => row.try_get(0)?,
        None => None,
    };
    let Some(got) = got else {
        return Err(DatabaseError::Moved(
            "the database took the new account and kept no row of it: a trigger may keep it back".into(),
        ));
    };
    if !seeding.claimed {
        ids::unclaimed(&mut transaction, known, &got).await?;
    }
    let object = &crate::api::report::ObjectRef {
        schema: target.users.schema.clone(),
        table: target.users.table.clone(),
        ..Default::default()
    };
    let entry = Entry { step: number, chunk: 1, action: Action::Seed, object, rows: 1, token: seeding.token };
    bookkeeping::audit_of(&mut transaction, fence, &entry, seeding.account).await?;
    super::rows::count_done(&mut transaction, fence, number, 1).await?;
    transaction.commit().await?;
    Ok(1)
}

/// RFC 9562 section 5.4.
fn uuid_v4() -> String {
    let bits = (rand::random::<u128>() & !(0xf000 << 64) & !(0xc << 60)) | (0x4000 << 64) | (0x8 << 60);
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    #[test]
    fn random_uuids_are_of_version_four() {
        for _ in 0..64 {
            let uuid = super::uuid_v4();
            assert_eq!(uuid.len(), 36);
            assert_eq!(&uuid[14..15], "4");
            assert!("89ab".contains(&uuid[19..20]), "{uuid}");
        }
    }
}

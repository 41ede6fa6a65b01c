//! The ranking, on facts that are made by hand.

use super::{
    choose::{Candidate, Choice, choose, named},
    facts::{ColumnFacts, DatabaseFacts, ForeignKeyFacts, TableFacts, UniqueKey, ValueKind},
    propose::{Chosen, Proposal, Unfit, propose},
};
use crate::passwords::{Stored, survey};

const HASH: &str = "$2b$12$C5jfR0qJMI79kxsagW6zyOHQagnVlesB97lxvalb.axTAzP94L.w6";

fn text(name: &str) -> ColumnFacts {
    ColumnFacts {
        name: name.into(),
        declared_type: "text".into(),
        kind: ValueKind::Text,
        not_null: true,
        looked: true,
        filled: 10,
        hashes: Some(survey(["ada"; 10].map(Stored::from))),
        ..ColumnFacts::default()
    }
}

fn hashes(name: &str) -> ColumnFacts {
    ColumnFacts { hashes: Some(survey([HASH; 10].map(Stored::from))), ..text(name) }
}

fn flag(name: &str, trues: i64) -> ColumnFacts {
    ColumnFacts {
        kind: ValueKind::Boolean,
        declared_type: "boolean".into(),
        trues,
        hashes: None,
        ..text(name)
    }
}

fn key(columns: &[&str], primary: bool) -> UniqueKey {
    let columns = columns.iter().map(|column| (*column).to_owned()).collect();
    UniqueKey { columns, primary, ..UniqueKey::default() }
}

/// A table of ten rows with the key `id` and these columns, of which the first is unique.
fn table(name: &str, columns: Vec<ColumnFacts>) -> TableFacts {
    let id =
        ColumnFacts { name: "id".into(), kind: ValueKind::Integer, not_null: true, ..ColumnFacts::default() };
    let first = columns.first().map(|column| key(&[&column.name], false));
    TableFacts {
        schema: "public".into(),
        table: name.into(),
        rows: Some(10),
        sampled: 10,
        columns: std::iter::once(id).chain(columns).collect(),
        keys: std::iter::once(key(&["id"], true)).chain(first).collect(),
        ..TableFacts::default()
    }
}

/// Foreign keys `FROM.COLUMN` that reference `TO.id`.
fn database(mut tables: Vec<TableFacts>, keys: &[(&str, &str, &str)]) -> DatabaseFacts {
    for (from, column, to) in keys {
        let name = |table: &str| ("public".to_owned(), table.to_owned());
        let key = ForeignKeyFacts {
            from: name(from),
            columns: vec![(*column).to_owned()],
            to: name(to),
            to_columns: vec!["id".to_owned()],
        };
        for table in &mut tables {
            if table.table == *to {
                table.referenced.push(key.clone());
            }
            if table.table == *from {
                table.references.push(key.clone());
            }
        }
    }
    DatabaseFacts { all: tables.len() as i64, tables, default_schema: "public".into() }
}

/// `users`, or `?users, admins` where a person says, or nothing.
fn shown(found: &DatabaseFacts) -> String {
    match choose(found) {
        Choice::One(one, _) => one.facts.table.clone(),
        Choice::Several(several) => {
            let names: Vec<&str> = several.iter().map(|one| one.facts.table.as_str()).collect();
            format!("?{}", names.join(", "))
        }
        Choice::Nothing => String::new(),
    }
}

fn proposal(table: TableFacts) -> Proposal {
    let found = DatabaseFacts { all: 1, tables: vec![table], default_schema: "public".into() };
    propose(&found, &Candidate::of(&found.tables[0]), &Chosen::default()).unwrap()
}

#[test]
fn a_table_is_chosen_by_its_evidence_and_two_with_the_same_are_a_question() {
    let users = || table("users", vec![text("email"), hashes("password")]);
    let orders = || table("orders", vec![text("number")]);
    let keys = [("orders", "user_id", "users")];
    assert_eq!(shown(&database(vec![users(), orders()], &keys)), "users");
    // Passwords and a login, whatever the table is called.
    let odd = table("t_42", vec![text("email"), hashes("geheim")]);
    assert_eq!(shown(&database(vec![odd, orders()], &[])), "t_42");
    // A name alone is nothing.
    assert_eq!(shown(&database(vec![table("users", vec![text("label")]), orders()], &keys)), "");
    // Two tables with passwords: whatever references them, a person says.
    let admins = || table("admins", vec![text("email"), hashes("password")]);
    assert_eq!(shown(&database(vec![admins(), users()], &keys)), "?users, admins");
    // One without passwords is no rival, unless more foreign keys reference it.
    let customers = || table("customers", vec![text("email")]);
    let one = [("orders", "user_id", "users"), ("orders", "customer_id", "customers")];
    assert_eq!(shown(&database(vec![users(), customers(), orders()], &one)), "users");
    let more = [("orders", "customer_id", "customers"), ("carts", "customer_id", "customers")];
    assert_eq!(shown(&database(vec![users(), customers(), orders()], &more)), "?users, customers");
    // Passwords beside the accounts, without a name that says accounts.
    let auth = table("auth", vec![text("email"), hashes("password")]);
    assert_eq!(shown(&database(vec![auth, table("user", vec![text("email")])], &[])), "?auth, user");
}

#[test]
fn what_belongs_to_accounts_is_no_rival_and_neither_is_an_empty_copy() {
    let users = || table("users", vec![text("email"), hashes("password")]);
    let profiles = table("people", vec![text("username")]);
    let mut keys =
        vec![("people", "id", "users"), ("posts", "author_id", "people"), ("logs", "user_id", "users")];
    assert_eq!(shown(&database(vec![users(), profiles], &keys)), "users");
    keys.truncate(0);
    // Passwords of another table's accounts: rows without a login of their own.
    let account = table("account", vec![text("provider"), hashes("password")]);
    let user = table("user", vec![text("email")]);
    keys.push(("account", "user_id", "user"));
    assert_eq!(shown(&database(vec![account, user], &keys)), "user");
    let keys = [("logs", "user_id", "users")];
    let mut pending = table("registering_users", vec![text("email"), hashes("password")]);
    assert_eq!(shown(&database(vec![users(), pending.clone()], &keys)), "?users, registering_users");
    (pending.sampled, pending.rows) = (0, Some(0));
    assert_eq!(shown(&database(vec![users(), pending.clone()], &keys)), "users");
    // What nobody could read is not empty.
    pending.unread = Some("no SELECT privilege on the table".into());
    assert_eq!(shown(&database(vec![users(), pending], &keys)), "?users, registering_users");
    let mut copy = table("users_old", vec![text("email"), hashes("password")]);
    copy.keys.truncate(1);
    assert_eq!(shown(&database(vec![users(), copy.clone()], &keys)), "users");
    copy.keys.clear();
    assert_eq!(shown(&database(vec![users(), copy], &keys)), "users");
}

#[test]
fn a_table_is_found_by_its_name_in_whatever_schema_and_two_of_a_name_are_told_apart() {
    let mut other = table("users", vec![text("email")]);
    other.schema = "auth".into();
    let found = DatabaseFacts {
        all: 3,
        tables: vec![table("users", vec![]), other, table("a.b", vec![])],
        default_schema: "public".into(),
    };
    assert_eq!(named(&found, "users").unwrap_err(), ["public.users", "auth.users"]);
    assert_eq!(named(&found, "auth.users").unwrap().facts.schema, "auth");
    assert_eq!(named(&found, "a.b").unwrap().facts.table, "a.b");
    assert_eq!(named(&found, "none").unwrap_err(), [""; 0]);
}

#[test]
fn the_id_is_what_foreign_keys_reference_and_without_any_what_tells_rows_apart() {
    let mut users = table("users", vec![text("email"), hashes("password")]);
    let uuid = ColumnFacts { kind: ValueKind::Uuid, not_null: true, ..text("uuid") };
    users.columns.push(uuid);
    users.keys.push(key(&["uuid"], false));
    assert_eq!(proposal(users.clone()).id.column, "id");
    let mut found = database(vec![users.clone()], &[("a", "user_id", "users"), ("b", "user_id", "users")]);
    for key in &mut found.tables[0].referenced {
        key.to_columns = vec!["uuid".into()];
    }
    assert_eq!(proposal(found.tables.remove(0)).id.column, "uuid");
    users.keys.remove(0);
    assert_eq!(proposal(users.clone()).id.column, "uuid", "email is unique, and no id");
    users.keys = vec![key(&["tenant", "id"], true)];
    let id = proposal(users.clone()).id;
    assert!(id.column == "id" && id.why.contains("only together with tenant"), "{id:?}");
    users.keys.clear();
    let found = DatabaseFacts { all: 1, tables: vec![users], default_schema: "public".into() };
    let unfit = propose(&found, &Candidate::of(&found.tables[0]), &Chosen::default());
    assert_eq!(unfit, Err(Unfit::NoKey));
}

#[test]
fn a_condition_is_proposed_only_where_it_holds_of_most_and_null_is_not_taken_for_no() {
    let of = |column: ColumnFacts| {
        let proposal = proposal(table("users", vec![text("email"), hashes("password"), column]));
        (proposal.active.len(), proposal.active_doubts.len())
    };
    assert_eq!(of(flag("is_active", 9)), (1, 0));
    assert_eq!(of(flag("is_active", 1)), (0, 1), "it does not mean what it is called");
    assert_eq!(of(flag("banned", 1)), (1, 0));
    assert_eq!(of(ColumnFacts { filled: 3, not_null: false, ..flag("banned", 1) }), (0, 1));
    let time =
        |name: &str, filled| ColumnFacts { kind: ValueKind::Time, filled, not_null: false, ..text(name) };
    assert_eq!(
        (of(time("deleted_at", 2)), of(time("deletedAt", 9))),
        ((1, 0), (1, 0)),
        "most may be deleted"
    );
    assert_eq!(of(time("deleted_at", 10)), (0, 1), "all are");
    assert_eq!((of(time("lockout_end", 0)), of(time("confirmed_at", 9))), ((0, 1), (0, 1)));
    assert_eq!(of(ColumnFacts { kind: ValueKind::Integer, ..text("active") }), (0, 1));
    assert_eq!(of(text("activity")), (0, 0));
}

#[test]
fn the_password_is_found_by_its_values_and_hashes_of_something_else_are_not_taken_for_it() {
    let password = |columns: Vec<ColumnFacts>| {
        proposal(table("users", [vec![text("email")], columns].concat())).password.map(|field| field.column)
    };
    assert_eq!(password(vec![hashes("refresh_token"), hashes("password")]).as_deref(), Ok("password"));
    assert_eq!(password(vec![text("password"), hashes("geheim")]).as_deref(), Ok("geheim"));
    assert_eq!(password(vec![text("password")]).as_deref(), Ok("password"));
    assert!(password(vec![hashes("refresh_token_hash"), hashes("recovery_code")]).is_err());
    let both = proposal(table("users", vec![text("email"), hashes("password"), hashes("geheim")]));
    assert!(both.password.unwrap().why.ends_with("Others: geheim"));
}

#[test]
fn of_several_roles_none_is_taken_for_the_admins() {
    let admin = |words: &[(&str, i64)]| {
        let words = words.iter().map(|(word, rows)| ((*word).to_owned(), Some(*rows))).collect();
        let role = ColumnFacts { words, ..text("role") };
        proposal(table("users", vec![text("email"), hashes("password"), role])).admin.len()
    };
    assert_eq!((admin(&[("admin", 2)]), admin(&[("admin", 2), ("owner", 1)]), admin(&[])), (1, 0, 0));
    assert_eq!((admin(&[("ADMIN", 1), ("OWNER", 0)]), admin(&[("ADMIN", 0)])), (1, 1));
}

#[test]
fn rows_that_nobody_counted_are_not_said_to_be_none() {
    let why = |rows| {
        let role = ColumnFacts { words: vec![("admin".into(), rows)], ..text("role") };
        proposal(table("users", vec![text("email"), hashes("password"), role])).admin.remove(0).why
    };
    assert_eq!(why(None), "a role by its name; rows were not counted");
    assert_eq!(why(Some(0)), "a role by its name; 0 rows have this one");
    assert_eq!(why(Some(1)), "a role by its name; 1 row has this one");
}

#[test]
fn a_column_that_is_not_in_the_sample_is_proposed_by_its_name_alone() {
    let of = |column: ColumnFacts| {
        let column = ColumnFacts { looked: false, filled: 0, trues: 0, ..column };
        proposal(table("users", vec![text("email"), hashes("pw"), column]))
    };
    let told = "by its name; the column was not looked at";
    let time = ColumnFacts { kind: ValueKind::Time, not_null: false, ..text("deleted_at") };
    for column in [time, flag("is_active", 0), flag("banned", 0)] {
        let (name, proposal) = (column.name.clone(), of(column));
        assert_eq!((proposal.active.len(), proposal.active_doubts.len()), (1, 0), "{name}");
        assert_eq!(proposal.active[0].why, told, "{name}");
    }
    let doubtful = of(ColumnFacts { not_null: false, ..flag("banned", 0) });
    assert_eq!((doubtful.active.len(), doubtful.active_doubts.len()), (0, 1), "it may be NULL");
    assert_eq!(of(flag("is_admin", 0)).admin[0].why, told);
    let unlooked = ColumnFacts { looked: false, filled: 0, hashes: None, ..text("password") };
    let proposal = proposal(table("users", vec![text("email"), unlooked]));
    assert_eq!(proposal.password.unwrap().why, "is called so; the column was not looked at");
}

#[test]
fn a_login_that_is_unique_among_some_of_the_rows_is_said_to_be_that_and_no_more() {
    let why = |columns: &[&str]| {
        let mut users = table("users", vec![text("email"), hashes("password")]);
        users.keys.pop();
        users.keys.push(UniqueKey { partial: true, expression: true, ..key(columns, false) });
        proposal(users).login.unwrap().why
    };
    assert_eq!(why(&["email"]), "unique among some of the rows, by an index over an expression");
    assert!(why(&["tenant", "email"]).starts_with("unique only together with tenant; a login may be"));
}

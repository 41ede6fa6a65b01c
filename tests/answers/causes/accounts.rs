//! The admin and the accounts beside it.

use auth_consistency::api::condition::Reason as R;
use serde_json::json;

use super::{Cause, Part};
use crate::{
    expected::Expected,
    world::{Active, World, quote, text},
};

const fn cause(name: &'static str, reasons: &'static [R], plant: fn(&mut World) -> bool) -> Cause {
    Cause { name, part: Part::Accounts, reasons, plant }
}

pub const CAUSES: &[Cause] = &[
    cause("the admin's login is nobody's", &[R::AdminMissing], admin_missing),
    cause("the admin is in a table of the same name elsewhere", &[R::AdminMissing], admin_in_another_schema),
    cause("an account beside the admin is not there", &[R::AccountMissing], account_missing),
    cause("the admin is inactive", &[R::AdminDrifted], admin_inactive),
    cause("the admin is no admin any more", &[R::AdminDrifted], admin_without_role),
    cause("an account beside the admin is inactive", &[R::AccountDrifted], account_inactive),
    cause("a second account differs in case", &[R::AdminAmbiguous], |w| twin(w, Twin::Case)),
    cause("a second account has a blank at its end", &[R::AdminAmbiguous], |w| twin(w, Twin::Blank)),
    cause("a second account has a no-break space", &[R::AdminAmbiguous], |w| twin(w, Twin::NoBreak)),
    cause("a second account has the very login", &[R::AdminAmbiguous], |w| twin(w, Twin::Exact)),
    cause("the only account differs in case", &[R::AdminAmbiguous], |w| renamed(w, Twin::Case)),
    cause("the only account has a CR at its end", &[R::AdminAmbiguous], |w| renamed(w, Twin::Return)),
    cause("the only account has a zero width space", &[R::AdminAmbiguous], |w| renamed(w, Twin::ZeroWidth)),
    cause("the admin has another id", &[R::AdminIdDiffers], other_id),
    cause("the admin's id is somebody's", &[R::AdminIdClaimed], id_of_somebody),
    cause("the admin's id is one of orphans", &[R::AdminIdClaimed], id_of_orphans),
    cause("an account's id is somebody's", &[R::AdminIdClaimed], account_id_of_somebody),
];

fn set_login(world: &mut World, id: &str, login: &str) {
    let sql = format!(
        "UPDATE {} SET {} = {} WHERE {} = {}",
        world.users_sql(),
        quote(&world.login),
        text(login),
        quote(&world.id),
        text(id)
    );
    world.do_harm(sql);
}

fn no_admin_id(world: &mut World) {
    world.spec["admin"].as_object_mut().unwrap().remove("id");
}

/// Inserts a further account.
pub fn insert(world: &mut World, id: &str, login: &str) {
    let sql = format!(
        "INSERT INTO {} ({}, {}, {}) {} VALUES ({}, {}, '{}')",
        world.users_sql(),
        quote(&world.id),
        quote(&world.login),
        quote(&world.password),
        if world.gives == crate::world::Gives::IdentityAlways { "OVERRIDING SYSTEM VALUE" } else { "" },
        text(id),
        text(login),
        crate::support::HASH
    );
    world.do_harm(sql);
}

fn admin_missing(world: &mut World) -> bool {
    let admin = world.admin();
    no_admin_id(world);
    set_login(world, &admin.id, "someone-else-4");
    let expected =
        Expected::new("admin missing", R::AdminMissing).at(&world.table.clone()).says(&[&admin.login]);
    world.expected.push(expected);
    true
}

fn admin_in_another_schema(world: &mut World) -> bool {
    let users = world.users_sql();
    let copy = format!("old_copy.{}", quote(&world.table));
    world.do_harm(format!("CREATE SCHEMA old_copy; CREATE TABLE {copy} AS SELECT * FROM {users}"));
    admin_missing(world)
}

fn account_missing(world: &mut World) -> bool {
    let login = world.one_of(&["nightly-job", "tester@example.net", "Świętosława"]);
    let account =
        json!({"login": login, "passwordSecretRef": {"name": "admin", "key": "password"}, "columns": []});
    match world.spec["accounts"].as_array_mut() {
        Some(accounts) => accounts.push(account),
        None => world.spec["accounts"] = json!([account]),
    }
    let expected =
        Expected::new("account missing", R::AccountMissing).at(&world.table.clone()).says(&[login]);
    world.expected.push(expected);
    true
}

/// Makes an account inactive: the column by which one sees it.
fn deactivate(world: &mut World, id: &str) -> Option<&'static str> {
    let (column, value) = match world.active {
        Active::Flag(column) => (column, "false"),
        Active::NotDeleted(column) => (column, "now()"),
        Active::Status(column, _) => (column, "'locked'"),
        Active::Always => return None,
    };
    let sql = format!(
        "UPDATE {} SET {} = {value} WHERE {} = {}",
        world.users_sql(),
        quote(column),
        quote(&world.id),
        text(id)
    );
    world.do_harm(sql);
    Some(column)
}

fn admin_inactive(world: &mut World) -> bool {
    let admin = world.admin();
    let Some(column) = deactivate(world, &admin.id) else { return false };
    let expected = Expected::new("admin inactive", R::AdminDrifted)
        .at(&world.table.clone())
        .says(&[&admin.login, column]);
    world.expected.push(expected);
    true
}

fn admin_without_role(world: &mut World) -> bool {
    let admin = world.admin();
    let (role, kind, _) = world.style.role;
    let value = match kind {
        "boolean" => "false",
        "integer" => "0",
        _ => "'guest'",
    };
    let sql = format!(
        "UPDATE {} SET {} = {value} WHERE {} = {}",
        world.users_sql(),
        quote(role),
        quote(&world.id),
        text(&admin.id)
    );
    world.do_harm(sql);
    let expected = Expected::new("admin without role", R::AdminDrifted)
        .at(&world.table.clone())
        .says(&[&admin.login, role]);
    world.expected.push(expected);
    true
}

fn account_inactive(world: &mut World) -> bool {
    let user = world.users[1].clone();
    let Some(column) = deactivate(world, &user.id) else { return false };
    world.spec["accounts"] = json!([{"login": user.login, "onMissing": "Report", "passwordSecretRef": {"name": "admin", "key": "password"}}]);
    let expected = Expected::new("account inactive", R::AccountDrifted)
        .at(&world.table.clone())
        .says(&[&user.login, column]);
    world.expected.push(expected);
    true
}

/// How two logins differ.
#[derive(Clone, Copy, PartialEq)]
enum Twin {
    Case,
    Blank,
    NoBreak,
    Exact,
    Return,
    ZeroWidth,
}

impl Twin {
    fn of(self, login: &str) -> String {
        match self {
            Self::Case => {
                let mut letters = login.chars();
                let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
                format!("{first}{}", letters.as_str())
            }
            Self::Blank => format!("{login} "),
            Self::NoBreak => format!("{login}\u{a0}"),
            Self::Exact => login.to_owned(),
            Self::Return => format!("{login}\r"),
            Self::ZeroWidth => format!("{login}\u{200b}"),
        }
    }

    /// What of it a good tool names, since nobody sees it.
    fn word(self) -> &'static str {
        match self {
            Self::Case => "case|letter",
            Self::Blank => "blank|space",
            Self::NoBreak => "U+00A0",
            Self::Exact => "login",
            Self::Return => "U+000D|CR|carriage return",
            Self::ZeroWidth => "U+200B",
        }
    }
}

fn twin(world: &mut World, twin: Twin) -> bool {
    if twin == Twin::Exact && world.unique_login {
        return false;
    }
    let admin = world.admin();
    let id = world.new_id();
    insert(world, &id, &twin.of(&admin.login));
    let words = [id.as_str(), admin.id.as_str(), twin.word()];
    let expected = Expected::new("two accounts", R::AdminAmbiguous).at(&world.table.clone()).says(&words);
    world.expected.push(expected);
    true
}

fn renamed(world: &mut World, twin: Twin) -> bool {
    let admin = world.admin();
    no_admin_id(world);
    set_login(world, &admin.id, &twin.of(&admin.login));
    let expected = Expected::new("nearly the login", R::AdminAmbiguous)
        .at(&world.table.clone())
        .says(&[&admin.id, twin.word()]);
    world.expected.push(expected);
    true
}

fn other_id(world: &mut World) -> bool {
    let (admin, id) = (world.admin(), world.new_id());
    world.spec["admin"]["id"] = json!(id);
    let expected =
        Expected::new("another id", R::AdminIdDiffers).at(&world.table.clone()).says(&[&id, &admin.id]);
    world.expected.push(expected);
    true
}

fn id_of_somebody(world: &mut World) -> bool {
    let id = world.users[2].id.clone();
    world.spec["admin"]["id"] = json!(id);
    let expected = Expected::new("id of somebody", R::AdminIdClaimed).at(&world.table.clone()).says(&[&id]);
    world.expected.push(expected);
    world.beside.push((R::AdminIdDiffers, None));
    true
}

fn account_id_of_somebody(world: &mut World) -> bool {
    let (user, id) = (world.users[1].clone(), world.users[2].id.clone());
    world.spec["accounts"] = json!([{
        "login": user.login, "id": id, "passwordSecretRef": {"name": "admin", "key": "password"},
    }]);
    let expected = Expected::new("account's id of somebody", R::AdminIdClaimed)
        .at(&world.table.clone())
        .says(&[&id, &user.login]);
    world.expected.push(expected);
    world.beside.push((R::AdminIdDiffers, None));
    true
}

fn id_of_orphans(world: &mut World) -> bool {
    let Some(reference) = world.reference(|_| true) else { return false };
    let id = world.new_id();
    world.spec["admin"]["id"] = json!(id);
    let row = world.row(&reference, &text(&id));
    world.do_harm(row.trim_end_matches(';'));
    let expected = Expected::new("id of orphans", R::AdminIdClaimed)
        .at(&world.table.clone())
        .says(&[&id, "1 row names"]);
    world.expected.push(expected);
    for beside in [R::AdminIdDiffers, R::OrphanRows, R::ConstraintViolated] {
        world.beside.push((beside, None));
    }
    true
}

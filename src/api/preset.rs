//! What a preset fills in. A field that the spec sets always wins.

use crate::api::shared::ColumnCondition;

use super::spec::{PasswordFamily, PasswordHash, Preset, UsersSpec};

/// The `users` block with the preset's values where the spec left fields out.
pub fn fill(spec: &UsersSpec) -> UsersSpec {
    let mut filled = spec.clone();
    match spec.preset {
        None => {}
        Some(Preset::FastAPI) => {
            filled.table.get_or_insert_with(|| "users".into());
            filled.id_column.get_or_insert_with(|| "id".into());
            filled.login_column.get_or_insert_with(|| "email".into());
            filled.password_column.get_or_insert_with(|| "hashed_password".into());
            filled.active_when.get_or_insert_with(|| {
                vec![ColumnCondition {
                    column: "is_active".into(),
                    equals: Some("true".into()),
                    is_null: None,
                }]
            });
        }
    }
    filled.password_hash.get_or_insert(PasswordHash::AsStored);
    filled.active_when.get_or_insert_with(Vec::new);
    filled
}

/// The format in which a preset's apps write passwords.
pub fn password_family(preset: Preset) -> PasswordFamily {
    match preset {
        Preset::FastAPI => PasswordFamily::Bcrypt,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preset_fills_only_what_the_spec_left_out() {
        let spec = UsersSpec {
            preset: Some(Preset::FastAPI),
            login_column: Some("username".into()),
            active_when: Some(Vec::new()),
            ..UsersSpec::default()
        };
        let filled = fill(&spec);
        assert_eq!(filled.login_column.as_deref(), Some("username"));
        assert_eq!(filled.password_column.as_deref(), Some("hashed_password"));
        assert_eq!(filled.active_when, Some(Vec::new()));
        assert_eq!(filled.schema, None, "which one that is, the engine says");
    }
}

//! Whether reading a table could run what somebody wrote who is not the app.
//!
//! The app is a superuser, our own role, the database's owner, the owner of the user table, and whoever may become
//! one of these. Everybody else who owns something in the database is a neighbour: what a function of theirs does is
//! theirs to change at any moment, and it would do it with our role's rights.

/// Who owns something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The role's name.
    pub name: String,
    /// Whether it is a superuser.
    pub superuser: bool,
    /// Whether it is, or may become, our own role or the database's owner.
    pub ours: bool,
    /// Object ids of the roles that it may become, itself among them.
    pub becomes: Vec<i64>,
}

impl Owner {
    /// Whether it is the app, as the owner of the user table has it.
    fn is_app(&self, users_owner: i64) -> bool {
        self.superuser || self.ours || self.becomes.contains(&users_owner)
    }
}

/// What of somebody's could be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A function that an index, statistics, a partition key, a cast, a domain or an operator calls.
    Function,
    /// An operator: what it calls is its owner's.
    Operator,
    /// A type: its owner may give it casts at any time.
    Type,
    /// The function by which the values of a type become text.
    Output,
    /// A table whose rows another server has.
    ForeignTable,
}

/// Something that reading a table could run and that is no superuser's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignCode {
    /// The column that has to be read for it; `None`: any of the table.
    pub column: Option<String>,
    /// What it is.
    pub kind: Kind,
    /// `schema.name`.
    pub name: String,
    /// Whose it is.
    pub owner: Owner,
    /// Whose the table is that brings it along: the arguments of a call are that one's.
    pub table_owner: Owner,
}

impl ForeignCode {
    /// Whether it is a neighbour's. What a table itself brings along is also the choice of the table's owner.
    pub fn is_foreign(&self, users_owner: i64) -> bool {
        !self.owner.is_app(users_owner) || (self.column.is_none() && !self.table_owner.is_app(users_owner))
    }

    /// Whose choice it is, of a thing that is foreign.
    fn whose(&self, users_owner: i64) -> &str {
        if self.owner.is_app(users_owner) { &self.table_owner.name } else { &self.owner.name }
    }

    /// Why it is not run, and what ends that.
    fn why(&self, users_owner: i64) -> String {
        let what = match self.kind {
            Kind::Function => "function",
            Kind::Operator => "operator",
            Kind::Type => "type",
            Kind::Output => "output function",
            Kind::ForeignTable => "foreign table",
        };
        format!(
            "reading it could run code of {:?}, who is not the app, with this role's rights (by the {what} {}): after a look at that, let a superuser give it and the table to the owner of the user table",
            self.whose(users_owner),
            self.name
        )
    }
}

/// Why a table is not read, of what is foreign of it: `compared` are the columns that are compared, sorted or cast,
/// `shown` those that only become text by their own output.
pub fn refused(
    foreign: &[ForeignCode],
    users_owner: i64,
    compared: &[&str],
    shown: &[&str],
) -> Option<String> {
    let runs = |one: &&ForeignCode| match one.column.as_deref() {
        None => true,
        Some(column) => compared.contains(&column) || (one.kind == Kind::Output && shown.contains(&column)),
    };
    let first = foreign.iter().filter(|one| one.is_foreign(users_owner)).find(runs)?;
    Some(first.why(users_owner))
}

#[cfg(test)]
mod tests {
    use super::*;

    const APP: i64 = 7;

    fn owner(name: &str, becomes: &[i64]) -> Owner {
        Owner { name: name.into(), superuser: false, ours: false, becomes: becomes.to_vec() }
    }

    fn code(column: Option<&str>, kind: Kind, of: Owner, table: Owner) -> ForeignCode {
        let column = column.map(str::to_owned);
        ForeignCode { column, kind, name: "theirs.it".into(), owner: of, table_owner: table }
    }

    #[test]
    fn what_is_the_apps_is_run() {
        let member = || owner("member", &[8, APP]);
        let superuser = || Owner { superuser: true, ..owner("postgres", &[9]) };
        let ours = || Owner { ours: true, ..owner("ours", &[10]) };
        for of in [member, superuser, ours] {
            for column in [None, Some("a")] {
                let all = [code(column, Kind::Function, of(), of())];
                assert_eq!(refused(&all, APP, &["a"], &[]), None, "{all:?}");
            }
        }
    }

    #[test]
    fn what_hangs_on_a_column_matters_only_where_the_column_does() {
        let all = [code(Some("a"), Kind::Type, owner("nb", &[3]), owner("app", &[APP]))];
        assert_eq!(refused(&all, APP, &["b"], &["a"]), None);
        let why = refused(&all, APP, &["b", "a"], &[]).unwrap();
        assert!(why.contains("\"nb\"") && why.contains("the type theirs.it"), "{why}");
    }

    #[test]
    fn what_hangs_on_a_table_matters_whatever_is_read_and_is_its_owners_choice_too() {
        let (nb, app) = (|| owner("nb", &[3]), || owner("app", &[APP]));
        for (of, table, named) in
            [(nb(), nb(), true), (nb(), app(), true), (app(), nb(), true), (app(), app(), false)]
        {
            let all = [code(None, Kind::Function, of, table)];
            let why = refused(&all, APP, &[], &[]);
            assert_eq!(why.is_some_and(|why| why.contains("\"nb\"")), named, "{all:?}");
        }
    }

    #[test]
    fn a_column_that_is_only_shown_matters_where_its_output_is_a_neighbours() {
        for (kind, refuses) in [(Kind::Type, false), (Kind::Function, false), (Kind::Output, true)] {
            let all = [code(Some("a"), kind, owner("nb", &[3]), owner("app", &[APP]))];
            assert_eq!(refused(&all, APP, &[], &["a"]).is_some(), refuses, "{kind:?}");
        }
    }
}

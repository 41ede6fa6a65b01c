//! References as real schemas have them: all are found and counted exactly, repaired, and put back.

use auth_consistency::api::{
    condition::{ConditionType as C, Reason as R},
    report::Action as A,
};

use crate::support::{Case, Db, HASH, USUAL};

/// The admin 1 and ada 5 with triggers off while `sql` runs, so that orphans are possible.
async fn with(sql: &str) -> Db {
    Db::new(&format!(
        "CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL UNIQUE, hashed_password text NOT NULL, \
         role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true);
         INSERT INTO users VALUES (1, 'admin@example.com', '{HASH}', 'admin'), (5, 'ada@example.com', '{HASH}', 'user');
         SET session_replication_role = replica; {sql}; RESET session_replication_role;"
    ))
    .await
}

fn spec(more: &str) -> String {
    format!("{USUAL}references: {{onOrphan: Delete, limits: {{rows: 100, percent: 100}}{more}}}\n")
}

const VIOLATED: (R, C, Option<R>) = (R::ConstraintViolated, C::SchemaCompatible, None);
const ORPHANS: (R, C, Option<R>) = (R::OrphanRows, C::ReferencesConsistent, None);
const UNSUPPORTED: [(R, C, Option<R>); 2] =
    [(R::OrphanRows, C::ReferencesConsistent, Some(R::RepairUnsupported)), VIOLATED];

/// A shape: what makes it, what is counted of it, and the users that bring its rows back.
struct Shape<'a> {
    sql: &'a str,
    object: &'a str,
    counted: (i64, i64, &'a [&'a str]),
    back: &'a str,
}

const NINE: &str = "INSERT INTO users VALUES (8, 'eight@example.com', 'x'), (9, 'nine@example.com', 'x')";

impl Shape<'_> {
    /// Counted so, mended by exactly these changes, settled, and put back equal column by column.
    async fn mended(&self, on_orphan: &str, changes: &[&str]) {
        let db = with(self.sql).await;
        let mut case = Case::new(&db, &spec("").replace("Delete", on_orphan));
        let action = match on_orphan {
            "SetNull" => A::SetNull,
            "Reassign" => A::Reassign,
            _ => A::Delete,
        };
        let finding = Box::pin(case.check()).await.finding(R::OrphanRows);
        let (rows, keys, sample) = self.counted;
        assert_eq!((finding.rows, finding.keys), (Some(rows), Some(keys)), "{finding:?}");
        assert_eq!(finding.sample, sample);
        let before = db.snapshot().await;
        Box::pin(case.mends(&db, &[ORPHANS, VIOLATED], &[(action, self.object, rows)], changes)).await;
        db.run(self.back).await;
        let restored = case.restore(&case.status.history[0].run.clone()).await.unwrap();
        assert_eq!((restored[0].rows, restored[0].blocked), (rows, 0), "{restored:?}");
        let left = db.changes(&before).await;
        assert!(
            left.iter().all(|line| line.starts_with("+ users (8,") || line.starts_with("+ users (9,")),
            "{left:?}"
        );
    }

    /// Counted so, and not repaired in this way.
    async fn refused(&self, on_orphan: &str, why: R, says: &str) {
        let db = with(self.sql).await;
        let mut case = Case::new(&db, &spec("").replace("Delete", on_orphan));
        let pass = case.reports(&db, &[(R::OrphanRows, C::ReferencesConsistent, Some(why)), VIOLATED]).await;
        let finding = pass.finding(R::OrphanRows);
        assert!(finding.message.contains(says), "{}", finding.message);
        let (rows, keys, sample) = self.counted;
        assert_eq!((finding.rows, finding.keys), (Some(rows), Some(keys)), "{finding:?}");
        assert_eq!(finding.sample, sample);
    }
}

const TENANTS: &str = "ALTER TABLE users ADD tenant int NOT NULL DEFAULT 7, ADD UNIQUE (tenant, id)";

const COMPOSITE_BACK: &str = "INSERT INTO users VALUES (9, 'nine@example.com', 'x', 'user', true, 7), \
    (8, 'eight@example.com', 'x', 'user', true, 8); \
    ALTER TABLE logs DROP CONSTRAINT logs_tenant_person_fkey";

#[tokio::test]
async fn a_reference_of_several_columns_is_mended_as_its_match_says() {
    let rows =
        "INSERT INTO logs VALUES (1, 7, 5), (2, 7, 9), (3, 8, 5), (4, 8, 5), (5, NULL, 9), (6, NULL, NULL)";
    let table = "CREATE TABLE logs (id int PRIMARY KEY, tenant int, person int, FOREIGN KEY (tenant, person) REFERENCES users (tenant, id)";
    let simple = format!("{TENANTS}; {table}); {rows}");
    let object = "logs (tenant, person)";
    let simple = Shape { sql: &simple, object, counted: (3, 2, &["(7,9)", "(8,5)"]), back: COMPOSITE_BACK };
    let gone = ["- logs (2,7,9)", "- logs (3,8,5)", "- logs (4,8,5)"];
    simple.mended("Delete", &gone).await;
    simple.mended("SetNull", &[&gone[..], &["+ logs (2,,)", "+ logs (3,,)", "+ logs (4,,)"]].concat()).await;
    let given = ["+ logs (2,7,1)", "+ logs (3,7,1)", "+ logs (4,7,1)"];
    simple.mended("Reassign", &[&gone[..], &given].concat()).await;
    let full = format!("{TENANTS}; {table} MATCH FULL); {rows}");
    let full = Shape { sql: &full, counted: (4, 3, &["(7,9)", "(8,5)", "(,9)"]), ..simple };
    let gone = ["- logs (2,7,9)", "- logs (3,8,5)", "- logs (4,8,5)", "- logs (5,,9)"];
    full.mended("Delete", &gone).await;
    let null = ["+ logs (2,,)", "+ logs (3,,)", "+ logs (4,,)", "+ logs (5,,)"];
    full.mended("SetNull", &[&gone[..], &null].concat()).await;
    let given = ["+ logs (2,7,1)", "+ logs (3,7,1)", "+ logs (4,7,1)", "+ logs (5,7,1)"];
    full.mended("Reassign", &[&gone[..], &given].concat()).await;
}

#[tokio::test]
async fn a_column_that_another_foreign_key_shares_keeps_its_value() {
    let sql = format!(
        "{TENANTS}; CREATE TABLE tenants (id int PRIMARY KEY); INSERT INTO tenants VALUES (7), (8);
         CREATE TABLE logs (id int PRIMARY KEY, tenant int REFERENCES tenants, person int, FOREIGN KEY (tenant, person) REFERENCES users (tenant, id));
         INSERT INTO logs VALUES (1, 7, 5), (2, 7, 9), (3, 8, 5)"
    );
    let shape = Shape {
        sql: &sql,
        object: "logs (tenant, person)",
        counted: (2, 2, &["(7,9)", "(8,5)"]),
        back: COMPOSITE_BACK,
    };
    let gone = ["- logs (2,7,9)", "- logs (3,8,5)"];
    shape.mended("SetNull", &[&gone[..], &["+ logs (2,7,)", "+ logs (3,8,)"]].concat()).await;
    shape.mended("Delete", &gone).await;
    shape.refused("Reassign", R::RepairUnsupported, "column tenant belongs to another foreign key too").await;
}

#[tokio::test]
async fn a_reference_of_the_user_table_to_itself_is_mended_and_never_by_deleting_accounts() {
    let shape = Shape {
        sql: "ALTER TABLE users ADD created_by int REFERENCES users; UPDATE users SET created_by = 9 WHERE id = 5; \
              UPDATE users SET created_by = 1 WHERE id = 1",
        object: "users.created_by",
        counted: (1, 1, &["9"]),
        back: NINE,
    };
    let gone = "- users (5,ada@example.com,HASH,user,t,9)";
    shape.mended("SetNull", &[gone, "+ users (5,ada@example.com,HASH,user,t,)"]).await;
    shape.mended("Reassign", &[gone, "+ users (5,ada@example.com,HASH,user,t,1)"]).await;
    shape.refused("Delete", R::RepairUnsupported, "the rows are accounts").await;
}

#[tokio::test]
async fn references_of_partitioned_tables_are_mended_in_every_partition() {
    let root = Shape {
        sql: "CREATE TABLE logs (id int, user_id int REFERENCES users, PRIMARY KEY (id)) PARTITION BY RANGE (id);
            CREATE TABLE logs_1 PARTITION OF logs FOR VALUES FROM (0) TO (10);
            CREATE TABLE logs_2 (user_id int, id int NOT NULL) PARTITION BY RANGE (id);
            ALTER TABLE logs ATTACH PARTITION logs_2 FOR VALUES FROM (10) TO (20);
            CREATE TABLE logs_3 PARTITION OF logs_2 FOR VALUES FROM (10) TO (20);
            INSERT INTO logs VALUES (1, 9), (2, 5), (11, 9), (12, 8)",
        object: "logs.user_id",
        counted: (3, 2, &["8", "9"]),
        back: NINE,
    };
    let gone = ["- logs_1 (1,9)", "- logs_3 (8,12)", "- logs_3 (9,11)"];
    root.mended("Delete", &gone).await;
    let changes = [
        "- logs_1 (1,9)",
        "+ logs_1 (1,)",
        "- logs_3 (8,12)",
        "- logs_3 (9,11)",
        "+ logs_3 (,11)",
        "+ logs_3 (,12)",
    ];
    root.mended("SetNull", &changes).await;
    let changes = [
        "- logs_1 (1,9)",
        "+ logs_1 (1,1)",
        "- logs_3 (8,12)",
        "- logs_3 (9,11)",
        "+ logs_3 (1,11)",
        "+ logs_3 (1,12)",
    ];
    root.mended("Reassign", &changes).await;
}

#[tokio::test]
async fn rows_that_a_repair_moves_to_another_partition_are_counted_as_changed() {
    let shape = Shape {
        sql: "CREATE TABLE logs (id int, user_id int REFERENCES users, PRIMARY KEY (id, user_id)) PARTITION BY RANGE (user_id);
            CREATE TABLE logs_1 PARTITION OF logs FOR VALUES FROM (0) TO (7);
            CREATE TABLE logs_2 PARTITION OF logs FOR VALUES FROM (7) TO (20);
            INSERT INTO logs VALUES (1, 9), (2, 5), (11, 9), (12, 8)",
        object: "logs.user_id",
        counted: (3, 2, &["8", "9"]),
        back: NINE,
    };
    let changes = [
        "+ logs_1 (1,1)",
        "+ logs_1 (11,1)",
        "+ logs_1 (12,1)",
        "- logs_2 (1,9)",
        "- logs_2 (11,9)",
        "- logs_2 (12,8)",
    ];
    shape.mended("Reassign", &changes).await;
    shape.mended("Delete", &["- logs_2 (1,9)", "- logs_2 (11,9)", "- logs_2 (12,8)"]).await;
}

#[tokio::test]
async fn a_partitioned_user_table_is_one_user_table() {
    let db = Db::new(&format!(
        "CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL, hashed_password text NOT NULL, \
         role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true) PARTITION BY RANGE (id);
         CREATE TABLE users_1 PARTITION OF users FOR VALUES FROM (0) TO (10);
         CREATE TABLE users_2 PARTITION OF users FOR VALUES FROM (10) TO (20);
         INSERT INTO users VALUES (5, 'ada@example.com', '{HASH}'), (15, 'brook@example.com', '{HASH}');
         CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users);
         INSERT INTO logs VALUES (1, 5), (2, 15);"
    ))
    .await;
    let mut case = Case::new(&db, USUAL);
    let missing = &[(R::AdminMissing, C::AdminConsistent, None)];
    let changes = &["+ users_2 (16,admin@example.com,HASH,admin,t)"];
    case.mends(&db, missing, &[(A::Seed, "users", 1)], changes).await;
    assert_eq!(case.status.references.as_ref().unwrap().checked, 1);
}

#[tokio::test]
async fn deferrable_references_are_mended() {
    for when in ["DEFERRABLE", "DEFERRABLE INITIALLY DEFERRED"] {
        let sql = format!(
            "CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users {when}); \
             INSERT INTO logs VALUES (1, 9), (2, 5), (3, NULL)"
        );
        let shape = Shape { sql: &sql, object: "logs.user_id", counted: (1, 1, &["9"]), back: NINE };
        shape.mended("Delete", &["- logs (1,9)"]).await;
        shape.mended("SetNull", &["- logs (1,9)", "+ logs (1,)"]).await;
        shape.mended("Reassign", &["- logs (1,9)", "+ logs (1,1)"]).await;
    }
}

#[tokio::test]
async fn rows_without_a_primary_key_are_deleted_and_put_back_and_not_changed() {
    let shape = Shape {
        sql: "CREATE TABLE logs (user_id int REFERENCES users); INSERT INTO logs VALUES (9), (9), (5)",
        object: "logs.user_id",
        counted: (2, 1, &["9"]),
        back: NINE,
    };
    shape.mended("Delete", &["- logs (9)", "- logs (9)"]).await;
    shape.refused("SetNull", R::RepairUnsupported, "the table has no primary key").await;
    shape.refused("Reassign", R::RepairUnsupported, "the table has no primary key").await;
}

#[tokio::test]
async fn references_to_another_unique_column_are_mended_with_the_admin_s_value_of_it() {
    let shape = Shape {
        sql: "CREATE TABLE logs (id int PRIMARY KEY, mail text REFERENCES users (email)); \
            INSERT INTO logs VALUES (1, 'ada@example.com'), (2, 'nine@example.com')",
        object: "logs.mail",
        counted: (1, 1, &["nine@example.com"]),
        back: NINE,
    };
    shape.mended("Delete", &["- logs (2,nine@example.com)"]).await;
    shape.mended("SetNull", &["- logs (2,nine@example.com)", "+ logs (2,)"]).await;
    shape.mended("Reassign", &["- logs (2,nine@example.com)", "+ logs (2,admin@example.com)"]).await;
}

#[tokio::test]
async fn what_collides_with_rows_of_the_admin_is_refused_in_every_shape() {
    let shape = Shape {
        sql: "CREATE TABLE logs (id int PRIMARY KEY, mail text REFERENCES users (email), kind text, UNIQUE (mail, kind)); \
            INSERT INTO logs VALUES (1, 'admin@example.com', 'a'), (2, 'nine@example.com', 'a')",
        object: "logs.mail",
        counted: (1, 1, &["nine@example.com"]),
        back: NINE,
    };
    shape.refused("Reassign", R::UniqueKeyInTheWay, "2 rows would collide in the unique key").await;
}

#[tokio::test]
async fn a_constraint_that_is_not_valid_or_not_there_is_told() {
    let db = with(
        "CREATE TABLE logs (id int PRIMARY KEY, user_id int); \
         ALTER TABLE logs ADD CONSTRAINT logs_fk FOREIGN KEY (user_id) REFERENCES users NOT VALID",
    )
    .await;
    let mut case =
        Case::new(&db, &spec(", rules: [{table: logs, columns: [user_id], constraint: logs_user_id_fkey}]"));
    let unvalidated = (R::ConstraintUnvalidated, C::SchemaCompatible, None);
    let pass = case.reports(&db, &[(R::ConstraintMissing, C::SchemaCompatible, None), unvalidated]).await;
    let message = pass.finding(R::ConstraintUnvalidated).message;
    assert!(message.contains("ALTER TABLE public.logs VALIDATE CONSTRAINT logs_fk"), "{message}");
    assert!(pass.finding(R::ConstraintMissing).message.contains("logs_user_id_fkey"));
    // Warnings alone leave the whole consistent.
    pass.shows(&[
        "Ready=True Consistent",
        "DatabaseReachable=True Connected",
        "SchemaCompatible=False ConstraintMissing",
        "AdminConsistent=True Consistent",
        "ReferencesConsistent=True Consistent",
    ]);
    assert_eq!(pass.report.as_ref().unwrap().consistent, Some(true));
    db.run("ALTER TABLE logs VALIDATE CONSTRAINT logs_fk; ALTER TABLE logs RENAME CONSTRAINT logs_fk TO logs_user_id_fkey").await;
    case.repair().await.consistent();
}

#[tokio::test]
async fn a_valid_and_violated_constraint_is_not_trusted() {
    let db = with("CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users); INSERT INTO logs VALUES (1, 9)").await;
    let mut case = Case::new(&db, &spec(""));
    let message = case.check().await.finding(R::ConstraintViolated).message;
    assert!(message.contains("is marked valid and 1 row violates it"), "{message}");
    case.mends(&db, &[ORPHANS, VIOLATED], &[(A::Delete, "logs.user_id", 1)], &["- logs (1,9)"]).await;
}

/// The statement that a message about types prints.
fn altering(message: &str) -> &str {
    let (_, statement) = message.split_once(" run ").unwrap();
    statement.split(" (a value").next().unwrap()
}

#[tokio::test]
async fn a_foreign_key_that_looked_at_no_old_row_does_not_look_at_them_for_another_type_either() {
    let db = with(
        "ALTER TABLE users ALTER id TYPE bigint; CREATE TABLE logs (id int PRIMARY KEY, user_id int); INSERT INTO logs VALUES (1, 9);
         ALTER TABLE logs ADD CONSTRAINT logs_fk FOREIGN KEY (user_id) REFERENCES users NOT VALID",
    )
    .await;
    let message = Case::new(&db, &spec("")).check().await.finding(R::IdTypeDiffers).message;
    assert!(!message.contains("first mend"), "{message}");
    db.run(altering(&message)).await;
}

#[tokio::test]
async fn a_column_of_text_with_a_default_gets_another_type_by_the_statement_that_is_printed() {
    let db = with(
        "CREATE TABLE events (id int PRIMARY KEY, actor text NOT NULL DEFAULT '5'); INSERT INTO events VALUES (1, '5'), (2, '05')",
    )
    .await;
    let mut case = Case::new(&db, &soft(""));
    db.run(altering(&case.check().await.finding(R::IdTypeDiffers).message)).await;
    case.check().await.consistent();
    assert_eq!(db.texts("SELECT actor FROM events").await, ["5", "5"]);
    // What is no id stops it, and 5.5 would be 6.
    db.run("ALTER TABLE events ALTER actor TYPE text; INSERT INTO events VALUES (3, '5.5')").await;
    let message = case.check().await.finding(R::IdTypeDiffers).message;
    assert!(
        message.contains("first clear the 1 row whose value is no integer (5.5): `DELETE FROM"),
        "{message}"
    );
    assert!(message.ends_with("(a value that is no integer stops it)"), "{message}");
    db.run(message.split('`').nth(1).unwrap()).await;
    assert_eq!(db.texts("SELECT actor FROM events").await, ["5", "5"]);
    db.run(altering(&case.check().await.finding(R::IdTypeDiffers).message)).await;
}

#[tokio::test]
async fn a_column_that_holds_ids_of_others_too_keeps_its_type_unless_numbers_get_wider() {
    let db = with(
        "CREATE TABLE events (id int PRIMARY KEY, actor varchar(20), kind text);
         INSERT INTO events VALUES (1, '5', 'User'), (2, 'dev-1', 'Device'), (3, '9', 'User')",
    )
    .await;
    let of_users = ", where: [{column: kind, equals: User}]";
    let message = Case::new(&db, &soft(of_users)).check().await.finding(R::IdTypeDiffers).message;
    assert!(
        message.ends_with("leave its type as it is, since rows outside of the rule's `where` may hold ids that are no integer"),
        "{message}"
    );
    let db = with(
        "ALTER TABLE users ALTER id TYPE bigint; CREATE TABLE events (id int PRIMARY KEY, actor int, kind text);
         INSERT INTO events VALUES (1, 5, 'User'), (2, 7, 'Device')",
    )
    .await;
    let mut case = Case::new(&db, &soft(of_users));
    db.run(altering(&case.check().await.finding(R::IdTypeDiffers).message)).await;
    case.check().await.consistent();
}

#[tokio::test]
async fn a_narrower_reference_is_a_warning_and_is_repaired_all_the_same() {
    let db = with("ALTER TABLE users ALTER id TYPE bigint; CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users); INSERT INTO logs VALUES (1, 9)").await;
    let differs = (R::IdTypeDiffers, C::SchemaCompatible, None);
    let mut case = Case::new(&db, &spec("").replace("Delete", "Reassign"));
    let check = case.check().await;
    check.found(&[ORPHANS, differs, VIOLATED]);
    let message = check.finding(R::IdTypeDiffers).message;
    // The statement looks at all rows again, and fails while one of them names nobody.
    let first = "first mend the 1 row that names nobody, since the foreign key logs_user_id_fkey is checked anew by what follows; then, in a quiet hour";
    assert!(message.contains(first), "{message}");
    assert!(message.contains("ALTER TABLE public.logs ALTER COLUMN user_id TYPE bigint"), "{message}");
    let pass = case.repair().await;
    pass.repaired(&[(A::Reassign, "logs.user_id", 1)]).found(&[differs]);
    assert_eq!(pass.conditions()[0], "Ready=True Consistent");
    case.settled(&db).await;
    let message = case.check().await.finding(R::IdTypeDiffers).message;
    assert!(!message.contains("first mend"), "{message}");
    db.run(altering(&message)).await;
    case.repair().await.consistent();
    db.run("ALTER TABLE users ALTER id TYPE int").await;
    // A wider reference holds every id there is.
    case.repair().await.consistent();
}

/// A soft reference of `events.actor`, as `rule` says.
fn soft(rule: &str) -> String {
    spec(&format!(", rules: [{{table: events, columns: [actor], declared: true{rule}}}]"))
}

#[tokio::test]
async fn a_soft_reference_is_repaired_within_its_own_scope() {
    let db = with(
        "CREATE TABLE events (id int PRIMARY KEY, actor int, kind text);
         INSERT INTO events VALUES (1, 5, 'User'), (2, 9, 'User'), (3, 9, 'Bot'), (4, 0, 'User'), (5, NULL, 'User'), (6, 9, NULL)",
    )
    .await;
    let rule = ", absent: ['0'], where: [{column: kind, equals: User}]";
    let mut case = Case::new(&db, &soft(rule));
    case.mends(&db, &[ORPHANS], &[(A::Delete, "events.actor", 1)], &["- events (2,9,User)"]).await;
    // Moving the admin moves its events and nobody else's.
    db.run("INSERT INTO events VALUES (7, 1, 'User'), (8, 1, 'Bot'), (9, 3, 'Bot')").await;
    case.edit(|spec| spec.admin.as_mut().unwrap().id = Some("3".into()));
    let before = db.snapshot().await;
    case.repair().await.consistent().repaired(&[(A::MoveId, "users", 2)]);
    let changes = db.changes(&before).await;
    assert_eq!(&changes[..2], ["- events (7,1,User)", "+ events (7,3,User)"]);
    assert_eq!(changes.len(), 4, "{changes:?}");
}

#[tokio::test]
async fn a_sentinel_means_nobody_in_any_spelling_that_its_type_takes() {
    let zero = "00000000-0000-0000-0000-000000000000";
    let db = Db::new(&format!(
        "CREATE TABLE users (id uuid PRIMARY KEY, email text NOT NULL, hashed_password text, role text, is_active boolean);
         INSERT INTO users VALUES ('00000000-0000-4000-8000-00000000000a', 'admin@example.com', '{HASH}', 'admin', true);
         CREATE TABLE events (id int PRIMARY KEY, actor uuid, amount numeric); INSERT INTO events VALUES (1, '{zero}'), (2, NULL);"
    ))
    .await;
    for spelling in [zero, "00000000000000000000000000000000", "{00000000-0000-0000-0000-000000000000}"] {
        Case::new(&db, &soft(&format!(", absent: ['{spelling}']"))).check().await.consistent();
    }
}

#[tokio::test]
async fn a_soft_reference_of_another_type_is_compared_as_text_and_given_to_nobody() {
    let a = "00000000-0000-4000-8000-00000000000a";
    let db = Db::new(&format!(
        "CREATE TABLE users (id uuid PRIMARY KEY, email text NOT NULL, hashed_password text, role text, is_active boolean);
         INSERT INTO users VALUES ('{a}', 'admin@example.com', '{HASH}', 'admin', true);
         CREATE TABLE events (id int PRIMARY KEY, actor varchar(64));
         INSERT INTO events VALUES (1, '{a}'), (2, 'no uuid'), (3, NULL), (4, upper('{a}')), (5, '{{{a}}}');"
    ))
    .await;
    let mut case = Case::new(&db, &soft(""));
    let differs = (R::IdTypeDiffers, C::SchemaCompatible, None);
    case.edit(|spec| spec.references.on_orphan = serde_saphyr::from_str("Reassign").unwrap());
    let pass = case.reports(&db, &[UNSUPPORTED[0], differs]).await;
    let finding = pass.finding(R::OrphanRows);
    assert!(finding.message.ends_with("so no id is written into the column; use SetNull or Delete"));
    // Other spellings of an id that is there name that user.
    assert_eq!((finding.rows, finding.sample), (Some(1), vec!["no uuid".to_owned()]));
    assert!(
        pass.finding(R::IdTypeDiffers)
            .message
            .contains(r"TYPE uuid USING btrim(actor::text, E' \t\n\r\f\x0B')::uuid")
    );
    let mut case = Case::new(&db, &soft(""));
    let before = db.snapshot().await;
    case.repair().await.repaired(&[(A::Delete, "events.actor", 1)]).found(&[differs]);
    assert_eq!(db.changes(&before).await, ["- events (2,\"no uuid\")"]);
    let pass = case.reports(&db, &[differs]).await;
    assert_eq!(pass.conditions()[0], "Ready=True Consistent");
}

#[tokio::test]
async fn integers_kept_as_text_name_users_in_any_spelling() {
    let db = with(
        "CREATE TABLE events (id int PRIMARY KEY, actor text);
         INSERT INTO events VALUES (1, '5'), (2, '005'), (3, ' 5 '), (4, '+5'), (5, '50'), (6, ''), (7, 'x'), (8, NULL)",
    )
    .await;
    let mut case = Case::new(&db, &soft(", absent: ['']"));
    let differs = (R::IdTypeDiffers, C::SchemaCompatible, None);
    let finding = case.check().await.found(&[ORPHANS, differs]).finding(R::OrphanRows);
    assert_eq!((finding.rows, finding.sample), (Some(2), vec!["50".to_owned(), "x".to_owned()]));
    case.repair().await.repaired(&[(A::Delete, "events.actor", 2)]).found(&[differs]);
    let left = db.text("SELECT string_agg(id::text, ' ' ORDER BY id) FROM events").await;
    assert_eq!(left, "1 2 3 4 6 8");
}

#[tokio::test]
async fn numbers_with_decimals_name_users_all_the_same() {
    let db = with(
        "CREATE TABLE events (id int PRIMARY KEY, actor numeric(10, 2)); INSERT INTO events VALUES (1, 5), (2, 50), (3, 5.5)",
    )
    .await;
    let finding = Case::new(&db, &soft("")).check().await.finding(R::OrphanRows);
    assert_eq!((finding.rows, finding.sample), (Some(2), vec!["5.50".to_owned(), "50.00".to_owned()]));
}

#[tokio::test]
async fn an_id_moves_with_soft_references_of_another_type() {
    let db = with("CREATE TABLE events (id int PRIMARY KEY, actor text); INSERT INTO events VALUES (1, '1'), (2, '01'), (3, '11')").await;
    db.run("DELETE FROM events WHERE id = 3").await;
    let mut case = Case::new(&db, &soft(""));
    case.edit(|spec| spec.admin.as_mut().unwrap().id = Some("3".into()));
    let before = db.snapshot().await;
    let pass = case.repair().await;
    pass.repaired(&[(A::MoveId, "users", 3)]).found(&[(R::IdTypeDiffers, C::SchemaCompatible, None)]);
    assert_eq!(
        &db.changes(&before).await[..4],
        ["- events (1,1)", "- events (2,01)", "+ events (1,3)", "+ events (2,3)"]
    );
}

#[tokio::test]
async fn a_soft_reference_that_cannot_be_looked_at_is_told_with_why() {
    let db =
        with("CREATE TABLE events (id int PRIMARY KEY, actor int); CREATE VIEW v AS SELECT * FROM events")
            .await;
    for (rule, why) in [
        ("{table: nothing, columns: [actor], declared: true}", "there is no such table"),
        ("{table: v, columns: [actor], declared: true}", "it is a view"),
        ("{table: events, columns: [agent], declared: true}", "there is no column \"agent\""),
        ("{table: events, columns: [actor], declared: true, where: [{column: kind, equals: x}]}", "\"kind\""),
        ("{table: events, columns: [actor], declared: true, where: [{column: id, equals: x}]}", "22P02"),
    ] {
        let mut case = Case::new(&db, &spec(&format!(", rules: [{rule}]")));
        let pass = case.reports(&db, &[(R::RowsUnreadable, C::ReferencesConsistent, None)]).await;
        let message = pass.finding(R::RowsUnreadable).message;
        assert!(message.contains(why), "{message}");
        assert_eq!(pass.report.as_ref().unwrap().consistent, None);
    }
}

#[tokio::test]
async fn citext_is_compared_as_citext_wherever_it_lives() {
    let db = Db::new(&format!(
        "CREATE SCHEMA ext; CREATE EXTENSION citext SCHEMA ext; CREATE DOMAIN mail AS ext.citext;
         CREATE TABLE users (id ext.citext PRIMARY KEY, email mail NOT NULL UNIQUE, hashed_password text, role text, is_active boolean);
         INSERT INTO users VALUES ('Root', 'Admin@Example.com', '{HASH}', 'admin', true);
         CREATE TABLE logs (id int PRIMARY KEY, user_id ext.citext REFERENCES users);
         SET search_path = public, ext; SET session_replication_role = replica;
         INSERT INTO logs VALUES (1, 'ROOT'), (2, 'root'), (3, 'Gone'), (4, 'gone'), (5, 'Away');"
    ))
    .await;
    let mut case = Case::new(&db, &spec("").replace("Delete", "Reassign"));
    let check = case.check().await;
    check.found(&[ORPHANS, VIOLATED]);
    let finding = check.finding(R::OrphanRows);
    assert_eq!((finding.rows, finding.keys), (Some(3), Some(2)));
    let changes = &[
        "- logs (3,Gone)",
        "- logs (4,gone)",
        "- logs (5,Away)",
        "+ logs (3,Root)",
        "+ logs (4,Root)",
        "+ logs (5,Root)",
    ];
    case.mends(&db, &[ORPHANS, VIOLATED], &[(A::Reassign, "logs.user_id", 3)], changes).await;
}

#[tokio::test]
async fn the_hash_of_a_plan_does_not_depend_on_which_spelling_comes_first() {
    let db = Db::new(&format!(
        "CREATE EXTENSION citext;
         CREATE TABLE users (id citext PRIMARY KEY, email text NOT NULL, hashed_password text, role text, is_active boolean);
         INSERT INTO users VALUES ('root', 'admin@example.com', '{HASH}', 'admin', true);
         CREATE TABLE logs (id int PRIMARY KEY, user_id citext REFERENCES users);
         SET session_replication_role = replica; INSERT INTO logs VALUES (1, 'Gone'), (2, 'gone');"
    ))
    .await;
    let mut case = Case::new(&db, &spec("").replace("rows: 100", "rows: 0"));
    let hash = case.repair().await.status.plan.unwrap().hash;
    db.run("SET session_replication_role = replica; UPDATE logs SET id = 9 WHERE id = 1; RESET session_replication_role").await;
    assert_eq!(case.repair().await.status.plan.unwrap().hash, hash);
    case.approve().await.consistent().repaired(&[(A::Delete, "logs.user_id", 2)]);
}

#[tokio::test]
async fn names_that_need_quotes_are_quoted_everywhere() {
    let db = Db::new(&format!(
        "CREATE SCHEMA \"my \"\"app\"\"\"; SET search_path = \"my \"\"app\"\"\";
         CREATE TABLE \"user\" (\"select\" serial PRIMARY KEY, \"E-Mail\" text NOT NULL, \"pass word\" text NOT NULL, \"ROLE\" text);
         INSERT INTO \"user\" VALUES (7, 'ada@example.com', '{HASH}');
         CREATE TABLE \"Logs; --\" (\"ID\" int PRIMARY KEY, \"from\" int CONSTRAINT \"fk \"\"x\"\"\" REFERENCES \"user\");
         SET session_replication_role = replica; INSERT INTO \"Logs; --\" VALUES (1, 9), (2, 7);"
    ))
    .await;
    let mut case = Case::new(
        &db,
        "users: {schema: 'my \"app\"', table: user, idColumn: select, loginColumn: E-Mail, passwordColumn: pass word}
admin:
  login: admin@example.com
  passwordSecretRef: {name: admin, key: password}
  columns: [{column: ROLE, equals: \"it's\"}]
references: {onOrphan: Reassign, limits: {percent: 100}}
",
    );
    let found = &[
        (R::SequenceBehind, C::SchemaCompatible, None),
        (R::AdminMissing, C::AdminConsistent, None),
        ORPHANS,
        VIOLATED,
    ];
    let steps = &[
        (A::AdvanceSequence, "my \"app\".user_select_seq", 0),
        (A::Seed, "my \"app\".user", 1),
        (A::Reassign, "my \"app\".Logs; --.from", 1),
    ];
    let changes = &[
        "- \"my \"\"app\"\"\".\"Logs; --\" (1,9)",
        "+ \"my \"\"app\"\"\".\"Logs; --\" (1,10)",
        "+ \"my \"\"app\"\"\".\"user\" (10,admin@example.com,HASH,it's)",
    ];
    case.mends(&db, found, steps, changes).await;
}

#[tokio::test]
async fn fixed_width_keys_are_compared_without_their_padding() {
    let db = Db::new(&format!(
        "CREATE TABLE users (id char(8) PRIMARY KEY, email text NOT NULL, hashed_password text, role text, is_active boolean);
         INSERT INTO users VALUES ('root', 'admin@example.com', '{HASH}', 'admin', true);
         CREATE TABLE logs (id char(4) PRIMARY KEY, user_id char(8) REFERENCES users);
         SET session_replication_role = replica; INSERT INTO logs VALUES ('a', 'root'), ('b', 'gone');"
    ))
    .await;
    let mut case = Case::new(&db, &spec("").replace("Delete", "Reassign"));
    let changes = &["- logs (\"b   \",\"gone    \")", "+ logs (\"b   \",\"root    \")"];
    case.mends(&db, &[ORPHANS, VIOLATED], &[(A::Reassign, "logs.user_id", 1)], changes).await;
    case.edit(|spec| spec.admin.as_mut().unwrap().id = Some("boss".into()));
    case.repair().await.consistent().repaired(&[(A::MoveId, "users", 3)]);
    case.settled(&db).await;
}

#[tokio::test]
async fn a_key_of_another_collation_is_compared_as_its_foreign_key_does() {
    let db = with(
        "ALTER TABLE users ADD COLUMN handle text COLLATE \"C\" UNIQUE; UPDATE users SET handle = 'h' || id;
         CREATE TABLE logs (id int PRIMARY KEY, handle text COLLATE \"und-x-icu\" REFERENCES users (handle));
         CREATE INDEX ON logs (handle);
         SET session_replication_role = replica; INSERT INTO logs VALUES (1, 'h1'), (2, 'gone'), (3, NULL);
         RESET session_replication_role;",
    )
    .await;
    let mut case = Case::new(&db, USUAL);
    let finding = case.check().await.finding(R::OrphanRows);
    assert_eq!((finding.rows, finding.keys, finding.sample), (Some(1), Some(1), vec!["gone".to_owned()]));
}

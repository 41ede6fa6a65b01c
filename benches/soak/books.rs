//! Whether everything is still there, and nothing was taken that should not have been.

use auth_consistency::domain::report::{Outcome, Verdict};

use crate::{
    living, nobody,
    support::Db,
    writers::{LASTING, Ledger, Sum, WHOLE},
};

/// What was there at the beginning.
pub struct Books {
    all: Sum,
    living: Sum,
    users: i64,
    /// When the rows were made.
    made: String,
}

/// A user who registered under an id that orphans named.
#[derive(Debug, Clone)]
pub struct Returned {
    pub id: i64,
    /// When that was committed at the latest.
    pub at: String,
}

async fn sum(db: &Db, what: &str, from: &str) -> Sum {
    let text = db.text(&format!("SELECT count(*) || ' ' || coalesce(sum({what}), 0) FROM {from}")).await;
    let (rows, sum) = text.split_once(' ').unwrap();
    Sum { rows: rows.parse().unwrap(), sum: sum.parse().unwrap() }
}

async fn number(db: &Db, sql: &str) -> i64 {
    db.text(sql).await.parse().unwrap()
}

impl Books {
    pub async fn open(db: &Db) -> Self {
        Self {
            all: sum(db, LASTING, "logs").await,
            living: sum(db, WHOLE, "logs WHERE id % 2 = 0").await,
            users: number(db, "SELECT count(*) FROM users").await,
            made: db.text("SELECT min(at) FROM logs").await,
        }
    }

    /// Everything that does not agree.
    pub async fn close(
        &self,
        db: &Db,
        action: &str,
        ledger: &Ledger,
        returned: &[Returned],
        orphans: i64,
        outcome: &Outcome,
    ) -> Vec<String> {
        let kept = db.text("SELECT name FROM auth_consistency.quarantine WHERE table_name = 'logs'").await;
        let kept = format!("auth_consistency.{kept}");
        let repaired: i64 = outcome.repaired.iter().map(|step| step.rows).sum();
        let run = number(
            db,
            "SELECT (extract(epoch FROM max(at) - (SELECT max(opened_at) FROM auth_consistency.runs)) * 1000)::int8 \
             FROM auth_consistency.audit",
        )
        .await;
        let chunks = number(db, "SELECT count(*) FROM auth_consistency.batches").await;
        #[expect(clippy::cast_precision_loss, reason = "far fewer than a float can count")]
        let (seconds, rows) = (run as f64 / 1e3, repaired as f64);
        println!(
            "  the repair took {seconds:.1} s: {repaired} rows in {chunks} chunks, {:.0} per second; \
             {} users came back meanwhile",
            rows / seconds,
            returned.len()
        );

        let mut wrong = Vec::new();
        let mut same = |what: &str, is: Sum, should: Sum| {
            if is != should {
                wrong.push(format!("{what}: {is:?}, and should be {should:?}"));
            }
        };
        let everything = match action {
            "Delete" => {
                format!("(SELECT id, note, at FROM logs UNION ALL SELECT id, note, at FROM {kept}) x")
            }
            _ => "logs".to_owned(),
        };
        same("rows, live and in quarantine", sum(db, LASTING, &everything).await, self.all.plus(ledger.all));
        // What the writers added has larger ids.
        let never = format!("logs WHERE id % 2 = 0 OR id > {}", orphans * 2);
        same("rows of living users", sum(db, WHOLE, &never).await, self.living.plus(ledger.living));

        let back = i64::try_from(returned.len()).unwrap();
        let (living, nobody, largest) = (living("id"), nobody("id"), orphans * 2);
        // Each is a count and what it should be.
        let mut counts = vec![
            ("users", "SELECT count(*) FROM users".to_owned(), self.users + ledger.users + back),
            ("copies", format!("SELECT count(*) FROM {kept}"), repaired),
            ("rows that the audit tells of", "SELECT sum(rows) FROM auth_consistency.audit".into(), repaired),
            ("rows that were copied", format!("SELECT count(DISTINCT id) FROM {kept}"), repaired),
            (
                "copies of what was no orphan",
                format!(
                    "SELECT count(*) FROM {kept} WHERE NOT (id % 2 = 1 AND id <= {largest} AND user_id = {nobody})"
                ),
                0,
            ),
            (
                "copies that are neither as the row was made nor as a writer left it",
                format!(
                    "SELECT count(*) FROM {kept} WHERE NOT (note = 'something that was logged ' || id AND at = '{}') \
                     AND NOT (note LIKE 'changed by a writer %' AND at > '{}')",
                    self.made, self.made
                ),
                0,
            ),
            (
                "orphans left",
                "SELECT count(*) FROM logs LEFT JOIN users u ON u.id = user_id \
                 WHERE user_id IS NOT NULL AND u.id IS NULL"
                    .into(),
                0,
            ),
            (
                "old rows that name another living user",
                format!(
                    "SELECT count(*) FROM logs WHERE id % 2 = 0 AND id <= {largest} AND user_id <> {living}"
                ),
                0,
            ),
            (
                // Reassigned rows are live as well: the admin's, with a copy. The others still name whom they
                // named, who has come back, and have none.
                "former orphans that are neither repaired nor a user's who came back",
                format!(
                    "SELECT count(*) FROM logs l LEFT JOIN {kept} k USING (id) \
                     WHERE l.id % 2 = 1 AND l.id <= {largest} AND NOT \
                     CASE WHEN k.id IS NULL THEN l.user_id = {NOBODY} + l.id % {NOBODIES} \
                     ELSE '{action}' = 'Reassign' AND l.user_id = 1 END",
                    NOBODY = crate::NOBODY,
                    NOBODIES = crate::NOBODIES
                ),
                0,
            ),
        ];
        for user in returned {
            // A chunk begins after the one before it was written down.
            counts.push((
                "copies made after their user was there",
                format!(
                    "SELECT count(*) FROM {kept} JOIN (SELECT batch, lag(at) OVER (ORDER BY batch) AS begun \
                     FROM auth_consistency.batches) b ON batch = _ac_batch WHERE user_id = {} AND begun > '{}'",
                    user.id, user.at
                ),
                0,
            ));
        }
        for (what, sql, should) in counts {
            let is = number(db, &sql).await;
            if is != should {
                wrong.push(format!("{what}: {is}, and should be {should}"));
            }
        }
        if outcome.verdict() != Verdict::Consistent {
            wrong.push(format!("the pass found {:?}", outcome.findings()));
        }
        wrong
    }
}

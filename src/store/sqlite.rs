//! The journal in SQLite (WAL). One writer, many readers; migrations are part of the program.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Row, Sqlite, Transaction};

use crate::ids::CallId;
use crate::journal::{CallTime, EndCause, Entry, Record};

/// What went wrong with the database.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file or its folder cannot be used.
    #[error("cannot open the database {path}: {source}")]
    Open {
        /// The database file.
        path: PathBuf,
        /// Why.
        source: sqlx::Error,
    },
    /// The folder cannot be made.
    #[error("cannot make the folder {path}: {source}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The schema could not be brought up to date.
    #[error("cannot bring the database up to date: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// A statement failed.
    #[error("{doing}: {source}")]
    Statement {
        /// What was being done.
        doing: &'static str,
        /// Why it failed.
        source: sqlx::Error,
    },
    /// A stored entry cannot be read back.
    #[error("entry {number} of call {call} cannot be read: {source}")]
    Entry {
        /// The call.
        call: String,
        /// Its place in the journal.
        number: i64,
        /// Why.
        source: serde_json::Error,
    },
}

pub(super) fn failed(doing: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |source| StoreError::Statement { doing, source }
}

/// One line of a list of calls.
#[derive(Clone, Debug, PartialEq)]
pub struct CallRow {
    /// The call.
    pub id: CallId,
    /// Unix time of the INVITE, ms.
    pub started_ms: i64,
    /// The caller's number. Personal.
    pub caller: crate::redact::Redacted<String>,
    /// The dialled number.
    pub dialled: String,
    /// The dialplan that took it.
    pub dialplan: String,
    /// When it was answered, ms since the INVITE.
    pub answered_ms: Option<i64>,
    /// When it was bridged to an agent, ms since the INVITE.
    pub bridged_ms: Option<i64>,
    /// When it ended, ms since the INVITE.
    pub ended_ms: Option<i64>,
    /// Why it ended.
    pub end_cause: Option<EndCause>,
    /// Recording, relative to the recordings folder.
    pub recording: Option<String>,
}

/// The database.
#[derive(Clone, Debug)]
pub struct Database {
    pub(super) pool: SqlitePool,
}

impl Database {
    /// Opens the file, makes it where it is missing, and brings its schema up to date.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|source| StoreError::Folder { path: folder.to_owned(), source })?;
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(Duration::from_secs(5));
        let pool = SqlitePoolOptions::new()
            .max_connections(4)
            .connect_with(options)
            .await
            .map_err(|source| StoreError::Open { path: path.to_owned(), source })?;
        sqlx::migrate!("src/store/migrations").run(&pool).await?;
        Ok(Self { pool })
    }

    /// Appends entries in their order, all or none.
    pub async fn append(&self, records: &[Record]) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await.map_err(failed("beginning to write the journal"))?;
        for record in records {
            append_one(&mut transaction, record).await?;
        }
        transaction.commit().await.map_err(failed("writing the journal"))
    }

    /// The newest calls first.
    pub async fn calls(&self, limit: u32) -> Result<Vec<CallRow>, StoreError> {
        let rows = sqlx::query("SELECT * FROM calls ORDER BY id DESC LIMIT ?1")
            .bind(limit)
            .fetch_all(&self.pool)
            .await
            .map_err(failed("listing calls"))?;
        rows.iter().map(call_row).collect::<Result<_, _>>().map_err(failed("listing calls"))
    }

    /// One call whose id begins with `prefix`; `None` where there is none or more than one.
    pub async fn find(&self, prefix: &str) -> Result<Option<CallRow>, StoreError> {
        let rows = sqlx::query("SELECT * FROM calls WHERE id LIKE ?1 || '%' LIMIT 2")
            .bind(prefix.to_ascii_uppercase())
            .fetch_all(&self.pool)
            .await
            .map_err(failed("finding a call"))?;
        match rows.as_slice() {
            [row] => call_row(row).map(Some).map_err(failed("finding a call")),
            _ => Ok(None),
        }
    }

    /// The whole journal of a call.
    pub async fn journal(&self, call: CallId) -> Result<Vec<Record>, StoreError> {
        let rows = sqlx::query("SELECT number, at_ms, body FROM entries WHERE call = ?1 ORDER BY number")
            .bind(call.to_string())
            .fetch_all(&self.pool)
            .await
            .map_err(failed("reading a journal"))?;
        rows.iter()
            .map(|row| {
                let number: i64 = row.get("number");
                let entry = serde_json::from_str(row.get("body")).map_err(|source| StoreError::Entry {
                    call: call.to_string(),
                    number,
                    source,
                })?;
                Ok(Record { call, at: CallTime(row.get::<i64, _>("at_ms").unsigned_abs()), entry })
            })
            .collect()
    }

    /// Closes the calls that a process left open when it died. Returns them; their last entry is the end.
    pub async fn close_unfinished(&self) -> Result<Vec<CallId>, StoreError> {
        let doing = "closing calls that a crash left open";
        let rows = sqlx::query(
            "SELECT c.id, COALESCE(MAX(e.at_ms), 0) AS last FROM calls c LEFT JOIN entries e ON e.call = c.id \
             WHERE c.ended_ms IS NULL GROUP BY c.id",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(failed(doing))?;
        let mut closed = Vec::new();
        for row in rows {
            let Ok(call) = CallId::from_str(row.get("id")) else { continue };
            let at = CallTime(row.get::<i64, _>("last").unsigned_abs());
            self.append(&[Record { call, at, entry: Entry::Ended(EndCause::Crashed) }]).await?;
            closed.push(call);
        }
        Ok(closed)
    }
}

async fn append_one(transaction: &mut Transaction<'_, Sqlite>, record: &Record) -> Result<(), StoreError> {
    let doing = "writing an entry";
    let call = record.call.to_string();
    let at = i64::try_from(record.at.0).unwrap_or(i64::MAX);
    let body = serde_json::to_value(&record.entry).map_err(|source| StoreError::Entry {
        call: call.clone(),
        number: 0,
        source,
    })?;
    let fact = body.get("fact").and_then(|f| f.as_str()).unwrap_or("unknown").to_owned();
    sqlx::query(
        "INSERT INTO entries (call, number, at_ms, fact, body) \
         VALUES (?1, (SELECT COALESCE(MAX(number), 0) + 1 FROM entries WHERE call = ?1), ?2, ?3, ?4)",
    )
    .bind(&call)
    .bind(at)
    .bind(fact)
    .bind(body.to_string())
    .execute(&mut **transaction)
    .await
    .map_err(failed(doing))?;
    update_call(transaction, &call, record, at).await.map_err(failed(doing))
}

/// Keeps the row of `calls` in step with the entry.
async fn update_call(
    transaction: &mut Transaction<'_, Sqlite>,
    call: &str,
    record: &Record,
    at: i64,
) -> Result<(), sqlx::Error> {
    let query = match &record.entry {
        Entry::Offered { from, to, sip_call_id, dialplan } => sqlx::query(
            "INSERT INTO calls (id, started_ms, caller, dialled, dialplan, sip_call_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )
        .bind(call)
        .bind(i64::try_from(record.call.0.timestamp_ms()).unwrap_or(i64::MAX))
        .bind(from.reveal().clone())
        .bind(to)
        .bind(dialplan)
        .bind(sip_call_id),
        Entry::Answered => sqlx::query("UPDATE calls SET answered_ms = ?2 WHERE id = ?1").bind(call).bind(at),
        Entry::Bridged { .. } => {
            sqlx::query("UPDATE calls SET bridged_ms = COALESCE(bridged_ms, ?2) WHERE id = ?1").bind(call).bind(at)
        }
        Entry::RecordingStarted { path } => {
            sqlx::query("UPDATE calls SET recording = ?2 WHERE id = ?1").bind(call).bind(path)
        }
        Entry::Ended(cause) => sqlx::query("UPDATE calls SET ended_ms = ?2, end_cause = ?3 WHERE id = ?1")
            .bind(call)
            .bind(at)
            .bind(serde_json::to_string(cause).unwrap_or_default()),
        _ => return Ok(()),
    };
    query.execute(&mut **transaction).await.map(drop)
}

fn call_row(row: &sqlx::sqlite::SqliteRow) -> Result<CallRow, sqlx::Error> {
    let id: String = row.try_get("id")?;
    let cause: Option<String> = row.try_get("end_cause")?;
    Ok(CallRow {
        id: CallId::from_str(&id).map_err(|e| sqlx::Error::Decode(Box::new(e)))?,
        started_ms: row.try_get("started_ms")?,
        caller: crate::redact::Redacted::new(row.try_get("caller")?),
        dialled: row.try_get("dialled")?,
        dialplan: row.try_get("dialplan")?,
        answered_ms: row.try_get("answered_ms")?,
        bridged_ms: row.try_get("bridged_ms")?,
        ended_ms: row.try_get("ended_ms")?,
        end_cause: cause.and_then(|c| serde_json::from_str(&c).ok()),
        recording: row.try_get("recording")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::Redacted;

    fn offered(call: CallId) -> Record {
        let entry = Entry::Offered {
            from: Redacted::from("91234567"),
            to: "1823".into(),
            sip_call_id: "a@b".into(),
            dialplan: "demo".into(),
        };
        Record { call, at: CallTime(0), entry }
    }

    #[tokio::test]
    async fn a_call_reads_back_and_a_crashed_one_is_closed() {
        let folder = std::env::temp_dir().join(format!("tingwa-store-{}", std::process::id()));
        let path = folder.join("t.sqlite");
        let (whole, cut) = (CallId(ulid::Ulid::from_parts(1000, 1)), CallId(ulid::Ulid::from_parts(2000, 2)));
        let database = Database::open(&path).await.unwrap();
        let end = Record { call: whole, at: CallTime(900), entry: Entry::Ended(EndCause::CallerHungUp) };
        database.append(&[offered(whole), end.clone()]).await.unwrap();
        let answered = Record { call: cut, at: CallTime(40), entry: Entry::Answered };
        database.append(&[offered(cut), answered]).await.unwrap();
        drop(database);

        let database = Database::open(&path).await.unwrap();
        assert_eq!(database.close_unfinished().await.unwrap(), vec![cut]);
        assert_eq!(database.close_unfinished().await.unwrap(), vec![]);
        assert_eq!(database.journal(whole).await.unwrap(), vec![offered(whole), end]);
        let calls = database.calls(10).await.unwrap();
        assert_eq!(calls.iter().map(|c| c.id).collect::<Vec<_>>(), vec![cut, whole]);
        assert_eq!(calls[0].end_cause, Some(EndCause::Crashed));
        assert_eq!(calls[0].ended_ms, Some(40));
        assert_eq!(database.find(&whole.to_string()[..26]).await.unwrap().unwrap().dialled, "1823");
        std::fs::remove_dir_all(folder).unwrap();
    }
}

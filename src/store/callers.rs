//! What is remembered of callers: a row each, under a keyed hash of the number, so that nobody who has the database has the numbers.
//! Looked up when a call comes, within a bounded wait; changed when a call ends, from its journal, and by an administrator.
//! Withheld numbers, names and short numbers (extensions that many share) have no row. Is off without a secret.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sqlx::Row;
use sqlx::sqlite::SqliteConnection;
use tokio::runtime::Handle;

use super::sqlite::{Database, StoreError, failed};
use crate::ids::CallId;
use crate::journal::profile::{OptOut, Profile};
use crate::journal::{Entry, Record};
use crate::redact::Redacted;
use crate::settings::Section;

mod key;

pub use key::{CallerKey, KeyRing};

/// Look-ups under way at a time; a call that finds no room has no profile.
pub const LOOK_UPS: usize = 64;
/// How long a purge waits for the next.
pub const PURGE_EVERY: Duration = Duration::from_secs(24 * 3600);
/// Shortest secret, in bytes.
const SECRET: usize = 16;

/// `[memory]` of the configuration.
#[derive(Clone, Debug)]
pub struct MemoryConfig {
    /// As written, `${file:PATH}` or `${env:NAME}`; `None`: nothing is remembered.
    pub secret: Option<String>,
    /// Days after its last call that a profile is kept. Opt-outs are kept on.
    pub retention_days: u64,
    /// Digits of the own country's code: numbers with it and without are the same.
    pub country_code: String,
}

impl MemoryConfig {
    /// Reads `[memory]`.
    pub fn read(mut section: Section<'_>) -> Self {
        let secret = section.string("secret");
        if secret.as_ref().is_some_and(|text| !text.starts_with("${")) {
            section.problem("secret", "expected \"${file:PATH}\" or \"${env:NAME}\": secrets are not written here");
        }
        let days = section.integer("retention_days", 1..=3650).and_then(|days| u64::try_from(days).ok());
        let country_code = section.string("country_code").unwrap_or_else(|| "852".to_owned());
        if country_code.is_empty() || country_code.len() > 3 || !country_code.bytes().all(|b| b.is_ascii_digit()) {
            section.problem("country_code", "expected one to three digits, e.g. \"852\"");
        }
        section.finish();
        Self { secret, retention_days: days.unwrap_or(90), country_code }
    }
}

/// The secret is too short to keep numbers from being guessed.
#[derive(Debug, thiserror::Error)]
#[error("memory.secret has fewer than {SECRET} bytes; `openssl rand -hex 32` makes one")]
pub struct WeakSecret;

/// The callers that are remembered.
#[derive(Clone, Debug)]
pub struct Callers {
    database: Database,
    keys: KeyRing,
    retention_days: u64,
    asked: Arc<AtomicUsize>,
}

impl Callers {
    /// Of this database, with the secret itself.
    pub fn new(database: Database, secret: &str, config: &MemoryConfig) -> Result<Self, WeakSecret> {
        if secret.trim().len() < SECRET {
            return Err(WeakSecret);
        }
        let keys = KeyRing::new(secret.trim().as_bytes(), &config.country_code);
        Ok(Self { database, keys, retention_days: config.retention_days, asked: Arc::default() })
    }

    /// Key of this number; `None` where it can have none.
    pub fn key(&self, number: &str) -> Option<CallerKey> {
        self.keys.of(number)
    }

    /// What is remembered of somebody.
    pub async fn get(&self, key: &CallerKey) -> Result<Option<Profile>, StoreError> {
        let mut connection = self.database.pool.acquire().await.map_err(failed("reading a caller's profile"))?;
        read(&mut connection, key).await
    }

    /// Asks in the background; where there is no room, or nothing in time, nobody answers.
    pub fn ask(&self, runtime: &Handle, key: CallerKey, answer: impl FnOnce(Profile) + Send + 'static) {
        if self.asked.fetch_add(1, Ordering::Relaxed) >= LOOK_UPS {
            self.asked.fetch_sub(1, Ordering::Relaxed);
            tracing::warn!("a caller's profile is not looked up: {LOOK_UPS} look-ups wait already");
            return;
        }
        let callers = self.clone();
        runtime.spawn(async move {
            let found = callers.get(&key).await;
            callers.asked.fetch_sub(1, Ordering::Relaxed);
            match found {
                Ok(profile) => answer(profile.unwrap_or_default()),
                Err(error) => tracing::error!(%error, "a caller's profile could not be read"),
            }
        });
    }

    /// Changes what is remembered of somebody, from nothing where there is nothing. The profile afterwards.
    pub async fn change(
        &self,
        key: &CallerKey,
        today: u64,
        change: impl FnOnce(&mut Profile),
    ) -> Result<Profile, StoreError> {
        let doing = "changing a caller's profile";
        // The lock first: two that read before either writes would lose one change.
        let mut transaction = self.database.pool.begin_with("BEGIN IMMEDIATE").await.map_err(failed(doing))?;
        let mut profile = read(&mut transaction, key).await?.unwrap_or_default();
        change(&mut profile);
        let opt_outs = serde_json::to_string(&profile.opt_outs).unwrap_or_default();
        let rest = Profile { opt_outs: BTreeSet::new(), ..profile.clone() };
        sqlx::query(
            "INSERT INTO caller_profile (key, seen_day, opt_outs, profile) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (key) \
             DO UPDATE SET seen_day = ?2, opt_outs = ?3, profile = ?4",
        )
        .bind(key.as_bytes())
        .bind(i64::try_from(today).unwrap_or(i64::MAX))
        .bind(opt_outs)
        .bind(serde_json::to_string(&rest).unwrap_or_default())
        .execute(&mut *transaction)
        .await
        .map_err(failed(doing))?;
        transaction.commit().await.map_err(failed(doing))?;
        Ok(profile)
    }

    /// Forgets somebody whole, opt-outs included. False where nothing was known.
    pub async fn forget(&self, key: &CallerKey) -> Result<bool, StoreError> {
        let done = sqlx::query("DELETE FROM caller_profile WHERE key = ?1").bind(key.as_bytes());
        let done = done.execute(&self.database.pool).await.map_err(failed("forgetting a caller"))?;
        Ok(done.rows_affected() > 0)
    }

    /// Forgets what is older than the retention; of who does not want something, that is all that is kept. How many were forgotten.
    pub async fn purge(&self, today: u64) -> Result<u64, StoreError> {
        let doing = "forgetting callers of long ago";
        let before = i64::try_from(today.saturating_sub(self.retention_days)).unwrap_or(0);
        let gone = sqlx::query("DELETE FROM caller_profile WHERE seen_day < ?1 AND opt_outs = '[]'").bind(before);
        let gone = gone.execute(&self.database.pool).await.map_err(failed(doing))?;
        let bare = sqlx::query("UPDATE caller_profile SET profile = '{}' WHERE seen_day < ?1 AND profile <> '{}'");
        let bare = bare.bind(before).execute(&self.database.pool).await.map_err(failed(doing))?;
        Ok(gone.rows_affected() + bare.rows_affected())
    }

    /// Adds what a call has brought, where it has ended and its caller can be remembered.
    pub async fn learn(&self, call: CallId, today: u64) -> Result<(), StoreError> {
        let journal = self.database.journal(call).await?;
        let Some(key) = caller(&journal).and_then(|number| self.key(number.reveal())) else { return Ok(()) };
        self.change(&key, today, |profile| profile.learn(&journal)).await.map(drop)
    }

    /// After a batch was written: every call that ended in it. What cannot be stored is not tried again: it is said aloud, as an
    /// opt-out may be among it.
    pub async fn learn_ended(&self, written: &[Record]) {
        for record in written.iter().filter(|record| matches!(record.entry, Entry::Ended(_))) {
            if let Err(error) = self.learn(record.call, today()).await {
                tracing::error!(call = %record.call, %error, "what this call brought is not remembered");
            }
        }
    }
}

/// Days since 1970-01-01, UTC.
pub fn today() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / (24 * 3600))
}

/// The number that is to be remembered; `None` where the caller withholds it.
fn caller(journal: &[Record]) -> Option<&Redacted<String>> {
    let withheld = |record: &Record| matches!(record.entry, Entry::Particulars { withheld: true, .. });
    if journal.iter().any(withheld) {
        return None;
    }
    journal.iter().find_map(|record| if let Entry::Offered { from, .. } = &record.entry { Some(from) } else { None })
}

async fn read(connection: &mut SqliteConnection, key: &CallerKey) -> Result<Option<Profile>, StoreError> {
    let row = sqlx::query("SELECT opt_outs, profile FROM caller_profile WHERE key = ?1").bind(key.as_bytes());
    let row = row.fetch_optional(connection).await.map_err(failed("reading a caller's profile"))?;
    Ok(row.map(|row| {
        // What cannot be read is as good as forgotten, but never an opt-out: then none is missing.
        let all = || BTreeSet::from([OptOut::Recording, OptOut::LanguageModel, OptOut::Memory]);
        let opt_outs = serde_json::from_str(row.get("opt_outs")).unwrap_or_else(|_| all());
        let profile: Profile = serde_json::from_str(row.get("profile")).unwrap_or_default();
        Profile { opt_outs, ..profile }
    }))
}

#[cfg(test)]
mod tests;

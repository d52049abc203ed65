//! What is kept of callers, and what is not, in a database of each test's own.

use super::*;
use crate::journal::{Act, CallTime, Decision, EndCause};
use crate::speech::Language;

const NUMBER: &str = "91234567";
const SECRET_TEXT: &str = "0123456789abcdef";

struct Place {
    folder: std::path::PathBuf,
    callers: Callers,
}

async fn place(name: &str) -> Place {
    let folder = std::env::temp_dir().join(format!("tingwa-callers-{name}-{}", std::process::id()));
    let database = Database::open(&folder.join("t.sqlite")).await.unwrap();
    let config = MemoryConfig { secret: None, retention_days: 90, country_code: "852".to_owned() };
    let callers = Callers::new(database, SECRET_TEXT, &config).unwrap();
    Place { folder, callers }
}

impl Place {
    fn key(&self) -> CallerKey {
        self.callers.key(NUMBER).unwrap()
    }

    async fn profile(&self) -> Option<Profile> {
        self.callers.get(&self.key()).await.unwrap()
    }

    /// A call is written down as calls are, and then learnt from.
    async fn call(&self, number: u128, withheld: bool, entries: Vec<Entry>) -> CallId {
        let call = CallId(ulid::Ulid::from_parts(1000, number));
        let offered = Entry::Offered {
            from: format!("+852{NUMBER}").into(),
            to: "1823".into(),
            sip_call_id: "a@b".into(),
            dialplan: "demo".into(),
        };
        let particulars =
            Entry::Particulars { diverted: Vec::new(), withheld, kept: Default::default(), user_to_user: None };
        let all = [offered, particulars].into_iter().chain(entries).chain([Entry::Ended(EndCause::CallerHungUp)]);
        let all: Vec<_> = all.map(|entry| Record { call, at: CallTime(0), entry }).collect();
        self.callers.database.append(&all).await.unwrap();
        self.callers.learn_ended(&all).await;
        call
    }

    fn remove(self) {
        std::fs::remove_dir_all(self.folder).unwrap();
    }
}

fn billed() -> Vec<Entry> {
    let decision = Decision {
        act: Act::Answer { prompt: "bill".to_owned() },
        rule: "intent:bill".to_owned(),
        intent: Some("bill".to_owned()),
        confidence: Some(0.9),
        language: Language::English,
        evidence: String::new(),
    };
    vec![Entry::Digit { leg: crate::ids::LegId::CALLER, digit: '3' }, Entry::Decided(decision)]
}

#[tokio::test]
async fn a_call_is_remembered_from_its_journal_and_by_another_form_of_the_number() {
    let place = place("learn").await;
    assert_eq!(place.profile().await, None);
    place.call(1, false, billed()).await;
    let profile = place.profile().await.unwrap();
    assert_eq!((profile.language, profile.wanted.len()), (Some(Language::English), 1));
    place.call(2, true, vec![Entry::OptedOut { what: OptOut::Recording, remembered: false }]).await;
    assert_eq!(place.profile().await, Some(profile), "a withheld number has no memory");
    place.call(3, false, vec![Entry::OptedOut { what: OptOut::Recording, remembered: false }]).await;
    let after = place.profile().await.unwrap();
    assert!(after.opted_out(OptOut::Recording) && after.language == Some(Language::English));
    assert!(place.callers.forget(&place.key()).await.unwrap());
    assert!(!place.callers.forget(&place.key()).await.unwrap());
    assert_eq!(place.profile().await, None);
    place.remove();
}

#[tokio::test]
async fn a_purge_keeps_what_the_caller_does_not_want_and_nothing_else_of_long_ago() {
    let place = place("purge").await;
    let other = place.callers.key("98765432").unwrap();
    let tier = |profile: &mut Profile| profile.tier = Some("gold".to_owned());
    place.callers.change(&place.key(), 100, tier).await.unwrap();
    let refuse = |profile: &mut Profile| profile.opt_outs.extend([OptOut::Recording]);
    place.callers.change(&place.key(), 100, refuse).await.unwrap();
    place.callers.change(&other, 100, tier).await.unwrap();
    assert_eq!(place.callers.purge(190).await.unwrap(), 0, "90 days are kept");
    assert_eq!(place.profile().await.unwrap().tier.as_deref(), Some("gold"));
    assert_eq!(place.callers.purge(191).await.unwrap(), 2);
    assert_eq!(place.callers.purge(191).await.unwrap(), 0);
    assert_eq!(place.callers.get(&other).await.unwrap(), None);
    let kept = Profile { opt_outs: [OptOut::Recording].into(), ..Profile::default() };
    assert_eq!(place.profile().await, Some(kept));
    place.remove();
}

#[tokio::test]
async fn no_number_is_in_the_table_whatever_is_remembered() {
    let place = place("privacy").await;
    place.call(1, false, billed()).await;
    let set = |profile: &mut Profile| profile.tickets = vec!["T-1".into()];
    place.callers.change(&place.key(), 100, set).await.unwrap();
    let rows = sqlx::query("SELECT hex(key) AS key, opt_outs, profile FROM caller_profile");
    let rows = rows.fetch_all(&place.callers.database.pool).await.unwrap();
    assert_eq!(rows.len(), 1);
    let (key, rest): (String, String) = (rows[0].get("key"), rows[0].get("profile"));
    assert_eq!(key.len(), 64);
    for part in [&key, &rest] {
        assert!(!part.contains(NUMBER) && !part.contains(&hex::encode_upper(NUMBER)), "{part}");
    }
    let plain = hex::encode_upper(<sha2::Sha256 as sha2::Digest>::digest(NUMBER));
    assert_ne!(key, plain, "a plain hash would be found by trying all numbers");
    place.remove();
}

#[tokio::test]
async fn two_changes_at_a_time_are_both_kept() {
    let place = place("race").await;
    let key = place.key();
    let one = place.callers.change(&key, 100, |profile| profile.tier = Some("gold".to_owned()));
    let other = place.callers.change(&key, 100, |profile| profile.language = Some(Language::English));
    let (one, other) = tokio::join!(one, other);
    assert!(one.is_ok() && other.is_ok());
    let both = place.profile().await.unwrap();
    assert_eq!((both.tier.as_deref(), both.language), (Some("gold"), Some(Language::English)));
    place.remove();
}

#[tokio::test]
async fn a_stalled_store_answers_nobody_and_takes_only_so_many_questions() {
    let place = place("stall").await;
    // Every connection is taken: the store is stalled.
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(place.callers.database.pool.acquire().await.unwrap());
    }
    let (told, mut answers) = tokio::sync::mpsc::channel(LOOK_UPS + 10);
    for _ in 0..LOOK_UPS + 10 {
        let told = told.clone();
        place.callers.ask(&Handle::current(), place.key(), move |profile| drop(told.try_send(profile)));
    }
    assert!(answers.try_recv().is_err());
    assert_eq!(place.callers.asked.load(Ordering::Relaxed), LOOK_UPS);
    drop(held);
    for _ in 0..LOOK_UPS {
        assert_eq!(answers.recv().await, Some(Profile::default()));
    }
    drop(told);
    assert_eq!(answers.recv().await, None, "who found no room gets no answer");
    place.remove();
}

#[test]
fn a_secret_is_long_and_not_in_the_configuration() {
    let read = |text: &str| {
        let (source, problems) = (crate::settings::Source::new("t.toml", text), crate::settings::Problems::default());
        let table = source.parse(&problems);
        let mut root = Section::root(&source, &table, &problems);
        let config = MemoryConfig::read(root.section("memory"));
        (config, problems.into_vec().len())
    };
    let (config, problems) = read("");
    assert_eq!((config.secret, config.retention_days, problems), (None, 90, 0));
    assert_eq!(read("[memory]\nsecret = \"${env:X}\"\nretention_days = 30").1, 0);
    assert_eq!(read("[memory]\nsecret = \"open sesame\"\ncountry_code = \"x\"\nretention_days = 0").1, 3);
}

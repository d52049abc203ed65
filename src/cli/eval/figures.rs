//! Figures over what was heard: error rates, calibration of the confidence, latencies, and the difference of two engines.

use std::collections::BTreeMap;

use serde::Serialize;

use super::ear::Account;
use super::homophones::Folding;
use super::set::{Item, Spoken};
use crate::engine::score::{Edit, Errors, align};

/// Draws of the bootstrap.
const DRAWS: usize = 2_000;
/// Bins of the reliability diagram.
const BINS: usize = 10;

/// One recording after it was heard.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its number in the set.
    pub item: usize,
    /// What was heard.
    pub heard: String,
    /// How it comes of what was said.
    pub edits: Vec<Edit>,
    /// Counted.
    pub errors: Errors,
    /// Counted with characters of the same sound as right ones.
    pub by_sound: Errors,
    /// Whether the language was named right, where there is a right one.
    pub language_right: Option<bool>,
    /// Confidence.
    pub confidence: f32,
    /// Times.
    pub times: Times,
}

/// Times of one recording, ms.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Times {
    /// From the begin of the first word to the first guess.
    pub partial_after_begin: Option<f64>,
    /// From the end of the first word to the first guess; known where the set tells it, or there is one word only.
    pub partial_after_word: Option<f64>,
    /// From the end of speech to the guess that holds the last word and stays.
    pub last_word: Option<f64>,
    /// From the end of speech to the endpoint, where the call's own ear decided.
    pub endpoint: Option<f64>,
    /// From the endpoint to the transcript, by the clock.
    pub finish: f64,
    /// The same in time of a processor.
    pub finish_processor: f64,
    /// Time of a processor.
    pub work: f64,
    /// Audio.
    pub audio: f64,
}

impl Outcome {
    /// Judges what was heard. `speech_ms` is where sound begins and ends, `lead_ms` the quiet before the recording.
    pub fn of(
        number: usize,
        item: &Item,
        account: Account,
        speech_ms: [u64; 2],
        lead_ms: u64,
        folding: &Folding,
    ) -> Self {
        let (said, heard) = (folding.tokens(&item.text), folding.tokens(&account.text));
        let edits = align(&said, &heard, &|a, b| a == b);
        let language = match item.spoken {
            Spoken::One(language) => Some(language),
            Spoken::Mixed(_) => None,
        };
        let alike = align(&said, &heard, &|a, b| a == b || folding.sounds_alike(language, a, b));
        let mut times = Times {
            finish: account.finish.as_secs_f64() * 1000.0,
            finish_processor: account.finish_processor.as_secs_f64() * 1000.0,
            work: account.work.as_secs_f64() * 1000.0,
            ..Times::default()
        };
        let first = account.guesses.iter().find(|guess| !guess.text.is_empty()).map(|guess| guess.at_ms);
        let [begin, end] = speech_ms;
        let word = item.first_word_ms.map(|word| word.map(|ms| u64::from(ms) + lead_ms));
        times.partial_after_begin = first.map(|at| at - word.map_or(begin, |[begin, _]| begin) as f64);
        let word_end = word.map(|[_, end]| end).or((said.len() == 1).then_some(end));
        times.partial_after_word = first.zip(word_end).map(|(at, end)| at - end as f64);
        // The first of the last guesses that all say what the transcript says.
        let settled = account.guesses.iter().rev().take_while(|guess| folding.tokens(&guess.text) == heard).last();
        times.last_word = settled.filter(|_| !heard.is_empty()).map(|guess| guess.at_ms - end as f64);
        times.endpoint = (account.starts > 0).then_some(account.endpoint_ms as f64 - end as f64);
        Self {
            item: number,
            errors: Errors::of(&edits),
            by_sound: Errors::of(&alike),
            edits,
            language_right: item.spoken.language().map(|language| account.language == Some(language)),
            confidence: account.confidence,
            heard: account.text,
            times,
        }
    }

    /// True for a sentence without any error.
    pub fn is_right(&self) -> bool {
        self.errors.total() == 0
    }
}

/// Percentiles of a time, ms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    /// How many there were.
    pub count: usize,
    /// Half are below.
    pub p50: f64,
    /// Nine of ten are below.
    pub p90: f64,
    /// 95 of 100 are below.
    pub p95: f64,
    /// 99 of 100 are below.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

impl Spread {
    /// Of any number of times, by nearest rank.
    pub fn of(times: impl IntoIterator<Item = f64>) -> Self {
        let mut all: Vec<f64> = times.into_iter().collect();
        all.sort_by(f64::total_cmp);
        let at = |percent: usize| {
            let rank = (all.len() * percent).div_ceil(100).max(1);
            all.get(rank - 1).map_or(0.0, |ms| (ms * 100.0).round() / 100.0)
        };
        Self { count: all.len(), p50: at(50), p90: at(90), p95: at(95), p99: at(99), max: at(100) }
    }
}

/// Figures of one language, one tag, or of all.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Figures {
    /// What the error rate is of: CER, WER or MER.
    pub unit: &'static str,
    /// Recordings.
    pub utterances: u64,
    /// Characters and words that were said.
    pub tokens: u64,
    /// Errors, and of what kind.
    pub errors: u64,
    /// Heard as another.
    pub substitutions: u64,
    /// Not heard.
    pub deletions: u64,
    /// Not said.
    pub insertions: u64,
    /// Errors a token.
    pub error_rate: f64,
    /// The same with characters of the same sound as right ones.
    pub error_rate_by_sound: f64,
    /// Recordings without any error, 0 to 1.
    pub right: f64,
    /// Recordings whose language was named right, of those that have one, 0 to 1.
    pub language_right: Option<f64>,
    /// Processor seconds a second of audio.
    pub real_time_factor: f64,
    /// Times.
    pub latency: Latency,
}

/// Times over many recordings, ms.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Latency {
    /// Begin of the first word to the first guess.
    pub partial_after_begin: Spread,
    /// End of the first word to the first guess, where that end is known.
    pub partial_after_word: Spread,
    /// End of speech to the guess with the last word.
    pub last_word: Spread,
    /// End of speech to the endpoint.
    pub endpoint: Spread,
    /// Endpoint to transcript, by the clock.
    pub finish: Spread,
    /// Endpoint to transcript, time of a processor.
    pub finish_processor: Spread,
}

impl Figures {
    /// Over some outcomes.
    pub fn of(unit: &'static str, outcomes: &[&Outcome]) -> Self {
        let (mut errors, mut by_sound) = (Errors::default(), Errors::default());
        for outcome in outcomes {
            errors.add(outcome.errors);
            by_sound.add(outcome.by_sound);
        }
        let times = |of: fn(&Times) -> Option<f64>| Spread::of(outcomes.iter().filter_map(|o| of(&o.times)));
        let sum = |of: fn(&Times) -> f64| outcomes.iter().map(|o| of(&o.times)).sum::<f64>();
        let judged: Vec<bool> = outcomes.iter().filter_map(|o| o.language_right).collect();
        let share = |part: usize, all: usize| part as f64 / all.max(1) as f64;
        Self {
            unit,
            utterances: outcomes.len() as u64,
            tokens: errors.reference,
            errors: errors.total(),
            substitutions: errors.substitutions,
            deletions: errors.deletions,
            insertions: errors.insertions,
            error_rate: errors.rate(),
            error_rate_by_sound: by_sound.rate(),
            right: share(outcomes.iter().filter(|o| o.is_right()).count(), outcomes.len()),
            language_right: (!judged.is_empty())
                .then(|| share(judged.iter().filter(|right| **right).count(), judged.len())),
            real_time_factor: sum(|t| t.work) / sum(|t| t.audio).max(1.0),
            latency: Latency {
                partial_after_begin: times(|t| t.partial_after_begin),
                partial_after_word: times(|t| t.partial_after_word),
                last_word: times(|t| t.last_word),
                endpoint: times(|t| t.endpoint),
                finish: times(|t| Some(t.finish)),
                finish_processor: times(|t| Some(t.finish_processor)),
            },
        }
    }
}

/// Figures of all recordings, by language, and by tag. Keys in the order in which they are shown.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Groups {
    /// `all`, then languages.
    pub languages: BTreeMap<String, Figures>,
    /// Tags.
    pub tags: BTreeMap<String, Figures>,
}

impl Groups {
    /// Over a run.
    pub fn of(items: &[Item], outcomes: &[Outcome]) -> Self {
        let mut languages: BTreeMap<String, Vec<&Outcome>> = BTreeMap::new();
        let mut tags: BTreeMap<String, Vec<&Outcome>> = BTreeMap::new();
        for outcome in outcomes {
            let Some(item) = items.get(outcome.item) else { continue };
            languages.entry("all".to_owned()).or_default().push(outcome);
            languages.entry(item.spoken.code().to_owned()).or_default().push(outcome);
            for tag in &item.tags {
                tags.entry(tag.clone()).or_default().push(outcome);
            }
        }
        let unit = |name: &str| match name {
            "yue" | "cmn" => "CER",
            "eng" => "WER",
            _ => "MER",
        };
        let figures = |all: BTreeMap<String, Vec<&Outcome>>| {
            all.into_iter().map(|(name, some)| (name.clone(), Figures::of(unit(&name), &some))).collect()
        };
        Self { languages: figures(languages), tags: figures(tags) }
    }
}

impl Groups {
    /// Languages as a line lists them, `all` first.
    pub fn languages_in_order(&self) -> Vec<(&str, &Figures)> {
        const ORDER: [&str; 5] = ["all", "yue", "cmn", "eng", "mixed"];
        let mut all: Vec<_> = self.languages.iter().map(|(name, figures)| (name.as_str(), figures)).collect();
        all.sort_by_key(|(name, _)| ORDER.iter().position(|known| known == name));
        all
    }
}

/// Shares of what came in time, 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Marks {
    /// A guess with the word within 350 ms of the word's end: over all words whose end is known, which are the last ones, and
    /// the first ones where the set tells it.
    pub word_350: f64,
    /// The transcript within 100 ms of the endpoint.
    pub final_100: f64,
}

impl Marks {
    /// Over recordings in which something was heard.
    pub fn of(outcomes: &[Outcome]) -> Self {
        let heard = || outcomes.iter().filter(|outcome| !outcome.heard.is_empty());
        // A last word that no guess had came with the transcript only.
        let last = heard().map(|outcome| outcome.times.last_word.unwrap_or(f64::INFINITY));
        let words: Vec<f64> = last.chain(heard().filter_map(|outcome| outcome.times.partial_after_word)).collect();
        let finals: Vec<f64> = heard().map(|outcome| outcome.times.finish).collect();
        let within = |times: &[f64], limit: f64| {
            times.iter().filter(|ms| **ms <= limit).count() as f64 / times.len().max(1) as f64
        };
        Self { word_350: within(&words, 350.0), final_100: within(&finals, 100.0) }
    }
}

/// How far confidence tells what is right.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Calibration {
    /// The engine says 1 of everything: it has no figure of its own, and nothing here means anything.
    pub has_none: bool,
    /// Bins of a tenth: how many sentences, mean confidence, share that were right.
    pub bins: Vec<Bin>,
    /// Expected calibration error, 0 to 1.
    pub expected_error: f64,
    /// Brier score, 0 to 1: mean square of confidence less right.
    pub brier: f64,
}

/// One bin of a reliability diagram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Bin {
    /// Sentences in it.
    pub count: usize,
    /// Their mean confidence.
    pub confidence: f64,
    /// Share of them without any error.
    pub right: f64,
}

impl Calibration {
    /// Over sentences.
    pub fn of(outcomes: &[Outcome]) -> Self {
        let mut bins = vec![Bin::default(); BINS];
        let mut brier = 0.0;
        for outcome in outcomes {
            let (confidence, right) = (f64::from(outcome.confidence.clamp(0.0, 1.0)), f64::from(outcome.is_right()));
            let bin = &mut bins[((outcome.confidence * BINS as f32) as usize).min(BINS - 1)];
            bin.count += 1;
            bin.confidence += confidence;
            bin.right += right;
            brier += (confidence - right).powi(2);
        }
        let all = outcomes.len().max(1) as f64;
        let mut expected_error = 0.0;
        for bin in bins.iter_mut().filter(|bin| bin.count > 0) {
            let count = bin.count as f64;
            (bin.confidence, bin.right) = (bin.confidence / count, bin.right / count);
            expected_error += count / all * (bin.confidence - bin.right).abs();
        }
        let has_none = outcomes.iter().all(|outcome| outcome.confidence >= 1.0);
        Self { has_none, bins, expected_error, brier: brier / all }
    }
}

/// The second engine's error rate less the first's over the same recordings.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Over all recordings.
    pub rate: f64,
    /// 95 % of the bootstrap's draws lie above this ..
    pub low: f64,
    /// .. and below this.
    pub high: f64,
}

impl Difference {
    /// By a paired bootstrap over recordings, seeded.
    pub fn of(first: &[&Outcome], second: &[&Outcome], seed: u64) -> Self {
        let pairs: Vec<[f64; 3]> = first
            .iter()
            .zip(second)
            .map(|(a, b)| [a.errors.total() as f64, b.errors.total() as f64, a.errors.reference as f64])
            .collect();
        let rate = |some: &mut dyn Iterator<Item = &[f64; 3]>| {
            let sum = some.fold([0.0; 3], |sum, one| [sum[0] + one[0], sum[1] + one[1], sum[2] + one[2]]);
            (sum[1] - sum[0]) / sum[2].max(1.0)
        };
        let mut random = fastrand::Rng::with_seed(seed);
        let mut draws: Vec<f64> = (0..DRAWS)
            .map(|_| rate(&mut (0..pairs.len()).filter_map(|_| pairs.get(random.usize(0..pairs.len())))))
            .collect();
        draws.sort_by(f64::total_cmp);
        let at = |share: f64| draws.get((DRAWS as f64 * share) as usize).copied().unwrap_or(0.0);
        Self { rate: rate(&mut pairs.iter()), low: at(0.025), high: at(0.975) }
    }

    /// True where the interval leaves out zero.
    pub fn is_sure(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }
}

/// What is heard for what, most frequent first. `None` for what was not said or not heard.
pub fn confusions<'a>(outcomes: impl IntoIterator<Item = &'a Outcome>) -> Vec<(Option<String>, Option<String>, u64)> {
    let mut all: BTreeMap<(Option<&str>, Option<&str>), u64> = BTreeMap::new();
    for edit in outcomes.into_iter().flat_map(|outcome| &outcome.edits) {
        let key = match edit {
            Edit::Right(_) => continue,
            Edit::Substituted(said, heard) => (Some(said.as_str()), Some(heard.as_str())),
            Edit::Deleted(said) => (Some(said.as_str()), None),
            Edit::Inserted(heard) => (None, Some(heard.as_str())),
        };
        *all.entry(key).or_default() += 1;
    }
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let mut all: Vec<_> = all.into_iter().map(|((said, heard), n)| (owned(said), owned(heard), n)).collect();
    all.sort_by_key(|(_, _, count)| std::cmp::Reverse(*count));
    all
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::ear::Guess;
    use super::*;
    use crate::speech::Language;

    fn item(text: &str, spoken: Spoken) -> Item {
        Item { audio: "a.wav".into(), text: text.to_owned(), spoken, tags: vec!["x".to_owned()], first_word_ms: None }
    }

    fn outcome(number: usize, item: &Item, heard: &str, confidence: f32) -> Outcome {
        let guess = |at_ms, text: &str| Guess { at_ms, text: text.to_owned() };
        let account = Account {
            text: heard.to_owned(),
            language: Some(Language::Cantonese),
            confidence,
            guesses: vec![guess(700.0, ""), guess(860.0, "我"), guess(1500.0, heard), guess(1700.0, heard)],
            finish: Duration::from_millis(2),
            work: Duration::from_millis(10),
            ..Account::default()
        };
        let mut outcome = Outcome::of(number, item, account, [500, 1400], 300, &Folding::new(false));
        outcome.times.audio = 1000.0;
        outcome
    }

    const YUE: Spoken = Spoken::One(Language::Cantonese);

    #[test]
    fn figures_are_by_language_and_tag() {
        let items = [
            item("我想查詢", YUE),
            item("多謝", YUE),
            Item { first_word_ms: Some([250, 400]), ..item("想 cancel", Spoken::Mixed(None)) },
        ];
        let heard = ["我想查詢", "多", "想 cancel 咗"];
        let outcomes: Vec<_> =
            items.iter().zip(heard).enumerate().map(|(n, (item, heard))| outcome(n, item, heard, 1.0)).collect();
        let groups = Groups::of(&items, &outcomes);
        let yue = &groups.languages["yue"];
        assert_eq!((yue.unit, yue.utterances, yue.tokens, yue.deletions, yue.right), ("CER", 2, 6, 1, 0.5));
        assert!((yue.error_rate - 1.0 / 6.0).abs() < 1e-9);
        assert_eq!((yue.real_time_factor, yue.language_right), (0.01, Some(1.0)));
        let mixed = &groups.languages["mixed"];
        assert_eq!((mixed.unit, mixed.insertions, mixed.language_right), ("MER", 1, None));
        assert_eq!((groups.languages["all"].utterances, groups.tags["x"].utterances), (3, 3));
        let latency = yue.latency;
        assert_eq!((latency.partial_after_begin.p50, latency.partial_after_word.count), (360.0, 0));
        assert_eq!((latency.last_word.p95, latency.finish.p50), (100.0, 2.0));
        // The word of the set ends at 400 ms of the file, which begins 300 ms late.
        assert_eq!(mixed.latency.partial_after_word.p50, 160.0);
        assert_eq!(mixed.latency.partial_after_begin.p50, 310.0);
    }

    #[test]
    fn marks_count_what_came_in_time() {
        let item = item("我想查詢", YUE);
        let mut late = outcome(0, &item, "我想查詢", 1.0);
        late.times.last_word = None;
        late.times.finish = 101.0;
        let nothing = outcome(0, &item, "", 1.0);
        let found = Marks::of(&[outcome(0, &item, "我想查詢", 1.0), late, nothing]);
        assert_eq!((found.word_350, found.final_100), (0.5, 0.5));
    }

    #[test]
    fn characters_of_one_sound_are_right_in_a_column_of_their_own() {
        let item = item("張單", YUE);
        let outcome = outcome(0, &item, "章單", 1.0);
        assert_eq!((outcome.errors.total(), outcome.by_sound.total()), (1, 0));
    }

    #[test]
    fn confidence_is_held_against_what_is_right() {
        let item = item("多謝", YUE);
        let of = |rows: &[(&str, f32)]| {
            Calibration::of(
                &rows.iter().map(|(heard, confidence)| outcome(0, &item, heard, *confidence)).collect::<Vec<_>>(),
            )
        };
        let found = of(&[("多謝", 0.9), ("多謝", 0.95), ("多", 0.92), ("多", 0.1)]);
        let brier = (0.01 + 0.0025 + 0.8464 + 0.01) / 4.0;
        assert!((found.brier - brier).abs() < 1e-4, "{}", found.brier);
        let expected = 0.75 * (0.92333 - 0.66667) + 0.25 * 0.1;
        assert!((found.expected_error - expected).abs() < 1e-4, "{}", found.expected_error);
        assert_eq!((found.bins[9].count, found.bins[1].count, found.has_none), (3, 1, false));
        assert!(of(&[("多謝", 1.0), ("多", 1.0)]).has_none);
    }

    #[test]
    fn a_difference_comes_with_how_sure_it_is() {
        let item = item("多謝你呀", YUE);
        let many = |wrong: usize| -> Vec<Outcome> {
            (0..100).map(|n| outcome(0, &item, if n % 10 < wrong { "多" } else { "多謝你呀" }, 1.0)).collect()
        };
        let compare = |a: &[Outcome], b: &[Outcome]| {
            Difference::of(&a.iter().collect::<Vec<_>>(), &b.iter().collect::<Vec<_>>(), 1)
        };
        let (good, bad) = (many(1), many(4));
        let found = compare(&good, &bad);
        assert!((found.rate - 0.225).abs() < 1e-9 && found.is_sure(), "{found:?}");
        assert!(found.low > 0.1 && found.high < 0.35, "{found:?}");
        assert_eq!(found, compare(&good, &bad));
        assert!(!compare(&good, &good).is_sure());
    }

    #[test]
    fn percentiles_are_by_rank_and_confusions_by_count() {
        let spread = Spread::of((1..=100).map(f64::from));
        assert_eq!((spread.p50, spread.p95, spread.max, spread.count), (50.0, 95.0, 100.0, 100));
        assert_eq!(Spread::of([]), Spread::default());
        let item = item("張單", YUE);
        let all = [outcome(0, &item, "章單", 1.0), outcome(0, &item, "章", 1.0), outcome(0, &item, "章單呀", 1.0)];
        let found = confusions(&all);
        assert_eq!(found[0], (Some("張".to_owned()), Some("章".to_owned()), 3));
        assert!(found.contains(&(None, Some("呀".to_owned()), 1)) && found.contains(&(Some("單".to_owned()), None, 1)));
    }
}

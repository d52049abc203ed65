//! Figures of a classifier over labelled phrases: accuracy, what the threshold keeps, calibration, confusions, time.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::conversation::intent::Guess;

/// Steps of confidence over which calibration is averaged.
const BINS: usize = 10;

/// One phrase as it was understood.
pub struct Outcome {
    /// Its intent; none: it belongs to none.
    pub truth: Option<usize>,
    /// The classifier's view; none: nothing to score.
    pub guess: Option<Guess>,
    /// Time with all views, microseconds.
    pub micros: f64,
}

/// All figures. Shares are 0 to 1; those of nothing are none.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Phrases of an intent.
    pub in_scope: usize,
    /// Phrases of none.
    pub out_of_scope: usize,
    /// Of in-scope phrases: the best guess is right, whatever the threshold says.
    pub accuracy: Option<f64>,
    /// Of in-scope phrases: right and kept by the threshold.
    pub in_scope_accuracy: Option<f64>,
    /// Of in-scope phrases: refused by the threshold.
    pub refused: Option<f64>,
    /// Of out-of-scope phrases: refused.
    pub oos_recall: Option<f64>,
    /// Of refused phrases: out of scope.
    pub oos_precision: Option<f64>,
    /// Expected calibration error of in-scope phrases, ten steps.
    pub ece: Option<f64>,
    /// Time of a turn with all views, microseconds: median and 99th percentile.
    pub p50_us: f64,
    /// As above.
    pub p99_us: f64,
    /// Wanted, understood, how often; most often first.
    pub confusions: Vec<(String, String, usize)>,
}

impl Figures {
    /// Of all outcomes, with the names of the classes.
    pub fn of(outcomes: &[Outcome], names: &[String]) -> Self {
        let refused = |outcome: &Outcome| outcome.guess.is_none_or(|guess| !guess.in_scope);
        let right = |outcome: &Outcome| outcome.guess.is_some_and(|guess| Some(guess.best.0) == outcome.truth);
        let (inside, outside): (Vec<&Outcome>, Vec<&Outcome>) = outcomes.iter().partition(|o| o.truth.is_some());
        let count = |all: &[&Outcome], what: &dyn Fn(&Outcome) -> bool| all.iter().filter(|o| what(o)).count();
        let (lost, caught) = (count(&inside, &refused), count(&outside, &refused));
        let mut confused: BTreeMap<(usize, usize), usize> = BTreeMap::new();
        for (truth, guess) in inside.iter().filter_map(|o| Some((o.truth?, o.guess?.best.0))).filter(|(t, g)| t != g) {
            *confused.entry((truth, guess)).or_default() += 1;
        }
        let mut confused: Vec<_> = confused.into_iter().collect();
        confused.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
        let name = |class: usize| names.get(class).cloned().unwrap_or_default();
        let mut micros: Vec<f64> = outcomes.iter().map(|o| o.micros).collect();
        micros.sort_by(f64::total_cmp);
        let at = |part: usize| micros.get((micros.len() * part / 100).min(micros.len().saturating_sub(1))).copied();
        let any_outside = !outside.is_empty();
        Self {
            in_scope: inside.len(),
            out_of_scope: outside.len(),
            accuracy: share(count(&inside, &right), inside.len()),
            in_scope_accuracy: share(count(&inside, &|o| right(o) && !refused(o)), inside.len()),
            refused: share(lost, inside.len()),
            oos_recall: share(caught, outside.len()),
            oos_precision: share(caught, lost + caught).filter(|_| any_outside),
            ece: calibration(&inside),
            p50_us: at(50).unwrap_or(0.0),
            p99_us: at(99).unwrap_or(0.0),
            confusions: confused.into_iter().map(|((truth, guess), times)| (name(truth), name(guess), times)).collect(),
        }
    }

    /// For people, with as many confused pairs.
    pub fn lines(&self, pairs: usize) -> Vec<String> {
        let percent = |share: Option<f64>| share.map_or("-".to_owned(), |share| format!("{:.2} %", share * 100.0));
        let mut lines = vec![
            format!("phrases       {} in scope, {} out of scope", self.in_scope, self.out_of_scope),
            format!("accuracy      {} (threshold left aside)", percent(self.accuracy)),
            format!(
                "in scope      {} right and kept, {} refused",
                percent(self.in_scope_accuracy),
                percent(self.refused)
            ),
            format!("out of scope  recall {}, precision {}", percent(self.oos_recall), percent(self.oos_precision)),
            format!("calibration   ECE {}", self.ece.map_or("-".to_owned(), |ece| format!("{ece:.3}"))),
            format!("a turn        p50 {:.0} us, p99 {:.0} us, all views", self.p50_us, self.p99_us),
        ];
        let confusions = self.confusions.iter().take(pairs);
        lines.extend(confusions.map(|(truth, guess, times)| format!("confused      {times:>3}  {truth} -> {guess}")));
        lines
    }
}

fn share(part: usize, of: usize) -> Option<f64> {
    (of > 0).then(|| part as f64 / of as f64)
}

/// Mean distance between confidence and hits over steps of confidence, weighted by how many fall into a step.
fn calibration(inside: &[&Outcome]) -> Option<f64> {
    let mut bins = [(0.0_f64, 0.0_f64); BINS];
    let mut total = 0_usize;
    for outcome in inside {
        let Some(guess) = outcome.guess else { continue };
        let confidence = f64::from(guess.best.1);
        let bin = &mut bins[((confidence * BINS as f64) as usize).min(BINS - 1)];
        bin.0 += confidence;
        bin.1 += f64::from(u8::from(Some(guess.best.0) == outcome.truth));
        total += 1;
    }
    (total > 0).then(|| bins.iter().map(|(confidence, hits)| (confidence - hits).abs()).sum::<f64>() / total as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(truth: Option<usize>, best: usize, confidence: f32, in_scope: bool) -> Outcome {
        let guess = Some(Guess { best: (best, confidence), second: None, score: 0.0, in_scope });
        Outcome { truth, guess, micros: 10.0 }
    }

    #[test]
    fn figures_by_hand() {
        let names = ["a", "b"].map(str::to_owned);
        let outcomes = [
            outcome(Some(0), 0, 0.9, true),
            outcome(Some(0), 1, 0.7, true),
            outcome(Some(1), 1, 0.9, false),
            outcome(Some(1), 1, 0.9, true),
            outcome(None, 0, 0.4, false),
            outcome(None, 1, 0.5, true),
            Outcome { truth: None, guess: None, micros: 30.0 },
        ];
        let figures = Figures::of(&outcomes, &names);
        assert_eq!((figures.in_scope, figures.out_of_scope), (4, 3));
        assert_eq!((figures.accuracy, figures.in_scope_accuracy, figures.refused), (Some(0.75), Some(0.5), Some(0.25)));
        assert_eq!((figures.oos_recall, figures.oos_precision), (Some(2.0 / 3.0), Some(2.0 / 3.0)));
        // Three at 0.9 all right: 0.3 apart in sum; one at 0.7 wrong: 0.7 apart; over four.
        assert!((figures.ece.unwrap() - 0.25).abs() < 1e-6, "{:?}", figures.ece);
        assert_eq!(figures.confusions, [("a".to_owned(), "b".to_owned(), 1)]);
        assert_eq!((figures.p50_us, figures.p99_us), (10.0, 30.0));
        assert_eq!(figures.lines(1).last().unwrap(), "confused        1  a -> b");
        let nothing = Figures::of(&[], &names);
        assert_eq!((nothing.accuracy, nothing.ece, nothing.p99_us), (None, None, 0.0));
    }
}

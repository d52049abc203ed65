//! Patterns that another takes everything from (a problem), and numbers where Asterisk's best match would choose otherwise
//! than the first match here (a warning). Only patterns whose fixed beginnings agree are compared, so that ten thousand
//! routes are checked in no time.

use std::collections::BTreeMap;

use super::{PlanFiles, located};
use crate::dialplan::pattern::Pattern;
use crate::dialplan::schema::Plan;
use crate::settings::Problems;

/// Among the numbers of one plan.
pub(super) fn within(files: &PlanFiles, plan: &Plan, problems: &Problems, warnings: &Problems) {
    look(&[(files, plan)], false, problems, warnings);
}

/// Between plans, in the order of routing. What is wrong within one is told when it is read.
pub fn between(plans: &[(&PlanFiles, &Plan)], problems: &Problems, warnings: &Problems) {
    look(plans, true, problems, warnings);
}

/// A pattern, its plan and its place among all.
#[derive(Clone, Copy)]
struct Entry<'a> {
    place: usize,
    plan: usize,
    files: &'a PlanFiles,
    pattern: &'a Pattern,
}

fn look(plans: &[(&PlanFiles, &Plan)], others: bool, problems: &Problems, warnings: &Problems) {
    let mut earlier: BTreeMap<String, Vec<Entry<'_>>> = BTreeMap::new();
    let all = plans.iter().enumerate().flat_map(|(plan, (files, p))| p.numbers.iter().map(move |n| (plan, *files, n)));
    for (place, (plan, files, pattern)) in all.enumerate() {
        let entry = Entry { place, plan, files, pattern };
        let prefix = pattern.prefix();
        for rival in rivals(&earlier, &prefix).into_iter().filter(|rival| others != (rival.plan == plan)) {
            if !compare(&rival, &entry, problems, warnings) {
                break;
            }
        }
        earlier.entry(prefix).or_default().push(entry);
    }
}

/// Patterns that may match a number that begins like this, in the order of routing.
fn rivals<'a>(earlier: &BTreeMap<String, Vec<Entry<'a>>>, prefix: &str) -> Vec<Entry<'a>> {
    let shorter = (0..prefix.len()).filter_map(|end| earlier.get(prefix.get(..end)?));
    let longer =
        earlier.range(prefix.to_owned()..).take_while(|(other, _)| other.starts_with(prefix)).map(|(_, all)| all);
    let mut all: Vec<Entry<'a>> = shorter.chain(longer).flatten().copied().collect();
    all.sort_by_key(|entry| entry.place);
    all
}

/// False where the later one is taken whole: more about it would help nobody.
fn compare(earlier: &Entry<'_>, later: &Entry<'_>, problems: &Problems, warnings: &Problems) -> bool {
    let (first, second) = (earlier.pattern.as_str(), later.pattern.as_str());
    let place = |message: String| located(later.files, "plan.toml", &format!("\"{second}\""), message);
    if earlier.pattern.covers(later.pattern) {
        let folder = &earlier.files.folder;
        problems.push(place(format!("\"{second}\" is never reached: \"{first}\" of {folder} comes first")));
        return false;
    }
    if later.pattern.asterisk_prefers(earlier.pattern)
        && let Some(number) = earlier.pattern.overlap(later.pattern)
    {
        let folder = &earlier.files.folder;
        warnings.push(place(format!(
            "{number} goes to \"{first}\" of {folder} (first match); Asterisk's best match would choose \"{second}\""
        )));
    }
    true
}

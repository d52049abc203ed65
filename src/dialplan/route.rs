//! Dialled number to dialplan. Plans in the order of their names, numbers in the order of their files; first match wins.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::dialplan::pattern::Pattern;
use crate::dialplan::schema::Plan;

/// All plans.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    plans: Vec<Arc<Plan>>,
    /// Patterns by the characters that every number they match begins with: place of the plan, of the number in it.
    by_prefix: BTreeMap<String, Vec<(usize, usize)>>,
}

impl Routes {
    /// Plans in the order in which they are asked.
    pub fn new(plans: Vec<Arc<Plan>>) -> Self {
        let mut by_prefix: BTreeMap<String, Vec<(usize, usize)>> = BTreeMap::new();
        for (at, plan) in plans.iter().enumerate() {
            for (number, pattern) in plan.numbers.iter().enumerate() {
                by_prefix.entry(pattern.prefix()).or_default().push((at, number));
            }
        }
        Self { plans, by_prefix }
    }

    /// The plan that takes this number.
    pub fn find(&self, number: &str) -> Option<&Arc<Plan>> {
        let matches = |(plan, at): &(usize, usize)| {
            self.plans.get(*plan).and_then(|plan| plan.numbers.get(*at)).is_some_and(|pattern| pattern.matches(number))
        };
        let alike = (0..=number.len()).filter_map(|end| self.by_prefix.get(number.get(..end)?));
        let first = alike.filter_map(|all| all.iter().find(|place| matches(place))).min()?;
        self.plans.get(first.0)
    }

    /// Every pattern that takes this number, in the order in which they are asked; how many others were asked before the first.
    pub fn matching(&self, number: &str) -> (Vec<(&Arc<Plan>, &Pattern)>, usize) {
        let all = || self.plans.iter().flat_map(|plan| plan.numbers.iter().map(move |pattern| (plan, pattern)));
        let refused = all().take_while(|(_, pattern)| !pattern.matches(number)).count();
        (all().filter(|(_, pattern)| pattern.matches(number)).collect(), refused)
    }

    /// All plans in order.
    pub fn plans(&self) -> &[Arc<Plan>] {
        &self.plans
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialplan::{check, demo};
    use crate::settings::Problems;

    #[test]
    fn ten_thousand_numbers_find_their_plans_and_are_checked() {
        let many = |from: u32| (from..from + 5_000).map(|n| format!("{n}").parse().unwrap());
        let first = Plan { name: "first".to_owned(), numbers: many(31_230_000).collect(), ..demo::plan() };
        let wide = ["_3123XXXX", "_9.", "re:^5"].map(|text| text.parse().unwrap());
        let numbers = many(20_000_000).chain(wide).collect();
        let second = Plan { name: "second".to_owned(), numbers, ..demo::plan() };
        let (problems, warnings, files) = (Problems::default(), Problems::default(), demo::files());
        check::between(&[(&files, &first), (&files, &second)], &problems, &warnings);
        assert_eq!((problems.report(), warnings.report()), (String::new(), String::new()));
        let routes = Routes::new(vec![Arc::new(first), Arc::new(second)]);
        let table = [
            ("31234999", Some("first")),
            ("31235000", Some("second")),
            ("20004999", Some("second")),
            ("20005000", None),
            ("9", None),
            ("98", Some("second")),
            ("5", Some("second")),
            ("", None),
            ("９", None),
        ];
        for (number, plan) in table {
            assert_eq!(routes.find(number).map(|plan| plan.name.as_str()), plan, "{number}");
        }
    }

    #[test]
    fn the_first_plan_that_matches_takes_the_number() {
        let (first, files) = (demo::plan(), demo::files());
        let second = Plan { name: "second".to_owned(), numbers: vec!["_18XX".parse().unwrap()], ..demo::plan() };
        let (problems, warnings) = (Problems::default(), Problems::default());
        check::between(&[(&files, &second), (&files, &first)], &problems, &warnings);
        assert!(problems.report().contains("\"1823\" is never reached: \"_18XX\""), "{}", problems.report());
        let routes = Routes::new(vec![Arc::new(first), Arc::new(second)]);
        let name = |number| routes.find(number).map(|plan| plan.name.as_str());
        assert_eq!(
            (name("1823"), name("18234"), name("1899"), name("999")),
            (Some("demo"), Some("demo"), Some("second"), None)
        );
    }
}

//! Dialled number to dialplan. Plans in the order of their names, numbers in the order of their files; first match wins.

use std::sync::Arc;

use crate::dialplan::schema::Plan;

/// All plans.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    plans: Vec<Arc<Plan>>,
}

impl Routes {
    /// Plans in the order in which they are asked.
    pub fn new(plans: Vec<Arc<Plan>>) -> Self {
        Self { plans }
    }

    /// The plan that takes this number.
    pub fn find(&self, number: &str) -> Option<&Arc<Plan>> {
        self.plans.iter().find(|plan| plan.numbers.iter().any(|pattern| pattern.matches(number)))
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

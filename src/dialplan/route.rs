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

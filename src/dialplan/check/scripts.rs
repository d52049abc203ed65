//! Filed scripts: every one that is named is there, every one that is there is named and approved, and none leads on to another
//! without the caller's word.

use std::collections::BTreeSet;

use super::Checker;
use super::leads::leads;
use crate::dialplan::schema::Target;
use crate::settings::nearest;

impl Checker<'_> {
    pub(super) fn scripts(&self) {
        let plan = self.plan;
        let named = leads(plan).into_iter();
        let named =
            named.filter_map(|lead| if let Target::Script(name) = lead.to { Some(name.as_str()) } else { None });
        let named: BTreeSet<&str> = named.collect();
        for name in named.iter().filter(|name| plan.work.scripts.iter().all(|script| script.name != **name)) {
            let near = nearest(name, plan.work.scripts.iter().map(|script| script.name.as_str()));
            let hint = near.map_or(String::new(), |name| format!("; nearest: '{name}'"));
            self.problem(
                "plan.toml",
                &format!("\"script:{name}\""),
                format!("no scripts/{name}.toml in this plan{hint}"),
            );
        }
        for script in &plan.work.scripts {
            let path = format!("scripts/{}.toml", script.name);
            if !named.contains(script.name.as_str()) {
                self.warning(&path, "", format!("nothing leads to script:{}", script.name));
            }
            if script.standing.approval.is_none() {
                let what =
                    "is not approved: callers who should hear it get a human; approved_by and approved_at are missing";
                self.warning(&path, "", what.to_owned());
            }
            if matches!(script.then, Target::Script(_)) {
                self.problem(
                    &path,
                    "then",
                    "then: a script leads to no other script; ask the caller between".to_owned(),
                );
            }
        }
    }
}

//! The demonstration line's files, for tests of any part.

use super::{Plan, PlanFiles, read_plan};
use crate::settings::Problems;

macro_rules! demo_files {
    ($($path:literal),* $(,)?) => {
        [$(($path, include_str!(concat!("../../dialplans/demo/", $path)))),*]
    };
}

/// The files of `dialplans/demo` without its scenarios.
pub fn files() -> PlanFiles {
    let files = demo_files![
        "plan.toml",
        "prompts/yue.toml",
        "prompts/cmn.toml",
        "prompts/eng.toml",
        "phrases/yue.toml",
        "phrases/cmn.toml",
        "phrases/eng.toml",
        "knowledge/yue.toml",
        "knowledge/cmn.toml",
        "knowledge/eng.toml",
        "knowledge/entries.toml",
    ];
    let files = files.into_iter().map(|(path, text)| (path.to_owned(), text.to_owned())).collect();
    PlanFiles { name: "demo".to_owned(), folder: "dialplans/demo".to_owned(), files }
}

/// The demonstration plan.
pub fn plan() -> Plan {
    let (problems, warnings) = (Problems::default(), Problems::default());
    let plan = read_plan(&files(), &problems, &warnings);
    assert_eq!((problems.report(), warnings.report()), (String::new(), String::new()));
    plan.unwrap()
}

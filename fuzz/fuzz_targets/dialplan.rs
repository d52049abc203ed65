//! Any text as `plan.toml`, prompts, phrases and a scenario: problems, never a panic.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use tingwa::dialplan::{PlanFiles, read_plan};
use tingwa::settings::Problems;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    // Files are separated by a line of "====", in this order.
    let names = ["plan.toml", "prompts/yue.toml", "phrases/yue.toml", "knowledge/yue.toml"];
    let files: BTreeMap<String, String> =
        names.iter().zip(text.split("\n====\n")).map(|(name, part)| ((*name).to_owned(), part.to_owned())).collect();
    let files = PlanFiles { name: "fuzz".to_owned(), folder: "fuzz".to_owned(), files };
    let (problems, warnings) = (Problems::default(), Problems::default());
    if let Some(plan) = read_plan(&files, &problems, &warnings) {
        assert!(problems.is_empty());
        for pattern in &plan.numbers {
            let _ = pattern.matches(text.lines().next_back().unwrap_or(""));
        }
        let _ = plan.fixed_prompts();
    }
    if let Some(pattern) = text.lines().next().and_then(|line| line.parse::<tingwa::dialplan::pattern::Pattern>().ok())
    {
        let number = text.lines().nth(1).unwrap_or("");
        let other = number.parse::<tingwa::dialplan::pattern::Pattern>();
        let _ = pattern.matches(number);
        if let Ok(other) = other {
            // What covers everything of the other also overlaps with it, where a number is found at all.
            if let Some(number) = pattern.overlap(&other) {
                assert!(pattern.matches(&number) && other.matches(&number));
            }
            let _ = (pattern.covers(&other), pattern.asterisk_prefers(&other));
        }
    }
});

//! Shows a licence and asks whether it is accepted.

use std::error::Error;
use std::io::{IsTerminal, Write};

use crate::engine::manifest::{Commercial, Model};

/// What commercial use the licence allows, for people.
pub fn commercial_use(model: &Model) -> &'static str {
    match model.licence.commercial {
        Commercial::Free => "free",
        Commercial::Conditions => "conditions",
        Commercial::No => "not allowed",
    }
}

/// The licence's lines.
pub fn lines(model: &Model) -> Vec<String> {
    let licence = &model.licence;
    let mut lines = vec![format!("licence         {}", licence.name)];
    lines.extend(licence.address.iter().map(|address| format!("text            {address}")));
    lines.push(format!("commercial use  {}", commercial_use(model)));
    if !licence.conditions.is_empty() {
        lines.push(format!("conditions      {}", licence.conditions));
    }
    if !licence.attribution.is_empty() {
        lines.push(format!("attribution     {}", licence.attribution));
    }
    if let Some(accepted) = model.acceptance() {
        lines.push(format!("accepted        by {} on {}", accepted.who, accepted.when));
    }
    lines
}

/// `tingwa models accept`.
pub fn accept(model: &Model, yes: bool) -> Result<(), Box<dyn Error>> {
    if model.licence.commercial == Commercial::Free {
        println!("{}: {} needs no acceptance", model.id, model.licence.name);
        return Ok(());
    }
    if !model.needs_acceptance() {
        lines(model).iter().for_each(|line| println!("{line}"));
        return Ok(());
    }
    settle(model, yes, "--yes")
}

/// Sees to it that the licence is accepted where it must be: shows it, asks a person at the terminal or takes `flag`, and
/// keeps a record beside the model.
pub fn settle(model: &Model, accepted: bool, flag: &str) -> Result<(), Box<dyn Error>> {
    if !model.needs_acceptance() {
        return Ok(());
    }
    println!("{} has a licence that somebody must accept before the model is used:\n", model.id);
    lines(model).iter().for_each(|line| println!("  {line}"));
    println!();
    if !accepted {
        if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
            return Err(format!("the licence of {} is not accepted; read it, then add {flag}", model.id).into());
        }
        if !asked(&format!("Accept the licence of {}? [y/N] ", model.id))? {
            return Err(format!("the licence of {} was not accepted; nothing was done", model.id).into());
        }
    }
    let who = ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok().filter(|who| !who.is_empty()));
    let who = who.unwrap_or_else(|| format!("user {}", rustix::process::getuid().as_raw()));
    let now = jiff::Timestamp::now().round(jiff::Unit::Second)?.to_string();
    let path = model.acceptance_path();
    model.accept(&who, &now).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    println!("accepted by {who}; kept in {}", path.display());
    Ok(())
}

fn asked(question: &str) -> std::io::Result<bool> {
    print!("{question}");
    std::io::stdout().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

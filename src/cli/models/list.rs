//! `tingwa models list` and `show`.

use std::error::Error;

use super::licence::{self, commercial_use};
use crate::cli::table::{self, Table};
use crate::engine::fetch::part_bytes;
use crate::engine::manifest::{Kind, Manifest, Measured, Model};
use crate::engine::runtime;

/// Is the model here and may it be loaded?
fn standing(model: &Model) -> String {
    if model.is_program() {
        return "program".to_owned();
    }
    if model.files.is_empty() {
        return "by hand".to_owned();
    }
    if model.is_installed() {
        return match (model.is_pinned(), model.needs_acceptance()) {
            (false, _) => "no checksum".to_owned(),
            (true, true) => "not accepted".to_owned(),
            (true, false) => "yes".to_owned(),
        };
    }
    let size = |file: &std::path::Path| std::fs::metadata(file).map(|found| found.len()).ok();
    let there: u64 = model.files.iter().filter_map(|file| size(&file.path).or_else(|| part_bytes(&file.path))).sum();
    match model.bytes() {
        Some(bytes) if there > 0 => format!("{} %", (there * 100 / bytes).min(99)),
        _ if there > 0 => "in part".to_owned(),
        _ => "no".to_owned(),
    }
}

fn languages(model: &Model) -> String {
    model.languages.iter().map(|language| language.code()).collect::<Vec<_>>().join(",")
}

fn rtf(model: &Model) -> String {
    let Some(measured) = model.measured.first() else { return "-".to_owned() };
    match (measured.published, measured.stand_in) {
        (true, _) => format!("* {}", measured.rtf),
        (false, true) => format!("~ {}", measured.rtf),
        (false, false) => measured.rtf.to_string(),
    }
}

/// All models in a table, by kind.
pub fn table(manifest: &Manifest) {
    let mut table = Table::new(["model", "engine", "languages", "size", "installed", "CPU/s", "commercial", "licence"])
        .right(3)
        .right(5);
    let kinds = Kind::NAMES.map(|(_, kind)| kind);
    let models = |kind: Kind| manifest.models.iter().filter(move |model| model.kind == kind);
    for model in kinds.into_iter().flat_map(models) {
        table.row([
            model.id.clone(),
            model.engine.clone(),
            languages(model),
            model.bytes().map_or_else(|| "-".to_owned(), table::size),
            standing(model),
            rtf(model),
            commercial_use(model).to_owned(),
            model.licence.name.clone(),
        ]);
    }
    let mut lines = table.lines().into_iter();
    lines.next().into_iter().for_each(|head| println!("  {head}"));
    for kind in kinds {
        println!("{kind}");
        lines.by_ref().take(models(kind).count()).for_each(|line| println!("  {line}"));
    }
    println!(
        "\nCPU/s: time of one processor a second of audio; * as published, ~ with another network of the same shape."
    );
    println!("`tingwa models show MODEL` tells more, `tingwa models pull MODEL` fetches one.");
    match runtime::library() {
        Ok(path) => println!("ONNX Runtime: {}", path.display()),
        Err(error) => println!("ONNX Runtime: {error}"),
    }
}

/// All models for programs.
pub fn json(manifest: &Manifest) -> Result<(), Box<dyn Error>> {
    let measured = |measured: &Measured| {
        serde_json::json!({
            "rtf": measured.rtf, "where": measured.place, "on": measured.audio, "published": measured.published,
            "stand_in": measured.stand_in,
        })
    };
    let all: Vec<_> = manifest
        .models
        .iter()
        .map(|model| {
            serde_json::json!({
                "id": model.id,
                "kind": model.kind.to_string(),
                "engine": model.engine,
                "languages": model.languages,
                "rate": model.rate_hz,
                "bytes": model.bytes(),
                "installed": model.is_installed(),
                "pinned": model.is_pinned(),
                "licence": model.licence.name,
                "licence_url": model.licence.address,
                "commercial": model.licence.commercial.name(),
                "accepted": !model.needs_acceptance(),
                "source": model.origin.source,
                "download": model.origin.download,
                "measured": model.measured.iter().map(measured).collect::<Vec<_>>(),
            })
        })
        .collect();
    println!("{}", serde_json::to_string_pretty(&all)?);
    Ok(())
}

/// One model, all that is known.
pub fn show(model: &Model) {
    println!("{}", model.id);
    println!("kind            {}, engine {}, {} Hz", model.kind, model.engine, model.rate_hz);
    if !model.languages.is_empty() {
        println!("languages       {}", languages(model));
    }
    licence::lines(model).iter().for_each(|line| println!("{line}"));
    println!("source          {}", model.origin.source);
    if let Some(address) = &model.origin.download {
        println!("download        {address}");
    }
    if !model.origin.get.is_empty() {
        println!("get             {}", model.origin.get);
    }
    if !model.notes.is_empty() {
        println!("notes           {}", model.notes);
    }
    for measured in &model.measured {
        let whose = match (measured.published, measured.stand_in) {
            (true, _) => "published, not measured here: ",
            (false, true) => "with another network of the same shape: ",
            (false, false) => "",
        };
        println!("CPU/s           {whose}{} on {}; {}", measured.rtf, measured.place, measured.audio);
    }
    println!("installed       {}", standing(model));
    for file in &model.files {
        let size = file.bytes.map_or_else(|| "size not known".to_owned(), |bytes| format!("{bytes} bytes"));
        let sum = file.sha256.as_deref().unwrap_or("checksum not known");
        println!("  {}\n    {size}, {sum}", file.path.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_standing_of_a_model_says_what_is_missing() {
        let folder = std::env::temp_dir().join(format!("tingwa-list-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let text = "[[model]]\nid = \"a\"\nkind = \"vad\"\nengine = \"silero\"\nrate = 8000\nlicence = \"L\"\ncommercial = \"conditions\"\nconditions = \"x\"\nsource = \"here\"\n";
        let file = "[[model.file]]\nrole = \"model\"\nname = \"m\"\nbytes = 100\n";
        let sum = format!("sha256 = \"{}\"\n", "0".repeat(64));
        let at = |text: &str| {
            let manifest = Manifest::parse(&folder.join("manifest.toml"), text);
            manifest.unwrap_or_else(|error| panic!("{error}")).models.remove(0)
        };
        let (unpinned, pinned) = (at(&format!("{text}{file}")), at(&format!("{text}{file}{sum}")));
        let write = |name: &str, bytes: usize| std::fs::write(folder.join(Path::new(name)), vec![0; bytes]).unwrap();
        assert_eq!((standing(&at(text)), standing(&pinned)), ("by hand".to_owned(), "no".to_owned()));
        write("m.part", 47);
        assert_eq!(standing(&pinned), "47 %");
        write("m", 100);
        assert_eq!((standing(&unpinned), standing(&pinned)), ("no checksum".to_owned(), "not accepted".to_owned()));
        pinned.accept("me", "now").unwrap();
        assert_eq!(standing(&pinned), "yes");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

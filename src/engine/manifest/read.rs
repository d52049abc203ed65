//! The manifest's text to values; every mistake at once, each with its place.

use std::path::{Component, Path};

use super::{Commercial, Kind, Licence, Manifest, ManifestError, Measured, Model, ModelFile, Origin, Role, TokenUnit};
use crate::settings::{Problems, Section, Source};
use crate::speech::Language;

impl Manifest {
    /// Reads a manifest's text; `path` is where it came from.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ManifestError> {
        let (source, problems) = (Source::new(path.display().to_string(), text), Problems::default());
        let table = source.parse(&problems);
        let mut root = Section::root(&source, &table, &problems);
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut models: Vec<Model> = Vec::new();
        for mut section in root.sections("model") {
            if let Some(model) = read_model(&mut section, folder) {
                if models.iter().any(|m| m.id == model.id) {
                    section.problem("id", format_args!("'{}' is there twice", model.id));
                }
                models.push(model);
            }
            section.finish();
        }
        root.finish();
        if problems.is_empty() {
            Ok(Self { path: path.to_path_buf(), models })
        } else {
            Err(ManifestError::Mistakes(problems.report()))
        }
    }
}

fn read_model(section: &mut Section<'_>, folder: &Path) -> Option<Model> {
    let id = section.string("id");
    let id = section.required("id", "the model's name", id);
    let kind = one_of(section, "kind", &Kind::NAMES);
    let engine = section.string("engine");
    let engine = section.required("engine", "the adapter that runs it", engine);
    let licence = read_licence(section);
    let origin = read_origin(section);
    let rate = section.integer("rate", 8000..=48_000).and_then(|rate| u32::try_from(rate).ok());
    let rate = section.required("rate", "samples a second", rate);
    let notes = section.string("notes").unwrap_or_default();
    let about_mb = section.integer("about_mb", 1..=1_000_000).and_then(|mb| u64::try_from(mb).ok());
    let hot_words = section.string("hot_words").and_then(|text| among(section, "hot_words", &TokenUnit::NAMES, &text));
    let languages = read_languages(section);
    let root = section.string("folder").map_or_else(|| folder.to_path_buf(), |inner| folder.join(inner));
    let mut files = Vec::new();
    for mut file in section.sections("file") {
        files.extend(read_file(&mut file, &root));
        file.finish();
    }
    let mut measured = Vec::new();
    for mut one in section.sections("measured") {
        measured.extend(read_measured(&mut one));
        one.finish();
    }
    let mut voices = Vec::new();
    let mut voice_section = section.section("voices");
    for language in Language::ALL {
        voices.extend(voice_section.string(language.code()).map(|voice| (language, voice)));
    }
    voice_section.finish();
    Some(Model {
        id: id?,
        kind: kind?,
        engine: engine?,
        languages,
        rate_hz: rate?,
        licence: licence?,
        origin: origin?,
        notes,
        folder: root,
        files,
        about_mb,
        voices,
        measured,
        hot_words,
    })
}

fn read_licence(section: &mut Section<'_>) -> Option<Licence> {
    let name = section.string("licence");
    let name = section.required("licence", "the licence of the weights", name);
    let commercial = one_of(section, "commercial", &Commercial::NAMES);
    let address = section.string("licence_url");
    let attribution = section.string("attribution").unwrap_or_default();
    let conditions = section.string("conditions").unwrap_or_default();
    if commercial.is_some_and(|use_of| use_of != Commercial::Free) && conditions.is_empty() {
        section.problem("commercial", "needs 'conditions': what a person accepts, in a sentence or two");
    }
    Some(Licence { name: name?, commercial: commercial?, address, attribution, conditions })
}

fn read_origin(section: &mut Section<'_>) -> Option<Origin> {
    let source = section.string("source");
    let source = section.required("source", "where it comes from", source);
    let download = section.string("download");
    if let Some(address) = &download
        && !address.starts_with("https://")
        && !address.starts_with("http://")
    {
        section.problem("download", format_args!("expected https://... or http://..., found \"{address}\""));
    }
    let get = section.string("get").unwrap_or_default();
    Some(Origin { source: source?, download, get })
}

fn read_languages(section: &mut Section<'_>) -> Vec<Language> {
    let names = section.strings("languages").unwrap_or_default();
    let mut languages = Vec::with_capacity(names.len());
    for name in names {
        match name.parse() {
            Ok(language) => languages.push(language),
            Err(error) => section.problem("languages", error),
        }
    }
    languages
}

fn read_file(section: &mut Section<'_>, folder: &Path) -> Option<ModelFile> {
    let name = section.string("name");
    let name = section.required("name", "the file's name within the model's folder", name);
    if let Some(name) = &name
        && !Path::new(name).components().all(|part| matches!(part, Component::Normal(_)))
    {
        section.problem("name", "expected a name within the model's folder, without '..' and not from the root");
    }
    let role = one_of(section, "role", &Role::NAMES);
    let sha256 = section.string("sha256");
    if let Some(sum) = &sha256
        && (sum.len() != 64 || !sum.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
    {
        section.problem("sha256", "expected 64 lower-case hexadecimal digits");
    }
    let bytes = section.integer("bytes", 1..=i64::MAX).and_then(|bytes| u64::try_from(bytes).ok());
    let name = name?;
    Some(ModelFile { role: role?, path: folder.join(&name), name, sha256, bytes })
}

fn read_measured(section: &mut Section<'_>) -> Option<Measured> {
    let rtf = section.float("rtf", 0.0..=1000.0);
    let rtf = section.required("rtf", "time of one processor a second of audio", rtf);
    let place = section.string("where");
    let place = section.required("where", "the machine", place);
    let audio = section.string("on").unwrap_or_default();
    let published = section.boolean("published").unwrap_or(false);
    let stand_in = section.boolean("stand_in").unwrap_or(false);
    Some(Measured { rtf: rtf?, place: place?, audio, published, stand_in })
}

fn one_of<T: Copy>(section: &mut Section<'_>, key: &str, names: &[(&str, T)]) -> Option<T> {
    let text = section.string(key);
    let text = section.required(key, &format!("one of {}", listed(names)), text)?;
    among(section, key, names, &text)
}

fn listed<T>(names: &[(&str, T)]) -> String {
    names.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

fn among<T: Copy>(section: &mut Section<'_>, key: &str, names: &[(&str, T)], text: &str) -> Option<T> {
    let found = names.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
    if found.is_none() {
        section.problem(key, format_args!("expected one of {}, found \"{text}\"", listed(names)));
    }
    found
}

//! Hotlines from their folders: files to [`PlanFiles`], plans to [`Lines`] that take calls. Reads files; what they mean is
//! the dialplan's business.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::media_thread::Line;
use crate::conversation::Understanding;
use crate::dialplan::{PlanFiles, Routes, check, read_plan};
use crate::settings::Problems;

/// Largest file of a dialplan, bytes.
const FILE_BYTES: u64 = 4 << 20;
/// Most files of one dialplan.
const FILES: usize = 1_000;

/// All hotlines.
#[derive(Default)]
pub struct Lines {
    routes: Routes,
    by_name: BTreeMap<String, Arc<Line>>,
}

impl Lines {
    /// Reads every folder of `folder` that has a `plan.toml`, and learns from its phrases. `None` where anything is wrong.
    /// Telephones behind no trunk and tools at no host are warnings: the rest of the line works, callers hear `no_agent`, tools fail.
    pub fn load(folder: &Path, peers: &check::Peers, problems: &Problems, warnings: &Problems) -> Option<Self> {
        let folders = line_folders(folder);
        if folders.is_empty() {
            problems.push_file(folder.display(), "no hotline here: expected folders with a plan.toml");
        }
        let mut read = Vec::new();
        for folder in folders {
            let files = read_folder(&folder, problems);
            if let Some(plan) = read_plan(&files, problems, warnings) {
                check::telephones(&files, &plan, peers, warnings);
                check::hosts(&files, &plan, &peers.hosts, warnings);
                read.push((files, plan));
            }
        }
        check::between(&read.iter().map(|(files, plan)| (files, plan)).collect::<Vec<_>>(), problems, warnings);
        let plans: Vec<_> = read.into_iter().map(|(_, plan)| Arc::new(plan)).collect();
        if !problems.is_empty() {
            return None;
        }
        let line = |plan: &Arc<crate::dialplan::Plan>| {
            let understanding = Arc::new(Understanding::train(plan));
            (plan.name.clone(), Arc::new(Line { plan: plan.clone(), understanding }))
        };
        Some(Self { by_name: plans.iter().map(line).collect(), routes: Routes::new(plans) })
    }

    /// The line of a dialled number.
    pub fn find(&self, number: &str) -> Option<&Arc<Line>> {
        self.by_name.get(&self.routes.find(number)?.name)
    }

    /// All lines by name.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Line>> {
        self.by_name.values()
    }
}

/// Folders below `folder` that are hotlines, in the order of their names; `folder` itself where it is one.
pub fn line_folders(folder: &Path) -> Vec<PathBuf> {
    if folder.join("plan.toml").is_file() {
        return vec![folder.to_owned()];
    }
    let mut folders: Vec<_> = std::fs::read_dir(folder)
        .map(|entries| {
            entries.flatten().map(|entry| entry.path()).filter(|path| path.join("plan.toml").is_file()).collect()
        })
        .unwrap_or_default();
    folders.sort();
    folders
}

/// All text files of one hotline.
pub fn read_folder(folder: &Path, problems: &Problems) -> PlanFiles {
    let name = folder.file_name().map_or_else(|| "line".to_owned(), |name| name.to_string_lossy().into_owned());
    let mut files = PlanFiles { name, folder: folder.display().to_string(), files: BTreeMap::new() };
    let mut waiting = vec![folder.to_owned()];
    while let Some(current) = waiting.pop() {
        let entries = match std::fs::read_dir(&current) {
            Ok(entries) => entries,
            Err(error) => {
                problems.push_file(current.display(), format!("cannot be read: {error}"));
                continue;
            }
        };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|e| e == "toml" || e == "txt") && files.files.len() < FILES {
                read_file(folder, &path, &mut files, problems);
            }
        }
    }
    files
}

fn read_file(folder: &Path, path: &Path, files: &mut PlanFiles, problems: &Problems) {
    let relative = path.strip_prefix(folder).unwrap_or(path).to_string_lossy().into_owned();
    if path.metadata().is_ok_and(|m| m.len() > FILE_BYTES) {
        return problems.push_file(path.display(), format!("larger than {} MiB", FILE_BYTES >> 20));
    }
    match std::fs::read_to_string(path) {
        Ok(text) => drop(files.files.insert(relative, text)),
        Err(error) => problems.push_file(path.display(), format!("cannot be read: {error}")),
    }
}

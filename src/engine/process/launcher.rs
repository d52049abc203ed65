//! Starts recogniser processes: this very program again, also where its file has been replaced meanwhile.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::bridge::{Launch, Launched};
use crate::engine::recogniser::second_pass::SecondPassConfig;
use crate::engine::runtime;

/// What the child shall load.
#[derive(Clone, Debug)]
pub struct Launcher {
    /// The program; `/proc/self/exe` is the running one.
    pub program: PathBuf,
    /// Model manifest.
    pub manifest: PathBuf,
    /// Id of the recogniser.
    pub recogniser: String,
    /// Id of a second recogniser for the final text.
    pub second_pass: Option<String>,
    /// How whole utterances are worked on.
    pub passes: SecondPassConfig,
    /// Id of the voice activity model.
    pub vad: String,
    /// Recogniser threads.
    pub threads: usize,
}

impl Launch for Launcher {
    fn launch(&self) -> std::io::Result<Launched> {
        let (socket, theirs) = UnixStream::pair()?;
        let child = Command::new(&self.program)
            .arg("recogniser-worker")
            .arg("--manifest")
            .arg(&self.manifest)
            .args(["--recogniser", &self.recogniser, "--vad", &self.vad, "--threads", &self.threads.to_string()])
            .args(self.second_pass.iter().flat_map(|id| ["--second-pass", id]))
            .args(["--second-pass-threads", &self.passes.threads.to_string()])
            .args(["--second-pass-wait-ms", &self.passes.wait.as_millis().to_string()])
            .envs(runtime::VARIABLES)
            // The key that stops the gateway at a terminal is not for its children: it drains, and they go with it.
            .process_group(0)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        Ok(Launched { socket, child: Some(child) })
    }
}

//! The configuration file: one TOML, made of each part's own section. All problems are reported at once, each with file,
//! line and column; nothing is started while there is one. Secrets are written `${file:PATH}` or `${env:NAME}`.

use std::path::{Path, PathBuf};

use crate::call::{BotConfig, CallConfig, MediaPolicy};
use crate::dialplan::check::Peers;
use crate::driver::DriverConfig;
use crate::driver::llm::LlmConfig;
use crate::driver::tools::ToolsConfig;
use crate::engine::EngineConfig;
use crate::settings::{Problem, Problems, Section, Source};
use crate::store::StoreConfig;
use crate::store::callers::MemoryConfig;

mod sip;

pub use sip::{SipConfig, SipSetupError};

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error(
        "cannot read the configuration {path}: {source}; `tingwa serve --config FILE` names another, examples/ has one to copy"
    )]
    Read {
        /// File.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file says something that it should not.
    #[error("{} in the configuration:\n{}", plural(problems.len()), list(problems))]
    Wrong {
        /// Everything that is wrong.
        problems: Vec<Problem>,
    },
}

fn plural(count: usize) -> String {
    if count == 1 { "one problem".to_owned() } else { format!("{count} problems") }
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(|p| format!("  {p}")).collect::<Vec<_>>().join("\n")
}

/// Everything that can be set.
#[derive(Clone, Debug)]
pub struct Config {
    /// Listening addresses, trunks, limits.
    pub sip: SipConfig,
    /// How calls run.
    pub call: CallConfig,
    /// Media addresses and threads.
    pub driver: DriverConfig,
    /// Hosts that workflows may ask.
    pub tools: ToolsConfig,
    /// The language model that calls may ask; `None`: none.
    pub llm: Option<LlmConfig>,
    /// While this file is there, none is asked.
    pub llm_off: PathBuf,
    /// Models and voices.
    pub engine: EngineConfig,
    /// Database and recordings.
    pub store: StoreConfig,
    /// What is remembered of callers.
    pub memory: MemoryConfig,
    /// Folder of the hotlines, one folder each.
    pub dialplans: PathBuf,
    /// File of typhoon and rainstorm signals.
    pub signals: PathBuf,
}

impl Config {
    /// What dialplans may refer to.
    pub fn peers(&self) -> Peers {
        let (trunks, phones) = (self.sip.domains().into_keys().collect(), self.sip.phones());
        Peers { trunks, phones, hosts: self.tools.names() }
    }

    /// Reads a file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Self::parse(&path.display().to_string(), &text)
    }

    /// Reads the text of a file called `name`.
    pub fn parse(name: &str, text: &str) -> Result<Self, ConfigError> {
        let (source, problems) = (Source::new(name, text), Problems::default());
        let table = source.parse(&problems);
        let mut root = Section::root(&source, &table, &problems);
        let sip = SipConfig::read(&mut root);
        let driver = DriverConfig::read(root.section("media"));
        let media = MediaPolicy {
            codecs: driver.codecs.clone().into(),
            codecs_at: sip.codecs().into(),
            srtp: driver.srtp,
            srtp_at: sip.srtp().into(),
            keys_at: sip.keys().into(),
            dtx: driver.dtx,
            dtls: None,
        };
        let (dialplans, signals) = read_dialplans(root.section("dialplans"));
        let store = StoreConfig::read(root.section("store"));
        let llm = LlmConfig::read(root.section("llm"));
        let bot = BotConfig { llm: llm.as_ref().map(|llm| llm.terms.clone()), ..BotConfig::default() };
        let config = Self {
            call: CallConfig { bot, domains: sip.domains().into(), media, ..CallConfig::default() },
            llm,
            llm_off: store.database.with_file_name("llm.off"),
            sip,
            driver,
            tools: ToolsConfig::read(&mut root),
            engine: EngineConfig::read(root.section("engine")),
            signals: signals.unwrap_or_else(|| store.database.with_file_name("signals.toml")),
            store,
            memory: MemoryConfig::read(root.section("memory")),
            dialplans,
        };
        root.finish();
        if problems.is_empty() { Ok(config) } else { Err(ConfigError::Wrong { problems: problems.into_vec() }) }
    }
}

/// Folder of the hotlines, file of signals.
fn read_dialplans(mut section: Section<'_>) -> (PathBuf, Option<PathBuf>) {
    let folder = section.string("folder").unwrap_or_else(|| "dialplans".to_owned());
    let signals = section.string("signals").map(PathBuf::from);
    section.finish();
    (PathBuf::from(folder), signals)
}

/// Replaces `${file:PATH}` (first line of the file) and `${env:NAME}`; other text is returned as it is.
pub(crate) fn secret(text: &str) -> Result<String, String> {
    let Some(inner) = text.strip_prefix("${").and_then(|t| t.strip_suffix('}')) else { return Ok(text.to_owned()) };
    match inner.split_once(':') {
        Some(("file", path)) => std::fs::read_to_string(path)
            .map(|text| text.lines().next().unwrap_or("").to_owned())
            .map_err(|error| format!("cannot read the secret in {path}: {error}")),
        Some(("env", name)) => std::env::var(name).map_err(|_| format!("environment variable {name} is not set")),
        _ => Err(format!("expected ${{file:PATH}} or ${{env:NAME}}, found {text}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::{Codec, Keys, Srtp};

    #[test]
    fn every_problem_is_reported_at_once_with_its_place() {
        let text = "[sip]\nlissten = [\"udp:127.0.0.1:5060\"]\n[media]\nports = \"9\"\n[stor]\n";
        let Err(ConfigError::Wrong { problems }) = Config::parse("t.toml", text) else { panic!("accepted") };
        let report: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            report,
            [
                "t.toml:2:1: unknown key 'lissten' in [sip]; nearest valid key: 'listen'",
                "t.toml:4:9: media.ports: expected two ports like \"16384-18383\", found \"9\"",
                "t.toml:5:2: unknown key 'stor' at the top; nearest valid key: 'store'",
            ]
        );
    }

    #[test]
    fn an_empty_file_is_a_configuration_on_loopback() {
        let config = Config::parse("t.toml", "").unwrap();
        assert!(config.driver.address.is_loopback());
        assert!(config.sip.listen.iter().all(|(_, address)| address.ip().is_loopback()));
    }

    #[test]
    fn a_trunk_may_have_its_own_way_with_encryption() {
        let text = "[media]\nsrtp = \"offer\"\n[[trunk]]\nname = \"a\"\nuri = \"sip:192.0.2.1\"\nsrtp = \"required\"\n\
                    [[trunk]]\nname = \"b\"\nuri = \"sip:192.0.2.2\"\n";
        let media = Config::parse("t.toml", text).unwrap().call.media;
        let of = |trunk| media.srtp_of(trunk);
        assert_eq!((of(Some("a")), of(Some("b")), of(None)), (Srtp::Required, Srtp::Offer, Srtp::Offer));
        assert_eq!(Config::parse("t.toml", "").unwrap().call.media.srtp_of(None), Srtp::Off);
        let text = "[media]\ndtx = true\n[[trunk]]\nname = \"a\"\nuri = \"sip:192.0.2.1\"\ndtmf = \"info\"\n";
        let media = Config::parse("t.toml", text).unwrap().call.media;
        assert_eq!((media.dtx, media.keys_of(Some("a")), media.keys_of(None)), (true, Keys::Info, Keys::Events));
        let Err(ConfigError::Wrong { problems }) = Config::parse("t.toml", "[media]\nsrtp = \"on\"\n") else {
            panic!("accepted")
        };
        assert!(problems[0].to_string().contains("\"required\" or \"dtls\""), "{}", problems[0]);
    }

    #[test]
    fn codecs_are_named_in_their_order() {
        let codecs = |text: &str| Config::parse("t.toml", text).map(|config| config.call.media.codecs.to_vec());
        assert_eq!(codecs("").unwrap(), Codec::ALL);
        assert_eq!(codecs("[media]\ncodecs = [\"opus\", \"pcma\"]").unwrap(), [Codec::Opus, Codec::Pcma]);
        for wrong in ["[]", "[\"G729\"]", "[\"PCMA\", \"pcma\"]"] {
            let Err(ConfigError::Wrong { problems }) = codecs(&format!("[media]\ncodecs = {wrong}")) else {
                panic!("{wrong}")
            };
            assert_eq!(problems.len(), 1, "{wrong}: {problems:?}");
        }
    }

    #[test]
    fn secrets_come_from_files_and_the_environment() {
        assert_eq!(secret("plain"), Ok("plain".to_owned()));
        assert!(secret("${file:/nowhere}").unwrap_err().contains("/nowhere"));
        assert!(secret("${env:TINGWA_NOT_SET}").unwrap_err().contains("TINGWA_NOT_SET"));
        assert!(secret("${x}").is_err());
    }
}

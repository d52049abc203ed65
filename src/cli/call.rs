//! `tingwa call`: the built-in softphone. Places a call and follows the steps, or answers as an agent does; with `--count`
//! it places many, for load.

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{CliError, block_on};
use crate::audio::resample::resample_all_f32;
use crate::call::{Codec, Srtp};
use crate::driver::softphone::report::CallReport;
use crate::driver::softphone::script::{Cue, Step};
use crate::driver::softphone::{Happening, Manner, Part, PhoneConfig, PhoneError, Softphone};
use crate::engine::manifest::{self, Manifest};
use crate::engine::synthesiser::espeak::{Espeak, EspeakConfig};
use crate::engine::synthesiser::{Cancel, RATE_HZ, Synthesiser, Words, recorded};
use crate::speech::Language;

mod show;

/// Most calls of one run.
const MOST_CALLS: u32 = 5_000;

const EXAMPLES: &str = "\
Steps, done one after the other:
  say:LANGUAGE:TEXT   speak (yue, cmn, eng)       wait:SECONDS     do nothing
  play:FILE           WAV, FLAC, MP3 or Ogg       quiet[:SECONDS]  until the other side has spoken and paused (1.2 s)
  keys:DIGITS         press 0-9 * #               hangup           end the call
Where no step is wait or quiet, the phone converses: it waits for the other side before each step, and after the last.

Examples:
  tingwa call sip:1823@127.0.0.1:5060 say:yue:我想查詢我張單
  tingwa call sip:1823@127.0.0.1:5060 quiet say:eng:'I want to speak to a person' wait:30 hangup --record call.wav
  tingwa call sip:1823@127.0.0.1:5060 wait:2 keys:0 wait:20
  tingwa call --answer 127.0.0.1:5091 quiet keys:1 wait:1 say:yue:'你好，我係陳小姐' --calls 0
  tingwa call --answer 127.0.0.1:5091 --registrar sip:127.0.0.1:5070 --user 6001 --password secret
  tingwa call sip:1823@127.0.0.1:5060 --count 50 --rate 10 say:yue:我想開通漫遊 --json";

/// Place or answer a call with the built-in softphone.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub struct CallArgs {
    /// Whom to call (sip:NUMBER@HOST:PORT; not with --answer), then what to do in the call
    #[arg(value_name = "URI] [STEP")]
    words: Vec<String>,
    /// Be called: listen on this address (IP:PORT) and do the steps in each call
    #[arg(long, value_name = "IP:PORT", help_heading = "Being called")]
    answer: Option<SocketAddr>,
    /// Ring this long before answering, seconds
    #[arg(long, default_value_t = 1.0, value_name = "SECONDS", requires = "answer", help_heading = "Being called")]
    ring: f32,
    /// Refuse every call as busy (486)
    #[arg(long, requires = "answer", help_heading = "Being called")]
    busy: bool,
    /// Ring and never answer
    #[arg(long, requires = "answer", conflicts_with = "busy", help_heading = "Being called")]
    silent: bool,
    /// Take this many calls, then leave; 0 goes on until it is stopped
    #[arg(long, default_value_t = 1, requires = "answer", help_heading = "Being called")]
    calls: u32,
    /// Calls at once
    #[arg(long, default_value_t = 1, requires = "answer", hide = true)]
    lines: u32,
    #[command(flatten)]
    identity: Identity,
    #[command(flatten)]
    load: Load,
    /// Record both sides: we are left, they are right
    #[arg(long, value_name = "FILE.wav")]
    record: Option<PathBuf>,
    /// Hang up after this, seconds
    #[arg(long, default_value_t = 300.0, value_name = "SECONDS")]
    max: f32,
    /// One JSON line at the end, and nothing else
    #[arg(long)]
    json: bool,
    /// Only the last line
    #[arg(long)]
    quiet: bool,
}

/// Who the phone is.
#[derive(Debug, clap::Args)]
pub struct Identity {
    /// Our number
    #[arg(long, value_name = "NUMBER", conflicts_with = "user")]
    from: Option<String>,
    /// Our account at a PBX; also our number
    #[arg(long)]
    user: Option<String>,
    /// Its password
    #[arg(long, requires = "user", env = "TINGWA_PHONE_PASSWORD", hide_env_values = true)]
    password: Option<String>,
    /// Register there first, e.g. sip:127.0.0.1:5070
    #[arg(long, requires = "answer", requires = "user", value_name = "URI")]
    registrar: Option<String>,
    /// Codecs, the best first
    #[arg(long, default_value = "PCMA,PCMU,G722,opus", value_delimiter = ',', value_name = "NAMES",
        value_parser = |text: &str| text.parse::<Codec>())]
    codecs: Vec<Codec>,
    /// Encrypt audio: off, offer (where the other side can) or required
    #[arg(long, default_value = "off", value_name = "WHETHER", value_parser = encryption)]
    srtp: Srtp,
    /// Local SIP address, where the way to the other side shall not decide
    #[arg(long, value_name = "IP:PORT", conflicts_with = "answer")]
    local: Option<SocketAddr>,
}

/// For measuring.
#[derive(Debug, clap::Args)]
pub struct Load {
    /// Place this many calls
    #[arg(long, default_value_t = 1, hide_short_help = true, conflicts_with = "answer", help_heading = "Load")]
    count: u32,
    /// This many a second
    #[arg(long, default_value_t = 10.0, hide_short_help = true, value_name = "CALLS", help_heading = "Load")]
    rate: f64,
    /// Measure how evenly their packets come
    #[arg(long, hide_short_help = true, help_heading = "Load")]
    pacing: bool,
    /// Seed of all randomness
    #[arg(long, hide_short_help = true, help_heading = "Load")]
    seed: Option<u64>,
}

impl From<PhoneError> for CliError {
    fn from(error: PhoneError) -> Self {
        Self::Usage(error.to_string())
    }
}

/// Runs the phone.
pub fn run(args: &CallArgs) -> Result<ExitCode, CliError> {
    let (uri, steps) = read_words(args)?;
    if let Some(file) = args.record.as_ref().filter(|file| file.exists()) {
        return Err(CliError::Usage(format!("{} is there already; a recording overwrites nothing", file.display())));
    }
    let config = PhoneConfig {
        part: part(args, uri)?,
        local: args.answer.or(args.identity.local),
        user: args.identity.user.clone().or(args.identity.from.clone()).unwrap_or_else(|| "phone".to_owned()),
        password: args.identity.password.clone().unwrap_or_default(),
        registrar: args.identity.registrar.clone(),
        cues: cues(&steps)?,
        calls: if args.answer.is_some() { args.calls } else { args.load.count },
        longest: seconds(args.max, "--max")?,
        record: args.record.clone(),
        measure_pacing: args.load.pacing,
        srtp: args.identity.srtp,
        codecs: args.identity.codecs.clone(),
        seed: args.load.seed.unwrap_or_else(|| fastrand::u64(..)),
    };
    let silent = args.quiet || args.json;
    let several = config.calls != 1;
    let labels: Vec<String> = steps.iter().map(show::step).collect();
    let tell = move |happening: Happening| {
        if let Some(line) = show::line(&happening, &labels, several).filter(|_| !silent) {
            println!("{line}");
        }
    };
    let reports = run_until_stopped(config, tell)?;
    if args.json {
        println!("{}", show::json(&reports));
    } else {
        print!("{}", show::summary(&reports, args.words.first().map_or("", String::as_str)));
    }
    let good = args.answer.is_some() || !reports.is_empty() && reports.iter().all(|report| report.end.is_good());
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What a telephone may do about encryption.
fn encryption(text: &str) -> Result<Srtp, &'static str> {
    match text.parse() {
        Ok(Srtp::Dtls) => Err("expected off, offer or required: only browsers speak DTLS-SRTP"),
        other => other,
    }
}

fn read_words(args: &CallArgs) -> Result<(Option<String>, Vec<Step>), CliError> {
    let mut words = args.words.iter();
    let uri = if args.answer.is_none() {
        let missing = || {
            CliError::Usage(
                "whom to call? e.g. `tingwa call sip:1823@127.0.0.1:5060 say:yue:你好`; `--answer` is called instead"
                    .to_owned(),
            )
        };
        Some(words.next().ok_or_else(missing)?.clone())
    } else {
        None
    };
    let steps: Result<Vec<Step>, _> = words.map(|word| word.parse()).collect();
    let steps = steps.map_err(|error| CliError::Usage(format!("{error}")))?;
    Ok((uri, conversation(steps, args.answer.is_none())))
}

/// Puts the waits between the steps of somebody who did not write any, and the end of a caller's call.
fn conversation(steps: Vec<Step>, caller: bool) -> Vec<Step> {
    let paced = steps.iter().any(|step| matches!(step, Step::Wait(_) | Step::Quiet(_)));
    let quiet = || "quiet".parse::<Step>().ok();
    let mut all = Vec::new();
    for step in steps {
        if !paced && step != Step::HangUp {
            all.extend(quiet());
        }
        all.push(step);
    }
    if caller && all.last() != Some(&Step::HangUp) {
        if !paced {
            all.extend(quiet());
        }
        all.push(Step::HangUp);
    }
    all
}

fn part(args: &CallArgs, uri: Option<String>) -> Result<Part, CliError> {
    let Some(uri) = uri else {
        let manner = match (args.busy, args.silent) {
            (true, _) => Manner::Busy,
            (false, true) => Manner::Silent,
            (false, false) => Manner::Answer(seconds(args.ring, "--ring")?),
        };
        return Ok(Part::Agent { manner, at_once: args.lines.max(1) });
    };
    let Load { count, rate, .. } = args.load;
    if count == 0 || count > MOST_CALLS || !(0.01..=1000.0).contains(&rate) {
        return Err(CliError::Usage(format!("--count takes 1 to {MOST_CALLS}, --rate 0.01 to 1000 a second")));
    }
    Ok(Part::Caller { uri, rate })
}

fn seconds(value: f32, option: &str) -> Result<Duration, CliError> {
    Duration::try_from_secs_f32(value)
        .ok()
        .filter(|time| *time <= Duration::from_secs(86_400))
        .ok_or_else(|| CliError::Usage(format!("{option} takes seconds, 0 to 86400")))
}

/// Steps with their sound, spoken or read before anything is dialled.
fn cues(steps: &[Step]) -> Result<Vec<Cue>, CliError> {
    let needs_voice = steps.iter().any(|step| matches!(step, Step::Say(..)));
    let voice = needs_voice.then(voice).transpose()?;
    let mut all = Vec::with_capacity(steps.len());
    for step in steps {
        all.push(match (step, &voice) {
            (Step::Say(language, text), Some(voice)) => Cue::Sound(speak(voice, *language, text)?),
            (Step::Play(file), _) => Cue::Sound(play(Path::new(file))?),
            _ => match Cue::silent(step) {
                Some(cue) => cue,
                None => continue,
            },
        });
    }
    Ok(all)
}

/// espeak-ng, with the manifest's voices where there is one.
fn voice() -> Result<Espeak, CliError> {
    let manifest = Manifest::load(Path::new(manifest::DEFAULT_PATH)).ok();
    let model = manifest.as_ref().and_then(|manifest| manifest.model("espeak-ng").ok());
    let config = model.map_or_else(EspeakConfig::default, EspeakConfig::of);
    Espeak::find(config).map_err(|error| CliError::Usage(error.to_string()))
}

fn speak(voice: &Espeak, language: Language, text: &str) -> Result<Arc<[i16]>, CliError> {
    let mut samples = Vec::new();
    let mut sink = |piece: Arc<[i16]>| {
        samples.extend_from_slice(&piece);
        ControlFlow::Continue(())
    };
    voice
        .speak(Words { text, language }, &Cancel::default(), &mut sink)
        .map_err(|error| CliError::Usage(error.to_string()))?;
    Ok(samples.into())
}

fn play(file: &Path) -> Result<Arc<[i16]>, CliError> {
    let wrong = |error: &dyn std::fmt::Display| CliError::Usage(error.to_string());
    let (samples, rate) = recorded::decode(file).map_err(|error| wrong(&error))?;
    let narrow = resample_all_f32(&samples, rate, RATE_HZ)
        .map_err(|error| CliError::Usage(format!("{}: {error}", file.display())))?;
    Ok(narrow.iter().map(|sample| (sample * 32_767.0).clamp(-32_768.0, 32_767.0) as i16).collect())
}

/// Runs the phone in a thread of its own; Ctrl-C and SIGTERM hang up.
fn run_until_stopped(
    config: PhoneConfig,
    mut tell: impl FnMut(Happening) + Send + 'static,
) -> Result<Vec<CallReport>, CliError> {
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    let failed = |doing: &str, source| CliError::System { doing: doing.to_owned(), source };
    let phone = move || Softphone::open(config, &mut tell).and_then(|phone| phone.run(&stopped));
    block_on(async move {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate()).map_err(|e| failed("cannot catch signals", e))?;
        let (done, ended) = tokio::sync::oneshot::channel();
        let thread = std::thread::Builder::new().name("phone".to_owned()).spawn(move || done.send(phone()));
        thread.map_err(|e| failed("cannot start the phone's thread", e))?;
        let mut ended = std::pin::pin!(ended);
        let outcome = loop {
            tokio::select! {
                outcome = &mut ended => break outcome,
                _ = terminate.recv() => stop.store(true, Ordering::Relaxed),
                _ = tokio::signal::ctrl_c() => stop.store(true, Ordering::Relaxed),
            }
        };
        match outcome {
            Ok(reports) => Ok(reports?),
            Err(_) => Err(CliError::Usage("the phone's thread ended by a fault of its own".to_owned())),
        }
    })?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(words: &[&str]) -> Vec<Step> {
        words.iter().map(|word| word.parse().unwrap()).collect()
    }

    #[test]
    fn who_writes_no_waits_converses() {
        let plain = conversation(steps(&["say:yue:你好", "keys:1"]), true);
        assert_eq!(plain, steps(&["quiet", "say:yue:你好", "quiet", "keys:1", "quiet", "hangup"]));
        assert_eq!(conversation(steps(&["wait:1", "keys:0"]), true), steps(&["wait:1", "keys:0", "hangup"]));
        assert_eq!(conversation(steps(&["quiet", "keys:1"]), false), steps(&["quiet", "keys:1"]), "an agent stays");
        assert_eq!(conversation(steps(&["keys:1", "hangup"]), true), steps(&["quiet", "keys:1", "hangup"]));
    }
}

//! The composition root: the only file that knows every part. Starts them from the bottom up, waits, drains, stops them
//! from the top down.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

use crate::config::{Config, SipSetupError, secret};
use crate::driver::directory::Directory;
use crate::driver::handshake::{Identity, IdentityError};
use crate::driver::inbox::inbox;
use crate::driver::lines::Lines;
use crate::driver::llm::{LlmError, LlmPool};
use crate::driver::media_thread::{self, Services};
use crate::driver::router::{LiveLines, Router};
use crate::driver::rtp_port::{PortAllocator, PortRange};
use crate::driver::signals::{LiveSignals, SignalFile};
use crate::driver::sip_sockets::tls::Tls;
use crate::driver::sip_sockets::{ListenError, ORDER_QUEUE, SipSockets};
use crate::driver::tools::{ToolPool, ToolsError};
use crate::engine::local::CheckError;
use crate::engine::manifest::{Manifest, ManifestError};
use crate::engine::recogniser::RecogniserError;
use crate::engine::start::{self, VoicesError};
use crate::engine::synthesiser::SynthesiserPool;
use crate::engine::totals::{self, EngineCounts, Totals};
use crate::settings::{Problem, Problems};
use crate::store::journal_writer::{journal_queue, write_journal};
use crate::store::recorder::{Recorder, repair_all};
use crate::store::sqlite::{Database, StoreError};

/// How long a drain waits for live calls before it ends them.
const DRAIN: Duration = Duration::from_secs(300);
/// How often the file of signals is looked at.
const SIGNAL_LOOKS: Duration = Duration::from_secs(5);

/// How often the engines' totals are written to the log, where they have changed.
const TOTALS_EVERY: Duration = Duration::from_secs(60);

/// Why the gateway does not run.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// Dialplans are wrong.
    #[error("{} in the dialplans; `tingwa check {}` shows more:\n{}", problems.len(), folder.display(), list(problems))]
    Dialplans {
        /// Folder of the hotlines.
        folder: PathBuf,
        /// Everything that is wrong.
        problems: Vec<Problem>,
    },
    /// The model manifest, or a model, is not as it should be.
    #[error(transparent)]
    Models(#[from] ManifestError),
    /// A model does not load.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// Hearing cannot be had.
    #[error(transparent)]
    Recogniser(#[from] RecogniserError),
    /// Speaking cannot be had.
    #[error(transparent)]
    Voices(#[from] VoicesError),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A host of tools cannot be used.
    #[error(transparent)]
    Tools(ToolsError),
    /// The language model cannot be asked.
    #[error(transparent)]
    Llm(#[from] LlmError),
    /// A SIP address cannot be had.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// A trunk's address cannot be found, or certificates cannot be used.
    #[error(transparent)]
    Sip(#[from] SipSetupError),
    /// Browsers cannot be served.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The operating system said no.
    #[error("{doing}: {source}")]
    System {
        /// What was being done.
        doing: &'static str,
        /// Why not.
        source: std::io::Error,
    },
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(|p| format!("  {p}")).collect::<Vec<_>>().join("\n")
}

fn system(doing: &'static str) -> impl FnOnce(std::io::Error) -> AppError {
    move |source| AppError::System { doing, source }
}

/// What a person at the terminal is shown while the parts start and calls run.
pub trait Watcher: Send + 'static {
    /// So many of so many prompts are spoken.
    fn prompts(&mut self, done: usize, of: usize);
    /// Calls can come.
    fn ready(&mut self, lines: &Lines, listening: &[String]);
    /// A fact of a call, before it is stored.
    fn fact(&mut self, record: &crate::journal::Record);
}

/// Runs the gateway until it is told to stop (SIGTERM, SIGINT), then drains.
pub async fn serve(config: Config, mut watcher: impl Watcher) -> Result<(), AppError> {
    let lines = load_lines(&config)?;
    let manifest = Manifest::load(&config.engine.manifest)?;
    start::check_models(&config.engine, &manifest)?;
    let recognisers = Arc::new(start::start_hearing(&config.engine, &manifest)?);
    let synthesiser = Arc::new(start_speaking(&config, &manifest, &lines, &mut watcher)?);
    let database = open_store(&config).await?;
    let (recorder, recorder_thread) =
        Recorder::start(config.store.recordings.clone()).map_err(system("cannot make the recordings folder"))?;
    let (journal, entries) = journal_queue();
    let (orders, ordered) = mpsc::channel(ORDER_QUEUE);
    let signals = LiveSignals::default();
    let identity = Identity::fresh()?;
    let mut call = config.call.clone();
    call.media.dtls = Some(identity.fingerprint());
    let services = Services {
        config: call,
        identity,
        recognisers: recognisers.clone(),
        synthesiser: synthesiser.clone(),
        orders: orders.clone(),
        journal: journal.clone(),
        recorder: recorder.clone(),
        music: start::waiting_music(),
        signals: signals.clone(),
        tools: ToolPool::start(&config.tools, secret).map_err(AppError::Tools)?,
        llm: start_llm(&config)?,
    };
    let counts = EngineCounts::of(&recognisers, &synthesiser);
    let (directory, media) = start_media(&config, services)?;
    let live = LiveLines::default();
    let (endpoint, tls) = config.sip.endpoint(Instant::now())?;
    let (stop, stopped) = watch::channel(false);
    let router =
        Router { directory: directory.clone(), lines: live.clone(), orders: orders.clone(), moved: Default::default() };
    let sockets = SipSockets::bind(endpoint, &config.sip.listen, tls.clone(), ordered, stopped, router)?
        .with_origins(config.sip.origins.clone())
        .with_limits(config.sip.limits);
    watcher.ready(&lines, &config.sip.listening());
    live.replace(lines);
    let (watched, watching) = mpsc::channel(1024);
    let writer = tokio::spawn(write_journal(database, entries, Some(watched)));
    let printer = tokio::spawn(watch_facts(watching, watcher));
    let sip = tokio::spawn(sockets.run());
    let totals = tokio::spawn(tell_totals(counts.clone()));
    drop(orders);
    let signal_file = SignalFile::new(config.signals.clone(), signals);
    wait_for_stop(&config, &live, &tls, signal_file).await?;
    drain(&directory, &stop).await;
    directory.stop();
    // What follows ends by itself: each part goes when the part above it has let go of its queue.
    for thread in media {
        let _ = tokio::task::spawn_blocking(move || thread.join()).await;
    }
    let _ = tokio::time::timeout(Duration::from_secs(5), sip).await;
    drop((journal, recorder, synthesiser, recognisers));
    let _ = tokio::time::timeout(Duration::from_secs(10), writer).await;
    let _ = tokio::time::timeout(Duration::from_secs(1), printer).await;
    let _ = tokio::task::spawn_blocking(move || recorder_thread.join()).await;
    totals.abort();
    totals::tell(&counts, &Totals::default());
    Ok(())
}

fn load_lines(config: &Config) -> Result<Lines, AppError> {
    let (problems, warnings) = (Problems::default(), Problems::default());
    let lines = Lines::load(&config.dialplans, &config.peers(), &problems, &warnings);
    for warning in warnings.into_vec() {
        tracing::warn!("{warning}");
    }
    lines.ok_or_else(|| AppError::Dialplans { folder: config.dialplans.clone(), problems: problems.into_vec() })
}

fn start_speaking(
    config: &Config,
    manifest: &Manifest,
    lines: &Lines,
    watcher: &mut impl Watcher,
) -> Result<SynthesiserPool, AppError> {
    let folders =
        lines.all().map(|line| (line.plan.name.clone(), config.dialplans.join(&line.plan.name).join("prompts")));
    let pool = start::start_speaking(&config.engine, manifest, folders)?;
    let prompts: Vec<_> = lines
        .all()
        .flat_map(|line| {
            line.plan
                .fixed_prompts()
                .into_iter()
                .map(|(id, language, text)| (format!("{}/{id}", line.plan.name), language, text.to_owned()))
        })
        .filter(|(name, language, _)| pool.recordings().get(name, *language).is_none())
        .map(|(_, language, text)| (text, language))
        .collect();
    pool.prepare(&prompts, &mut |done, of| watcher.prompts(done, of)).map_err(VoicesError::from)?;
    Ok(pool)
}

/// The language model, where one is configured.
fn start_llm(config: &Config) -> Result<Option<LlmPool>, LlmError> {
    config.llm.as_ref().map(|llm| LlmPool::start(llm, config.llm_off.clone(), secret)).transpose()
}

/// Opens the store and closes what a crash has left open.
async fn open_store(config: &Config) -> Result<Database, AppError> {
    let database = Database::open(&config.store.database).await?;
    let closed = database.close_unfinished().await?;
    if !closed.is_empty() {
        let mut recordings = Vec::new();
        for call in &closed {
            recordings.extend(database.find(&call.to_string()).await?.and_then(|row| row.recording));
        }
        let mended = repair_all(&config.store.recordings, recordings);
        tracing::warn!(calls = closed.len(), recordings_mended = mended, "closed the calls that a crash had cut off");
    }
    Ok(database)
}

type MediaThreads = Vec<std::thread::JoinHandle<()>>;

/// Starts the media threads, each with its share of the ports.
fn start_media(config: &Config, services: Services) -> Result<(Directory, MediaThreads), AppError> {
    let count = usize::from(config.driver.threads);
    let boxes: Vec<_> =
        (0..count).map(|_| inbox()).collect::<Result<_, _>>().map_err(system("cannot make a media thread's queue"))?;
    let directory = Directory::new(boxes.iter().map(|(sender, _)| sender.clone()).collect());
    let PortRange { first, last } = config.driver.ports;
    let share = (last - first + 1) / u16::from(config.driver.threads.max(1)) / 2 * 2;
    let mut threads = Vec::with_capacity(count);
    for (number, ends) in boxes.into_iter().enumerate() {
        let first = first + share * u16::try_from(number).unwrap_or(0);
        let range = PortRange { first, last: first + share - 1 };
        let ports = PortAllocator::new(config.driver.address, range).told_as(config.driver.advertised);
        let thread = media_thread::start(number, services.clone(), directory.clone(), ends, ports);
        threads.push(thread.map_err(system("cannot start a media thread"))?);
    }
    Ok((directory, threads))
}

async fn tell_totals(counts: EngineCounts) {
    let mut told = Totals::default();
    loop {
        tokio::time::sleep(TOTALS_EVERY).await;
        told = totals::tell(&counts, &told);
    }
}

async fn watch_facts(mut facts: mpsc::Receiver<crate::journal::Record>, mut watcher: impl Watcher) {
    while let Some(record) = facts.recv().await {
        watcher.fact(&record);
    }
}

/// Returns when the gateway shall stop; reloads dialplans and certificates on SIGHUP and reads changed signals meanwhile.
async fn wait_for_stop(config: &Config, live: &LiveLines, tls: &Tls, mut signals: SignalFile) -> Result<(), AppError> {
    use tokio::signal::unix::{SignalKind, signal};
    let caught = |kind| signal(kind).map_err(system("cannot catch signals"));
    let (mut terminate, mut interrupt, mut hang_up) =
        (caught(SignalKind::terminate())?, caught(SignalKind::interrupt())?, caught(SignalKind::hangup())?);
    let mut look = tokio::time::interval(SIGNAL_LOOKS);
    loop {
        tokio::select! {
            _ = look.tick() => match signals.look() {
                None => {}
                Some(Ok(now)) => tracing::info!(signals = %now, "signals read"),
                Some(Err(wrong)) => tracing::error!("signals not read, the old ones stay: {}", list(&wrong)),
            },
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = hang_up.recv() => reload(config, live, tls),
        }
    }
}

fn reload(config: &Config, live: &LiveLines, tls: &Tls) {
    match load_lines(config) {
        Ok(lines) => {
            live.replace(lines);
            tracing::info!("dialplans reloaded; live calls finish on theirs");
        }
        Err(error) => tracing::error!("dialplans not reloaded, the old ones stay: {error}"),
    }
    match tls.reload() {
        Ok(()) => tracing::info!("certificates reloaded; open connections keep theirs"),
        Err(error) => tracing::error!("certificates not reloaded, the old ones stay: {error}"),
    }
}

/// New calls are refused from here on; live calls may finish.
async fn drain(directory: &Directory, stop: &watch::Sender<bool>) {
    // Nobody listens only where the endpoint has ended already.
    let _ = stop.send(true);
    let until = Instant::now() + DRAIN;
    let live = directory.count();
    if live > 0 {
        tracing::info!(live, "draining: waiting for live calls; stop again to end them");
    }
    let again = tokio::signal::ctrl_c();
    tokio::pin!(again);
    while directory.count() > 0 && Instant::now() < until {
        tokio::select! {
            _ = &mut again => return,
            () = tokio::time::sleep(Duration::from_millis(200)) => {}
        }
    }
}

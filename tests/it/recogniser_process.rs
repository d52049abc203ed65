//! A real recogniser process that is really killed.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded};
use tingwa::audio::frame::WideFrame;
use tingwa::engine::process::launcher::Launcher;
use tingwa::engine::recogniser::second_pass::SecondPassConfig;
use tingwa::engine::worker::{AudioFeed, EventKind, PoolConfig, RecogniserPool};
use tingwa::ids::{CallId, UtteranceId};

const PATIENCE: Duration = Duration::from_secs(60);

/// The recogniser process of this test.
fn child() -> i32 {
    let me = std::process::id().to_string();
    let processes =
        std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let is_it = |pid: &String| {
        let read = |file: &str| std::fs::read(Path::new("/proc").join(pid).join(file)).unwrap_or_default();
        let status = String::from_utf8_lossy(&read("stat")).into_owned();
        let parent = status.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1).map(str::to_owned));
        parent.as_ref() == Some(&me) && String::from_utf8_lossy(&read("cmdline")).contains("recogniser-worker")
    };
    processes.filter(|name| name.parse::<i32>().is_ok()).find(is_it).expect("a child").parse().unwrap()
}

/// Says a sentence at the speed at which it is heard, and waits for its text.
fn say(feed: &mut AudioFeed, events: &Receiver<EventKind>, frames: &[WideFrame], utterance: UtteranceId) -> String {
    let (mut heard_ms, mut pushed_ms) = (0, 0);
    for frame in frames {
        feed.push(frame);
        pushed_ms += 20;
        while heard_ms + 200 < pushed_ms {
            if let EventKind::Voice(voice) = events.recv_timeout(PATIENCE).unwrap() {
                heard_ms += u32::from(voice.duration_ms);
            }
        }
    }
    assert!(feed.finish(utterance));
    loop {
        if let EventKind::Transcript(transcript) = events.recv_timeout(PATIENCE).unwrap() {
            assert_eq!(transcript.utterance, utterance);
            return transcript.text.into_inner();
        }
    }
}

/// The child is found among this process's children: one test at a time.
static ONE_CHILD: Mutex<()> = Mutex::new(());

#[test]
fn a_second_recogniser_in_the_process_has_the_last_word() {
    let _alone = ONE_CHILD.lock().unwrap_or_else(PoisonError::into_inner);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = std::env::temp_dir().join(format!("tingwa-two-pass-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let part = |file: &str| {
        let path = root.join(file);
        let inner = format!("folder = \"{}/", path.parent().unwrap().display());
        std::fs::read_to_string(&path).unwrap().replace("folder = \"", &inner)
    };
    let manifest = folder.join("manifest.toml");
    std::fs::write(&manifest, part("models/manifest.toml") + &part("tests/data/models/manifest.toml")).unwrap();
    let launcher = Launcher {
        program: env!("CARGO_BIN_EXE_tingwa").into(),
        manifest,
        recogniser: "tiny-trilingual".to_owned(),
        second_pass: Some("sense-voice-says-thanks".to_owned()),
        passes: SecondPassConfig { threads: 2, wait: PATIENCE },
        vad: "silero-vad".to_owned(),
        threads: 2,
    };
    let pool = RecogniserPool::start_processes(PoolConfig::default(), 1, Arc::new(launcher)).unwrap();
    let (sender, events) = bounded(10_000);
    let sink = Box::new(move |event: tingwa::engine::worker::EngineEvent| sender.send(event.kind).unwrap());
    let mut feed = pool.open(CallId(ulid::Ulid(1)), Arc::default(), sink).unwrap();
    let frames = tingwa::cli::models::read_as_call(&root.join("models/tiny-trilingual/sample/en-1.wav")).unwrap();
    for utterance in [UtteranceId(1), UtteranceId(2)] {
        assert_eq!(say(&mut feed, &events, &frames, utterance), "好多謝");
    }
    // What the process has counted comes to this one.
    let (began, heard) = (Instant::now(), &pool.second_pass_counts().heard);
    while heard.load(Ordering::Relaxed) < 2 || pool.counts().busy_us.load(Ordering::Relaxed) == 0 {
        assert!(began.elapsed() < PATIENCE, "{:?}", pool.second_pass_counts());
        feed.push(&WideFrame::SILENCE);
        let _ = events.recv_timeout(Duration::from_millis(20));
    }
    pool.shut_down();
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_killed_process_is_replaced_and_the_call_is_heard_on() {
    let _alone = ONE_CHILD.lock().unwrap_or_else(PoisonError::into_inner);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let launcher = Launcher {
        program: env!("CARGO_BIN_EXE_tingwa").into(),
        manifest: root.join("models/manifest.toml"),
        recogniser: "tiny-trilingual".to_owned(),
        second_pass: None,
        passes: Default::default(),
        vad: "silero-vad".to_owned(),
        threads: 1,
    };
    let pool = RecogniserPool::start_processes(PoolConfig::default(), 1, Arc::new(launcher)).unwrap();
    let (sender, events) = bounded(10_000);
    let sink = Box::new(move |event: tingwa::engine::worker::EngineEvent| sender.send(event.kind).unwrap());
    let mut feed = pool.open(CallId(ulid::Ulid(1)), Arc::default(), sink).unwrap();
    let frames = tingwa::cli::models::read_as_call(&root.join("models/tiny-trilingual/sample/en-1.wav")).unwrap();
    let first = say(&mut feed, &events, &frames, UtteranceId(1));
    assert!(!first.is_empty());
    let killed = child();
    rustix::process::kill_process(rustix::process::Pid::from_raw(killed).unwrap(), rustix::process::Signal::KILL)
        .unwrap();
    while events.recv_timeout(PATIENCE).unwrap() != EventKind::Interrupted {}
    // Frames are thrown away until the next process is up; then the same call is heard as before.
    while {
        feed.push(&WideFrame::SILENCE);
        !matches!(events.recv_timeout(Duration::from_millis(20)), Ok(EventKind::Voice(_)))
    } {}
    assert_ne!(child(), killed);
    assert!(!say(&mut feed, &events, &frames, UtteranceId(2)).is_empty());
    pool.shut_down();
}

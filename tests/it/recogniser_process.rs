//! A real recogniser process that is really killed.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded};
use tingwa::audio::frame::WideFrame;
use tingwa::engine::process::launcher::Launcher;
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

#[test]
fn a_killed_process_is_replaced_and_the_call_is_heard_on() {
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

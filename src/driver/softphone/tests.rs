//! A softphone calls a softphone, over real sockets of loopback.

use std::sync::Mutex;

use super::*;

fn tone(ms: usize) -> Cue {
    Cue::Sound((0..ms * 8).map(|n| if n % 16 < 8 { 6_000 } else { -6_000 }).collect())
}

fn config(part: Part, local: &str, cues: Vec<Cue>) -> PhoneConfig {
    PhoneConfig {
        part,
        local: Some(local.parse().unwrap()),
        user: "2345".to_owned(),
        password: String::new(),
        registrar: None,
        cues,
        calls: 1,
        longest: Duration::from_secs(20),
        record: None,
        measure_pacing: true,
        srtp: Srtp::Off,
        codecs: Codec::ALL.to_vec(),
        seed: u64::from(std::process::id()),
    }
}

fn calling(port: u16, cues: Vec<Cue>) -> PhoneConfig {
    config(Part::Caller { uri: format!("sip:6001@127.0.0.1:{port}"), rate: 10.0 }, "127.0.0.1:0", cues)
}

/// Runs an agent in a thread and calls it; gives what happened to the caller, and both reports.
fn call(
    port: u16,
    manner: Manner,
    agent: Vec<Cue>,
    caller: PhoneConfig,
) -> (Vec<What>, Vec<CallReport>, Vec<CallReport>) {
    call_secured(port, manner, agent, caller, Srtp::Off)
}

/// The same; the agent has this opinion on encryption.
fn call_secured(
    port: u16,
    manner: Manner,
    agent: Vec<Cue>,
    caller: PhoneConfig,
    srtp: Srtp,
) -> (Vec<What>, Vec<CallReport>, Vec<CallReport>) {
    let stop = AtomicBool::new(false);
    let ready = std::sync::Barrier::new(2);
    std::thread::scope(|scope| {
        let agent = scope.spawn(|| {
            let part = Part::Agent { manner, at_once: 1 };
            let mut tell = |_| {};
            let agent = PhoneConfig { srtp, ..config(part, &format!("127.0.0.1:{port}"), agent) };
            let phone = Softphone::open(agent, &mut tell).unwrap();
            ready.wait();
            phone.run(&stop).unwrap()
        });
        ready.wait();
        let happened = Mutex::new(Vec::new());
        let mut tell = |happening: Happening| happened.lock().unwrap().push(happening.what);
        let reports = Softphone::open(caller, &mut tell).unwrap().run(&stop).unwrap();
        stop.store(true, Ordering::Relaxed);
        (happened.into_inner().unwrap(), reports, agent.join().unwrap())
    })
}

#[test]
fn two_phones_talk_press_keys_and_hang_up() {
    let folder = std::env::temp_dir().join(format!("tingwa-phone-{}", std::process::id()));
    let pause = Duration::from_millis(300);
    // The agent greets, waits for the caller's sound, answers it and stays.
    let agent = vec![Cue::Wait(10), tone(400), Cue::Quiet(pause), Cue::Keys("1".to_owned()), tone(400)];
    let mut caller = calling(39_211, vec![Cue::Quiet(pause), tone(300), Cue::Quiet(pause), Cue::HangUp]);
    caller.record = Some(folder.join("a.wav"));
    let (happened, ours, theirs) = call(39_211, Manner::Answer(Duration::from_millis(100)), agent, caller);
    let (ours, theirs) = (&ours[0], &theirs[0]);
    assert_eq!((&ours.end, &theirs.end), (&CallEnd::WeHungUp, &CallEnd::TheyHungUp));
    assert!(happened.contains(&What::Rings) && happened.contains(&What::Key('1')), "{happened:?}");
    assert!(ours.setup_ms.is_some_and(|ms| ms >= 100.0), "{:?}", ours.setup_ms);
    let [response] = ours.responses_ms[..] else { panic!("{:?}", ours.responses_ms) };
    // The agent's pause of 300 ms, the key and its pause of 200 ms; the upper mark leaves room for a busy machine.
    assert!((480..1500).contains(&response), "{response} ms");
    let quality = ours.quality.unwrap();
    assert!(quality.received > 60 && quality.lost == 0, "{quality:?}");
    assert!(ours.pacing.percentile_ms(0.5).is_some_and(|ms| ms < 10.0));
    let wav = std::fs::read(folder.join("a.wav")).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let side = |channel: usize| -> u16 {
        let loudest =
            wav[44..].chunks_exact(4).map(|pair| i16::from_le_bytes([pair[channel * 2], pair[channel * 2 + 1]]));
        loudest.map(i16::unsigned_abs).max().unwrap_or(0)
    };
    assert!((5_000..7_000).contains(&side(0)) && (5_000..7_000).contains(&side(1)), "both sides are recorded");
}

#[test]
fn encrypted_they_talk_as_well_and_who_insists_is_not_heard_in_the_clear() {
    let talk = |port, ours, theirs| {
        let agent = vec![Cue::Wait(10), Cue::Keys("1".to_owned()), tone(200)];
        let caller = PhoneConfig {
            srtp: ours,
            ..calling(port, vec![tone(300), Cue::Quiet(Duration::from_millis(300)), Cue::HangUp])
        };
        let (happened, ours, _) = call_secured(port, Manner::Answer(Duration::ZERO), agent, caller, theirs);
        (happened.contains(&What::Key('1')), ours[0].end.clone(), ours[0].quality)
    };
    for (port, ours, theirs) in [(39_221, Srtp::Required, Srtp::Offer), (39_223, Srtp::Offer, Srtp::Off)] {
        let (key, end, quality) = talk(port, ours, theirs);
        let quality = quality.unwrap();
        assert!(key && end == CallEnd::WeHungUp, "{end:?}");
        assert!(quality.received > 10 && quality.dropped == 0, "{quality:?}");
    }
    let (_, end, _) = talk(39_225, Srtp::Required, Srtp::Off);
    assert_eq!(end, CallEnd::Refused { status: 488 });
}

#[test]
fn they_talk_in_every_codec() {
    for (port, codec) in [(39_231, Codec::Pcmu), (39_233, Codec::G722), (39_235, Codec::Opus)] {
        let agent = vec![Cue::Wait(10), Cue::Keys("1".to_owned()), tone(200)];
        let caller = PhoneConfig {
            codecs: vec![codec],
            ..calling(port, vec![tone(300), Cue::Quiet(Duration::from_millis(300)), Cue::HangUp])
        };
        let (happened, ours, _) = call(port, Manner::Answer(Duration::ZERO), agent, caller);
        assert_eq!(ours[0].end, CallEnd::WeHungUp, "{codec:?}");
        assert!(happened.contains(&What::Key('1')) && ours[0].quality.unwrap().dropped == 0, "{codec:?}: {happened:?}");
        assert_eq!(ours[0].responses_ms.len(), 1, "{codec:?}: they were heard");
    }
}

#[test]
fn refusals_and_absence_are_told_apart() {
    let (_, ours, _) = call(39_213, Manner::Busy, Vec::new(), calling(39_213, Vec::new()));
    assert_eq!(ours[0].end, CallEnd::Refused { status: 486 });
    let mut impatient = calling(39_215, Vec::new());
    impatient.longest = Duration::from_millis(400);
    let (happened, ours, theirs) = call(39_215, Manner::Silent, Vec::new(), impatient);
    assert!(happened.contains(&What::Rings), "{happened:?}");
    assert_eq!((&ours[0].end, &theirs[0].end), (&CallEnd::NotAnswered, &CallEnd::Cancelled));
    let mut tell = |_| {};
    let phone = Softphone::open(calling(39_217, Vec::new()), &mut tell).unwrap();
    assert_eq!(phone.run(&AtomicBool::new(false)).unwrap()[0].end, CallEnd::NobodyThere);
}

#[test]
fn wrong_addresses_are_named() {
    for (uri, expected) in
        [("1823", "no SIP address"), ("sip:1@h;transport=tcp", "UDP"), ("sip:1@no.such.invalid", "no.such.invalid")]
    {
        let mut phone = calling(1, Vec::new());
        phone.part = Part::Caller { uri: uri.to_owned(), rate: 1.0 };
        let mut tell = |_| {};
        let error = Softphone::open(phone, &mut tell).err().unwrap().to_string();
        assert!(error.contains(expected), "{uri}: {error}");
    }
}

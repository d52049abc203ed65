//! Bad networks, hold, offers in odd places: the call goes on and both sides hear what they should.

use std::time::Duration;

use tingwa::call::{CallConfig, Codec, Srtp};
use tingwa::ids::LegId;
use tingwa::journal::{EndCause, Entry, Role};

use super::network::Conditions;
use super::pbx::{Agent, Then};
use super::world::{Action, CALLER, Setting, World};
use super::{engine, signal};

const GREETING: &str = "Welcome to the simulated hotline, say what you want.";

#[test]
fn audio_survives_loss_reordering_and_jitter() {
    let rows = [
        ("clean", Conditions::default(), 0.9, 0.9),
        ("jitter", Conditions { jitter_ms: 15, ..Conditions::default() }, 0.7, 0.8),
        ("reordering", Conditions { jitter_ms: 60, ..Conditions::default() }, 0.4, 0.6),
        ("loss", Conditions { loss: 3.0, ..Conditions::default() }, 0.6, 0.7),
        ("both", Conditions { loss: 3.0, jitter_ms: 30, ..Conditions::default() }, 0.3, 0.5),
    ];
    for (name, network, to_caller, recorded) in rows {
        let mut world = World::new(Setting { network, ..Setting::default() });
        world.at(4_500, Action::Says("check my bill", 2_000));
        world.run_until(10_000);
        let heard = signal::found(&world.phone(0).heard, &engine::prompt_voice(GREETING));
        assert!(heard >= to_caller, "{name}: the caller found {heard} of the greeting");
        let said = signal::voice("check my bill".len() as u64 * 31 + 2_000, 2_000);
        let left = signal::found(&world.left, &said);
        assert!(left >= recorded, "{name}: {left} of the caller is in the recording");
        assert_eq!(world.prompts(), ["greeting", "bill"], "{name}");
        world.at(10_500, Action::HangsUp);
        world.run_until(11_000);
        world.check_over();
        let quality = world.entries().find_map(|e| match e {
            Entry::LegEnded { role: Role::Caller, quality, .. } => *quality,
            _ => None,
        });
        let quality = quality.expect("figures of the caller's stream");
        assert!(quality.received > 400, "{name}: {quality:?}");
        assert!((network.loss == 0.0) || quality.lost > 0, "{name}: {quality:?}");
    }
}

#[test]
fn whole_calls_encrypted_on_one_side_on_both_or_on_none() {
    // What the gateway does at all trunks, and what all telephones do; what comes of an offer of nothing but SRTP.
    let rows = [
        (Srtp::Offer, Srtp::Required, true),
        (Srtp::Required, Srtp::Offer, true),
        (Srtp::Required, Srtp::Required, true),
        (Srtp::Offer, Srtp::Off, true),
        (Srtp::Off, Srtp::Required, false),
        (Srtp::Required, Srtp::Off, false),
    ];
    for (gateway, telephones, agreed) in rows {
        let mut config = CallConfig::default();
        config.media.srtp = gateway;
        let network = Conditions { loss: 2.0, jitter_ms: 15, ..Conditions::default() };
        let agents = [("6001", Agent::Answers(500, Then::Accepts(1_500)))].into();
        let mut world = World::new(Setting { config, network, agents, srtp: telephones, ..Setting::default() });
        let name = format!("gateway {gateway:?}, telephones {telephones:?}");
        if !agreed {
            world.run_until(1_000);
            let ended = world.entries().any(|e| matches!(e, Entry::Ended(EndCause::Refused { status: 488 })));
            assert!(ended, "{name}");
            continue;
        }
        world.at(2_000, Action::Presses('0'));
        world.run_until(12_000);
        assert!(world.entries().any(|e| matches!(e, Entry::Bridged { .. })), "{name}: {:?}", world.prompts());
        let voice = signal::voice(811, 1_500);
        let from = world.phone(0).heard.len();
        world.phones.get_mut(&LegId(1)).unwrap().say(&voice);
        world.run_until(15_000);
        assert!(signal::found(&world.phone(0).heard[from..], &voice) > 0.5, "{name}");
        world.at(15_100, Action::HangsUp);
        world.run_until(16_000);
        world.check_over();
    }
}

#[test]
fn whole_calls_in_every_codec_and_with_another_on_each_side() {
    let rows = [
        ("G.722", vec![Codec::G722], vec![Codec::G722]),
        ("Opus", vec![Codec::Opus], vec![Codec::Opus]),
        ("G.711 here, Opus there", vec![Codec::Pcmu], vec![Codec::Opus]),
    ];
    for (name, caller, agent) in rows {
        let agents = [("6001", Agent::Answers(500, Then::Accepts(1_500)))].into();
        let codecs = [caller, agent];
        let mut world = World::new(Setting { agents, codecs, ..Setting::default() });
        world.at(2_000, Action::Presses('0'));
        world.run_until(12_000);
        assert!(world.entries().any(|e| matches!(e, Entry::Bridged { .. })), "{name}: {:?}", world.prompts());
        let greeting = loudest(&world.phone(0).heard) / loudest(&engine::prompt_voice(GREETING));
        assert!((0.6..1.5).contains(&greeting), "{name}: {greeting} of the greeting");
        let voice = signal::voice(811, 1_500);
        let from = world.phone(0).heard.len();
        world.phones.get_mut(&LegId(1)).unwrap().say(&voice);
        world.run_until(15_000);
        let heard = loudest(&world.phone(0).heard[from..]) / loudest(&voice);
        assert!((0.6..1.5).contains(&heard), "{name}: {heard} of what the agent said");
        world.at(15_100, Action::HangsUp);
        world.run_until(16_000);
        world.check_over();
    }
}

/// Loudness of the loudest half second: G.722 and Opus keep the sound, not the samples.
fn loudest(samples: &[i16]) -> f64 {
    samples.chunks_exact(4_000).map(signal::loudness).fold(0.0, f64::max)
}

#[test]
fn the_recording_has_both_sides_in_step() {
    let mut world = World::new(Setting::default());
    world.at(4_000, Action::Says("check my bill", 1_000));
    world.run_until(8_000);
    assert_eq!(world.left.len(), world.right.len());
    let length = world.left.len() as u64 / 8;
    assert!((7_900..=8_040).contains(&length), "{length} ms for 8 s");
}

#[test]
fn a_paused_recording_holds_silence() {
    let mut world = World::new(Setting::default());
    world.at(1_000, Action::Order(tingwa::call::Order::PauseRecording(true)));
    world.at(2_000, Action::Order(tingwa::call::Order::PauseRecording(false)));
    world.run_until(3_000);
    assert!(world.right[8_200..15_800].iter().all(|s| *s == 0));
    assert!(signal::loudness(&world.right[16_500..22_000]) > 100.0);
    assert_eq!(world.entries().filter(|e| matches!(e, Entry::RecordingPaused { .. })).count(), 2);
}

#[test]
fn hold_stops_the_bot_and_resuming_goes_on() {
    let mut world = World::new(Setting::default());
    world.at(1_000, Action::Holds);
    world.at(16_000, Action::Unholds);
    world.run_until(15_900);
    assert!(!world.done, "a caller on hold is not lost");
    assert_eq!(world.prompts(), ["greeting"], "and not asked whether anybody is there");
    assert!(!world.entries().any(|e| matches!(e, Entry::BotTurnEnded { .. })));
    world.run_until(20_000);
    assert!(world.entries().any(|e| matches!(e, Entry::BotTurnEnded { complete: true, .. })), "the greeting goes on");
    world.at(20_500, Action::Says("check my bill", 900));
    world.run_until(24_000);
    assert_eq!(world.prompts(), ["greeting", "bill"]);
}

#[test]
fn hold_and_its_end_by_re_invites_without_an_offer() {
    let mut world = World::new(Setting::default());
    world.at(1_000, Action::HoldsDelayed);
    world.at(9_000, Action::UnholdsDelayed);
    world.run_until(8_900);
    assert!(!world.entries().any(|e| matches!(e, Entry::BotTurnEnded { .. })), "the bot waits");
    world.run_until(13_000);
    assert!(world.entries().any(|e| matches!(e, Entry::BotTurnEnded { complete: true, .. })), "the greeting goes on");
    let from = world.phone(0).heard.len();
    world.at(13_500, Action::Says("check my bill", 900));
    world.run_until(17_000);
    assert_eq!(world.prompts(), ["greeting", "bill"]);
    assert!(signal::loudness(&world.phone(0).heard[from..]) > 50.0, "the caller hears the bot again");
}

#[test]
fn a_caller_whom_we_hold_waits() {
    let mut world = World::new(Setting::default());
    world.at(1_000, Action::Order(tingwa::call::Order::Hold(true)));
    world.at(9_000, Action::Order(tingwa::call::Order::Hold(false)));
    world.run_until(8_900);
    assert!(!world.entries().any(|e| matches!(e, Entry::BotTurnEnded { .. })), "the bot waits");
    world.run_until(13_000);
    assert!(world.entries().any(|e| matches!(e, Entry::BotTurnEnded { complete: true, .. })), "the greeting goes on");
    world.at(13_500, Action::Says("check my bill", 900));
    world.run_until(17_000);
    assert_eq!(world.prompts(), ["greeting", "bill"]);
}

#[test]
fn an_ack_without_the_answer_leaves_the_session_as_it_was() {
    let mut world = World::new(Setting::default());
    world.at(1_000, Action::AnswersNothing);
    world.at(4_500, Action::Says("check my bill", 900));
    world.run_until(8_000);
    assert_eq!(world.prompts(), ["greeting", "bill"]);
    assert!(signal::found(&world.phone(0).heard, &engine::prompt_voice(GREETING)) > 0.9);
}

#[test]
fn an_answer_that_cannot_be_used_ends_the_call() {
    for text in ["no description", "v=0\r\no=- 1 1 IN IP4 10.0.1.1\r\ns=-\r\nt=0 0\r\nm=audio 0 RTP/AVP 8\r\n"] {
        let mut world = World::new(Setting::default());
        world.at(1_000, Action::AnswersWith(text));
        world.run_until(2_000);
        world.check_over();
        assert!(matches!(world.entries().last(), Some(Entry::Ended(EndCause::Failed { .. }))));
        assert_eq!(world.hang_ups(CALLER).len(), 1);
    }
}

#[test]
fn a_first_ack_without_an_answer_to_our_offer_ends_the_call() {
    let mut world = World::new(Setting { offer: false, mute_ack: true, ..Setting::default() });
    world.run_until(2_000);
    world.check_over();
    assert!(matches!(world.entries().last(), Some(Entry::Ended(EndCause::Failed { .. }))));
    assert_eq!(world.hang_ups(CALLER).len(), 1);
}

#[test]
fn a_caller_on_hold_for_longer_than_patience_is_not_lost() {
    let mut setting = Setting::default();
    setting.config.patience = Duration::from_secs(3);
    let mut world = World::new(setting);
    world.at(1_000, Action::Holds);
    world.run_until(12_000);
    assert!(!world.done);
}

#[test]
fn a_caller_whose_packets_stop_is_lost() {
    let mut setting = Setting::default();
    setting.config.patience = Duration::from_secs(5);
    setting.network.caller_dead_from_ms = 3_000;
    let mut world = World::new(setting);
    world.run_until(12_000);
    world.check_over();
    assert!(matches!(world.entries().last(), Some(Entry::Ended(EndCause::CallerLost))));
    assert!((7_900..9_000).contains(&world.elapsed()), "{}", world.elapsed());
}

#[test]
fn a_telephone_that_sends_nothing_in_silence_is_still_heard_out() {
    let mut setting = Setting::default();
    // The last packet comes in the middle of the last word.
    setting.network.caller_dead_from_ms = 4_900;
    let mut world = World::new(setting);
    world.at(4_000, Action::Says("check my bill", 1_000));
    world.run_until(8_000);
    assert_eq!(world.prompts(), ["greeting", "bill"]);
}

#[test]
fn an_invite_without_offer_gets_ours() {
    let mut world = World::new(Setting { offer: false, ..Setting::default() });
    world.at(4_500, Action::Says("check my bill", 1_000));
    world.run_until(8_000);
    assert_eq!(world.prompts(), ["greeting", "bill"]);
    assert!(signal::found(&world.phone(0).heard, &engine::prompt_voice(GREETING)) > 0.9);
}

#[test]
fn reports_tell_the_round_trip() {
    let mut world = World::new(Setting::default());
    world.at(12_000, Action::HangsUp);
    world.run_until(13_000);
    let rtcp = world.trace.iter().filter(|line| line.contains(" rtcp ")).count();
    assert!(rtcp >= 2, "{rtcp} reports");
}

#[test]
fn a_hold_while_bridged_keeps_the_agent() {
    let mut world = World::new(Setting {
        agents: [("6001", Agent::Answers(500, Then::Accepts(500)))].into(),
        ..Setting::default()
    });
    world.at(1_500, Action::Presses('0'));
    world.at(8_000, Action::Holds);
    world.at(12_000, Action::Unholds);
    world.run_until(13_000);
    assert!(world.entries().any(|e| matches!(e, Entry::Bridged { .. })));
    let voice = signal::voice(611, 1_500);
    world.phones.get_mut(&LegId(1)).unwrap().say(&voice);
    let from = world.phone(0).heard.len();
    world.run_until(16_000);
    assert!(signal::found(&world.phone(0).heard[from..], &voice) > 0.8);
    assert!(!world.done);
}

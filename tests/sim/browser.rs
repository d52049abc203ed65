//! Whole calls with browsers: ICE, a real DTLS handshake on both sides, SRTP.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use tingwa::call::{CallConfig, DtlsTerms, Fingerprint, Srtp};
use tingwa::driver::handshake::{Handshake, Identity};
use tingwa::ids::LegId;
use tingwa::journal::{EndCause, Entry};

use super::hands::{Hands, Shaken};
use super::network::Conditions;
use super::pbx::{Agent, Then};
use super::signal;
use super::world::{Action, Setting, World};

const GREETING: &str = "Welcome to the simulated hotline, say what you want.";

struct Own {
    identity: Arc<Identity>,
    handshake: Option<Handshake>,
}

impl Own {
    fn fresh() -> Box<dyn Hands> {
        Box::new(Self { identity: Identity::fresh().expect("a certificate"), handshake: None })
    }
}

impl Hands for Own {
    fn fingerprint(&self) -> Fingerprint {
        self.identity.fingerprint()
    }

    fn another(&self) -> Box<dyn Hands> {
        Box::new(Self { identity: self.identity.clone(), handshake: None })
    }

    fn shake(&mut self, now: Instant, terms: Option<DtlsTerms>, bytes: &[u8]) -> Shaken {
        let due = |handshake: &Handshake| handshake.deadline().is_some_and(|at| at <= now);
        let to = SocketAddr::from(([10, 0, 0, 9], 1));
        match terms {
            None if !self.handshake.as_ref().is_some_and(due) => return (Vec::new(), None),
            None => {}
            Some(terms) => {
                self.handshake.take_if(|before| !before.terms().same_keys(&terms));
                self.handshake.get_or_insert_with(|| Handshake::new(now, &self.identity, terms, to));
            }
        }
        let mut packets = Vec::new();
        let outcome =
            self.handshake.as_mut().and_then(|it| it.handle(now, bytes, |packet| packets.push(packet.to_vec())));
        (packets, outcome.map(Result::ok))
    }
}

/// All telephones are pages, and the gateway rings them as such.
fn pages(network: Conditions) -> Setting {
    let mut config = CallConfig::default();
    config.media.srtp = Srtp::Dtls;
    let agents = [("6001", Agent::Answers(500, Then::Accepts(2_500)))].into();
    Setting { config, network, agents, srtp: Srtp::Dtls, hands: Some(Own::fresh), ..Setting::default() }
}

#[test]
fn a_page_calls_and_a_page_is_rung() {
    for network in [Conditions::default(), Conditions { loss: 5.0, jitter_ms: 20, ..Conditions::default() }] {
        let mut world = World::new(pages(network));
        let name = format!("{network:?}");
        world.at(4_000, Action::Presses('0'));
        world.run_until(14_000);
        assert!(world.entries().any(|e| matches!(e, Entry::Bridged { .. })), "{name}: {:?}", world.journal);
        let greeting = super::engine::prompt_voice(GREETING);
        assert!(signal::found(&world.phone(0).heard, &greeting[..8_000]) > 0.5, "{name}: the greeting's first second");
        let (caller, agent) = (signal::voice(811, 1_500), signal::voice(422, 1_500));
        let from = [world.phone(0).heard.len(), world.phone(1).heard.len()];
        world.phones.get_mut(&LegId(0)).unwrap().say(&caller);
        world.phones.get_mut(&LegId(1)).unwrap().say(&agent);
        world.run_until(17_000);
        // A quarter of a second of it, the clearest: handshakes are random, and so is what is lost; and over a whole sentence a
        // jitter buffer that moves shifts one part against another.
        for (heard, said) in [(&world.phone(0).heard[from[0]..], &agent), (&world.phone(1).heard[from[1]..], &caller)] {
            let found = said.chunks_exact(2_000).map(|part| signal::found(heard, part)).fold(0.0, f64::max);
            assert!(found > 0.7, "{name}: {found}");
        }
        world.at(17_100, Action::HangsUp);
        world.run_until(18_000);
        world.check_over();
    }
}

#[test]
fn a_page_holds_and_comes_back() {
    let mut world = World::new(pages(Conditions::default()));
    world.at(3_000, Action::Holds);
    world.at(6_000, Action::Unholds);
    world.run_until(12_000);
    let heard = &world.phone(0).heard;
    let loudest = |from: usize, to: usize| heard[8 * from..8 * to].iter().map(|s| s.unsigned_abs()).max().unwrap_or(0);
    assert!(loudest(3_500, 5_900) < 50, "silence while it holds");
    assert!(loudest(6_000, 11_500) > 1_000, "the same keys go on");
    world.at(12_100, Action::HangsUp);
    world.run_until(13_000);
    world.check_over();
}

#[test]
fn somebody_elses_certificate_is_no_call() {
    let mut setting = pages(Conditions::default());
    setting.impostor = true;
    let mut world = World::new(setting);
    world.run_until(25_000);
    assert!(world.entries().any(|e| matches!(e, Entry::Ended(EndCause::CallerLost))));
    assert!(world.prompts().is_empty() && world.elapsed() < 5_000, "{} ms", world.elapsed());
    world.check_over();
}

#[test]
fn a_page_that_finds_no_path_is_given_up() {
    let network = Conditions { caller_dead_from_ms: 0, ..Conditions::default() };
    let mut world = World::new(pages(network));
    world.run_until(30_000);
    assert!(world.entries().any(|e| matches!(e, Entry::Ended(EndCause::CallerLost))));
    assert!(world.prompts().is_empty(), "nobody heard them: {:?}", world.prompts());
    assert!((19_000..21_500).contains(&world.elapsed()), "{} ms", world.elapsed());
    world.check_over();
}

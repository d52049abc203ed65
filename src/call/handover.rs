//! From the bot to a human, and back where there is none: carries out what [`super::transfer`] asks for.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use super::ending::By;
use super::leg::{Leg, LegIdentity};
use super::queue::Targets;
use super::speaking::{self, Line, Speaking};
use super::transfer::{self, Manner, Transfer};
use super::{Call, Handover, Output, Phase, Rescue, bot};
use crate::dialplan::schema::RingTarget;
use crate::ids::LegId;
use crate::journal::{EndCause, Role};
use crate::media::bridge::Arrangement;
use crate::media::srtp::sdes::KeySource;
use crate::redact::Redacted;
use crate::sip::event::{DialogOrder, OutgoingTarget};

/// Prompt id of a briefing, where the synthesiser looks for a recorded one. There is none.
const BRIEFING: &str = "briefing";

impl Call {
    /// Begins to ring the telephones of a queue. Nothing where that is being done, or was.
    pub(super) fn transfer_to(&mut self, now: Instant, queue: &str, manner: Manner) {
        match self.phase {
            Phase::WithBot => {}
            Phase::Answering | Phase::Transferring(_) | Phase::Bridged { .. } | Phase::Over => return,
        }
        let blind = matches!(manner, Manner::Blind);
        let targets = Targets::new(self.facts.plan.clone(), queue);
        let first = self.next_leg;
        let transfer = Transfer::new(now, self.facts.config.transfer, targets, manner, first);
        let agent = Leg::absent(self.agent_identity(first));
        let mouth = Speaking::new(self.speaking_config());
        self.bridge.arrange(Arrangement::Briefing);
        self.phase = Phase::Transferring(Box::new(Handover { transfer, agent, mouth, blind }));
    }

    /// The caller must get to a human, without briefing: our own side is broken, or the agent was lost. When that has been
    /// tried before, what is left is a goodbye.
    pub(super) fn rescue(&mut self, now: Instant, what: &'static str) {
        match (&self.phase, self.rescue) {
            (Phase::Over | Phase::Transferring(_) | Phase::Bridged { .. }, _) => {}
            (Phase::Answering, _) => self.end(now, EndCause::Failed { what: what.to_owned() }),
            (Phase::WithBot, Rescue::Tried { .. }) => self.bot.handle(now, bot::Input::Leave),
            (Phase::WithBot, Rescue::NotNeeded) => {
                self.rescue = Rescue::Tried { what };
                self.bot.wait_for_human(now);
                let plan = self.facts.plan.clone();
                self.transfer_to(now, &plan.escalation.queue, Manner::Blind);
            }
        }
    }

    /// Something for the transfer, if it is about the leg that is being tried.
    pub(super) fn on_transfer(&mut self, now: Instant, leg: LegId, input: transfer::Input) {
        if let Phase::Transferring(handover) = &mut self.phase
            && handover.agent.id() == leg
        {
            handover.transfer.handle(now, input);
        }
    }

    pub(super) fn on_handover_time(&mut self, now: Instant) {
        if let Phase::Transferring(handover) = &mut self.phase {
            handover.transfer.handle(now, transfer::Input::Timeout);
            handover.mouth.handle(now, speaking::Input::Timeout);
        }
    }

    /// Sound for whichever mouth asked for it.
    pub(super) fn on_sound(&mut self, now: Instant, sound: speaking::Input) {
        if let Phase::Transferring(handover) = &mut self.phase {
            handover.mouth.handle(now, sound.clone());
        }
        self.bot.handle(now, bot::Input::Sound(sound));
    }

    /// Does one thing that the transfer or its mouth asks for. False where there is none.
    pub(super) fn settle_handover(&mut self, now: Instant) -> bool {
        let Phase::Transferring(handover) = &mut self.phase else { return false };
        if let Some(output) = handover.transfer.poll() {
            self.on_transfer_output(now, output);
        } else if let Some(output) = handover.mouth.poll() {
            self.on_mouth(now, output);
        } else {
            return false;
        }
        true
    }

    /// The agent's leg is over, or nothing is heard of it. `said_so`: by BYE.
    pub(super) fn on_agent_gone(&mut self, now: Instant, said_so: bool) {
        match std::mem::replace(&mut self.phase, Phase::WithBot) {
            Phase::Bridged { mut agent } => {
                self.end_leg(now, &mut agent, By::Us);
                if said_so {
                    return self.end(now, EndCause::AgentHungUp);
                }
                self.bridge.arrange(Arrangement::BotAlone);
                self.rescue(now, "the agent was lost");
            }
            Phase::Transferring(mut handover) => {
                handover.transfer.handle(now, transfer::Input::AgentGone);
                self.phase = Phase::Transferring(handover);
            }
            phase @ (Phase::Answering | Phase::WithBot | Phase::Over) => self.phase = phase,
        }
    }

    /// The other side has ended the agent's leg.
    pub(super) fn close_agent(&mut self, now: Instant) {
        match std::mem::replace(&mut self.phase, Phase::WithBot) {
            Phase::Transferring(mut handover) => {
                self.end_leg(now, &mut handover.agent, By::Them);
                self.phase = Phase::Transferring(handover);
            }
            Phase::Bridged { mut agent } => {
                self.end_leg(now, &mut agent, By::Them);
                self.phase = Phase::Bridged { agent };
            }
            phase @ (Phase::Answering | Phase::WithBot | Phase::Over) => self.phase = phase,
        }
    }

    fn on_transfer_output(&mut self, now: Instant, output: transfer::Output) {
        match output {
            transfer::Output::Note(entry) => self.note(now, entry),
            transfer::Output::Open { leg } => self.open(leg),
            transfer::Output::Dial { leg, target } => self.dial(leg, &target),
            transfer::Output::Brief { leg: _, briefing } => {
                let speak = self.bot.take_speak();
                let prompt = BRIEFING.to_owned();
                let line = Line { prompt, text: briefing.text, language: briefing.language, interruptible: true };
                self.tell_mouth(now, speaking::Input::Say { speak, line, append: false });
            }
            transfer::Output::CutBriefing { leg: _ } => self.tell_mouth(now, speaking::Input::Stop),
            transfer::Output::Bridge { leg: _ } => self.bridge_agent(now),
            transfer::Output::End { leg: _ } => {
                self.end_agent(now);
            }
            transfer::Output::GivenUp { failure } => {
                let Phase::Transferring(handover) = std::mem::replace(&mut self.phase, Phase::WithBot) else { return };
                self.bridge.arrange(Arrangement::BotAlone);
                let input = if handover.blind { bot::Input::Leave } else { bot::Input::TransferFailed(failure) };
                self.bot.handle(now, input);
            }
        }
    }

    fn on_mouth(&mut self, now: Instant, output: speaking::Output) {
        match output {
            speaking::Output::Ask { speak, line } => self.ask(speak, line),
            speaking::Output::Cancel { speak } => self.outputs.push_back(Output::CancelSpeak(speak)),
            speaking::Output::AllSpoken { .. } => self.tell_transfer(now, transfer::Input::BriefingSpoken),
            speaking::Output::Unspoken { .. } => self.tell_transfer(now, transfer::Input::BriefingFailed),
            // The journal has the briefing as such.
            speaking::Output::Began { .. } | speaking::Output::Ended { .. } => {}
        }
    }

    /// An answer before the answer: its media may come. Who is transferred blindly hears it as soon as it does; a warm
    /// transfer keeps its music until the agent accepts. Another fork's answer takes the place of the first.
    pub(super) fn on_early_media(&mut self, now: Instant, leg: LegId, sdp: Option<&[u8]>) {
        if let Phase::Transferring(handover) = &mut self.phase
            && handover.blind
            && handover.agent.id() == leg
            && let Some(sdp) = sdp
        {
            // What cannot be used is as good as none: the final answer decides.
            let _ = handover.agent.accept(now, Some(sdp));
        }
    }

    /// True while a telephone rings that the caller may already hear.
    pub(super) fn hears_early(&self, leg: LegId) -> bool {
        matches!(&self.phase, Phase::Transferring(handover) if handover.blind && handover.agent.id() == leg)
    }

    fn open(&mut self, leg: LegId) {
        self.bridge.arrange(Arrangement::Briefing);
        let agent = Leg::opening(self.agent_identity(leg));
        if let Phase::Transferring(handover) = &mut self.phase {
            handover.agent = agent;
            self.next_leg = leg.next();
            self.outputs.push_back(Output::OpenLeg { leg });
        }
    }

    fn dial(&mut self, leg: LegId, target: &RingTarget) {
        let display_name = Some(self.shown_caller());
        let headers = self.travelling();
        let uri = self.telephone(target);
        let media = self.facts.config.media.clone();
        let domain = self.facts.config.domains.get(&target.trunk);
        let peer = domain.and_then(|domain| host_of(domain));
        let Some(agent) = self.agent().filter(|agent| agent.id() == leg) else { return };
        agent.at(Some(&target.trunk));
        agent.signalled_from(peer);
        agent.allow(&media, Some(&target.trunk));
        let (Some(dialog), Some(offer)) = (agent.dialog(), agent.offer()) else { return };
        let target = OutgoingTarget { uri, trunk: target.trunk.clone(), display_name };
        self.order(dialog, DialogOrder::Invite { target, offer, headers });
    }

    /// The caller's number for an agent's telephone, unless it is withheld (RFC 3323).
    pub(super) fn shown_caller(&self) -> Redacted<String> {
        if self.facts.particulars.withheld { Redacted::from("Anonymous") } else { self.facts.caller.clone() }
    }

    /// What travels on to the agent: User-to-User of a trusted trunk.
    fn travelling(&self) -> Vec<(String, Redacted<String>)> {
        let value = self.facts.particulars.user_to_user.as_ref().filter(|_| self.facts.trusted);
        let value = value.map(|value| ("User-to-User".to_owned(), value.clone()));
        value.into_iter().chain(self.hops()).collect()
    }

    /// How often the call may be passed on yet (RFC 7332): an agent's telephone that is forwarded to the hotline makes no circle.
    pub(super) fn hops(&self) -> Option<(String, Redacted<String>)> {
        let hops = self.facts.particulars.hops?.saturating_sub(1);
        Some(("Max-Forwards".to_owned(), hops.to_string().into()))
    }

    fn bridge_agent(&mut self, now: Instant) {
        match std::mem::replace(&mut self.phase, Phase::WithBot) {
            Phase::Transferring(mut handover) => {
                self.cancel_briefing(now, &mut handover);
                self.phase = Phase::Bridged { agent: Box::new(handover.agent) };
                self.bridge.arrange(Arrangement::Bridged);
                self.bot.handle(now, bot::Input::Bridged);
            }
            phase @ (Phase::Answering | Phase::WithBot | Phase::Bridged { .. } | Phase::Over) => self.phase = phase,
        }
    }

    fn end_agent(&mut self, now: Instant) {
        if let Phase::Transferring(mut handover) = std::mem::replace(&mut self.phase, Phase::WithBot) {
            self.cancel_briefing(now, &mut handover);
            self.end_leg(now, &mut handover.agent, By::Us);
            self.phase = Phase::Transferring(handover);
        }
    }

    /// Silences the mouth at the agent's ear and drops its other news: what it was saying no longer matters.
    pub(super) fn cancel_briefing(&mut self, now: Instant, handover: &mut Handover) {
        handover.mouth.handle(now, speaking::Input::Stop);
        while let Some(output) = handover.mouth.poll() {
            if let speaking::Output::Cancel { speak } = output {
                self.outputs.push_back(Output::CancelSpeak(speak));
            }
        }
    }

    fn tell_mouth(&mut self, now: Instant, input: speaking::Input) {
        if let Phase::Transferring(handover) = &mut self.phase {
            handover.mouth.handle(now, input);
        }
    }

    fn tell_transfer(&mut self, now: Instant, input: transfer::Input) {
        if let Phase::Transferring(handover) = &mut self.phase {
            handover.transfer.handle(now, input);
        }
    }

    fn agent_identity(&self, id: LegId) -> LegIdentity {
        // Each leg's stream its own numbers, all from the call's seed.
        let seed = self.facts.seed ^ u64::from(id.0).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let keys = KeySource::new(self.facts.secret, id.0.into());
        LegIdentity { id, role: Role::Agent, seed, patience: self.facts.config.patience, keys, peer: None }
    }
}

/// The address in `10.0.0.5:5060` or `[::1]`; `None` where it is a name.
fn host_of(domain: &str) -> Option<IpAddr> {
    let address = domain.parse().map(|address: SocketAddr| address.ip());
    address.or_else(|_| domain.trim_matches(['[', ']']).parse()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_trunks() {
        for (domain, host) in [
            ("10.0.0.5:5060", Some("10.0.0.5")),
            ("10.0.0.5", Some("10.0.0.5")),
            ("[2001:db8::1]:5061", Some("2001:db8::1")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("pbx.example.com:5060", None),
            ("pbx", None),
        ] {
            assert_eq!(host_of(domain), host.map(|host| host.parse().unwrap()), "{domain}");
        }
    }
}
